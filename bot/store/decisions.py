"""What becomes of a batch of requests: decided item by item in memory, in one transaction.

What members do depends on what others did just before, so a batch reads what it needs once and
writes the new rows together: a press in a burst costs a fraction of a statement.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bot.domain import (
    ALL_FOUR,
    NOBODY,
    SOURCE,
    Asker,
    Click,
    Generation,
    Kind,
    NewGeneration,
    Outcome,
    State,
    count_ahead,
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
    WasDeleted,
)
from bot.policy import NO_POLICY, Policy
from bot.prompts import clean_prompt
from bot.store.admission import Admission, Limits, is_in_time
from bot.store.policies import read_policies
from bot.store.rows import (
    CALL_PLACES,
    COLUMNS,
    COUNTED_STATES,
    LIVE,
    NEEDS_CALL,
    QUEUED,
    RUNNING,
    among,
    change,
    count_running,
    dump_result,
    fetch,
    g,
    get,
    log_states,
    mark_deleted,
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
_ANSWERED = (
    generations.update()
    .where(g.id == sa.bindparam("generation"))
    .values(card_id=sa.bindparam("card"), not_before=AT_ONCE)
)


def _posted_tiles() -> sa.Select[Any]:
    """Find the posted tiles of some grids, and all four as 0: five looks into an index for each
    grid."""
    grid = generations.alias("grid")
    tiles = [
        sa.select(g.id)
        .where(POSTED_TILE, g.parent_id == grid.c.id, g.tile == number)
        .order_by(g.id)
        .limit(1)
        .scalar_subquery()
        for number in range(5)
    ]
    return sa.select(grid.c.id, *tiles).where(among(grid.c.id, "grids"))


_TILES = _posted_tiles()


@dataclass(frozen=True, slots=True)
class EnqueueResult:
    """What became of a request: the new generation and how many are ``ahead`` of it in the queue
    (``None`` where it needs no call), or (``repeated``) the one that there is already."""

    generation: Generation
    ahead: int | None = None
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Retry:
    """Somebody asks again for a generation that failed. With a ``label`` it is a press of the
    button that shows it, and recorded as a click."""

    asker: Asker
    generation_id: int
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Cancel:
    """Somebody takes a generation out of the queue; a ``moderator`` may do so with anybody's.
    ``label`` is as with :class:`Retry`."""

    asker: Asker
    generation_id: int
    moderator: bool
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Remix:
    """Somebody asks for a new grid with the words ``prompt``, from the source of a grid, from its
    ``tile`` 1 to 4, or from a tile on its own. Unchanged words mean a reroll or a variation.

    ``click`` says who and where; it is no press, so it isn't recorded.
    """

    click: Click
    prompt: str
    tile: int


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
    nothing. ``anywhere``: the button also stands on messages in other places than its result.
    ``posted``: the button stands on the result itself, which so is posted."""

    click: Click
    act: Callable[[sa.Connection, Generation], Any]
    anywhere: bool = False
    posted: bool = False


@dataclass(frozen=True, slots=True)
class Note:
    """Somebody presses a button that only shows something; whatever it is about, it is recorded."""

    click: Click


@dataclass(frozen=True, slots=True)
class Answered:
    """The asker sees the card ``card_id``, or (``None``) doesn't see any answer."""

    generation_id: int
    card_id: int | None


Request = NewGeneration | Click | Remix | Act | Note | Retry | Cancel | Fetch | Remake | Answered


class Transaction:
    """One batch in one transaction. ``known`` holds every generation that the batch names;
    ``governed`` servers have settings of their own, which are read."""

    def __init__(
        self,
        connection: sa.Connection,
        limits: Limits,
        now: datetime,
        requests: Sequence[Request],
        governed: Collection[int] = (),
    ) -> None:
        self.connection = connection
        self.limits = limits
        self.now = now
        self.requests = requests
        self.governed = governed
        self.policies: dict[int, Policy] = {}
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
        ahead = self._ahead()
        return [
            replace(result, ahead=ahead.get(result.generation.id))
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
        self.policies = read_policies(self.connection, self._governed_here())
        for request in self.requests:
            match request:
                case NewGeneration():
                    named |= {request.asker.interaction_id, request.parent_id or 0}
                case Click() | Remake() | Remix():
                    click = request if isinstance(request, Click) else request.click
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
                case Fetch() | Note() | Answered():
                    pass
        if named:
            self.known = get(self.connection, named)
        if users:
            rows = self.connection.execute(_LIVE_OF_USERS, {"users": list(users)})
            for id_, user_id, parent_id, kind, tile in rows:
                self.mine.setdefault((user_id, parent_id, Kind(kind), tile), id_)
        if grids:
            for grid_id, *ids in self.connection.execute(_TILES, {"grids": list(grids)}):
                self.tiles |= {(grid_id, n): id_ for n, id_ in enumerate(ids) if id_}
        if old:
            for retry_of, id_ in self.connection.execute(_RETRIES, {"old": list(old)}):
                self.retried[retry_of] = id_

    @property
    def admission(self) -> Admission:
        """The counts that limits go by, read when the first request needs them."""
        if self._admission is None:
            users = {asker.user_id for asker in map(_asking, self.requests) if asker}
            self._admission = Admission(
                self.connection, self.limits, self.policies, users, self.now
            )
        return self._admission

    def _governed_here(self) -> set[int]:
        """Return the servers of this batch whose owners chose something."""
        guilds: set[int | None] = set()
        for request in self.requests:
            if isinstance(request, Remake | Remix | Act | Note):
                guilds.add(request.click.asker.guild_id)
            elif not isinstance(request, Answered):
                guilds.add(request.asker.guild_id)
        return {guild_id for guild_id in guilds if guild_id and guild_id in self.governed}

    def _policy(self, asker: Asker) -> Policy:
        return self.policies.get(asker.guild_id or 0, NO_POLICY)

    def _existing(self, generation_id: int) -> Generation:
        if generation_id not in self.known:
            self.known |= get(self.connection, [generation_id])
        return self.known[generation_id]

    # What is decided.

    def _decide(self, request: Request) -> Any:
        try:
            match request:
                case NewGeneration():
                    self._check_parent(request)
                    return self._enqueue(self._with_source(request))
                case Click():
                    return self._press(request)
                case Remix():
                    return self._remix(request)
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
                case Note() | Answered():
                    return None
        except Refused as error:
            return error

    def _with_source(self, new: NewGeneration) -> NewGeneration:
        """Return what a modal asks for with the source of its parent, which must be of this place
        like a pressed button's."""
        if new.parent_id is None:
            return new
        parent = self._named(new.parent_id, new.asker)
        kept = None if parent.source_file else parent.source_url
        return replace(
            new,
            source_url=new.source_url or kept,
            private=parent.private,
            origin=None if new.tile else parent.origin,
        )

    def _enqueue(self, new: NewGeneration) -> EnqueueResult:
        if known := self.known.get(new.asker.interaction_id):
            return EnqueueResult(known, repeated=True)  # Discord may tell of one twice.
        if new.result is None:
            self._check_work(new)
        asker = replace(new.asker, answer_only=new.answer_only)
        if new.kind.calls_api and new.result is None:
            self._admit(asker)
        generation = Generation(
            id=new.asker.interaction_id,
            state=State.QUEUED,
            created_at=self.now,
            token_at=self.now,
            spoiler=self._policy(new.asker).is_spoiler(new.asker),
            **_values(asker),
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
        self.admission.admit(asker)

    def _check_work(self, new: NewGeneration) -> None:
        """Refuse what the server's owners don't allow."""
        policy = self._policy(new.asker)
        refusal = policy.refuse_work(new.asker)
        if refusal is None and new.kind.calls_api:
            refusal = policy.refuse_words(new.prompt)
        if refusal:
            raise refusal

    def _check_presser(self, asker: Asker, grid: Generation) -> None:
        if refusal := self._policy(asker).refuse_press(asker, grid.user_id):
            raise refusal

    def _check_parent(self, new: NewGeneration) -> None:
        """Refuse a grid that starts from one whose buttons the asker may not press."""
        if new.parent_id is None or self._policy(new.asker) is NO_POLICY:
            return
        if new.parent_id not in self.known:
            self.known |= get(self.connection, [new.parent_id])
        if parent := self.known.get(new.parent_id):
            self._check_presser(new.asker, parent)

    def _press(self, click: Click) -> EnqueueResult:
        if known := self.known.get(click.asker.interaction_id):
            return EnqueueResult(known, repeated=True)
        parent = self._named(click.generation_id, click.asker)
        self._check_presser(click.asker, parent)
        kind, tile = _asked_by(click, parent)
        return self._make(click, self._posted(parent, click), kind, tile)

    def _make(self, click: Click, parent: Generation, kind: Kind, tile: int) -> EnqueueResult:
        """Put into the queue what is made from a picture with the same words, unless it is there:
        a posted tile for everybody, else what that user waits for."""
        own = self.mine.get((click.asker.user_id, parent.id, kind, tile))
        posted = self.tiles.get((parent.id, tile)) if not kind.calls_api else None
        if existing := posted or own:
            found = self._existing(existing)
            # An ephemeral tile may be gone from its asker's screen, and nobody else sees one in
            # direct messages: it is cut anew.
            others = found.direct_id is not None and found.user_id != click.asker.user_id
            if not ((found.is_fleeting or others) and found.state is State.POSTED):
                return EnqueueResult(found, repeated=True)
        return self._enqueue(_from_click(click, parent, kind, tile, parent.prompt))

    def _remix(self, remix: Remix) -> EnqueueResult:
        click = remix.click
        if known := self.known.get(click.asker.interaction_id):
            return EnqueueResult(known, repeated=True)
        parent = self._named(click.generation_id, click.asker)
        self._check_presser(click.asker, parent)
        parent = self._posted(parent, click)
        is_tile = parent.kind is Kind.UPSCALE
        if is_tile and (remix.tile or not parent.tile):
            raise UnknownPicture
        if remix.prompt != clean_prompt(parent.prompt):
            new = _from_click(click, parent, Kind.REMIX, remix.tile, remix.prompt)
            return self._enqueue(new)
        kind = Kind.VARIATION if is_tile or remix.tile else Kind.REROLL
        return self._make(click, parent, kind, remix.tile)

    def _posted(self, parent: Generation, click: Click) -> Generation:
        """Return a generation as posted. Its worker may have died before it could record that,
        but here is a press on a message with its file; descriptions have none."""
        if parent.state is State.POSTED:
            return parent
        place = click.asker.channel_id
        file = file_named(parent.file_stem, click.links)
        if parent.needs_call or (file is None and parent.kind is not Kind.DESCRIBE):
            raise UnknownPicture
        (recognized,) = change(
            self.connection,
            g.id == parent.id,
            state=State.POSTED,
            message_id=click.message_id,
            grid_file=file,
            source_file=file_named(SOURCE, click.links),
            finished_at=self.now,
            card_due=True,
            direct_id=None if parent.channel_id == place else place,
        )
        self.known[parent.id] = recognized
        return recognized

    def _remake(self, remake: Remake) -> EnqueueResult:
        mark_deleted(self.connection, self.now, g.id == remake.repeated)
        self.tiles = {tile: id_ for tile, id_ in self.tiles.items() if id_ != remake.repeated}
        return self._press(remake.click)

    def _act(self, act: Act) -> Any:
        asker = None if act.anywhere else act.click.asker
        generation = self._named(act.click.generation_id, asker)
        if act.posted:
            generation = self._posted(generation, act.click)
        return act.act(self.connection, generation)

    def _named(self, generation_id: int, asker: Asker | None) -> Generation:
        """Return the generation that a button is about; it must be of the ``asker``'s place."""
        generation = self.known.get(generation_id)
        if generation is None or generation.user_id == NOBODY:
            raise UnknownPicture
        if asker and generation.private and asker.user_id != generation.user_id:
            raise UnknownPicture  # Nobody else is shown its buttons.
        if asker and not generation.is_at(asker):
            raise Elsewhere
        if generation.deleted_at:
            raise WasDeleted
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
            private=old.private,
            origin=old.origin,
        )
        result = self._enqueue(new)
        self.retried[old.id] = result.generation.id
        return result

    def _cancel(self, cancel: Cancel) -> Generation:
        generation = self._named(cancel.generation_id, cancel.asker)
        if cancel.asker.user_id != generation.user_id and not cancel.moderator:
            raise NotYours
        for cancelled in cancel_rows(self.connection, self.now, g.id == generation.id):
            return cancelled
        raise TooLate

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
            discarded=False,
            started_at=None,
            finished_at=None,
            error=None,
            direct_id=None,
            spoiler=self._policy(asker).is_spoiler(asker),
            **(_values(asker) | {"answer_only": sa.or_(g.private, sa.literal(asker.answer_only))}),
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
            cancel_rows(self.connection, self.now, g.id.in_(unseen))
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
        pressed: dict[int, tuple[_Press, Any]] = {}
        for request, result in zip(self.requests, results, strict=True):
            if press := _press_of(request):
                # The first counts, where one is told twice.
                pressed.setdefault(press.asker.interaction_id, (press, result))
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
                "user_id": press.asker.user_id,
                "guild_id": press.asker.guild_id,
                "generation_id": press.generation_id,
                "label": press.label,
                "clicked_at": self.now,
                "outcome": _outcome(result),
            }
            for id_, (press, result) in pressed.items()
        ]
        if rows:
            self.connection.execute(clicks.insert(), rows)
        for row in rows:
            log.info("click on generation %(generation_id)s: %(label)s: %(outcome)s", row)

    def _ahead(self) -> dict[int, int]:
        calls = [generation.id for generation in self.new if generation.needs_call]
        if not calls:
            return {}
        running = count_running(self.connection)
        rows = self.connection.execute(CALL_PLACES, {"ids": calls})
        concurrency = self.limits.concurrency
        return {row.id: count_ahead(row.place, running, concurrency) for row in rows}


def discard(
    connection: sa.Connection, generation: Generation, *, user_id: int, moderator: bool
) -> Generation:
    """Note that the result of a generation that runs is to be kept, not posted.

    Raises:
        NotYours, TooLate
    """
    if user_id != generation.user_id and not moderator:
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


def _from_click(
    click: Click, parent: Generation, kind: Kind, tile: int, prompt: str
) -> NewGeneration:
    """Say what is asked for: tiles are cut from the grid; a new grid starts from a tile, which may
    stand on its own, or from its parent's source."""
    from_result = bool(tile) or Kind.UPSCALE in {kind, parent.kind}
    file = parent.grid_file if from_result else parent.source_file
    fresh = click.links.get(file or "")
    return NewGeneration(
        asker=click.asker,
        kind=kind,
        prompt=prompt,
        source_url=fresh or (None if from_result else parent.source_url),
        parent_id=parent.id,
        tile=tile,
        private=parent.private,
        origin=None if from_result else parent.origin,
    )


def _asked_by(click: Click, parent: Generation) -> tuple[Kind, int]:
    """Return what kind of work the pressed button asks for, and of which tile."""
    if click.option == ALL_FOUR and parent.kind.calls_api:
        return Kind.UPSCALE, 0
    options = parent.result.options if parent.result else ()
    if click.option is None or not 0 <= click.option < len(options):
        raise UnknownPicture
    option = options[click.option]
    return option.kind, option.tile


def _asking(request: Request) -> Asker | None:
    """Return who may ask for a new generation by a request."""
    match request:
        case NewGeneration() | Retry() | Click():
            return request.asker
        case Remix() | Remake():
            return request.click.asker
        case _:
            return None


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
