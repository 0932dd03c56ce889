"""Servers' logs, as a worker posts them: claimed in batches, and deleted once they are posted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import sqlalchemy as sa

from bot.domain import LogBatch, LogEvent, LogLine
from bot.store.database import Database
from bot.store.rows import get
from bot.store.tables import UtcDateTime, guild_settings, log_lines

LINES = 16
"""Lines of one message at most: so many of the longest fit one."""

LEASE = timedelta(minutes=1)
"""How long a worker that claimed a batch may take to post it."""

KEPT = timedelta(days=1)
"""What can't be posted for so long is dropped."""

_GUILDS = 10

_l, _s = log_lines.c, guild_settings.c
_now = sa.bindparam("now", type_=UtcDateTime())
_FREE = sa.or_(_l.lease_until.is_(None), _l.lease_until <= _now)
_WAITING = sa.select(sa.exists().where(_FREE))
# A server whose batch is being posted waits for it: its lines keep their order.
_DUE = (
    sa.select(_l.guild_id, sa.func.max(_l.batch_id), _s.log_channel_id)
    .join(guild_settings, _s.guild_id == _l.guild_id, isouter=True)
    .group_by(_l.guild_id, _s.log_channel_id)
    .having(sa.func.coalesce(sa.func.max(_l.lease_until), _now) <= _now)
    .order_by(sa.func.min(_l.id))
    .limit(_GUILDS)
)


class ServerLog:
    """A worker's transactions about servers' logs. Each raises :class:`StoreUnavailable`."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    async def claim(self) -> list[LogBatch]:
        """Take lines to post, at most one batch for each server.

        A batch that another worker claimed and didn't post is taken over as it is: Discord
        recognizes by its id whether it was posted.
        """
        now = self._clock()
        waiting = await self._database.read(
            lambda connection: connection.execute(_WAITING, {"now": now}).scalar_one()
        )
        return await self._database.write(lambda c: _claim(c, now)) if waiting else []

    async def done(self, batch: LogBatch) -> None:
        """Record that a batch is posted."""
        query = log_lines.delete().where(_l.batch_id == batch.id)
        await self._database.write(lambda connection: connection.execute(query))

    async def postpone(self, batch: LogBatch, by: timedelta) -> None:
        """Let a batch be tried again later."""
        query = log_lines.update().where(_l.batch_id == batch.id)
        later = query.values(lease_until=self._clock() + by)
        await self._database.write(lambda connection: connection.execute(later))


def _claim(connection: sa.Connection, now: datetime) -> list[LogBatch]:
    connection.execute(log_lines.delete().where(_l.created_at < now - KEPT))
    batches: list[LogBatch] = []
    for guild_id, batch_id, channel_id in connection.execute(_DUE, {"now": now}).all():
        if channel_id is None:
            connection.execute(log_lines.delete().where(_l.guild_id == guild_id))
            continue
        which = _l.batch_id == batch_id
        if batch_id is None:
            oldest = sa.select(_l.id).where(_l.guild_id == guild_id).order_by(_l.id).limit(LINES)
            ids = list(connection.execute(oldest.with_for_update(skip_locked=True)).scalars())
            if not ids:
                continue
            batch_id, which = ids[0], _l.id.in_(ids)
        claimed = log_lines.update().where(which)
        connection.execute(claimed.values(batch_id=batch_id, lease_until=now + LEASE))
        lines = _lines(connection, batch_id)
        batches.append(LogBatch(batch_id, guild_id, channel_id, lines))
    return batches


def _lines(connection: sa.Connection, batch_id: int) -> tuple[LogLine, ...]:
    rows = connection.execute(
        sa.select(_l.event, _l.user_id, _l.generation_id, _l.detail, _l.created_at)
        .where(_l.batch_id == batch_id)
        .order_by(_l.id)
    ).all()
    generations = get(connection, [row.generation_id for row in rows if row.generation_id])
    return tuple(
        LogLine(LogEvent(event), user_id, generations.get(generation_id or 0), detail, at)
        for event, user_id, generation_id, detail, at in rows
    )
