"""What a worker does with the queue: claim, heartbeat, take over, finish."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from bot.domain import TOKEN_LIFETIME, Delivered, ErrorCode, Generation, Kind, Result, State
from bot.store.database import Database, Lock
from bot.store.rows import (
    CALL_ORDER,
    CALLED,
    COLUMNS,
    HAS_PROMPT,
    LIVE,
    NEEDS_CALL,
    PAUSED,
    QUEUED,
    RUNNING,
    Change,
    card_done,
    change,
    count_running,
    dump_result,
    fetch,
    g,
    generation_of,
    get,
    log_states,
    queue_order,
    typical_duration,
)
from bot.store.tables import (
    IS_CALL,
    POSTED_CHILD,
    POSTED_TILE,
    UtcDateTime,
    generations,
    workers,
)
from bot.store.workers import REGISTERED, Workers

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
_WAITING = (
    sa.select(*COLUMNS).join(CALL_ORDER, CALL_ORDER.c.id == g.id).order_by(CALL_ORDER.c.place)
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


_ID = g.id == sa.bindparam("generation")
_RUNNING_PROMPTS = sa.select(g.prompt).where(RUNNING, NEEDS_CALL).correlate(None)
# Where preparing takes long, Discord limits that channel or fails it: no more of it is begun.
_SLOW_CHANNELS = (
    sa.select(g.channel_id)
    .where(RUNNING, NEEDS_CALL, g.called_at.is_(None))
    .where(g.started_at <= sa.bindparam("prepared"))
    .correlate(None)
)
_USED = sa.union(
    sa.select(g.kind, g.tile).where(POSTED_TILE, g.parent_id == sa.bindparam("grid")),
    sa.select(g.kind, g.tile).where(POSTED_CHILD, g.parent_id == sa.bindparam("grid")),
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
_LOOK = sa.select(
    PAUSED,
    sa.case((sa.exists().where(_WAITS, NEEDS_CALL), _FREE), else_=0),
    sa.exists().where(_WAITS, sa.not_(NEEDS_CALL)),
)
_HELD_UP = sa.select(g.id).where(QUEUED, NEEDS_CALL, HAS_PROMPT, g.prompt.in_(_RUNNING_PROMPTS))
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


_CLAIM_CALL = _claim(_CALLS)
_CLAIM_CALL_OF_OTHER_PROMPT = _claim(_CALLS_OF_OTHER_PROMPTS)
_CLAIM_CALL_OF_PLENTY = _claim(_CALLS_OF_PLENTY)
_CLAIM_OTHERS = _claim(_OTHERS)


class Outlook(NamedTuple):
    """Whether all work is ``paused``, how many ``calls`` may begin if so many wait, and whether
    any ``others`` wait that need no call. Without a call that waits, ``calls`` is 0."""

    paused: bool
    calls: int
    others: bool


def _given(name: str) -> sa.BindParameter[Any]:
    return sa.bindparam(name)


class _Statements:
    """What one worker does with each generation that it owns."""

    def __init__(self, worker: str) -> None:
        mine = (_ID, RUNNING, g.worker == worker)
        # Without itself: the database may have committed this once without saying so.
        others = sa.select(sa.func.count()).where(CALLED, sa.not_(_ID)).correlate(None)
        free = others.scalar_subquery() < _given("places")
        now = _given("now")
        over: dict[str, Any] = {"finished_at": now, "card_due": True}
        told = {field.name: _given(f"its_{field.name}") for field in fields(Delivered)}
        unseen = sa.case((g.result.is_(None), State.CANCELLED), else_=State.UNDELIVERED)

        self.owned = sa.select(*COLUMNS).where(*mine)
        self.cards_due = sa.select(*COLUMNS).where(g.card_due, g.worker == worker)
        self.start_call = Change(*mine, free, called_at=now)
        self.keep_place = Change(*mine, started_at=now)
        self.keep_result = Change(*mine, result=_given("answer"))
        self.posted = Change(*mine, state=State.POSTED, **told, **over)
        self.failed = Change(*mine, state=_given("new_state"), error=_given("why"), **over)
        self.unseen = Change(*mine, state=unseen, **over)


class Queue:
    """A worker's transactions, under its own name. Each raises :class:`StoreUnavailable`; those
    that change a row return it, if this worker still owned it."""

    def __init__(
        self,
        database: Database,
        clock: Callable[[], datetime],
        workers: Workers,
    ) -> None:
        self._database = database
        self._clock = clock
        self._workers = workers
        self._worker = workers.name
        self._statements = _Statements(workers.name)

    # What is read.

    async def get(self, generation_id: int) -> Generation | None:
        """Return a generation, if there is one with that id."""
        found = await self._database.read(lambda connection: get(connection, [generation_id]))
        return found.get(generation_id)

    async def waiting(self) -> list[Generation]:
        """Return what waits for the API, in the order in which it will be called."""
        return await self._database.read(lambda connection: fetch(connection, _WAITING))

    async def running(self) -> int:
        """Return how many generations are being prepared for the API, or asked of it."""
        return await self._database.read(count_running)

    async def discarded(self) -> set[int]:
        """Return what runs though its asker doesn't want the result posted."""
        query = sa.select(g.id).where(RUNNING, g.discarded)
        return await self._database.read(
            lambda connection: set(connection.execute(query).scalars())
        )

    async def postponed(self) -> list[Generation]:
        """Return what needs no call and waits to be tried again."""
        query = sa.select(*COLUMNS).where(QUEUED, sa.not_(NEEDS_CALL), g.attempts > 0)
        return await self._database.read(lambda connection: fetch(connection, query))

    async def held_up(self) -> set[int]:
        """Return what waits for the API while a call with the same prompt is under way."""
        return await self._database.read(
            lambda connection: set(connection.execute(_HELD_UP).scalars())
        )

    async def used(self, grid_id: int) -> set[tuple[Kind, int]]:
        """Return what was made from a grid and is posted: each kind, with its tile or 0."""

        def read(connection: sa.Connection) -> set[tuple[Kind, int]]:
            rows = connection.execute(_USED, {"grid": grid_id})
            return {(Kind(kind), tile) for kind, tile in rows}

        return await self._database.read(read)

    async def typical_duration(self) -> timedelta | None:
        """Return the median time of the last generations that called the API."""
        return await self._database.read(typical_duration)

    # What is claimed.

    async def look(self, concurrency: int) -> Outlook:
        """Tell what there is to claim: that costs a fraction of claiming nothing, and no lock."""
        values = {"places": concurrency, **self._times()}
        return await self._database.read(
            lambda connection: Outlook(*connection.execute(_LOOK, values).one())
        )

    async def claim_call(self, concurrency: int, *, equal_prompts: bool) -> Generation | None:
        """Take the next generation whose turn it is to call the API, if one may.

        At most ``concurrency`` call at a time over all workers; one that takes long to prepare
        holds up nobody but its channel. Without ``equal_prompts`` never two with the same prompt:
        an API that finds a result by its prompt alone would mix them up.

        Workers claim side by side while at least as many places are free as there are workers, one
        after the other for the last ones.
        """
        values = {"limit": 1, "places": concurrency}
        claimed: list[Generation] = []
        if equal_prompts:
            claimed = await self._claim(_CLAIM_CALL_OF_PLENTY, values, shared=True)
        if not claimed:
            query = _CLAIM_CALL if equal_prompts else _CLAIM_CALL_OF_OTHER_PROMPT
            claimed = await self._claim(query, values)
        return next(iter(claimed), None)

    async def claim_others(self, busy_channels: Collection[int], limit: int) -> list[Generation]:
        """Take up to ``limit`` generations that need no call (any more): tiles to cut, results to
        deliver. Users take turns here too; what belongs to ``busy_channels`` is passed over."""
        values = {"limit": limit, "busy": list(busy_channels)}
        return await self._claim(_CLAIM_OTHERS, values, shared=True)

    async def _claim(
        self,
        query: sa.Executable,
        values: Mapping[str, object],
        *,
        shared: bool = False,
    ) -> list[Generation]:
        """Claim, for a worker that is known; where its row is taken away, nothing is claimed until
        its next heartbeat. A claim of any kind holds the lock, so that :meth:`give_back` waits for
        one whose commit takes long."""
        if not self._workers.joined:
            await self._workers.heartbeat()
        values = {**self._times(), **values, "me": self._worker}
        rows = await self._database.write(
            lambda connection: connection.execute(query, values).mappings().all(),
            lock=Lock.CLAIMS,
            shared=shared,
        )
        claimed = [generation_of(row) for row in rows]
        log_states(claimed)
        return claimed

    def _times(self) -> dict[str, datetime]:
        now = self._clock()
        return {"now": now, "far": now + LONGEST_DELAY, "prepared": now - PREPARE_TIME}

    async def start_call(self, generation_id: int, concurrency: int) -> bool:
        """Record that the API is about to be called, if a place is free: what comes of the call is
        unknown from here on, until there is an answer. If none is, keep the next one from those who
        come later: this generation is prepared."""
        statements = self._statements
        values = {"generation": generation_id, "now": self._clock()}

        def start(connection: sa.Connection) -> bool:
            if statements.start_call.run(connection, places=concurrency, **values):
                return True
            statements.keep_place.run(connection, **values)
            return False

        return await self._database.write(start, lock=Lock.CLAIMS)

    # What is owned.

    async def owned(self, generation_id: int) -> Generation | None:
        """Return a running generation as it is now, if this worker owns it still, and does so for
        a lease more."""

        def check(connection: sa.Connection) -> Generation | None:
            # First: whoever takes over what is owned waits for this, or has done so.
            self._workers.renew(connection)
            found = fetch(connection, self._statements.owned, generation=generation_id)
            return next(iter(found), None)

        return await self._database.write(check, lock=None)

    async def take_over(self) -> bool:
        """Take over what dead workers own; return whether there was anything.

        What needs no call is queued again, and what wasn't asked of the API yet. Where the API may
        have been called, the row becomes interrupted: it is never run again by itself.
        """

        def take(connection: sa.Connection) -> bool:
            now = self._workers.bury(connection)
            # The front keeps a cancelled card to itself until then.
            free = sa.or_(g.lease_until.is_(None), g.lease_until < now)
            nobody_s = sa.or_(g.worker.is_(None), g.worker.not_in(REGISTERED))
            return self._give_up(connection, sa.and_(nobody_s, free))

        return await self._database.write(take, lock=None)

    async def release(self) -> None:
        """Give up what this worker runs, for others to go on with."""
        await self.give_back(())

    async def give_back(self, known: Collection[int]) -> None:
        """Give up what this worker owns but doesn't know of: its claim was committed, and the
        database didn't say so, or is committing it still. What it runs is ``known``."""
        lost = sa.and_(self._mine(), g.id.not_in(list(known)))
        await self._database.write(
            lambda connection: self._give_up(connection, lost), lock=Lock.CLAIMS
        )

    def _give_up(self, connection: sa.Connection, which: sa.ColumnElement[bool]) -> bool:
        self._workers.attend(connection)
        over = {"state": State.INTERRUPTED, "finished_at": self._clock(), "card_due": True}
        again = {"state": State.QUEUED, "attempts": g.attempts + 1, "worker": None}
        interrupted = change(connection, which, CALLED, **over, **self._owned())
        queued = change(connection, which, RUNNING, **again)
        cards = change(connection, which, g.card_due, **self._owned())
        return bool(interrupted or queued or cards)

    def _owned(self) -> dict[str, object]:
        return {"worker": self._worker, "lease_until": None}

    def _mine(self) -> sa.ColumnElement[bool]:
        return sa.and_(RUNNING, g.worker == self._worker)

    async def _write(self, *where: sa.ColumnElement[bool], **values: object) -> list[Generation]:
        return await self._database.write(
            lambda connection: change(connection, *where, **values), lock=None
        )

    # What came of it.

    async def keep_result(self, generation_id: int, result: Result) -> Generation | None:
        """Keep what the API answered: from here on the generation is paid for.

        Where the row was taken for interrupted meanwhile, it is queued to be delivered.
        """
        answer = dump_result(result)
        query = self._statements.keep_result
        if kept := await self._change(query, generation_id, answer=answer):
            return kept
        retry = generations.alias("retry")
        lost = sa.and_(
            g.id == generation_id,
            g.state == State.INTERRUPTED,
            ~sa.exists().where(retry.c.retry_of == g.id),
        )
        revived = {"state": State.QUEUED, "finished_at": None, "card_due": False, "worker": None}
        # Under the lock under which somebody tries again.
        await self._database.write(
            lambda connection: change(connection, lost, result=answer, **revived)
        )
        return None

    async def requeue(self, generation_id: int, not_before: datetime, *, attempts: int) -> bool:
        """Put a generation back into the queue, for nothing before ``not_before``.

        Once for each such time: the database may have committed this without saying so, and this
        worker have claimed the generation again since.
        """
        called = sa.case((g.result.is_(None), None), else_=g.called_at)
        values = {"state": State.QUEUED, "worker": None, "called_at": called}
        return bool(
            await self._write(
                g.id == generation_id,
                self._mine(),
                g.not_before.is_distinct_from(not_before),
                not_before=not_before,
                attempts=attempts,
                **values,
            )
        )

    async def posted(self, generation_id: int, delivered: Delivered) -> Generation | None:
        """Record where the result is, and its attachments' names."""
        its = {f"its_{name}": value for name, value in asdict(delivered).items()}
        return await self._end(self._statements.posted, generation_id, **its)

    async def failed(self, generation_id: int, state: State, error: ErrorCode) -> Generation | None:
        """Record that a generation failed, or that its result could not be delivered."""
        query = self._statements.failed
        return await self._end(query, generation_id, new_state=state, why=error)

    async def unseen(self, generation_id: int) -> Generation | None:
        """Record that the asker can't or doesn't want to see a generation: it is cancelled, or
        undelivered where its result is there."""
        return await self._end(self._statements.unseen, generation_id)

    async def _end(self, query: Change, generation_id: int, **values: Any) -> Generation | None:
        return await self._change(query, generation_id, now=self._clock(), **values)

    async def _change(self, query: Change, generation_id: int, **values: Any) -> Generation | None:
        """Change a generation that this worker owns; return it as it is then, if it does."""
        changed = await self._database.write(
            lambda connection: query.run(connection, generation=generation_id, **values), lock=None
        )
        return next(iter(changed), None)

    async def cards_due(self) -> list[Generation]:
        """Return what is over, but whose card doesn't show it yet and is this worker's to edit."""
        query = self._statements.cards_due
        return await self._database.read(lambda connection: fetch(connection, query))

    async def card_done(self, ids: Iterable[int], *, deleted: bool = False) -> None:
        """Record that the cards of generations that are over show it, or are gone; or that those
        of ``deleted`` results are."""
        done = list(ids)
        await self._database.write(
            lambda connection: card_done(connection, done, deleted=deleted), lock=None
        )

    async def card_moved(
        self, generation_id: int, card_id: int, direct_id: int | None = None
    ) -> None:
        """Record that another message is the card now, in the direct messages ``direct_id`` if
        they hold it."""
        await self._write(g.id == generation_id, card_id=card_id, direct_id=direct_id)

    async def forget_tokens(self) -> None:
        """Delete the interaction tokens that Discord doesn't take any more."""
        expired = sa.and_(g.token.is_not(None), g.token_at < self._clock() - TOKEN_LIFETIME)
        await self._write(LIVE, expired, token=None)
        await self._write(g.card_due, expired, token=None)
