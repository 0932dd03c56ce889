"""Who may join the queue: counted once for a batch, then kept up to date in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa

from bot.config import Settings
from bot.domain import TOKEN_LIFETIME
from bot.errors import DailyLimitReached, QueueFull, Refused, UserQueueFull
from bot.store.rows import (
    COUNTED_STATES,
    LIVE,
    NEEDS_CALL,
    QUEUED,
    RUNNING,
    among,
    g,
    typical_duration,
)
from bot.store.tables import IS_CALL

DAY = timedelta(hours=24)

DELIVERY_TIME = timedelta(minutes=1)
"""What the download and the post of a result take, at most."""

_WAITING = sa.select(sa.func.count()).where(QUEUED, NEEDS_CALL)
_LIVE_CALLS = (
    sa.select(g.user_id, sa.func.count())
    .where(LIVE, among(g.user_id, "users"), IS_CALL)
    .group_by(g.user_id)
)
_RUNNING = sa.select(sa.func.count()).where(RUNNING, NEEDS_CALL)
_RECENT_CALLS = (
    sa.select(g.user_id, g.created_at)
    .where(among(g.user_id, "users"), g.created_at > sa.bindparam("since"))
    .where(IS_CALL, g.state.in_(COUNTED_STATES))
    .order_by(g.created_at)
)


@dataclass(frozen=True, slots=True)
class Limits:
    """The operator's limits; ``daily`` is 0 where there is none."""

    queue: int
    user_queue: int
    daily: int
    concurrency: int
    timeout: timedelta
    """How long one call of the API may take."""

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        return cls(
            settings.queue_limit,
            settings.user_queue_limit,
            settings.daily_limit,
            settings.genart_concurrency,
            timedelta(seconds=settings.genart_timeout),
        )


def longest_time(limits: Limits, ahead: int, usual: timedelta | None) -> timedelta:
    """Return how long a new generation may take at most, with ``ahead`` others before it.

    Theirs count with the ``usual`` duration of a call where that is known, its own with all the
    time that a call is allowed.
    """
    rounds = ahead // limits.concurrency
    return rounds * (usual or limits.timeout) + limits.timeout


@dataclass(slots=True)
class Admission:
    """What the limits go by: how many wait, what each user has, and had in the last day."""

    limits: Limits
    waiting: int = 0
    live: Counter[int] = field(default_factory=Counter[int])
    recent: dict[int, list[datetime]] = field(default_factory=dict[int, list[datetime]])

    def admit(self, user_id: int, now: datetime) -> Refused | None:
        """Count one more generation of a user's, or return why it isn't possible."""
        recent = self.recent.setdefault(user_id, [])
        if self.live[user_id] >= self.limits.user_queue:
            return UserQueueFull(self.limits.user_queue)
        if self.waiting >= self.limits.queue:
            return QueueFull(self.limits.queue)
        if self.limits.daily and len(recent) >= self.limits.daily:
            return DailyLimitReached(self.limits.daily, recent[-self.limits.daily] + DAY)
        self.live[user_id] += 1
        self.waiting += 1
        recent.append(now)
        return None


def count(
    connection: sa.Connection, limits: Limits, users: Collection[int], now: datetime
) -> Admission:
    """Count what limits some users."""
    admission = Admission(limits)
    admission.waiting = connection.execute(_WAITING).scalar_one()
    live = connection.execute(_LIVE_CALLS, {"users": list(users)})
    for user_id, number in live:
        admission.live[user_id] = number
    if limits.daily:
        recent = connection.execute(_RECENT_CALLS, {"users": list(users), "since": now - DAY})
        for user_id, at in recent:
            admission.recent.setdefault(user_id, []).append(at)
    return admission


def is_in_time(connection: sa.Connection, limits: Limits, waiting: int) -> bool:
    """Tell whether a new generation, with ``waiting`` others before it in the queue, ends while
    its interaction can still carry the result."""
    ahead = waiting + connection.execute(_RUNNING).scalar_one()
    usual = typical_duration(connection)
    return longest_time(limits, ahead, usual) <= TOKEN_LIFETIME - DELIVERY_TIME
