"""Deletes old rows, in small transactions that hold up nobody's press."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bot.config import Settings
from bot.store.database import Database
from bot.store.rows import LIVE, g
from bot.store.tables import clicks, favourites, generations

_CHUNK = 50
"""Rows that one transaction deletes at most."""

_PAUSE = 0.05
"""Seconds between two of them: presses and claims come in between."""


class Retention:
    """What is kept no longer than ``RETENTION_DAYS``, if that is set."""

    def __init__(
        self, database: Database, settings: Settings, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._clock = clock
        self.days = settings.retention_days

    async def purge(self) -> None:
        """Delete what is older; nothing that is live.

        Raises:
            StoreUnavailable: the rest is deleted the next time.
        """
        if not self.days:
            return
        before = self._clock() - timedelta(days=self.days)
        old_generations = sa.and_(g.created_at < before, sa.not_(LIVE))
        old_clicks = clicks.c.clicked_at < before
        for table, old in ((generations, old_generations), (clicks, old_clicks)):
            while await self._delete_some(table, old):  # noqa: ASYNC110
                await asyncio.sleep(_PAUSE)

    async def _delete_some(self, table: sa.Table, old: sa.ColumnElement[bool]) -> bool:
        """Delete a chunk of the rows ``old``; return whether there may be more."""
        chunk: sa.Select[Any] = sa.select(table.c.id).where(old).limit(_CHUNK)

        def delete(connection: sa.Connection) -> int:
            ids = connection.execute(chunk).scalars().all()
            if table is generations:
                marked = favourites.c.generation_id.in_(ids)
                connection.execute(favourites.delete().where(marked))
            connection.execute(table.delete().where(table.c.id.in_(ids)))
            return len(ids)

        if not await self._database.read(lambda c: c.execute(chunk.limit(1)).scalars().all()):
            return False
        return await self._database.write(delete) == _CHUNK
