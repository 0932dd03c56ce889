"""Rows as domain objects, and the conditions that statements are made of."""

from __future__ import annotations

import logging
import statistics
from collections.abc import Collection, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter

from bot import metrics
from bot.domain import Generation, Kind, Result, State
from bot.store.commits import after_commit
from bot.store.outbox import note_deletions, note_ends
from bot.store.tables import IS_CALL, POSTED_CALL, favourites, generations, key_values

log = logging.getLogger(__name__)

g = generations.c
COLUMNS = [g[field.name] for field in fields(Generation)]
_GENERATION = TypeAdapter(Generation)
_RESULT = TypeAdapter(Result)

LIVE_STATES = (State.QUEUED, State.RUNNING)
COUNTED_STATES = (*LIVE_STATES, State.POSTED, State.UNDELIVERED)
"""The states that count against a limit: what failed doesn't."""

LIVE = g.state.in_(LIVE_STATES)
QUEUED = g.state == State.QUEUED
RUNNING = g.state == State.RUNNING
NEEDS_CALL = sa.and_(IS_CALL, g.result.is_(None))
"""Whether a call of the API is still to be made (:attr:`bot.domain.Generation.needs_call`)."""

CALLED = sa.and_(RUNNING, NEEDS_CALL, g.called_at.is_not(None))
"""What is being asked of the API: it may be charged, can't be stopped, and keeps its place."""

PAUSE, TRUE = "paused", "1"
PAUSED = sa.exists().where(key_values.c.name == PAUSE, key_values.c.value == TRUE)
"""Whether the operator has paused all work."""

HAS_PROMPT = g.kind != Kind.DESCRIBE
"""Whether such work is told apart by its prompt at the API."""


def among(column: sa.ColumnElement[Any], name: str) -> sa.ColumnElement[bool]:
    """Compare a column with a list that is given when the statement runs.

    Statements of the press path are built once: building one takes longer than running it.
    """
    return column.in_(sa.bindparam(name, expanding=True))


_BY_ID = sa.select(*COLUMNS).where(among(g.id, "ids"))


def fetch(connection: sa.Connection, query: sa.Executable, **values: Any) -> list[Generation]:
    """Run a statement that returns :data:`COLUMNS`."""
    return [generation_of(row) for row in connection.execute(query, values).mappings()]


def generation_of(row: sa.RowMapping) -> Generation:
    """Return the generation that a row of :data:`COLUMNS` holds."""
    return _GENERATION.validate_python(dict(row))


def get(connection: sa.Connection, ids: Collection[int]) -> dict[int, Generation]:
    """Return the generations with some ids."""
    found = fetch(connection, _BY_ID, ids=list(ids))
    return {generation.id: generation for generation in found}


class Change:
    """Sets ``values`` in some rows; logs their new state if that is among them, also in the logs
    of their servers. Both may hold parameters, which are given when it is run.

    What is done for every generation is built once: building takes five times as long as running.
    """

    def __init__(self, *where: sa.ColumnElement[bool], **values: object) -> None:
        self._query = generations.update().where(*where).values(**values).returning(*COLUMNS)
        self._sets_state = "state" in values

    def run(self, connection: sa.Connection, **parameters: object) -> list[Generation]:
        """Set them, and return the rows that were changed."""
        changed = fetch(connection, self._query, **parameters)
        if self._sets_state:
            after_commit(connection, partial(log_states, changed))
            note_ends(connection, [generation.id for generation in changed])
        return changed


def change(
    connection: sa.Connection, *where: sa.ColumnElement[bool], **values: object
) -> list[Generation]:
    """Build and run a :class:`Change`."""
    return Change(*where, **values).run(connection)


def mark_deleted(
    connection: sa.Connection,
    now: datetime,
    *where: sa.ColumnElement[bool],
    by: int | None = None,
    **values: object,
) -> list[Generation]:
    """Record that the messages of some posted results are gone for good. A row keeps what
    accounting needs, and nothing of what was asked for or came back. Servers' logs tell who
    (``by``) deleted it, if that is known."""
    emptied = {"prompt": "", "source_url": None, "result": None, "token": None}
    names = {"message_id": None, "grid_file": None, "source_file": None}
    which = (g.state == State.POSTED, g.deleted_at.is_(None), *where)
    gone = change(connection, *which, deleted_at=now, **emptied, **names, **values)
    ids = [generation.id for generation in gone]
    if ids:
        connection.execute(favourites.delete().where(favourites.c.generation_id.in_(ids)))
        note_deletions(connection, ids, by)
        after_commit(connection, partial(log.info, "deleted: %s", ids))
    return gone


def card_done(connection: sa.Connection, ids: Collection[int], *, deleted: bool = False) -> None:
    """Record that the cards of generations that are over show it, or are gone.

    Or, of ``deleted`` ones, that their messages are gone: a result that is deleted while its card
    is being removed has its own message removed next.
    """
    (_DELETED_CARD_DONE if deleted else _CARD_DONE).run(connection, ids=list(ids))


_SHOWN = {"card_due": False, "token": None, "worker": None}
_CARD_DONE = Change(among(g.id, "ids"), g.card_due, g.deleted_at.is_(None), **_SHOWN)
_DELETED_CARD_DONE = Change(among(g.id, "ids"), g.card_due, g.deleted_at.is_not(None), **_SHOWN)


_RECENT = (
    sa.select(g.started_at, g.finished_at)
    .where(POSTED_CALL, g.finished_at.is_not(None), HAS_PROMPT)
    .order_by(g.finished_at.desc())
    .limit(21)
)


def typical_duration(connection: sa.Connection) -> timedelta | None:
    """Return the median time of the last grids that the API was called for."""
    times = [end - start for start, end in connection.execute(_RECENT) if start]
    return statistics.median(times) if times else None


_CALLS_RUNNING = sa.select(sa.func.count()).where(RUNNING, NEEDS_CALL)


def count_running(connection: sa.Connection) -> int:
    """Return how many generations are being prepared for the API, or asked of it."""
    return connection.execute(_CALLS_RUNNING).scalar_one()


def dump_result(result: Result | None) -> object:
    """Return a result as the ledger keeps it."""
    return _RESULT.dump_python(result, mode="json") if result else None


def queue_order(which: sa.ColumnElement[bool], kinds: sa.ColumnElement[bool]) -> sa.Subquery:
    """Number the queued rows ``which`` by turns: each user's oldest first, then each one's second.

    Within a turn the users come first to whom such work (``kinds``) was given least recently.
    """
    turn = sa.func.row_number().over(partition_by=g.user_id, order_by=g.id)
    waiting = (
        sa.select(g.id, g.user_id, turn.label("turn")).where(QUEUED, which).subquery("waiting")
    )
    served = (
        sa.select(sa.func.max(g.started_at))
        .where(g.user_id == waiting.c.user_id, kinds)
        .scalar_subquery()
    )
    order = (waiting.c.turn, served.asc().nulls_first(), waiting.c.id)
    place = sa.func.row_number().over(order_by=order)
    return sa.select(waiting.c.id, place.label("place")).subquery("queue_order")


CALL_ORDER = queue_order(NEEDS_CALL, IS_CALL)
"""What waits for the API, numbered in the order in which it will be called."""

CALL_PLACES = sa.select(CALL_ORDER.c.id, CALL_ORDER.c.place).where(among(CALL_ORDER.c.id, "ids"))
"""The places of some of them."""


def log_states(changed: Sequence[Generation]) -> None:
    """Log the state that some generations are in now, and count what is over."""
    metrics.ended(changed)
    for generation in changed:
        duration = _seconds(generation.started_at, generation.finished_at)
        detail = {
            "generation": generation.id,
            "kind": generation.kind.value,
            "state": generation.state.value,
            "duration": duration,
            "error": generation.error,
        }
        took = f" after {duration} s" if duration is not None else ""
        why = f" ({generation.error})" if generation.error else ""
        log.info("generation %s (%s): %s%s%s", *list(detail.values())[:3], took, why, extra=detail)


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return round((end - start).total_seconds(), 1) if start and end else None
