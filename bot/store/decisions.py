"""What becomes of a batch of requests: decided item by item in memory, in one transaction.

What members do depends on what others did just before, so a batch reads what it needs once and
writes the new rows together: a press in a burst costs a fraction of a statement.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bot.domain import (
    GRID,
    SOURCE,
    Asker,
    Click,
    Generation,
    Kind,
    NewGeneration,
    Option,
    Outcome,
    State,
    file_named,
)
from bot.errors import (
    Elsewhere,
    NothingToFetch,
    NothingToRetry,
    NotYours,
    PermissionsMissing,
    Refused,
    TooLate,
    UnknownPicture,
)
from bot.store.admission import Admission, Limits, count, is_in_time
from bot.store.rows import (
    CALL_ORDER,
    COLUMNS,
    COUNTED_STATES,
    LIVE,
    QUEUED,
    among,
    change,
    dump_result,
    fetch,
    g,
    get,
    log_states,
)
from bot.store.tables import POSTED_TILE, clicks, generations

log = logging.getLogger(__name__)

ANSWER_TIME = timedelta(seconds=8)
"""How long a new row waits for the front to record its answer before a worker looks for that, and
a cancelled one before a worker shows on its card what the front couldn't. Longer than the front
takes for both (``bot/ui/replies.py``)."""

AT_ONCE = datetime(2015, 1, 1, tzinfo=UTC)
"""The time before which nothing waits, whatever is done to the machine's clock."""


_LIVE_OF_USERS = sa.select(g.id, g.user_id, g.parent_id, g.kind, g.tile).where(
    LIVE, among(g.user_id, "users")
)
_RETRIES = sa.select(g.retry_of, g.id).where(among(g.retry_of, "old"), g.state.in_(COUNTED_STATES))
_SEEN_CLICKS = sa.select(clicks.c.id).where(among(clicks.c.id, "ids"))
_PLACES = sa.select(CALL_ORDER.c.id, CALL_ORDER.c.place).where(among(CALL_ORDER.c.id, "ids"))
_ANSWERED = (
    generations.update()
    .where(g.id == sa.bindparam("generation"))
    .values(card_id=sa.bindparam("card"), not_before=AT_ONCE)
)


def _posted_tiles() -> sa.Select[Any]:
    """Find the posted tiles of some grids: four looks into an index for each grid."""
    grid = generations.alias("grid")
    tiles = [
        sa.select(g.id)
        .where(POSTED_TILE, g.parent_id == grid.c.id, g.tile == number)
        .order_by(g.id)
        .limit(1)
        .scalar_subquery()
        for number in range(1, 5)
    ]
    return sa.select(grid.c.id, *tiles).where(among(grid.c.id, "grids"))


_TILES = _posted_tiles()


@dataclass(frozen=True, slots=True)
class EnqueueResult:
    """What became of a request: the new generation with its place in the queue (from 1), or
    (``repeated``) the one that there is already."""

    generation: Generation
    place: int | None = None
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Retry:
    """Somebody asks again for a generation that failed."""

    asker: Asker
    generation_id: int


@dataclass(frozen=True, slots=True)
class Cancel:
    """Somebody takes a generation out of the queue; a ``moderator`` may do so with anybody's."""

    asker: Asker
    generation_id: int
    moderator: bool


@dataclass(frozen=True, slots=True)
class Fetch:
    """A user asks for their oldest undelivered result, here."""

    asker: Asker


@dataclass(frozen=True, slots=True)
class Remake:
    """A click was answered with a link to ``repeated``, whose message has been deleted since."""

    click: Click
    repeated: int


@dataclass(frozen=True, slots=True)
class Act:
    """Somebody presses a button that is no option of the API's. ``act`` does what it stands for,
    in the transaction that records the click; where it raises a :class:`Refused`, it has written
    nothing. ``anywhere``: the button also stands on messages in other places than its result."""

    click: Click
    act: Callable[[sa.Connection, Generation], Any]
    anywhere: bool = False


@dataclass(frozen=True, slots=True)
class Answered:
    """The asker sees the card ``card_id``, or (``None``) doesn't see any answer."""

    generation_id: int
    card_id: int | None


Request = NewGeneration | Click | Act | Retry | Cancel | Fetch | Remake | Answered


class Transaction:
    """One batch in one transaction. ``known`` holds every generation that the batch names."""

    def __init__(
        self,
        connection: sa.Connection,
        limits: Limits,
        now: datetime,
        requests: Sequence[Request],
    ) -> None:
        self.connection = connection
        self.limits = limits
        self.now = now
        self.requests = requests
        self.known: dict[int, Generation] = {}
        self.mine: dict[tuple[int, int | None, Kind, int], int] = {}
        self.tiles: dict[tuple[int, int], int] = {}
        self.retried: dict[int, int] = {}
        self.new: list[Generation] = []
        self._admission: Admission | None = None

    def run(self) -> list[Any]:
        """Return a result or an error for each request."""
        self._answered([r for r in self.requests if isinstance(r, Answered)])
        self._load()
        results = [self._decide(request) for request in self.requests]
        self._insert()
        self._record_clicks(results)
        places = self._places()
        return [
            replace(result, place=places.get(result.generation.id))
            if isinstance(result, EnqueueResult) and not result.repeated
            else result
            for result in results
        ]

    # What is read.

    def _load(self) -> None:
        """Read all that the decisions depend on, with one statement for each question."""
        named: set[int] = set()
        users: set[int] = set()
        grids: set[int] = set()
        old: set[int] = set()
        for request in self.requests:
            match request:
                case NewGeneration():
                    named.add(request.asker.interaction_id)
                case Click() | Remake():
                    click = request.click if isinstance(request, Remake) else request
                    named |= {click.asker.interaction_id, click.generation_id}
                    users.add(click.asker.user_id)
                    grids.add(click.generation_id)
                case Act():
                    named.add(request.click.generation_id)
                case Retry():
                    named |= {request.asker.interaction_id, request.generation_id}
                    old.add(request.generation_id)
                case Cancel():
                    named.add(request.generation_id)
                case Fetch() | Answered():
                    pass
        if named:
            self.known = get(self.connection, named)
        if users:
            rows = self.connection.execute(_LIVE_OF_USERS, {"users": list(users)})
            for id_, user_id, parent_id, kind, tile in rows:
                self.mine.setdefault((user_id, parent_id, Kind(kind), tile), id_)
        if grids:
            for grid_id, *ids in self.connection.execute(_TILES, {"grids": list(grids)}):
                self.tiles |= {(grid_id, n): id_ for n, id_ in enumerate(ids, 1) if id_}
        if old:
            for retry_of, id_ in self.connection.execute(_RETRIES, {"old": list(old)}):
                self.retried[retry_of] = id_

    @property
    def admission(self) -> Admission:
        """The counts that limits go by, read when the first request needs them."""
        if self._admission is None:
            asking = (r for r in self.requests if isinstance(r, NewGeneration | Retry | Click))
            users = {request.asker.user_id for request in asking}
            self._admission = count(self.connection, self.limits, users, self.now)
        return self._admission

    def _existing(self, generation_id: int) -> Generation:
        if generation_id not in self.known:
            self.known |= get(self.connection, [generation_id])
        return self.known[generation_id]

    # What is decided.

    def _decide(self, request: Request) -> Any:
        try:
            match request:
                case NewGeneration():
                    return self._enqueue(request)
                case Click():
                    return self._press(request)
                case Remake():
                    return self._remake(request)
                case Act():
                    return self._act(request)
                case Retry():
                    return self._retry(request)
                case Cancel():
                    return self._cancel(request)
                case Fetch():
                    return self._fetch(request.asker)
                case Answered():
                    return None
        except Refused as error:
            return error

    def _enqueue(self, new: NewGeneration) -> EnqueueResult:
        if known := self.known.get(new.asker.interaction_id):
            return EnqueueResult(known, repeated=True)  # Discord may tell of one twice.
        if new.kind.calls_api and new.result is None:
            self._admit(new.asker)
        generation = Generation(
            id=new.asker.interaction_id,
            state=State.QUEUED,
            created_at=self.now,
            token_at=self.now,
            **_values(new.asker),
            **_values(new),
        )
        self.known[generation.id] = generation
        self.mine[new.asker.user_id, new.parent_id, new.kind, new.tile] = generation.id
        self.new.append(generation)
        return EnqueueResult(generation)

    def _admit(self, asker: Asker) -> None:
        """Refuse what is over a limit, and what could be delivered nowhere once it is paid for."""
        missing = asker.missing_permissions
        if missing and not is_in_time(self.connection, self.limits, self.admission.waiting):
            raise PermissionsMissing(missing)
        if error := self.admission.admit(asker.user_id, self.now):
            raise error

    def _press(self, click: Click) -> EnqueueResult:
        if known := self.known.get(click.asker.interaction_id):
            return EnqueueResult(known, repeated=True)
        parent, option = self._pressed(click)
        if parent.state is not State.POSTED:
            parent = self._recognize(parent, click)
        own = self.mine.get((click.asker.user_id, parent.id, option.kind, option.tile))
        posted = self.tiles.get((parent.id, option.tile)) if not option.kind.calls_api else None
        if existing := posted or own:
            return EnqueueResult(self._existing(existing), repeated=True)
        return self._enqueue(_from_click(click, parent, option))

    def _pressed(self, click: Click) -> tuple[Generation, Option]:
        parent = self._named(click.generation_id, click.asker)
        options = parent.result.options if parent.result else ()
        if click.option is None or not 0 <= click.option < len(options):
            raise UnknownPicture
        return parent, options[click.option]

    def _recognize(self, parent: Generation, click: Click) -> Generation:
        """Record that a result is posted: its worker died before it could, but here is a press."""
        (recognized,) = change(
            self.connection,
            g.id == parent.id,
            state=State.POSTED,
            message_id=click.message_id,
            grid_file=file_named(GRID, click.links),
            source_file=file_named(SOURCE, click.links),
            finished_at=self.now,
            card_due=True,
        )
        self.known[parent.id] = recognized
        return recognized

    def _remake(self, remake: Remake) -> EnqueueResult:
        change(self.connection, g.id == remake.repeated, message_id=None)
        self.tiles = {tile: id_ for tile, id_ in self.tiles.items() if id_ != remake.repeated}
        return self._press(remake.click)

    def _act(self, act: Act) -> Any:
        asker = None if act.anywhere else act.click.asker
        return act.act(self.connection, self._named(act.click.generation_id, asker))

    def _named(self, generation_id: int, asker: Asker | None) -> Generation:
        """Return the generation that a button is about; it must be of the ``asker``'s place."""
        generation = self.known.get(generation_id)
        if generation is None:
            raise UnknownPicture
        if asker and generation.place != (asker.guild_id, asker.channel_id):
            raise Elsewhere
        return generation

    def _retry(self, retry: Retry) -> EnqueueResult:
        old = self._named(retry.generation_id, retry.asker)
        if not old.retryable:
            raise NothingToRetry
        if existing := self.retried.get(old.id):
            return EnqueueResult(self._existing(existing), repeated=True)
        new = NewGeneration(
            asker=retry.asker,
            kind=old.kind,
            prompt=old.prompt,
            source_url=old.source_url,
            parent_id=old.parent_id,
            tile=old.tile,
            retry_of=old.id,
            result=old.result,  # What is paid for already is only delivered.
        )
        result = self._enqueue(new)
        self.retried[old.id] = result.generation.id
        return result

    def _cancel(self, cancel: Cancel) -> Generation:
        generation = self._named(cancel.generation_id, cancel.asker)
        if cancel.asker.user_id != generation.user_id and not cancel.moderator:
            raise NotYours
        for cancelled in self._cancel_rows(g.id == generation.id):
            return cancelled
        raise TooLate

    def _cancel_rows(self, which: sa.ColumnElement[bool]) -> list[Generation]:
        """Cancel queued rows that nobody paid for yet. No worker owns their cards: where the front
        doesn't show the end, one takes them over."""
        return change(
            self.connection,
            which,
            QUEUED,
            g.result.is_(None),
            state=State.CANCELLED,
            finished_at=self.now,
            card_due=True,
            worker=None,
            lease_until=self.now + ANSWER_TIME,
        )

    def _fetch(self, asker: Asker) -> EnqueueResult:
        own = g.user_id == asker.user_id
        told = sa.select(*COLUMNS).where(own, g.interaction_id == asker.interaction_id)
        for generation in fetch(self.connection, told):
            return EnqueueResult(generation, repeated=True)  # Discord may tell of one twice.
        mine = sa.and_(own, g.state == State.UNDELIVERED)
        oldest = (
            sa.select(g.id)
            .where(mine, g.guild_id.is_not_distinct_from(asker.guild_id))
            .order_by(g.id)
            .limit(1)
        )
        for generation in change(
            self.connection,
            g.id == oldest.scalar_subquery(),
            state=State.QUEUED,
            token_at=self.now,
            card_id=None,
            card_due=False,
            not_before=self.now + ANSWER_TIME,
            attempts=0,
            started_at=None,
            finished_at=None,
            error=None,
            **_values(asker),
        ):
            return EnqueueResult(generation)
        raise NothingToFetch

    # What is written.

    def _answered(self, answers: Sequence[Answered]) -> None:
        seen = [
            {"generation": answer.generation_id, "card": answer.card_id}
            for answer in answers
            if answer.card_id is not None
        ]
        if seen:
            self.connection.execute(_ANSWERED, seen)
        if unseen := [answer.generation_id for answer in answers if answer.card_id is None]:
            self._cancel_rows(g.id.in_(unseen))
            change(self.connection, g.id.in_(unseen), QUEUED, state=State.UNDELIVERED)

    def _insert(self) -> None:
        rows = [
            {column.name: getattr(generation, column.name) for column in COLUMNS}
            | {
                "result": dump_result(generation.result),
                "not_before": self.now + ANSWER_TIME,
                "card_due": False,
            }
            for generation in self.new
        ]
        if rows:
            self.connection.execute(generations.insert(), rows)
            log_states(self.new)

    def _record_clicks(self, results: Sequence[Any]) -> None:
        pressed: dict[int, tuple[Click, Any]] = {}
        for request, result in zip(self.requests, results, strict=True):
            if isinstance(request, Click | Act):
                click = request.click if isinstance(request, Act) else request
                # The first counts, where one is told twice.
                pressed.setdefault(click.asker.interaction_id, (click, result))
            elif isinstance(request, Remake):
                query = clicks.update().where(clicks.c.id == request.click.asker.interaction_id)
                self.connection.execute(query.values(outcome=_outcome(result)))
        if not pressed:
            return
        for id_ in self.connection.execute(_SEEN_CLICKS, {"ids": list(pressed)}).scalars():
            del pressed[id_]
        rows = [
            {
                "id": id_,
                "user_id": click.asker.user_id,
                "guild_id": click.asker.guild_id,
                "generation_id": click.generation_id,
                "label": click.label,
                "clicked_at": self.now,
                "outcome": _outcome(result),
            }
            for id_, (click, result) in pressed.items()
        ]
        if rows:
            self.connection.execute(clicks.insert(), rows)
        for row in rows:
            log.info("click on generation %(generation_id)s: %(label)s: %(outcome)s", row)

    def _places(self) -> dict[int, int]:
        calls = [generation.id for generation in self.new if generation.needs_call]
        if not calls:
            return {}
        rows = self.connection.execute(_PLACES, {"ids": calls})
        return {row.id: row.place for row in rows}


def _from_click(click: Click, parent: Generation, option: Option) -> NewGeneration:
    """Say what a press asks for: a tile is cut from the grid, a grid starts from a tile or from
    its parent's source."""
    file = parent.grid_file if option.tile else parent.source_file
    fresh = click.links.get(file or "")
    return NewGeneration(
        asker=click.asker,
        kind=option.kind,
        prompt=parent.prompt,
        source_url=fresh or (None if option.tile else parent.source_url),
        parent_id=parent.id,
        tile=option.tile,
    )


def _values(part: Asker | NewGeneration) -> dict[str, Any]:
    """Return what a row keeps of a part of a new generation."""
    names = {field.name for field in fields(part)}
    return {column.name: getattr(part, column.name) for column in COLUMNS if column.name in names}


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
