"""What may be claimed, and the statements that claim it: built once, for :mod:`bot.store.queue`."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa

from bot.domain import State
from bot.store.rows import (
    CALL_ORDER,
    COLUMNS,
    HAS_PROMPT,
    NEEDS_CALL,
    PAUSED,
    QUEUED,
    RUNNING,
    g,
    queue_order,
)
from bot.store.tables import IS_CALL, UtcDateTime, generations, workers
from bot.store.workers import REGISTERED

PREPARE_TIME = timedelta(seconds=1)
"""How long a row that is being prepared keeps a place at the API free for itself. One that is
prepared and waits for a place keeps the next that is free."""

LONGEST_DELAY = timedelta(minutes=5)
"""The most that a row is put off. One that is put off for longer was so by a clock that has been
set back since, and is due."""

_BUSY_PLACES = (
    sa.select(sa.func.count())
    .where(RUNNING, NEEDS_CALL)
    .where(
        sa.or_(
            g.called_at.is_not(None),
            # Up to ``far``: another worker's clock may be ahead, or it has claimed since.
            sa.and_(g.started_at > sa.bindparam("prepared"), g.started_at <= sa.bindparam("far")),
        )
    )
    .correlate(None)
    .scalar_subquery()
)
# Another transaction may have changed the state since. ``concat`` keeps PostgreSQL from finding the
# queue a second time by the state's index, and comparing each row of it with each.
_STILL_QUEUED = g.state.concat("") == State.QUEUED


def _candidates(order: sa.Subquery) -> sa.Select[tuple[int]]:
    return (
        sa.select(g.id)
        .join(order, order.c.id == g.id)
        .where(_STILL_QUEUED)
        .where(sa.or_(g.not_before <= sa.bindparam("now"), g.not_before > sa.bindparam("far")))
        .order_by(order.c.place)
        .limit(sa.bindparam("limit"))
        .with_for_update(of=generations, skip_locked=True)
    )


_RUNNING_PROMPTS = sa.select(g.prompt).where(RUNNING, NEEDS_CALL).correlate(None)
# Where preparing takes long, Discord limits that channel or fails it: no more of it is begun.
_SLOW_CHANNELS = (
    sa.select(g.channel_id)
    .where(RUNNING, NEEDS_CALL, g.called_at.is_(None))
    .where(g.started_at <= sa.bindparam("prepared"))
    .correlate(None)
)
_FREE = sa.bindparam("places", type_=sa.Integer) - _BUSY_PLACES
_WORKERS = sa.select(sa.func.count()).select_from(workers).correlate(None).scalar_subquery()
_IN_OTHER_CHANNELS = _candidates(CALL_ORDER).where(g.channel_id.not_in(_SLOW_CHANNELS))
_CALLS = _IN_OTHER_CHANNELS.where(_FREE > 0)
_CALLS_OF_OTHER_PROMPTS = _CALLS.where(sa.or_(~HAS_PROMPT, g.prompt.not_in(_RUNNING_PROMPTS)))
# A worker claims one at a time: when the last of them looked, each of the others had one place in
# hand at most that could not be seen yet.
_CALLS_OF_PLENTY = _IN_OTHER_CHANNELS.where(_FREE >= _WORKERS)
# A literal: of a parameter PostgreSQL supposes a fifth of all rows, and reads them all.
_WAITS = g.state == sa.literal_column("'queued'")
LOOK = sa.select(
    PAUSED,
    sa.case((sa.exists().where(_WAITS, NEEDS_CALL), _FREE), else_=0),
    sa.exists().where(_WAITS, sa.not_(NEEDS_CALL)),
)
HELD_UP = sa.select(g.id).where(QUEUED, NEEDS_CALL, HAS_PROMPT, g.prompt.in_(_RUNNING_PROMPTS))
_OTHERS = _candidates(queue_order(sa.not_(NEEDS_CALL), sa.not_(IS_CALL))).where(
    g.channel_id.not_in(sa.bindparam("busy", expanding=True))
)


def _claim(candidates: sa.Select[tuple[int]]) -> sa.Executable:
    """Return the statement that claims: one, so that its lock is held as shortly as can be."""
    # A common table expression, which is read once: it locks the rows that it finds.
    found = candidates.cte("found")
    at = sa.bindparam("now", type_=UtcDateTime)
    return (
        generations.update()
        .where(g.id.in_(sa.select(found.c.id)))
        .where(sa.exists(REGISTERED.where(workers.c.name == sa.bindparam("me")).correlate(None)))
        .values(
            state=State.RUNNING,
            started_at=sa.case((g.result.is_(None), at), else_=g.started_at),
            worker=sa.bindparam("me"),
            lease_until=None,
        )
        .returning(*COLUMNS)
    )


CLAIM_CALL = _claim(_CALLS)
CLAIM_CALL_OF_OTHER_PROMPT = _claim(_CALLS_OF_OTHER_PROMPTS)
CLAIM_CALL_OF_PLENTY = _claim(_CALLS_OF_PLENTY)
CLAIM_OTHERS = _claim(_OTHERS)


class Outlook(NamedTuple):
    """Whether all work is ``paused``, how many ``calls`` may begin if so many wait (0 or less:
    none), and whether any ``others`` wait that need no call."""

    paused: bool
    calls: int
    others: bool


def times(now: datetime) -> dict[str, datetime]:
    """Return the times that the statements need."""
    return {"now": now, "far": now + LONGEST_DELAY, "prepared": now - PREPARE_TIME}
