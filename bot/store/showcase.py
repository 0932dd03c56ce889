"""Showcases: which results have enough ⭐, and where they are shown."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import sqlalchemy as sa

from bot.domain import ShowcaseState, Showing, State
from bot.store.database import Database
from bot.store.policies import read_policies
from bot.store.rows import among, get
from bot.store.tables import favourites, generations, guild_settings, showcase_posts

RECENT = timedelta(hours=1)
"""How long after its last ⭐ a result is looked at."""

LEASE = timedelta(minutes=1)
"""How long a worker that claimed a result may take to post it."""

_AT_ONCE = 10

_f, _g, _p, _s = favourites.c, generations.c, showcase_posts.c, guild_settings.c
_RECENT_STARS = sa.select(_f.generation_id).where(_f.created_at > sa.bindparam("since"))
_STARRED = (
    sa.select(_g.id, _g.guild_id, sa.func.count())
    .join(favourites, _f.generation_id == _g.id)
    .where(_g.id.in_(_RECENT_STARS))
    .where(_g.state == State.POSTED, _g.deleted_at.is_(None), _g.message_id.is_not(None))
    .where(sa.not_(_g.private), sa.not_(_g.answer_only))
    .where(sa.exists().where(_s.guild_id == _g.guild_id))
    .where(~sa.exists().where(_p.generation_id == _g.id))
    .group_by(_g.id, _g.guild_id)
)
_DUE = (
    sa.select(_p.generation_id, _p.channel_id, _p.message_id)
    .where(_p.state.in_((ShowcaseState.DUE, ShowcaseState.OUTDATED)))
    .where(_p.lease_until <= sa.bindparam("now"))
    .order_by(_p.generation_id)
    .limit(_AT_ONCE)
)
_LEASE = showcase_posts.update().where(among(_p.generation_id, "ids"))


class Showcase:
    """A worker's transactions about showcases. Each raises :class:`StoreUnavailable`."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    async def claim(self) -> list[Showing]:
        """Take what is to be shown, once for each result and whatever its ⭐ do afterwards, and
        what is to be taken away."""
        now = self._clock()

        def look(connection: sa.Connection) -> bool:
            starred = connection.execute(_STARRED, {"since": now - RECENT}).first()
            return bool(starred or connection.execute(_DUE, {"now": now}).first())

        if not await self._database.read(look):
            return []
        return await self._database.write(lambda connection: _claim(connection, now))

    async def done(self, showing: Showing, message_id: int | None) -> None:
        """Record that a result is shown by a message, or (``None``) isn't shown any more.

        One whose original was deleted meanwhile stays to be taken away.
        """
        state = ShowcaseState.SHOWN if message_id else ShowcaseState.GONE
        mine = _p.generation_id == showing.generation_id
        kept = sa.and_(mine, _p.state == ShowcaseState.OUTDATED)
        now = self._clock()

        def write(connection: sa.Connection) -> None:
            if message_id:
                values = {"message_id": message_id, "lease_until": now}
                connection.execute(showcase_posts.update().where(mine).values(values))
                which = sa.and_(mine, sa.not_(kept))
            else:
                which = mine
            connection.execute(showcase_posts.update().where(which).values(state=state))

        await self._database.write(write)

    async def postpone(self, showing: Showing, by: timedelta) -> None:
        """Let a result be tried again later."""
        values = {"lease_until": self._clock() + by}
        query = _LEASE.values(values)
        ids = {"ids": [showing.generation_id]}
        await self._database.write(lambda connection: connection.execute(query, ids))


def _claim(connection: sa.Connection, now: datetime) -> list[Showing]:
    starred = connection.execute(_STARRED, {"since": now - RECENT}).all()
    policies = read_policies(connection, {guild_id for _, guild_id, _ in starred})
    for generation_id, guild_id, stars in starred:
        policy = policies[guild_id]
        if policy.showcase_channel and stars >= policy.showcase_stars:
            connection.execute(
                showcase_posts.insert().values(
                    generation_id=generation_id,
                    channel_id=policy.showcase_channel,
                    state=ShowcaseState.DUE,
                    lease_until=now,
                )
            )
    rows = connection.execute(_DUE.with_for_update(skip_locked=True), {"now": now}).all()
    ids = [row.generation_id for row in rows]
    if ids:
        connection.execute(_LEASE.values(lease_until=now + LEASE), {"ids": ids})
    found = get(connection, ids)
    return [Showing(id_, channel, message, found.get(id_)) for id_, channel, message in rows]
