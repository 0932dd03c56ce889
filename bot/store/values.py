"""Single values that outlive the process, by name."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from bot.store.database import Database
from bot.store.tables import key_values


class Values:
    """A table of names and values."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, name: str) -> str | None:
        """Return the value that is kept under ``name``."""
        return await self._database.read(lambda connection: _get(connection, name))

    async def change(self, name: str, change: Callable[[str | None], str]) -> str:
        """Replace the value under ``name`` by what ``change`` makes of it; return the new one.

        No other process changes it meanwhile.
        """

        def write(connection: sa.Connection) -> str:
            old = _get(connection, name)
            new = change(old)
            if old is None:
                connection.execute(key_values.insert().values(name=name, value=new))
            elif new != old:
                query = key_values.update().where(key_values.c.name == name)
                connection.execute(query.values(value=new))
            return new

        return await self._database.write(write)

    async def claim(self, name: str, value: str) -> bool:
        """Keep ``value`` under ``name`` if there is none yet; return whether there wasn't."""
        if await self.get(name) is not None:
            return False

        def write(connection: sa.Connection) -> bool:
            if _get(connection, name) is not None:
                return False
            connection.execute(key_values.insert().values(name=name, value=value))
            return True

        return await self._database.write(write)


def _get(connection: sa.Connection, name: str) -> str | None:
    query = sa.select(key_values.c.value).where(key_values.c.name == name)
    return connection.execute(query).scalar_one_or_none()
