"""What a front's requests write: new rows, presses, seen answers, and ends by members."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import sqlalchemy as sa

from bot.domain import Asker, Click, Generation, Outcome, State
from bot.errors import NotYours, TooLate, UnknownPicture
from bot.store.asked import Act, Answered, Cancel, EnqueueResult, Note, Remake, Request, Retry
from bot.store.commits import after_commit
from bot.store.rows import (
    COLUMNS,
    NEEDS_CALL,
    QUEUED,
    RUNNING,
    among,
    change,
    dump_result,
    g,
    log_states,
)
from bot.store.tables import clicks, generations

log = logging.getLogger(__name__)

ANSWER_TIME = timedelta(seconds=8)
"""How long a new row waits for the front to record its answer before a worker looks for that, and
a cancelled one before a worker shows on its card what the front couldn't. Longer than the front
takes for both (``bot/ui/replies.py``)."""

AT_ONCE = datetime(2015, 1, 1, tzinfo=UTC)
"""The time before which nothing waits, whatever is done to the machine's clock."""

_SEEN_CLICKS = sa.select(clicks.c.id).where(among(clicks.c.id, "ids"))
_ANSWERED = (
    generations.update()
    .where(g.id == sa.bindparam("generation"))
    .values(card_id=sa.bindparam("card"), not_before=AT_ONCE)
)


def record_answers(connection: sa.Connection, now: datetime, answers: Sequence[Answered]) -> None:
    """Let the work of who sees a card begin, and cancel the work of who sees no answer."""
    seen = [
        {"generation": answer.generation_id, "card": answer.card_id}
        for answer in answers
        if answer.card_id is not None
    ]
    if seen:
        connection.execute(_ANSWERED, seen)
    if unseen := [answer.generation_id for answer in answers if answer.card_id is None]:
        # Discord may have told another front of it as well, which did answer.
        which = sa.and_(g.id.in_(unseen), g.card_id.is_(None))
        cancel_rows(connection, now, which)
        change(connection, which, QUEUED, state=State.UNDELIVERED)


def insert_new(connection: sa.Connection, now: datetime, new: Sequence[Generation]) -> None:
    """Insert new rows; they wait until their answers are recorded."""
    rows = [
        {column.name: getattr(generation, column.name) for column in COLUMNS}
        | {
            "result": dump_result(generation.result),
            "not_before": now + ANSWER_TIME,
            "card_due": False,
        }
        for generation in new
    ]
    if rows:
        connection.execute(generations.insert(), rows)
        after_commit(connection, partial(log_states, new))


def record_clicks(
    connection: sa.Connection, now: datetime, requests: Sequence[Request], results: Sequence[Any]
) -> None:
    """Record the presses among the requests, each with what came of it: a result or an error."""
    pressed: dict[int, tuple[_Press, Any]] = {}
    for request, result in zip(requests, results, strict=True):
        if press := _press_of(request):
            # The first counts, where one is told twice.
            pressed.setdefault(press.asker.interaction_id, (press, result))
        elif isinstance(request, Remake):
            query = clicks.update().where(clicks.c.id == request.click.asker.interaction_id)
            connection.execute(query.values(outcome=_outcome(result)))
    if not pressed:
        return
    for id_ in connection.execute(_SEEN_CLICKS, {"ids": list(pressed)}).scalars():
        del pressed[id_]
    rows = [
        {
            "id": id_,
            "user_id": press.asker.user_id,
            "guild_id": press.asker.guild_id,
            "generation_id": press.generation_id,
            "label": press.label,
            "clicked_at": now,
            "outcome": _outcome(result),
        }
        for id_, (press, result) in pressed.items()
    ]
    if rows:
        connection.execute(clicks.insert(), rows)
    for row in rows:
        said = "click on generation %(generation_id)s: %(label)s: %(outcome)s"
        after_commit(connection, partial(log.info, said, row))


def discard(connection: sa.Connection, generation: Generation, *, asker: Asker) -> Generation:
    """Note that the result of a generation that runs is to be kept, not posted.

    Raises:
        NotYours, TooLate
    """
    if not asker.may_end(generation):
        raise NotYours
    for discarded in change(connection, g.id == generation.id, RUNNING, NEEDS_CALL, discarded=True):
        return discarded
    raise TooLate


def cancel_rows(
    connection: sa.Connection, now: datetime, *which: sa.ColumnElement[bool]
) -> list[Generation]:
    """Cancel queued rows that nobody paid for yet. No worker owns their cards: where the front
    doesn't show the end, one takes them over."""
    return change(
        connection,
        *which,
        QUEUED,
        g.result.is_(None),
        state=State.CANCELLED,
        finished_at=now,
        card_due=True,
        worker=None,
        lease_until=now + ANSWER_TIME,
    )


@dataclass(frozen=True, slots=True)
class _Press:
    """What the ledger keeps of a press."""

    asker: Asker
    generation_id: int
    label: str


def _press_of(request: Request) -> _Press | None:
    """Return the press that a request is, if it is one."""
    match request:
        case Click():
            return _Press(request.asker, request.generation_id, request.label)
        case Act(click=click) | Note(click=click):
            return _Press(click.asker, click.generation_id, click.label)
        case Retry(label=str(label)) | Cancel(label=str(label)):
            return _Press(request.asker, request.generation_id, label)
        case _:
            return None


def _outcome(result: object) -> Outcome:
    match result:
        case UnknownPicture():
            return Outcome.UNKNOWN
        case EnqueueResult(repeated=True):
            return Outcome.REPEATED
        case Exception():
            return Outcome.REFUSED
        case _:
            return Outcome.ACCEPTED
