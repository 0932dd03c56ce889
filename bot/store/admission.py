"""Who may join the queue: counted once for a batch, then kept up to date in memory."""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

from bot.config import Settings
from bot.domain import TOKEN_LIFETIME, Asker
from bot.errors import DailyLimitReached, LimitRule, QueueFull, Refused, UserQueueFull
from bot.policy import NO_POLICY, Policy
from bot.store.rows import (
    COUNTED_STATES,
    LIVE,
    NEEDS_CALL,
    QUEUED,
    among,
    count_running,
    g,
    typical_duration,
)
from bot.store.spent import spent
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
_RECENT_CALLS = (
    sa.select(g.user_id, g.guild_id, g.created_at)
    .where(among(g.user_id, "users"), g.created_at > sa.bindparam("since"))
    .where(IS_CALL, g.state.in_(COUNTED_STATES))
    .order_by(g.created_at)
)


# In a function, so that SQLite goes by the time: by the state it would sort all that is posted.
_COUNTED_NOW = sa.and_(
    IS_CALL,
    sa.func.coalesce(g.state, "").in_(COUNTED_STATES),
    g.created_at > sa.bindparam("since"),
)


def _newest(*where: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """Find when the newest calls of the last day were asked for, no more than ``limit``."""
    newest = sa.select(g.created_at).where(_COUNTED_NOW, *where).order_by(g.created_at.desc())
    return newest.limit(sa.bindparam("limit"))


_IN_GUILD = g.guild_id == sa.bindparam("guild")
_GUILD_CALLS = sa.select(sa.func.count()).select_from(_newest(_IN_GUILD).subquery())
_ALL_CALLS = sa.select(sa.func.count()).select_from(_newest().subquery())
_GUILD_NTH = _newest(_IN_GUILD).offset(sa.bindparam("offset"))
_NTH = _newest().offset(sa.bindparam("offset"))


@dataclass(frozen=True, slots=True)
class Limits:
    """The operator's limits; those of a day are 0 where there is none."""

    queue: int
    user_queue: int
    daily: int
    concurrency: int
    timeout: timedelta
    """How long one call of the API may take."""
    server_daily: int = 0
    total_daily: int = 0

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        return cls(
            settings.queue_limit,
            settings.user_queue_limit,
            settings.daily_limit,
            settings.genart_concurrency,
            timedelta(seconds=settings.genart_timeout),
            settings.server_daily_limit,
            settings.total_daily_limit,
        )


def longest_time(limits: Limits, ahead: int, usual: timedelta | None) -> timedelta:
    """Return how long a new generation may take at most, with ``ahead`` others before it.

    Theirs count with the ``usual`` duration of a call where that is known, its own with all the
    time that a call is allowed.
    """
    rounds = ahead // limits.concurrency
    return rounds * (usual or limits.timeout) + limits.timeout


@dataclass(frozen=True, slots=True)
class DayUse:
    """What was used of a limit of 24 hours, and when the next one is possible or counts no
    longer; ``role_id`` is the role that gives the limit, if one does."""

    rule: LimitRule
    limit: int
    used: int
    free_at: datetime
    role_id: int | None = None

    @property
    def refusal(self) -> Refused:
        """What whoever used it up is told."""
        return DailyLimitReached(self.limit, self.free_at, self.rule, self.role_id)


class Admission:
    """What the limits go by, for some users: how many wait, what each one has, and what the last
    day held. It is counted once, and kept up to date with what is admitted."""

    def __init__(
        self,
        connection: sa.Connection,
        limits: Limits,
        policies: Mapping[int, Policy],
        users: Collection[int],
        now: datetime,
    ) -> None:
        self._connection = connection
        self._limits = limits
        self._policies = policies
        self._since = now - DAY
        self._now = now
        self.waiting: int = connection.execute(_WAITING).scalar_one()
        self._live: Counter[int] = Counter()
        for user_id, number in connection.execute(_LIVE_CALLS, {"users": list(users)}):
            self._live[user_id] = number
        self._calls: dict[int, list[tuple[int | None, datetime]]] = {}
        if limits.daily or any(_limits_members(policy) for policy in policies.values()):
            values = {"users": list(users), "since": self._since}
            for user_id, guild_id, at in connection.execute(_RECENT_CALLS, values):
                self._calls.setdefault(user_id, []).append((guild_id, at))
            for user_id, guild_id, at in spent(connection, users, self._since):
                calls = self._calls.setdefault(user_id, [])
                insort(calls, (guild_id, at), key=itemgetter(1))
        # By server, ``None`` for all together: what rows say, and what this batch adds.
        self._stored: dict[int | None, int] = {}
        self._added: Counter[int | None] = Counter()

    def admit(self, asker: Asker) -> None:
        """Count one more generation of somebody's.

        Raises:
            UserQueueFull, QueueFull, DailyLimitReached
        """
        if refusal := self._refuse(asker):
            raise refusal
        self._live[asker.user_id] += 1
        self.waiting += 1
        self._calls.setdefault(asker.user_id, []).append((asker.guild_id, self._now))
        self._added.update({asker.guild_id, None})

    def _refuse(self, asker: Asker) -> Refused | None:
        if self._live[asker.user_id] >= self._limits.user_queue:
            return UserQueueFull(self._limits.user_queue)
        if self.waiting >= self._limits.queue:
            return QueueFull(self._limits.queue)
        for use in self._own(asker):
            if use.used >= use.limit:
                return use.refusal
        for place, limit, rule in self._shared(asker):
            used = self._used(place, limit)
            if used >= limit:
                return DailyLimitReached(limit, self._since_when(place, limit) + DAY, rule)
        return None

    def uses(self, asker: Asker) -> list[DayUse]:
        """Return what each rule about a day leaves to somebody; rules that set no limit are left
        out."""
        shared: list[DayUse] = []
        for place, limit, rule in self._shared(asker):
            used = self._used(place, limit)
            free_at = self._since_when(place, used) + DAY if used else self._now
            shared.append(DayUse(rule, limit, used, free_at))
        return [*self._own(asker), *shared]

    def _own(self, asker: Asker) -> Iterator[DayUse]:
        """Yield what a member used of the limits of one: the operator's, then the server's."""
        calls = self._calls.get(asker.user_id, [])
        here = [at for guild_id, at in calls if guild_id == asker.guild_id]
        limit, role = self._policy(asker).member_limit(asker)
        rule = LimitRule.MEMBER if role is None else LimitRule.ROLE
        for counted, most, whose, by_role in (
            ([at for _, at in calls], self._limits.daily, LimitRule.USER, None),
            (here, limit, rule, role),
        ):
            if most:
                free_at = counted[-most:][0] + DAY if counted else self._now
                yield DayUse(whose, most, len(counted), free_at, by_role)

    def _shared(self, asker: Asker) -> Iterator[tuple[int | None, int, LimitRule]]:
        """Yield the limits that members share, and the server (``None``: all) of each."""
        if asker.guild_id is not None:
            limits = (self._limits.server_daily, self._policy(asker).server_daily)
            if limit := min((each for each in limits if each), default=0):
                yield asker.guild_id, limit, LimitRule.SERVER
        if self._limits.total_daily:
            yield None, self._limits.total_daily, LimitRule.TOTAL

    def _used(self, place: int | None, limit: int) -> int:
        """Return how many calls the last day held, at most ``limit``."""
        if place not in self._stored:
            query = _ALL_CALLS if place is None else _GUILD_CALLS
            found = self._connection.execute(query, self._values(place, limit))
            self._stored[place] = found.scalar_one()
        return min(self._stored[place] + self._added[place], limit)

    def _since_when(self, place: int | None, number: int) -> datetime:
        """Return when the last ``number`` calls began. What this batch adds is newer than any
        row."""
        added = self._added[place]
        if number <= added:
            return self._now
        query = _NTH if place is None else _GUILD_NTH
        values = self._values(place, 1) | {"offset": number - 1 - added}
        return self._connection.execute(query, values).scalar_one()

    def _values(self, place: int | None, limit: int) -> dict[str, object]:
        values: dict[str, object] = {"since": self._since, "limit": limit}
        return values if place is None else values | {"guild": place}

    def _policy(self, asker: Asker) -> Policy:
        return self._policies.get(asker.guild_id or 0, NO_POLICY)


def _limits_members(policy: Policy) -> bool:
    return bool(policy.member_daily or policy.role_daily)


def is_in_time(connection: sa.Connection, limits: Limits, waiting: int) -> bool:
    """Tell whether a new generation, with ``waiting`` others before it in the queue, ends while
    its interaction can still carry the result."""
    ahead = waiting + count_running(connection)
    usual = typical_duration(connection)
    return longest_time(limits, ahead, usual) <= TOKEN_LIFETIME - DELIVERY_TIME
