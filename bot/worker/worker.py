"""The worker's loops: claim, maintain, keep the cards."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Self

from bot.config import Settings
from bot.domain import Generation
from bot.errors import DatabaseUnusable, StoreUnavailable
from bot.genart import GenArt
from bot.images import Images
from bot.store import Store
from bot.store.account import Alert
from bot.store.claiming import PREPARE_TIME
from bot.worker.account import AccountWatch
from bot.worker.breaker import CircuitBreaker
from bot.worker.cards import Cards
from bot.worker.job import Jobs
from bot.worker.markers import Markers
from bot.worker.notices import PERIOD as NOTICES_PERIOD
from bot.worker.notices import Notices
from bot.worker.publisher import Publisher
from bot.worker.removals import Removals
from bot.worker.sources import Sources

log = logging.getLogger(__name__)

POLL = 2.0
"""Seconds after which the ledger is asked without being woken: for rows that become due, and for
those that another process wrote."""

_CARDS_PERIOD, _REMOVALS_PERIOD = 1.0, 5.0
_TOKENS_PERIOD, _PURGE_PERIOD = 30.0, 3_600.0
_LAST_WRITES, _LAST_EDITS = 2.0, 2.0
"""Seconds that the last transactions and the last edits of cards get when the worker ends. What it
doesn't give up, others take over once its lease has ended."""

_OTHERS, _OTHERS_EACH = 32, 4
"""Work without a call that is in progress, in all and in one channel."""


class Worker:
    """The worker. An async context manager: works from entry on; on exit it claims no more, lets
    what runs finish for ``SHUTDOWN_GRACE`` seconds, and gives up the rest."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        genart: GenArt,
        images: Images,
        publisher: Publisher,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._grace = settings.shutdown_grace
        self._store = store
        self._queue = store.queue
        self._markers = Markers(store.values, clock)
        self._cards = Cards(
            store.queue,
            store.pictures,
            store.workers,
            publisher,
            self._markers,
            clock,
            settings.genart_concurrency,
        )
        self._breaker = CircuitBreaker(settings.genart_concurrency, store.values, clock)
        self._account = AccountWatch(settings, store.account, genart, publisher)
        self._removals = Removals(store.privacy, publisher)
        self._notices = Notices(store, publisher)
        self._jobs = Jobs(
            store,
            genart,
            images,
            publisher,
            Sources(settings, store, genart, images, publisher, clock),
            self._account,
            self._cards,
            self._breaker,
            self._markers,
            clock,
        )
        self._looked_around = False
        self._unsure = False
        self._closing = False
        self._tasks: dict[asyncio.Task[None], Generation] = {}

    async def __aenter__(self) -> Self:
        self._loops = asyncio.create_task(self._run(), name="worker")
        log.info("The worker claims.")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing = True
        with suppress(TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(self._grace):
                while self._tasks:
                    await asyncio.wait(self._tasks)
        left = [*self._tasks, self._loops]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        with suppress(StoreUnavailable, TimeoutError):
            async with asyncio.timeout(_LAST_WRITES):
                await self._queue.release()
                await self._cards.refresh()
        await self._cards.close(_LAST_EDITS)
        with suppress(StoreUnavailable, TimeoutError):
            async with asyncio.timeout(_LAST_WRITES):
                await self._store.workers.leave()

    def why_paused(self) -> str | None:
        """Say why the API isn't called, if that is so."""
        return None if self._breaker.places else "calls of the API wait: it refused or is busy"

    async def ended(self) -> None:
        """Wait until the worker can't go on.

        Raises:
            DatabaseUnusable
        """
        try:
            await asyncio.shield(self._loops)
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _run(self) -> None:
        with suppress(StoreUnavailable):
            await self._store.workers.heartbeat()
        async with asyncio.TaskGroup() as loops:
            for seconds, work, wake in (
                (POLL, self._claim, self._store.changed),
                (POLL, self._maintain, None),
                (_CARDS_PERIOD, self._cards.refresh, self._cards.changed),
                (_TOKENS_PERIOD, self._leading(self._queue.forget_tokens), None),
                (_PURGE_PERIOD, self._leading(self._store.retention.purge), None),
                (POLL, self._leading(self._account.work), None),
                (_REMOVALS_PERIOD, self._leading(self._removals.work), None),
                (NOTICES_PERIOD, self._leading(self._notices.deliver), None),
            ):
                loops.create_task(repeat(seconds, work, wake))

    async def _maintain(self) -> None:
        """Show that this worker lives, take over what dead ones owned, learn what others know."""
        workers = self._store.workers
        await workers.heartbeat()
        if not self._looked_around and not await workers.are_others():
            await self._breaker.reset()
            await self._store.account.over(Alert.KEY_REFUSED)
        self._looked_around = True
        before = self._breaker.places
        await self._breaker.load()
        await self._markers.load()
        took = await self._queue.take_over()
        if took or self._breaker.places > before:
            self._store.changed.set()
        if took:
            self._cards.changed.set()

    def _leading(
        self, work: Callable[[], Coroutine[Any, Any, None]]
    ) -> Callable[[], Coroutine[Any, Any, None]]:
        """Return ``work`` that is done only while this worker leads."""

        async def lead() -> None:
            if self._store.workers.leads:
                await work()

        return lead

    async def _claim(self) -> None:
        outlook = await self._queue.look(self._breaker.places)
        self._cards.paused = outlook.paused
        if outlook.paused:
            return
        if self._unsure:
            await self._queue.give_back([generation.id for generation in self._tasks.values()])
            self._unsure = False
            outlook = await self._queue.look(self._breaker.places)
        try:
            if outlook.others:
                await self._claim_others()
            await self._claim_calls(outlook.calls)
        except StoreUnavailable:
            # It may have been committed all the same.
            self._unsure = True
            raise

    async def _claim_others(self) -> None:
        while not self._closing:
            others = [g for g in self._tasks.values() if not g.needs_call]
            if len(others) >= _OTHERS:
                break
            channels = Counter(generation.channel_id for generation in others)
            busy = [channel for channel, number in channels.items() if number >= _OTHERS_EACH]
            claimed = await self._queue.claim_others(busy, _OTHERS_EACH)
            if not claimed:
                break
            for generation in claimed:
                self._start(generation)

    async def _claim_calls(self, number: int) -> None:
        for _ in range(number):
            places, equal_prompts = self._breaker.places, self._markers.equal_prompts
            if self._closing or not places:
                break
            generation = await self._queue.claim_call(places, equal_prompts=equal_prompts)
            if generation is None:
                break
            self._start(generation)
            # If it isn't prepared by then, its place is another's.
            after = PREPARE_TIME.total_seconds()
            asyncio.get_running_loop().call_later(after, self._store.changed.set)

    def _start(self, generation: Generation) -> None:
        task = asyncio.create_task(self._jobs.run(generation))
        self._tasks[task] = generation
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        generation = self._tasks.pop(task)
        self._account.used |= generation.needs_call
        if not task.cancelled() and (error := task.exception()):
            log.error("generation %s: its task broke", generation.id, exc_info=error)
        self._store.changed.set()


async def repeat(
    seconds: float,
    work: Callable[[], Coroutine[Any, Any, None]],
    wake: asyncio.Event | None = None,
    *,
    retry_after: float = POLL,
) -> None:
    """Do ``work`` again and again, when woken and every ``seconds``; where it fails, after
    ``retry_after`` seconds.

    Raises:
        DatabaseUnusable
    """
    wake = wake or asyncio.Event()
    while True:
        # Cleared before the ledger is asked: a wake-up during the query is kept.
        wake.clear()
        try:
            await work()
        except DatabaseUnusable:
            raise
        except StoreUnavailable:
            log.warning("The ledger can't be used now; trying again in %.0f s.", retry_after)
            await asyncio.sleep(retry_after)
            continue
        except Exception:
            log.exception("The worker's loop failed; it goes on.")
            await asyncio.sleep(retry_after)
            continue
        # Not wait_for: until Python 3.12 it can swallow a cancellation.
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await wake.wait()
