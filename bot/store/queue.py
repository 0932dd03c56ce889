"""What a worker does with the queue: claim, heartbeat, take over, finish."""

from __future__ import annotations

import os
import platform
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta

import sqlalchemy as sa

from bot.config import Settings
from bot.domain import TOKEN_LIFETIME, ErrorCode, Generation, Result, State
from bot.store.database import Database
from bot.store.rows import (
    CALL_ORDER,
    COLUMNS,
    LIVE,
    NEEDS_CALL,
    QUEUED,
    RUNNING,
    card_done,
    change,
    dump_result,
    fetch,
    g,
    get,
    queue_order,
    typical_duration,
)
from bot.store.tables import IS_CALL, POSTED_TILE, clicks, generations

LEASE = timedelta(seconds=10)
"""A worker silent this long counts as dead."""

PREPARE_TIME = timedelta(seconds=1)
"""How long a row that is being prepared keeps a place at the API free for itself."""

LONGEST_DELAY = timedelta(minutes=5)
"""The most that a row is put off. One that is put off for longer was so by a clock that has been
set back since, and is due."""

_OWNED = sa.or_(RUNNING, g.card_due)
"""What a worker owns: work, and cards that don't show yet that it is over."""

_CALLED = sa.and_(RUNNING, NEEDS_CALL, g.called_at.is_not(None))
_BUSY_PLACES = sa.select(sa.func.count()).where(
    RUNNING,
    NEEDS_CALL,
    sa.or_(
        g.called_at.is_not(None),
        sa.and_(g.started_at > sa.bindparam("prepared"), g.started_at <= sa.bindparam("now")),
    ),
)
_WAITING = (
    sa.select(*COLUMNS).join(CALL_ORDER, CALL_ORDER.c.id == g.id).order_by(CALL_ORDER.c.place)
)


def _candidates(order: sa.Subquery) -> sa.Select[tuple[int]]:
    return (
        sa.select(g.id)
        .join(order, order.c.id == g.id)
        .where(sa.or_(g.not_before <= sa.bindparam("now"), g.not_before > sa.bindparam("far")))
        .order_by(order.c.place)
        .limit(sa.bindparam("limit"))
    )


_RUNNING_PROMPTS = sa.select(g.prompt).where(RUNNING, NEEDS_CALL).correlate(None)
# Where preparing takes long, Discord limits that channel or fails it: no more of it is begun.
_SLOW_CHANNELS = (
    sa.select(g.channel_id)
    .where(RUNNING, NEEDS_CALL, g.called_at.is_(None))
    .where(g.started_at <= sa.bindparam("prepared"))
    .correlate(None)
)
_CALLS = _candidates(CALL_ORDER).where(g.channel_id.not_in(_SLOW_CHANNELS))
_CALLS_OF_OTHER_PROMPTS = _CALLS.where(g.prompt.not_in(_RUNNING_PROMPTS))
_HELD_UP = sa.select(g.id).where(QUEUED, NEEDS_CALL, g.prompt.in_(_RUNNING_PROMPTS))
_OTHERS = _candidates(queue_order(sa.not_(NEEDS_CALL), sa.not_(IS_CALL))).where(
    g.channel_id.not_in(sa.bindparam("busy", expanding=True))
)


class Queue:
    """A worker's transactions, under its own name. Each raises :class:`StoreUnavailable`; those
    that change a row return whether this worker still owned it."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        clock: Callable[[], datetime],
        worker: str | None = None,
    ) -> None:
        self._database = database
        self._retention = timedelta(days=settings.retention_days)
        self._clock = clock
        self._worker = worker or _worker_name()

    # What is read.

    async def get(self, generation_id: int) -> Generation | None:
        """Return a generation, if there is one with that id."""
        found = await self._database.read(lambda connection: get(connection, [generation_id]))
        return found.get(generation_id)

    async def waiting(self) -> list[Generation]:
        """Return what waits for the API, in the order in which it will be called."""
        return await self._database.read(lambda connection: fetch(connection, _WAITING))

    async def postponed(self) -> list[Generation]:
        """Return what needs no call and waits to be tried again."""
        query = sa.select(*COLUMNS).where(QUEUED, sa.not_(NEEDS_CALL), g.attempts > 0)
        return await self._database.read(lambda connection: fetch(connection, query))

    async def held_up(self) -> set[int]:
        """Return what waits for the API while a call with the same prompt is under way."""
        return await self._database.read(
            lambda connection: set(connection.execute(_HELD_UP).scalars())
        )

    async def used_tiles(self, generation_id: int) -> set[int]:
        """Return the tiles of a grid that have been upscaled."""
        query = sa.select(g.tile).where(POSTED_TILE, g.parent_id == generation_id).distinct()
        return await self._database.read(
            lambda connection: set(connection.execute(query).scalars())
        )

    async def typical_duration(self) -> timedelta | None:
        """Return the median time of the last generations that called the API."""
        return await self._database.read(typical_duration)

    # What is claimed.

    async def claim_call(self, concurrency: int, *, equal_prompts: bool) -> Generation | None:
        """Take the next generation whose turn it is to call the API, if one may.

        At most ``concurrency`` call at a time over all workers; one that takes long to prepare
        holds up nobody but its channel. Without ``equal_prompts`` never two with the same prompt:
        an API that finds a result by its prompt alone would mix them up.
        """
        now = self._clock()
        candidates = _CALLS if equal_prompts else _CALLS_OF_OTHER_PROMPTS

        def claim(connection: sa.Connection) -> Generation | None:
            times = {"prepared": now - PREPARE_TIME, "now": now}
            busy = connection.execute(_BUSY_PLACES, times)
            if busy.scalar_one() >= concurrency:
                return None
            claimed = self._claim(connection, candidates, now, {"limit": 1})
            return next(iter(claimed), None)

        return await self._database.write(claim)

    async def claim_others(self, busy_channels: Collection[int], limit: int) -> list[Generation]:
        """Take up to ``limit`` generations that need no call (any more): tiles to cut, results to
        deliver. Users take turns here too; what belongs to ``busy_channels`` is passed over."""
        now = self._clock()
        values = {"limit": limit, "busy": list(busy_channels)}
        return await self._database.write(
            lambda connection: self._claim(connection, _OTHERS, now, values)
        )

    def _claim(
        self,
        connection: sa.Connection,
        candidates: sa.Select[tuple[int]],
        now: datetime,
        values: Mapping[str, object],
    ) -> list[Generation]:
        times = {"now": now, "far": now + LONGEST_DELAY, "prepared": now - PREPARE_TIME}
        found = connection.execute(candidates, {**times, **values})
        claimed = list(found.scalars())
        if not claimed:
            return []
        started = sa.case((g.result.is_(None), now), else_=g.started_at)
        owned = {"worker": self._worker, "lease_until": now + LEASE}
        state = {"state": State.RUNNING, "started_at": started, **owned}
        return change(connection, g.id.in_(claimed), **state)

    async def start_call(self, generation_id: int, concurrency: int) -> bool:
        """Record that the API is about to be called, if a place is free: what comes of the call is
        unknown from here on, until there is an answer."""
        places = sa.select(sa.func.count()).where(_CALLED)

        def start(connection: sa.Connection) -> bool:
            if connection.execute(places).scalar_one() >= concurrency:
                return False
            values = {"called_at": self._clock()}
            return bool(change(connection, g.id == generation_id, self._mine(), **values))

        return await self._database.write(start)

    # What is owned.

    async def heartbeat(self) -> None:
        """Record that this worker is alive."""
        mine = sa.and_(_OWNED, g.worker == self._worker)
        await self._write(mine, lease_until=self._clock() + LEASE)

    async def owns(self, generation_id: int) -> bool:
        """Tell whether this worker still owns a running generation; if so, for a lease more."""
        lease = self._clock() + LEASE
        return bool(await self._write(g.id == generation_id, self._mine(), lease_until=lease))

    async def take_over(self) -> bool:
        """Take over what dead workers own; return whether there was anything.

        What needs no call is queued again, and what wasn't asked of the API yet. Where the API may
        have been called, the row becomes interrupted: it is never run again by itself.
        """
        now = self._clock()

        def names(connection: sa.Connection) -> list[str]:
            query = sa.select(g.worker).where(_OWNED, g.worker.is_not(None)).distinct()
            return list(connection.execute(query).scalars())

        dead = [worker for worker in await self._database.read(names) if self._has_ended(worker)]
        gone = sa.or_(g.lease_until < now, g.worker.in_(dead))
        return await self._give_up(gone)

    async def release(self) -> None:
        """Give up what this worker runs, for others to go on with."""
        await self._give_up(self._mine())

    async def _give_up(self, which: sa.ColumnElement[bool]) -> bool:
        now = self._clock()
        owned = {"worker": self._worker, "lease_until": now + LEASE}
        over = {"state": State.INTERRUPTED, "finished_at": now, "card_due": True}
        again = {"state": State.QUEUED, "attempts": g.attempts + 1, "worker": None}

        def give_up(connection: sa.Connection) -> bool:
            interrupted = change(connection, which, _CALLED, **over, **owned)
            queued = change(connection, which, RUNNING, **again)
            cards = change(connection, which, g.card_due, **owned)
            return bool(interrupted or queued or cards)

        return await self._database.write(give_up)

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

    def _mine(self) -> sa.ColumnElement[bool]:
        return sa.and_(RUNNING, g.worker == self._worker)

    async def _write(self, *where: sa.ColumnElement[bool], **values: object) -> list[Generation]:
        return await self._database.write(lambda connection: change(connection, *where, **values))

    # What came of it.

    async def keep_result(self, generation_id: int, result: Result) -> bool:
        """Keep what the API answered: from here on the generation is paid for.

        Where the row was taken for interrupted meanwhile, it is queued to be delivered.
        """
        values = {"result": dump_result(result)}
        retry = generations.alias("retry")
        lost = sa.and_(
            g.id == generation_id,
            g.state == State.INTERRUPTED,
            ~sa.exists().where(retry.c.retry_of == g.id),
        )
        revived = {"state": State.QUEUED, "finished_at": None, "card_due": False, "worker": None}

        def keep(connection: sa.Connection) -> bool:
            if change(connection, g.id == generation_id, self._mine(), **values):
                return True
            change(connection, lost, **values, **revived)
            return False

        return await self._database.write(keep)

    async def requeue(self, generation_id: int, not_before: datetime, *, attempts: int) -> bool:
        """Put a generation back into the queue, for nothing before ``not_before``."""
        called = sa.case((g.result.is_(None), None), else_=g.called_at)
        values = {"state": State.QUEUED, "worker": None, "called_at": called}
        return bool(
            await self._write(
                g.id == generation_id,
                self._mine(),
                not_before=not_before,
                attempts=attempts,
                **values,
            )
        )

    async def posted(
        self, generation_id: int, message_id: int, grid_file: str, source_file: str | None
    ) -> bool:
        """Record that the result is the message ``message_id``, and its attachments' names."""
        return await self._end(
            generation_id,
            state=State.POSTED,
            message_id=message_id,
            grid_file=grid_file,
            source_file=source_file,
        )

    async def failed(self, generation_id: int, state: State, error: ErrorCode) -> bool:
        """Record that a generation failed, or that its result could not be delivered."""
        return await self._end(generation_id, state=state, error=error)

    async def unseen(self, generation_id: int) -> bool:
        """Record that the asker can't see a generation: it is cancelled, or undelivered where its
        result is there."""
        state = sa.case((g.result.is_(None), State.CANCELLED), else_=State.UNDELIVERED)
        return await self._end(generation_id, state=state)

    async def _end(self, generation_id: int, **values: object) -> bool:
        values |= {"finished_at": self._clock(), "card_due": True}
        return bool(await self._write(g.id == generation_id, self._mine(), **values))

    async def cards_due(self) -> list[Generation]:
        """Return what is over, but whose card doesn't show it yet and is this worker's to edit."""
        query = sa.select(*COLUMNS).where(g.card_due, g.worker == self._worker)
        return await self._database.read(lambda connection: fetch(connection, query))

    async def card_done(self, ids: Iterable[int]) -> None:
        """Record that the cards of generations that are over show it, or are gone."""
        done = list(ids)
        await self._database.write(lambda connection: card_done(connection, done))

    async def card_moved(self, generation_id: int, card_id: int) -> None:
        """Record that another message is the card now."""
        await self._write(g.id == generation_id, card_id=card_id)

    async def forget_tokens(self) -> None:
        """Delete the interaction tokens that Discord doesn't take any more."""
        expired = sa.and_(g.token.is_not(None), g.token_at < self._clock() - TOKEN_LIFETIME)
        await self._write(LIVE, expired, token=None)
        await self._write(g.card_due, expired, token=None)

    async def purge(self) -> None:
        """Delete what is older than ``RETENTION_DAYS``, if that is set; nothing that is live."""
        if not self._retention:
            return
        before = self._clock() - self._retention

        def delete(connection: sa.Connection) -> None:
            old = sa.and_(g.created_at < before, sa.not_(LIVE))
            connection.execute(generations.delete().where(old))
            connection.execute(clicks.delete().where(clicks.c.clicked_at < before))

        await self._database.write(delete)


def _worker_name() -> str:
    """Name this process's worker as node/process/unique: see :meth:`Queue._has_ended`."""
    return f"{platform.node()[:40]}/{os.getpid()}/{uuid.uuid4().hex[:12]}"
