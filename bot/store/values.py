"""Single values that outlive the process, by name."""

from __future__ import annotations

import sqlalchemy as sa

from bot.store.database import Database
from bot.store.tables import key_values


class Values:
    """A table of names and values."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, name: str) -> str | None:
        """Return the value that is kept under ``name``."""
        query = sa.select(key_values.c.value).where(key_values.c.name == name)
        return await self._database.read(
            lambda connection: connection.execute(query).scalar_one_or_none()
        )

    async def set(self, name: str, value: str) -> None:
        """Keep ``value`` under ``name``."""

        def write(connection: sa.Connection) -> None:
            connection.execute(key_values.delete().where(key_values.c.name == name))
            connection.execute(key_values.insert().values(name=name, value=value))

        await self._database.write(write)
