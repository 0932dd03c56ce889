"""What a worker does with the queue: claim, heartbeat, take over, finish."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bot.domain import TOKEN_LIFETIME, Delivered, ErrorCode, Generation, Kind, Result, State
from bot.store.claiming import (
    CLAIM_CALL,
    CLAIM_CALL_OF_OTHER_PROMPT,
    CLAIM_CALL_OF_PLENTY,
    CLAIM_OTHERS,
    HELD_UP,
    LOOK,
    Outlook,
    times,
)
from bot.store.database import Database, Lock
from bot.store.rows import (
    CALL_ORDER,
    CALLED,
    COLUMNS,
    LIVE,
    NEEDS_CALL,
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
    typical_duration,
)
from bot.store.tables import POSTED_CHILD, POSTED_TILE, generations
from bot.store.workers import REGISTERED, Workers

_WAITING = (
    sa.select(*COLUMNS).join(CALL_ORDER, CALL_ORDER.c.id == g.id).order_by(CALL_ORDER.c.place)
)
_ID = g.id == sa.bindparam("generation")
_USED = sa.union(
    sa.select(g.kind, g.tile).where(POSTED_TILE, g.parent_id == sa.bindparam("grid")),
    sa.select(g.kind, g.tile).where(POSTED_CHILD, g.parent_id == sa.bindparam("grid")),
)


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
            lambda connection: set(connection.execute(HELD_UP).scalars())
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
        values = {"places": concurrency, **times(self._clock())}
        return await self._database.read(
            lambda connection: Outlook(*connection.execute(LOOK, values).one())
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
            claimed = await self._claim(CLAIM_CALL_OF_PLENTY, values, shared=True)
        if not claimed:
            query = CLAIM_CALL if equal_prompts else CLAIM_CALL_OF_OTHER_PROMPT
            claimed = await self._claim(query, values)
        return next(iter(claimed), None)

    async def claim_others(self, busy_channels: Collection[int], limit: int) -> list[Generation]:
        """Take up to ``limit`` generations that need no call (any more): tiles to cut, results to
        deliver. Users take turns here too; what belongs to ``busy_channels`` is passed over."""
        values = {"limit": limit, "busy": list(busy_channels)}
        return await self._claim(CLAIM_OTHERS, values, shared=True)

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
        values = {**times(self._clock()), **values, "me": self._worker}
        rows = await self._database.write(
            lambda connection: connection.execute(query, values).mappings().all(),
            lock=Lock.CLAIMS,
            shared=shared,
        )
        claimed = [generation_of(row) for row in rows]
        log_states(claimed)
        return claimed

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
