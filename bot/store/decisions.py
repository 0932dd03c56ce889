"""What becomes of a batch of requests: decided item by item in memory, in one transaction.

What members do depends on what others did just before, so a batch reads what it needs once and
writes the new rows together: a press in a burst costs a fraction of a statement.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from bot.domain import (
    NOBODY,
    SOURCE,
    Asker,
    Click,
    Generation,
    Kind,
    NewGeneration,
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
from bot.store import asked
from bot.store.admission import Admission, Limits, is_in_time
from bot.store.asked import EnqueueResult
from bot.store.policies import read_policies
from bot.store.recording import ANSWER_TIME, cancel_rows, insert_new, record_answers, record_clicks
from bot.store.rows import (
    CALL_PLACES,
    COLUMNS,
    COUNTED_STATES,
    LIVE,
    among,
    change,
    count_running,
    fetch,
    g,
    get,
    mark_deleted,
)
from bot.store.tables import POSTED_TILE, generations

_LIVE_OF_USERS = sa.select(g.id, g.user_id, g.parent_id, g.kind, g.tile).where(
    LIVE, among(g.user_id, "users")
)
_RETRIES = sa.select(g.retry_of, g.id).where(among(g.retry_of, "old"), g.state.in_(COUNTED_STATES))


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


class Transaction:
    """One batch in one transaction. ``known`` holds every generation that the batch names;
    ``governed`` servers have settings of their own, which are read."""

    def __init__(
        self,
        connection: sa.Connection,
        limits: Limits,
        now: datetime,
        requests: Sequence[asked.Request],
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
        answers = [request for request in self.requests if isinstance(request, asked.Answered)]
        record_answers(self.connection, self.now, answers)
        self._load()
        results = [self._decide(request) for request in self.requests]
        insert_new(self.connection, self.now, self.new)
        record_clicks(self.connection, self.now, self.requests, results)
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
                case Click() | asked.Remake() | asked.Remix():
                    click = request if isinstance(request, Click) else request.click
                    named |= {click.asker.interaction_id, click.generation_id}
                    users.add(click.asker.user_id)
                    grids.add(click.generation_id)
                case asked.Act():
                    named.add(request.click.generation_id)
                case asked.Retry():
                    named |= {request.asker.interaction_id, request.generation_id}
                    old.add(request.generation_id)
                case asked.Cancel():
                    named.add(request.generation_id)
                case asked.Fetch() | asked.Note() | asked.Answered():
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
            users = {asker.user_id for asker in map(asked.who_asks, self.requests) if asker}
            self._admission = Admission(
                self.connection, self.limits, self.policies, users, self.now
            )
        return self._admission

    def _governed_here(self) -> set[int]:
        """Return the servers of this batch whose owners chose something."""
        guilds: set[int | None] = set()
        for request in self.requests:
            if isinstance(request, asked.Remake | asked.Remix | asked.Act | asked.Note):
                guilds.add(request.click.asker.guild_id)
            elif not isinstance(request, asked.Answered):
                guilds.add(request.asker.guild_id)
        return {guild_id for guild_id in guilds if guild_id and guild_id in self.governed}

    def _policy(self, asker: Asker) -> Policy:
        return self.policies.get(asker.guild_id or 0, NO_POLICY)

    def _existing(self, generation_id: int) -> Generation:
        if generation_id not in self.known:
            self.known |= get(self.connection, [generation_id])
        return self.known[generation_id]

    # What is decided.

    def _decide(self, request: asked.Request) -> Any:
        try:
            match request:
                case NewGeneration():
                    self._check_parent(request)
                    return self._enqueue(self._with_source(request))
                case Click():
                    return self._press(request)
                case asked.Remix():
                    return self._remix(request)
                case asked.Remake():
                    return self._remake(request)
                case asked.Act():
                    return self._act(request)
                case asked.Retry():
                    return self._retry(request)
                case asked.Cancel():
                    return self._cancel(request)
                case asked.Fetch():
                    return self._fetch(request.asker)
                case asked.Note() | asked.Answered():
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
        kind, tile = asked.kind_and_tile(click, parent)
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
        return self._enqueue(asked.from_click(click, parent, kind, tile, parent.prompt))

    def _remix(self, remix: asked.Remix) -> EnqueueResult:
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
            new = asked.from_click(click, parent, Kind.REMIX, remix.tile, remix.prompt)
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

    def _remake(self, remake: asked.Remake) -> EnqueueResult:
        mark_deleted(self.connection, self.now, g.id == remake.repeated)
        self.tiles = {tile: id_ for tile, id_ in self.tiles.items() if id_ != remake.repeated}
        return self._press(remake.click)

    def _act(self, act: asked.Act) -> Any:
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

    def _retry(self, retry: asked.Retry) -> EnqueueResult:
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

    def _cancel(self, cancel: asked.Cancel) -> Generation:
        generation = self._named(cancel.generation_id, cancel.asker)
        if not cancel.asker.may_end(generation):
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

    def _ahead(self) -> dict[int, int]:
        calls = [generation.id for generation in self.new if generation.needs_call]
        if not calls:
            return {}
        running = count_running(self.connection)
        rows = self.connection.execute(CALL_PLACES, {"ids": calls})
        concurrency = self.limits.concurrency
        return {row.id: count_ahead(row.place, running, concurrency) for row in rows}


def _values(part: Asker | NewGeneration) -> dict[str, Any]:
    """Return what a row keeps of a part of a new generation."""
    names = {field.name for field in fields(part)}
    return {column.name: getattr(part, column.name) for column in COLUMNS if column.name in names}
