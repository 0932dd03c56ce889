"""How the bot is used, by one member or in one server, over the last days.

Each day is read by an index and on its own, so that nobody else's reading waits for all of them.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import sqlalchemy as sa

from bot.domain import NOBODY, State
from bot.store.database import Database
from bot.store.rows import g
from bot.store.tables import IS_CALL, clicks

DAYS = 30
"""Days that the figures are about."""

_WAITS = 1_000
"""The newest results whose wait is looked at."""

_BUTTONS, _MEMBERS = 12, 10

# An id is that of the interaction that asked, which says when by Discord's clock (its reference,
# "Snowflakes"): from bit 22 on, milliseconds since a midnight in UTC. So hours need no time zone
# of a database's.
_HOUR = g.id // (3_600_000 << 22) % 24


@dataclass(frozen=True, slots=True)
class Figures:
    """How the bot was used from the day ``first``, :data:`DAYS` days on.

    ``generations`` are those that called the API, or would have; ``tiles`` are without a call.
    ``hours`` has a count for each hour of a day in UTC, ``days`` one for each day. ``clicks`` are
    counted by the label of the button, ``members`` are the most active.
    """

    first: datetime
    generations: int
    tiles: int
    posted: int
    failed: int
    median_wait: timedelta | None
    hours: tuple[int, ...]
    days: tuple[int, ...]
    clicks: Mapping[str, int]
    members: Mapping[int, int]

    @property
    def success_rate(self) -> float | None:
        """Return which part came to a result, from 0 to 1; cancelled ones don't count."""
        ended = self.posted + self.failed
        return self.posted / ended if ended else None


class Stats:
    """Reads figures. Each method raises :class:`bot.errors.StoreUnavailable`."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    async def of_member(self, user_id: int) -> Figures:
        """Return what a member did, wherever they did it."""
        return await self._figures(g.user_id == user_id, clicks.c.user_id == user_id)

    async def of_server(self, guild_id: int) -> Figures:
        """Return what was done in a server, and who did most."""
        return await self._figures(g.guild_id == guild_id, clicks.c.guild_id == guild_id)

    async def _figures(
        self, which: sa.ColumnElement[bool], pressed: sa.ColumnElement[bool]
    ) -> Figures:
        now = self._clock()
        first = (now - timedelta(days=DAYS - 1)).replace(hour=0, minute=0, second=0, microsecond=0)
        counted = _Counted()
        for number in range(DAYS):
            start = first + timedelta(days=number)
            day = await self._database.read(partial(_day, which, pressed, start))
            counted.add(number, day)
        waits = (
            sa.select(g.created_at, g.finished_at)
            .where(which, g.created_at >= first, IS_CALL)
            .where(g.state == State.POSTED, g.finished_at.is_not(None))
            .order_by(g.created_at.desc())
            .limit(_WAITS)
        )
        rows = await self._database.read(lambda connection: connection.execute(waits).all())
        times = [end - start for start, end in rows]
        return counted.figures(first, statistics.median(times) if times else None)


@dataclass(frozen=True, slots=True)
class _Day:
    """Counts of one day: generations by hour, whether they call the API, and state; presses by
    label; generations by member."""

    generations: Sequence[tuple[int, bool, str, int]]
    clicks: Sequence[tuple[str, int]]
    members: Sequence[tuple[int, int]]


def _day(
    which: sa.ColumnElement[bool],
    pressed: sa.ColumnElement[bool],
    start: datetime,
    connection: sa.Connection,
) -> _Day:
    """Count what happened on the day that begins at ``start``."""
    end = start + timedelta(days=1)
    number = sa.func.count()
    c = clicks.c
    created = sa.and_(which, g.created_at >= start, g.created_at < end)
    clicked = sa.and_(pressed, c.clicked_at >= start, c.clicked_at < end)
    # In a subquery: PostgreSQL doesn't see that an expression with parameters is the one that is
    # grouped by.
    columns = (_HOUR.label("hour"), IS_CALL.label("is_call"), g.state)
    made = sa.select(*columns).where(created).subquery().c

    def rows(*by: Any, where: sa.ColumnElement[bool] | None = None) -> list[Any]:
        query = sa.select(*by, number).group_by(*by)
        query = query if where is None else query.where(where)
        return [tuple(row) for row in connection.execute(query)]

    return _Day(
        rows(made.hour, made.is_call, made.state),
        rows(c.label, where=clicked),
        rows(g.user_id, where=sa.and_(created, IS_CALL)),
    )


class _Counted:
    """Adds up days."""

    def __init__(self) -> None:
        self._hours, self._days = Counter[int](), Counter[int]()
        self._states, self._clicks = Counter[str](), Counter[str]()
        self._members = Counter[int]()
        self._tiles = 0

    def add(self, number: int, day: _Day) -> None:
        """Add the day ``number``, from 0."""
        for hour, is_call, state, count in day.generations:
            if not is_call:
                self._tiles += count
                continue
            self._hours[hour] += count
            self._days[number] += count
            self._states[state] += count
        self._clicks.update(dict(day.clicks))
        self._members.update(dict(day.members))

    def figures(self, first: datetime, median_wait: timedelta | None) -> Figures:
        """Return what all days make together."""
        del self._members[NOBODY]
        failed = (State.FAILED, State.INTERRUPTED, State.UNDELIVERED)
        return Figures(
            first=first,
            generations=self._states.total(),
            tiles=self._tiles,
            posted=self._states[State.POSTED],
            failed=sum(self._states[state] for state in failed),
            median_wait=median_wait,
            hours=tuple(self._hours[hour] for hour in range(24)),
            days=tuple(self._days[day] for day in range(DAYS)),
            clicks=dict(self._clicks.most_common(_BUTTONS)),
            members=dict(self._members.most_common(_MEMBERS)),
        )
