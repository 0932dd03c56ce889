"""What servers' owners choose: read from memory, changed in one transaction each.

Every process keeps the ids of the servers whose owners chose something, and the policies that it
used lately. It looks for changes of other processes twice a second: a press asks the database for
nothing, and no answer goes by what is older than a second. What limits count on is read once more
in the transaction that inserts a row (:mod:`bot.store.decisions`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

import sqlalchemy as sa
from cachetools import LRUCache

from bot.domain import Asker
from bot.errors import StoreUnavailable
from bot.policy import NO_POLICY, Policy
from bot.store.database import Database
from bot.store.outbox import note_change
from bot.store.policies import dump_policy, load_policy, read_policies
from bot.store.recording import cancel_rows
from bot.store.rows import g
from bot.store.tables import guild_settings

log = logging.getLogger(__name__)

REFRESH = 0.5
"""Seconds between two looks for what other processes changed."""

_OVERLAP = timedelta(minutes=1)
"""How far back a look goes: a transaction may be committed a while after its time, and clocks of
machines differ."""

_CACHED = 10_000
_RETRY = 5.0

s = guild_settings.c
_IDS = sa.select(s.guild_id)
_CHANGED = sa.select(s.guild_id, s.policy).where(s.changed_at > sa.bindparam("since"))


class GuildSettings:
    """The policies of servers. :meth:`open` and :meth:`close` belong to the store."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._looked_at: datetime | None = None
        self._cache: LRUCache[int, Policy] = LRUCache(_CACHED)
        self._task: asyncio.Task[None] | None = None
        self.governed: set[int] = set()
        """The servers whose owners chose something."""

    async def open(self) -> None:
        """Load which servers have settings, and go on looking for changes."""
        ids = await self._database.read(lambda connection: connection.execute(_IDS).scalars().all())
        self.governed.update(ids)
        self._task = asyncio.create_task(self._refresh_often(), name="guild settings")

    async def close(self) -> None:
        """Look for no more changes."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def get(self, guild_id: int | None) -> Policy:
        """Return what a server's owners chose (``None``: direct messages).

        Raises:
            StoreUnavailable
        """
        if guild_id is None or guild_id not in self.governed:
            return NO_POLICY
        if (policy := self._cache.get(guild_id)) is None:
            found = await self._database.read(
                lambda connection: read_policies(connection, [guild_id]), urgent=True
            )
            policy = self._cache[guild_id] = found.get(guild_id, NO_POLICY)
        return policy

    async def change(
        self,
        asker: Asker,
        name: str,
        change: Callable[[Policy], Policy],
        *,
        cancel_queued: bool = False,
    ) -> Policy:
        """Change what was chosen for the asker's server and return it; its log names the change.

        ``cancel_queued`` cancels what waits there, in the same transaction.

        Raises:
            Refused: ``change`` raised it; nothing is changed.
            StoreUnavailable
        """
        guild_id = asker.guild_id
        if guild_id is None:
            raise ValueError("direct messages have no settings")
        now = self._clock()

        def write(connection: sa.Connection) -> Policy:
            old = read_policies(connection, [guild_id]).get(guild_id)
            new = change(old or NO_POLICY)
            values = {
                "policy": dump_policy(new),
                "log_channel_id": new.log_channel,
                "changed_at": now,
            }
            if old is None:
                connection.execute(guild_settings.insert().values(guild_id=guild_id, **values))
            else:
                mine = guild_settings.update().where(s.guild_id == guild_id)
                connection.execute(mine.values(**values))
            if (old and old.log_channel) or new.log_channel:
                note_change(connection, guild_id, asker.user_id, name, now)
            if cancel_queued:
                cancel_rows(connection, now, g.guild_id == guild_id)
            return new

        policy = await self._database.write(write, urgent=True)
        self.governed.add(guild_id)
        self._cache[guild_id] = policy
        return policy

    async def refresh(self) -> None:
        """Take over what was changed by other processes lately."""
        now = self._clock()
        since = min(self._looked_at or now, now) - _OVERLAP
        rows = await self._database.read(
            lambda connection: connection.execute(_CHANGED, {"since": since}).all()
        )
        for guild_id, data in rows:
            self.governed.add(guild_id)
            self._cache[guild_id] = load_policy(data)
        self._looked_at = now

    async def _refresh_often(self) -> None:
        while True:
            await asyncio.sleep(REFRESH)
            try:
                await self.refresh()
            except StoreUnavailable:
                await asyncio.sleep(_RETRY)
            except Exception:
                log.exception("Settings of servers can't be read; trying again.")
                await asyncio.sleep(_RETRY)
