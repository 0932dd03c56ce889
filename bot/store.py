"""Every SQL statement. Domain in, domain out; one method, one transaction.

The ledger is the queue: what waits, runs and is done is a row of ``generations``, and a row's
state changes before the act that depends on it. SQLite takes one writer at a time, so a
transaction that writes begins with the write lock: what it checks still holds when it commits.
"""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import statistics
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa
import sqlalchemy.event
from alembic import command
from alembic.config import Config
from pydantic import TypeAdapter
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from bot.batch import Batch
from bot.config import Settings
from bot.domain import (
    GRID,
    SOURCE,
    TOKEN_LIFETIME,
    Click,
    Generation,
    Kind,
    Option,
    Outcome,
    Request,
    Result,
    State,
    file_named,
)
from bot.errors import (
    DailyLimitReached,
    DatabaseUnusable,
    QueueFull,
    Refused,
    StoreUnavailable,
    UserQueueFull,
)
from bot.schema import clicks, facts, generations

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=10)
"""How long a worker that says nothing is taken to be alive."""

ANSWER_TIME = timedelta(seconds=5)
"""How long a new row waits for its interaction to be answered before it is worked on anyway."""

DAY = timedelta(hours=24)
_BUSY_TIMEOUT_MS = 500
"""Short, for who presses is to be told within 3 seconds that it can't be written down."""

_RECENT = 21


_g = generations.c
_LIVE = _g.state.in_([State.QUEUED, State.RUNNING])
_CALLS_API = _g.kind != Kind.UPSCALE
_FREE = sa.or_(_g.kind == Kind.UPSCALE, _g.result.is_not(None))
"""What needs no call of the API (any more)."""

_IN_HAND = sa.or_(_g.state == State.RUNNING, _g.card_due)
"""What a worker has in hand: work, and cards that don't say yet that it is over."""

_WAITING = sa.and_(_g.state == State.QUEUED, ~_FREE)
_CALLING = sa.and_(_g.state == State.RUNNING, ~_FREE)
_COUNTED = (State.QUEUED, State.RUNNING, State.POSTED, State.UNDELIVERED)

_COLUMNS = [_g[field.name] for field in fields(Generation)]
_GENERATION = TypeAdapter(Generation)
_RESULT = TypeAdapter(Result)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the ledger says to a request: with ``ACCEPTED`` the new generation and its place in
    line, with ``REPEATED`` the one that there is already, with ``REFUSED`` the error if one says
    why."""

    outcome: Outcome
    generation: Generation | None = None
    place: int | None = None
    error: Refused | None = None


class Line:
    """Who waits and who runs, as counted in a transaction: decides who may join."""

    def __init__(self, waiting: Counter[int], live: Counter[int], had: dict[int, list[datetime]]):
        self.waiting = waiting
        self.live = live
        self.had = had

    def place(self, user_id: int) -> int:
        """Return the place of a user's last request: users take turns, one request each."""
        own = self.waiting[user_id]
        others = (min(n, own) for user, n in self.waiting.items() if user != user_id)
        return own + sum(others)


@dataclass(frozen=True, slots=True)
class Orphans:
    """Rows whose worker is gone: those that go on here, and those that are over, but whose card
    doesn't say so yet. What was being asked of the API is among these, as interrupted."""

    resumed: list[Generation]
    over: list[Generation]


class Store:
    """The ledger in a database. An async context manager: opens and migrates on entry."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        worker: str | None = None,
    ) -> None:
        self._path = str(sa.make_url(settings.database_url).database)
        self._queue_limit = settings.queue_limit
        self._user_queue_limit = settings.user_queue_limit
        self._daily_limit = settings.daily_limit
        self._retention = timedelta(days=settings.retention_days)
        self._clock = clock
        self._worker = worker or _worker_name()
        self._engine = create_async_engine(
            settings.database_url, hide_parameters=True, pool_reset_on_return=None
        )
        self._writing = asyncio.Lock()
        self._adding = Batch(self._add_all)
        self._pressing = Batch(self._press_all)
        self._noting = Batch(self._note_all)
        sqlalchemy.event.listen(self._engine.sync_engine, "connect", _on_connect)
        sqlalchemy.event.listen(self._engine.sync_engine, "begin", _on_begin)

    async def __aenter__(self) -> Self:
        try:
            async with self._engine.execution_options(write=True).begin() as connection:
                await connection.run_sync(_upgrade)
        except (DBAPIError, OSError) as error:
            await self._engine.dispose()
            raise DatabaseUnusable(_reason(error)) from error
        self._file = self._look()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._engine.dispose()

    @asynccontextmanager
    async def _read(self) -> AsyncGenerator[AsyncConnection]:
        try:
            async with self._engine.connect() as connection:
                yield connection
        except DBAPIError as error:
            log.error("The database could not be read: %s", _reason(error))
            raise StoreUnavailable from error

    def _look(self) -> tuple[int, int] | None:
        """Return what identifies the database's file, if the address names one plainly."""
        try:
            status = os.stat(self._path)  # noqa: PTH116
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def check_file(self) -> None:
        """See to it that the file is the one that was opened.

        SQLite goes on writing to a file that was deleted, and all of that would be lost.

        Raises:
            DatabaseUnusable
        """
        if self._look() != self._file:
            raise DatabaseUnusable("its file was deleted or replaced while the bot was running")

    @asynccontextmanager
    async def _write(self) -> AsyncGenerator[AsyncConnection]:
        """Begin a transaction that holds the write lock; in this process they take turns."""
        self.check_file()
        try:
            async with self._writing, self._engine.connect() as connection:
                await connection.execution_options(write=True)
                async with connection.begin():
                    yield connection
        except DBAPIError as error:
            log.error("The database could not be written: %s", _reason(error))
            raise StoreUnavailable from error

    # What the front does.

    async def add(self, request: Request) -> Answer:
        """Put a request in line, if the limits allow it."""
        return await self._adding.add(request)

    async def _add_all(self, requests: list[Request]) -> list[Answer]:
        async with self._write() as connection:
            known = await self._known(connection, [request.id for request in requests])
            line = await self._count(connection, {request.user_id for request in requests})
            return [
                known.get(request.id) or await self._join(connection, line, request)
                for request in requests
            ]

    async def _known(self, connection: AsyncConnection, ids: list[int]) -> dict[int, Answer]:
        """Find interactions that are in the ledger already: Discord may tell of one twice."""
        query = sa.select(*_COLUMNS).where(_g.id.in_(ids))
        return {g.id: Answer(Outcome.REPEATED, g) for g in await _fetch(connection, query)}

    async def press(self, click: Click) -> Answer:
        """Record a click, and put what it asks for in line; all of it or nothing."""
        return await self._pressing.add(click)

    async def _press_all(self, pressed: list[Click]) -> list[Answer]:
        async with self._write() as connection:
            await self._forget_gone(connection, [click for click in pressed if click.gone])
            query = sa.select(clicks.c.id).where(clicks.c.id.in_([click.id for click in pressed]))
            seen = set((await connection.execute(query)).scalars())
            known = await self._known(connection, [click.id for click in pressed])
            line = await self._count(connection, {click.user_id for click in pressed})
            answers = [
                known.get(click.id) or await self._press(connection, line, click)
                for click in pressed
            ]
            now = self._clock()
            rows = [
                {
                    "id": click.id,
                    "user_id": click.user_id,
                    "guild_id": click.guild_id,
                    "generation_id": click.generation_id,
                    "label": click.label,
                    "clicked_at": now,
                    "outcome": answer.outcome,
                }
                for click, answer in zip(pressed, answers, strict=True)
                if click.id not in seen
            ]
            if rows:
                await connection.execute(clicks.insert(), rows)
        for row in rows:
            log.info("click on generation %(generation_id)s: %(label)s: %(outcome)s", row)
        return answers

    async def _forget_gone(self, connection: AsyncConnection, again: list[Click]) -> None:
        """Take back what was said to clicks that would repeat a message which is deleted."""
        if again:
            gone = _g.id.in_([click.gone for click in again])
            await connection.execute(generations.update().where(gone).values(message_id=None))
            taken_back = clicks.c.id.in_([click.id for click in again])
            await connection.execute(clicks.delete().where(taken_back))

    async def _press(self, connection: AsyncConnection, line: Line, click: Click) -> Answer:
        parent = await self._get(connection, click.generation_id)
        if parent is None or parent.result is None:
            return Answer(Outcome.UNKNOWN)
        here = (click.guild_id, click.channel_id)
        if here != (parent.guild_id, parent.channel_id):
            return Answer(Outcome.REFUSED)
        if not 0 <= click.option < len(parent.result.options):
            return Answer(Outcome.UNKNOWN)
        option = parent.result.options[click.option]
        if parent.state is not State.POSTED:
            parent = await self._recognize(connection, parent, click)
        if existing := await self._same(connection, click.user_id, parent, option):
            return Answer(Outcome.REPEATED, existing)
        file = parent.grid_file if option.tile else parent.source_file
        request = Request(
            id=click.id,
            kind=option.kind,
            user_id=click.user_id,
            guild_id=parent.guild_id,
            channel_id=parent.channel_id,
            token=click.token,
            upload_limit=click.upload_limit,
            prompt=parent.prompt,
            source_url=click.links.get(file or "") or (None if option.tile else parent.source_url),
            parent_id=parent.id,
            tile=option.tile,
        )
        return await self._join(connection, line, request)

    async def _recognize(
        self, connection: AsyncConnection, parent: Generation, click: Click
    ) -> Generation:
        """Note that a result is posted: its worker died before it could, but here is a press."""
        query = (
            generations.update()
            .where(_g.id == parent.id)
            .values(
                state=State.POSTED,
                message_id=click.message_id,
                grid_file=file_named(GRID, click.links),
                source_file=file_named(SOURCE, click.links),
                finished_at=self._clock(),
                card_due=True,
            )
        )
        (recognized,) = await _fetch(connection, query.returning(*_COLUMNS))
        _log_change(recognized)
        return recognized

    async def _same(
        self, connection: AsyncConnection, user_id: int, parent: Generation, option: Option
    ) -> Generation | None:
        """Find what a press would repeat: anybody's finished upscale, or one's own live one."""
        own = sa.and_(_g.user_id == user_id, _LIVE)
        posted = sa.and_(
            _g.kind == Kind.UPSCALE, _g.state == State.POSTED, _g.message_id.is_not(None)
        )
        query = (
            sa.select(*_COLUMNS)
            .where(_g.parent_id == parent.id, _g.kind == option.kind, _g.tile == option.tile)
            .where(sa.or_(own, posted))
            .order_by(_g.id)
            .limit(1)
        )
        return next(iter(await _fetch(connection, query)), None)

    async def retry(
        self, request_id: int, old_id: int, user_id: int, token: str, limit: int
    ) -> Answer:
        """Ask again for what came to nothing; once for each, whoever presses.

        ``UNKNOWN`` if there is no such generation or it didn't come to nothing.
        """
        async with self._write() as connection:
            old = await self._get(connection, old_id)
            if old is None or old.state not in {State.FAILED, State.INTERRUPTED}:
                return Answer(Outcome.UNKNOWN)
            same = sa.and_(_g.retry_of == old.id, _g.state.in_(_COUNTED))
            query = sa.select(*_COLUMNS).where(same).limit(1)
            for repeated in await _fetch(connection, query):
                return Answer(Outcome.REPEATED, repeated)
            request = Request(
                id=request_id,
                kind=old.kind,
                user_id=user_id,
                guild_id=old.guild_id,
                channel_id=old.channel_id,
                token=token,
                upload_limit=limit,
                prompt=old.prompt,
                source_url=old.source_url,
                parent_id=old.parent_id,
                tile=old.tile,
                retry_of=old.id,
            )
            line = await self._count(connection, {user_id})
            return await self._join(connection, line, request)

    async def fetch_undelivered(
        self, user_id: int, guild_id: int | None, channel_id: int, token: str
    ) -> Answer:
        """Put a user's oldest result that could not be delivered in line again, to be posted in
        ``channel_id`` of the same server."""
        async with self._write() as connection:
            mine = sa.and_(_g.user_id == user_id, _g.state == State.UNDELIVERED)
            query = sa.select(_g.id).where(mine, _g.guild_id == guild_id).order_by(_g.id).limit(1)
            found = (await connection.execute(query)).scalar_one_or_none()
            if found is None:
                return Answer(Outcome.UNKNOWN)
            now = self._clock()
            update = generations.update().where(_g.id == found)
            update = update.values(
                state=State.QUEUED,
                channel_id=channel_id,
                token=token,
                token_at=now,
                card_id=None,
                not_before=now + ANSWER_TIME,
                started_at=None,
                finished_at=None,
                error=None,
            )
            (generation,) = await _fetch(connection, update.returning(*_COLUMNS))
            _log_change(generation)
            return Answer(Outcome.ACCEPTED, generation)

    async def _count(self, connection: AsyncConnection, users: set[int]) -> Line:
        line = Line(Counter(), Counter(), {})
        query = (
            sa.select(_g.user_id, _g.state, sa.func.count())
            .where(_LIVE, _CALLS_API)
            .group_by(_g.user_id, _g.state)
        )
        for user_id, state, number in await connection.execute(query):
            line.live[user_id] += number
            if state == State.QUEUED:
                line.waiting[user_id] = number
        if self._daily_limit:
            query = (
                sa.select(_g.user_id, _g.created_at)
                .where(_g.user_id.in_(users), _g.created_at > self._clock() - DAY)
                .where(_CALLS_API, _g.state.in_(_COUNTED))
                .order_by(_g.created_at)
            )
            for user_id, at in await connection.execute(query):
                line.had.setdefault(user_id, []).append(at)
        return line

    async def _join(self, connection: AsyncConnection, line: Line, request: Request) -> Answer:
        """Put a request in line unless a limit forbids it; an upscale calls no API, so it has
        neither limit nor place."""
        now, user_id = self._clock(), request.user_id
        place = None
        if request.kind is not Kind.UPSCALE:
            if error := self._refusal(line, user_id):
                return Answer(Outcome.REFUSED, error=error)
            line.waiting[user_id] += 1
            line.live[user_id] += 1
            line.had.setdefault(user_id, []).append(now)
            place = line.place(user_id)
        values = {field.name: getattr(request, field.name) for field in fields(request)}
        values |= {"state": State.QUEUED, "created_at": now, "token_at": now}
        await connection.execute(
            generations.insert().values(not_before=now + ANSWER_TIME, **values)
        )
        generation = Generation(**values)
        _log_change(generation)
        return Answer(Outcome.ACCEPTED, generation, place)

    def _refusal(self, line: Line, user_id: int) -> Refused | None:
        if line.live[user_id] >= self._user_queue_limit:
            return UserQueueFull(self._user_queue_limit)
        if line.waiting.total() >= self._queue_limit:
            return QueueFull(self._queue_limit)
        had = line.had.get(user_id, [])
        if self._daily_limit and len(had) >= self._daily_limit:
            return DailyLimitReached(self._daily_limit, had[-self._daily_limit] + DAY)
        return None

    async def answered(self, generation_id: int, card_id: int | None) -> None:
        """Note that the asker sees the card ``card_id``: the work may begin."""
        await self._noting.add((generation_id, card_id))

    async def _note_all(self, answered: list[tuple[int, int | None]]) -> list[None]:
        query = (
            generations.update()
            .where(_g.id == sa.bindparam("generation"))
            .values(card_id=sa.bindparam("card"), not_before=self._clock())
        )
        rows = [{"generation": generation, "card": card} for generation, card in answered]
        async with self._write() as connection:
            await connection.execute(query, rows)
        return [None] * len(answered)

    async def cancel(self, generation_id: int) -> Generation | None:
        """Take a generation out of the line; ``None`` if it isn't waiting any more."""
        return await self._change(
            generation_id,
            _g.state == State.QUEUED,
            _g.result.is_(None),
            state=State.CANCELLED,
            finished_at=self._clock(),
            card_due=True,
            worker=self._worker,
            lease_until=self._clock() + LEASE,
        )

    async def unanswered(self, generation_id: int) -> None:
        """Note that the asker wasn't told: what nobody paid for yet isn't done for nobody."""
        if await self.cancel(generation_id) is None:
            await self._change(generation_id, _g.state == State.QUEUED, state=State.UNDELIVERED)

    async def get(self, generation_id: int) -> Generation | None:
        """Return a generation, if there is one with that id."""
        async with self._read() as connection:
            return await self._get(connection, generation_id)

    async def _get(self, connection: AsyncConnection, generation_id: int) -> Generation | None:
        query = sa.select(*_COLUMNS).where(_g.id == generation_id)
        return next(iter(await _fetch(connection, query)), None)

    async def used_tiles(self, generation_id: int) -> set[int]:
        """Return the tiles of a grid that have been upscaled."""
        query = sa.select(_g.tile).where(
            _g.parent_id == generation_id, _g.kind == Kind.UPSCALE, _g.state == State.POSTED
        )
        async with self._read() as connection:
            return set((await connection.execute(query)).scalars())

    async def line(self) -> list[Generation]:
        """Return what waits for the API, in the order in which it will be called."""
        line = _line()
        query = sa.select(*_COLUMNS).join(line, line.c.id == _g.id).order_by(line.c.place)
        async with self._read() as connection:
            return await _fetch(connection, query)

    async def typical_duration(self) -> timedelta | None:
        """Return the median time of the last generations that called the API."""
        query = (
            sa.select(_g.started_at, _g.finished_at)
            .where(_g.state == State.POSTED, _CALLS_API, _g.started_at.is_not(None))
            .order_by(_g.finished_at.desc())
            .limit(_RECENT)
        )
        async with self._read() as connection:
            times = [end - start for start, end in await connection.execute(query)]
        return statistics.median(times) if times else None

    # What the worker does.

    async def claim_call(self, concurrency: int) -> Generation | None:
        """Take the next generation whose turn it is to call the API, if one may.

        At most ``concurrency`` call at a time over all workers, and never two with the same
        prompt: the API finds a result by its prompt and would mix them up.
        """
        async with self._write() as connection:
            query = sa.select(sa.func.count()).where(_CALLING)
            if (await connection.execute(query)).scalar_one() >= concurrency:
                return None
            calling = generations.alias()
            same_prompt = sa.exists().where(
                calling.c.state == State.RUNNING,
                calling.c.kind != Kind.UPSCALE,
                calling.c.result.is_(None),
                calling.c.prompt == _g.prompt,
            )
            line = _line()
            query = (
                sa.select(_g.id)
                .join(line, line.c.id == _g.id)
                .where(_g.not_before <= self._clock(), ~same_prompt)
                .order_by(line.c.place)
                .limit(1)
            )
            return await self._claim(connection, query)

    async def claim_free(self) -> Generation | None:
        """Take the oldest generation that waits and needs no call: an upscale, or a result that
        couldn't be delivered before."""
        query = (
            sa.select(_g.id)
            .where(_g.state == State.QUEUED, _FREE)
            .where(_g.not_before <= self._clock())
            .order_by(_g.id)
            .limit(1)
        )
        async with self._write() as connection:
            return await self._claim(connection, query)

    async def _claim(
        self, connection: AsyncConnection, query: sa.Select[tuple[int]]
    ) -> Generation | None:
        now = self._clock()
        claimed = (await connection.execute(query)).scalar_one_or_none()
        if claimed is None:
            return None
        values = {"state": State.RUNNING, "started_at": now, "lease_until": now + LEASE}
        update = generations.update().where(_g.id == claimed).values(worker=self._worker, **values)
        (generation,) = await _fetch(connection, update.returning(*_COLUMNS))
        _log_change(generation)
        return generation

    async def renew_leases(self) -> None:
        """Say that this worker is alive."""
        mine = sa.and_(_IN_HAND, _g.worker == self._worker)
        async with self._write() as connection:
            await connection.execute(
                generations.update().where(mine).values(lease_until=self._clock() + LEASE)
            )

    async def take_orphans(self) -> Orphans:
        """Take over what a worker that is gone had in hand.

        An upscale costs nothing and a result in hand is paid for: those go on here. Where the API
        may have been called, the row becomes interrupted: it is never run again by itself.
        """
        now = self._clock()
        query = sa.select(_g.worker).where(_IN_HAND).distinct()
        async with self._read() as connection:
            workers = (await connection.execute(query)).scalars().all()
        dead = [worker for worker in workers if worker and self._has_ended(worker)]
        gone = sa.and_(_IN_HAND, (_g.lease_until < now) | _g.worker.in_(dead))
        return await self._take(gone, self._worker, now + LEASE)

    async def release(self) -> list[Generation]:
        """Give up what this worker runs, for others to go on with; return what is over by it."""
        mine = sa.and_(_g.state == State.RUNNING, _g.worker == self._worker)
        return (await self._take(mine, self._worker, self._clock() - LEASE)).over

    async def _take(
        self, which: sa.ColumnElement[bool], worker: str, lease_until: datetime
    ) -> Orphans:
        ended = {"state": State.INTERRUPTED, "finished_at": self._clock(), "card_due": True}
        async with self._write() as connection:
            taken = await _fetch(connection, sa.select(*_COLUMNS).where(which))
            lost = sa.and_(_g.state == State.RUNNING, ~_FREE)
            for part, values in ((lost, ended), (sa.true(), {})):
                values |= {"worker": worker, "lease_until": lease_until}
                await connection.execute(generations.update().where(which, part).values(**values))
        orphans = Orphans([], [])
        for generation in taken:
            free = generation.kind is Kind.UPSCALE or generation.result is not None
            if generation.state is State.RUNNING and free:
                orphans.resumed.append(generation)
            elif generation.state is State.RUNNING:
                orphans.over.append(replace(generation, state=State.INTERRUPTED))
                _log_change(orphans.over[-1])
            else:
                orphans.over.append(generation)
        return orphans

    def _has_ended(self, worker: str) -> bool:
        """Tell whether a worker was a process of this machine that isn't there any more.

        One on another machine, or whose process id was given away anew, is told by its lease.
        """
        node, pid, _ = worker.rsplit("/", 2)
        if worker == self._worker or node != self._worker.rsplit("/", 2)[0]:
            return False
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return int(pid) == os.getpid()

    async def keep_result(self, generation_id: int, result: Result) -> None:
        """Keep what the API answered: from here on the generation is paid for."""
        await self._change(
            generation_id, self._mine(), result=_RESULT.dump_python(result, mode="json")
        )

    async def requeue(self, generation_id: int, not_before: datetime) -> None:
        """Put a generation that the API did not take back in line."""
        await self._change(
            generation_id,
            self._mine(),
            state=State.QUEUED,
            started_at=None,
            not_before=not_before,
            worker=None,
        )

    async def posted(
        self, generation_id: int, message_id: int, grid_file: str, source_file: str | None
    ) -> None:
        """Note that the result is the message ``message_id``, and how its attachments are named."""
        await self._change(
            generation_id,
            self._mine(),
            state=State.POSTED,
            message_id=message_id,
            grid_file=grid_file,
            source_file=source_file,
            finished_at=self._clock(),
            card_due=True,
        )

    async def failed(self, generation_id: int, state: State, error: str) -> None:
        """Note that a generation came to nothing (``failed``) or to nobody (``undelivered``)."""
        await self._change(
            generation_id,
            self._mine(),
            state=state,
            error=error,
            finished_at=self._clock(),
            card_due=True,
        )

    async def card_done(self, generation_id: int) -> None:
        """Note that the card of a generation that is over says so, or is gone."""
        await self._change(generation_id, card_due=False, token=None, worker=None)

    def _mine(self) -> sa.ColumnElement[bool]:
        return sa.and_(_g.state == State.RUNNING, _g.worker == self._worker)

    async def _change(
        self, generation_id: int, *where: sa.ColumnElement[bool], **values: object
    ) -> Generation | None:
        query = generations.update().where(_g.id == generation_id, *where).values(**values)
        async with self._write() as connection:
            changed = await _fetch(connection, query.returning(*_COLUMNS))
        if not changed:
            log.warning("generation %s is in another state by now; left as it is", generation_id)
            return None
        if "state" in values:
            _log_change(changed[0])
        return changed[0]

    async def forget_tokens(self) -> None:
        """Delete the interaction tokens that Discord doesn't take any more."""
        expired = sa.and_(
            _LIVE | _g.card_due, _g.token.is_not(None), _g.token_at < self._clock() - TOKEN_LIFETIME
        )
        async with self._write() as connection:
            await connection.execute(generations.update().where(expired).values(token=None))

    async def purge(self) -> None:
        """Delete what is older than ``RETENTION_DAYS``, if that is set; nothing that is live."""
        if not self._retention:
            return
        before = self._clock() - self._retention
        async with self._write() as connection:
            await connection.execute(generations.delete().where(_g.created_at < before, ~_LIVE))
            await connection.execute(clicks.delete().where(clicks.c.clicked_at < before))

    # What is remembered beside the ledger.

    async def fact(self, name: str) -> str | None:
        """Return what was remembered under ``name``."""
        query = sa.select(facts.c.value).where(facts.c.name == name)
        async with self._read() as connection:
            return (await connection.execute(query)).scalar_one_or_none()

    async def remember(self, name: str, value: str) -> None:
        """Remember ``value`` under ``name``."""
        async with self._write() as connection:
            await connection.execute(facts.delete().where(facts.c.name == name))
            await connection.execute(facts.insert().values(name=name, value=value))


def _worker_name() -> str:
    """Name this process's worker as node/process/unique: see :meth:`Store._has_ended`."""
    return f"{platform.node()[:40]}/{os.getpid()}/{uuid.uuid4().hex[:12]}"


def _line() -> sa.Subquery:
    """Number what waits for the API by turns: each user's oldest first, then each one's second;
    within a turn the users least recently served come first."""
    turn = sa.func.row_number().over(partition_by=_g.user_id, order_by=_g.id)
    waiting = sa.select(_g.id, _g.user_id, turn.label("turn")).where(_WAITING).subquery()
    served = generations.alias()
    last = (
        sa.select(sa.func.max(served.c.started_at))
        .where(served.c.user_id == waiting.c.user_id, served.c.kind != Kind.UPSCALE)
        .scalar_subquery()
    )
    order = (waiting.c.turn, last.asc().nulls_first(), waiting.c.id)
    return sa.select(
        waiting.c.id, sa.func.row_number().over(order_by=order).label("place")
    ).subquery()


async def _fetch(connection: AsyncConnection, query: sa.Executable) -> list[Generation]:
    rows = (await connection.execute(query)).mappings()
    return [_GENERATION.validate_python(dict(row)) for row in rows]


def _log_change(generation: Generation) -> None:
    duration = None
    if generation.started_at and generation.finished_at:
        duration = round((generation.finished_at - generation.started_at).total_seconds(), 1)
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


def _reason(error: Exception) -> str:
    """Say what the database said, without the statement and its values."""
    return str(error.orig) if isinstance(error, DBAPIError) else str(error)


def _upgrade(connection: sa.Connection) -> None:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    command.upgrade(config, "head")


def _on_connect(connection: Any, record: object) -> None:
    """Leave transactions to SQLAlchemy, and set what each SQLite connection needs."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={_BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _on_begin(connection: sa.Connection) -> None:
    write = connection.get_execution_options().get("write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
