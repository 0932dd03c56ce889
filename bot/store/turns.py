"""Turns that processes take one after the other, such as the IDENTIFYs of a bot's gateways."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from bot.store.database import Database
from bot.store.tables import key_values


class Turns:
    """Turns by name. A turn is over by itself: whoever took it may be gone."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, name: str, seconds: float) -> float:
        """Take a turn that lasts some seconds; return 0, or after how many seconds to ask again.

        The database's clock decides. A turn that would be over later than that was taken before
        it was set back, and is over.

        Raises:
            StoreUnavailable
        """
        row = key_values.c.name == name

        def write(connection: sa.Connection) -> float:
            now = self._database.now(connection)
            end = now + timedelta(seconds=seconds)
            over = sa.or_(key_values.c.value <= _text(now), key_values.c.value > _text(end))
            mine = key_values.update().where(row, over).values(value=_text(end))
            if connection.execute(mine).rowcount:
                return 0.0
            found = connection.execute(sa.select(key_values.c.value).where(row)).scalar()
            if found is None:
                connection.execute(key_values.insert().values(name=name, value=_text(end)))
                return 0.0
            return max((datetime.fromisoformat(found) - now).total_seconds(), 0.001)

        try:
            return await self._database.write(write, lock=None)
        except IntegrityError:  # Another process has just taken the first turn of that name.
            return seconds


def _text(time: datetime) -> str:
    """Return a time as text that sorts by time."""
    return time.astimezone(UTC).isoformat(timespec="microseconds")
