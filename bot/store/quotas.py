"""How much a member may still ask for, by which rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from bot.domain import Asker
from bot.errors import LimitRule
from bot.store.admission import DAY, Admission, DayUse, Limits
from bot.store.database import Database
from bot.store.policies import read_policies
from bot.store.rows import COUNTED_STATES, LIVE, g
from bot.store.tables import IS_CALL

_OWN = sa.and_(IS_CALL, g.user_id == sa.bindparam("user"))
_LIVE = sa.select(sa.func.count()).where(LIVE, _OWN)
_RECENT = sa.select(sa.func.count()).where(
    _OWN, g.created_at > sa.bindparam("since"), g.state.in_(COUNTED_STATES)
)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a rule allows: ``limit`` (0: any number) of which some are ``used``. At ``free_at`` the
    next one of these no longer counts, where time decides that. ``role_id`` is the role that gives
    the limit, if one does.

    ``rule`` is ``None`` for the operator's, of what waits or runs for a user at a time.
    """

    rule: LimitRule | None
    limit: int
    used: int
    free_at: datetime | None = None
    role_id: int | None = None

    @property
    def left(self) -> int | None:
        """How many are left; ``None`` for any number."""
        return max(self.limit - self.used, 0) if self.limit else None


class Quotas:
    """What the rules of admission leave to a member."""

    def __init__(self, database: Database, limits: Limits, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._limits = limits
        self._clock = clock

    async def allowances(self, asker: Asker) -> list[Allowance]:
        """Return what each rule leaves to whoever asks, where they ask.

        Raises:
            StoreUnavailable
        """
        now = self._clock()
        guilds = {asker.guild_id} if asker.guild_id else set[int]()

        def read(connection: sa.Connection) -> list[Allowance]:
            policies = read_policies(connection, guilds)
            users = {asker.user_id}
            admission = Admission(connection, self._limits, policies, users, now)
            found = [_allowance(use) for use in admission.uses(asker)]
            if not self._limits.daily:
                used = connection.execute(_RECENT, {"user": asker.user_id, "since": now - DAY})
                found.insert(0, Allowance(LimitRule.USER, 0, used.scalar_one()))
            live = connection.execute(_LIVE, {"user": asker.user_id}).scalar_one()
            return [*found, Allowance(None, self._limits.user_queue, live)]

        return await self._database.read(read, urgent=True)


def _allowance(use: DayUse) -> Allowance:
    free_at = use.free_at if use.used else None
    return Allowance(use.rule, use.limit, use.used, free_at, use.role_id)
