"""Claims work, calls the API, and hands what came of it to a publisher. Knows no Discord.

It shares the ledger with the front and nothing else: an event wakes it, the ledger says what
there is to do, and whatever it was doing when it died is in the ledger still.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, ParamSpec, Protocol, Self, TypeVar
from weakref import WeakValueDictionary

from cachetools import LRUCache
from tenacity import AsyncRetrying, retry_if_exception_type, wait_exponential_jitter

from bot.config import Settings
from bot.domain import Generation, Kind, State
from bot.errors import (
    ApiBusy,
    BadRequest,
    DatabaseUnusable,
    DeliveryFailed,
    PictureError,
    PictureGone,
    StoreUnavailable,
    Unauthorized,
    UploadRefused,
    VaryError,
)
from bot.genart import GenArt
from bot.images import Images, Picture
from bot.store import Store

log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

POLL = 2.0
"""Seconds after which the ledger is asked without being woken: for rows that become due, and for
those that another process wrote."""

CARD_PERIOD = 5.0
"""Seconds between two edits of one card."""

CACHE_BYTES = 64 * 1024 * 1024
"""Bytes of recent grids that are kept, so that U1 to U4 need no download."""

_CUTS = 4
_CARDS_A_PASS = 10
_DELIVERIES = 3
_FIRST_PAUSE = timedelta(seconds=5)
_LONGEST_PAUSE = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a generation is: its place in line (from 1), or since when it runs and how long
    such work usually takes."""

    place: int | None = None
    since: datetime | None = None
    usual: timedelta | None = None
    now: datetime | None = None


@dataclass(frozen=True, slots=True)
class Delivered:
    """The message that holds a result, and the names of its attachments."""

    message_id: int
    grid_file: str
    source_file: str | None = None


class Publisher(Protocol):
    """Where results go. Its methods raise :class:`DeliveryFailed` and no error of a library's,
    but for those about cards: a card that can't be edited must not matter, so they raise none."""

    async def show_progress(self, generation: Generation, progress: Progress) -> None:
        """Show on the card how far the work is."""
        ...

    async def show_end(self, generation: Generation, detail: str | None = None) -> None:
        """Show on the card what became of a generation that has no result to post; ``detail`` is
        what the API says of it."""
        ...

    async def remove_card(self, generation: Generation) -> None:
        """Take the card away, unless it became the result."""
        ...

    async def host_tile(self, generation: Generation, tile: Picture) -> str:
        """Attach a tile to the card, and return the link of it for the API to fetch."""
        ...

    async def link(self, posted: Generation, file: str) -> str | None:
        """Return a fresh link of an attachment of a posted result; ``None`` if it isn't seen."""
        ...

    async def find_card(self, generation: Generation) -> int | None:
        """Find the answer to the interaction among the channel's messages."""
        ...

    async def find_result(self, generation: Generation) -> Delivered | None:
        """Find the result among the channel's messages, if it has been posted already."""
        ...

    async def post_grid(
        self, generation: Generation, grid: Picture, source: Picture | None
    ) -> Delivered:
        """Post a grid with its source and its buttons. Raises :class:`UploadRefused` too."""
        ...

    async def post_tile(
        self, generation: Generation, parent: Generation, tile: Picture
    ) -> Delivered:
        """Post a tile on its own, in reply to its grid. Raises :class:`UploadRefused` too."""
        ...

    async def recolour(self, grid: Generation, used: set[int]) -> None:
        """Turn the buttons of the tiles that have been upscaled blue, if that is possible."""
        ...

    async def alert_operator(self, error: VaryError) -> None:
        """Tell whoever runs the bot."""
        ...


class Worker:
    """The worker. An async context manager: works from entry on; on exit it claims no more, lets
    what runs finish for ``SHUTDOWN_GRACE`` seconds, and gives up the rest as interrupted."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        genart: GenArt,
        images: Images,
        publisher: Publisher,
        work: asyncio.Event,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._concurrency = settings.genart_concurrency
        self._grace = settings.shutdown_grace
        self._store = store
        self._genart = genart
        self._images = images
        self._publisher = publisher
        self._clock = clock
        self._work_there = work
        self._closing = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._cutting = asyncio.Semaphore(_CUTS)
        self._delivering = asyncio.Semaphore(_DELIVERIES)
        self._running: dict[int, Generation] = {}
        self._cards_of: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        self._grids: LRUCache[int, bytes] = LRUCache(CACHE_BYTES, getsizeof=len)
        self._cards: asyncio.Task[None] | None = None
        self._shown: dict[int, tuple[Progress, datetime]] = {}
        self._cards_due = clock()
        self._care_due = clock()
        self._purge_due = clock()
        self._pause = _FIRST_PAUSE
        self._paused_until = clock()
        self._alert_due = clock()

    async def __aenter__(self) -> Self:
        self._loop = asyncio.create_task(self._run(), name="worker")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing = True
        with suppress(TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(self._grace):
                while self._tasks:
                    await asyncio.wait(self._tasks)
        left = [self._loop, *self._tasks, *([self._cards] if self._cards else [])]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        with suppress(StoreUnavailable):
            for generation in await self._store.release():
                await self._conclude(generation)

    async def ended(self) -> None:
        """Wait until the worker can't go on.

        Raises:
            DatabaseUnusable
        """
        await asyncio.shield(self._loop)

    async def _run(self) -> None:
        while True:
            # Cleared before the ledger is asked: a wake-up during the query is kept.
            self._work_there.clear()
            try:
                if self._clock() >= self._care_due:
                    self._care_due = self._clock() + timedelta(seconds=POLL)
                    await self._look_after()
                await self._claim()
            except DatabaseUnusable:
                raise
            except StoreUnavailable:
                log.warning("The ledger can't be used now; trying again in %.0f s.", POLL)
            except Exception:
                log.exception("The worker stumbled; it goes on.")
            if self._clock() >= self._cards_due and (self._cards is None or self._cards.done()):
                self._cards_due = self._clock() + timedelta(seconds=1)
                self._cards = asyncio.create_task(self._update_cards())
            # Not wait_for: until Python 3.12 it can swallow a cancellation.
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL):
                    await self._work_there.wait()

    async def _look_after(self) -> None:
        """Renew what is ours, take over what is nobody's, forget what has expired."""
        await self._store.renew_leases()
        orphans = await self._store.take_orphans()
        for generation in orphans.over:
            self._start(self._conclude(generation))
        for generation in orphans.resumed:
            log.info("generation %s goes on where another worker left it", generation.id)
            self._start(self._work(generation, resumed=True))
        await self._store.forget_tokens()
        if self._clock() >= self._purge_due:
            self._purge_due = self._clock() + timedelta(hours=1)
            await self._store.purge()

    async def _claim(self) -> None:
        if self._closing:
            return
        while free := await self._store.claim_free():
            self._start(self._work(free))
        while self._clock() >= self._paused_until:
            # While the key is in doubt, one call at a time tries it.
            concurrency = 1 if self._pause > _FIRST_PAUSE else self._concurrency
            generation = await self._store.claim_call(concurrency)
            if generation is None:
                break
            self._start(self._work(generation))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, generation: Generation, *, resumed: bool = False) -> None:
        try:
            generation = await self._with_card(generation)
            if resumed and (found := await self._publisher.find_result(generation)):
                await self._finish(generation, found)
            elif generation.kind is Kind.UPSCALE:
                async with self._cutting:
                    await self._upscale(generation)
            elif generation.result is not None:
                await self._deliver(generation, None)
            else:
                await self._call(generation)
        except ApiBusy as error:
            await self._put_back(generation, error)
        except Exception as error:
            await self._fail(generation, error)
        finally:
            self._running.pop(generation.id, None)
            self._work_there.set()

    async def _call(self, generation: Generation) -> None:
        self._running[generation.id] = generation
        self._work_there.set()
        source = await self._source(generation)
        if generation.kind is Kind.VARIATION:
            link = await self._publisher.host_tile(generation, source)
        else:
            link = await self._source_link(generation)
        result = await self._genart.image_to_image(generation.prompt, link)
        self._pause = _FIRST_PAUSE
        self._running.pop(generation.id)
        await self._settle(self._store.keep_result, generation.id, result)
        self._work_there.set()
        if self._delivering.locked():
            source = None  # It will be fetched again: who waits for a turn holds no pictures.
        await self._deliver(replace(generation, result=result), source)

    async def _source(self, generation: Generation) -> Picture:
        """Return the picture that a generation starts from.

        It is looked at before the API is called: nobody pays for a picture that can't be read.
        """
        try:
            if generation.kind is Kind.VARIATION:
                return await self._images.tile(await self._grid(generation), generation.tile)
            link = await self._source_link(generation)
            return await self._images.check(await self._genart.download(link), decode=False)
        except PictureError as error:
            raise error.of_source() from None

    async def _source_link(self, generation: Generation) -> str:
        """Return a link of the source: a fresh one wherever the source stands on a message."""
        link = generation.source_url
        if parent := await self._parent(generation):
            fresh = parent.source_file and await self._publisher.link(parent, parent.source_file)
            link = fresh or link
        if not link:
            raise PictureGone().of_source()
        return link

    async def _parent(self, generation: Generation) -> Generation | None:
        if generation.parent_id is None:
            return None
        return await self._settle(self._store.get, generation.parent_id)

    async def _grid(self, generation: Generation) -> bytes:
        """Return the grid that a tile is cut from."""
        parent = await self._parent(generation)
        if parent is None or parent.grid_file is None:
            raise PictureGone
        if cached := self._grids.get(parent.id):
            return cached
        link = await self._publisher.link(parent, parent.grid_file) or generation.source_url
        if not link:
            raise PictureGone
        return await self._genart.download(link)

    async def _deliver(self, generation: Generation, source: Picture | None) -> None:
        """Post a result. Few at a time, which bounds the pictures in memory; where Discord limits
        the rate, no call of the API waits for it."""
        async with self._delivering:
            if source is None:
                with suppress(PictureError):
                    source = await self._source(generation)
            await self._post(generation, source)

    async def _post(self, generation: Generation, source: Picture | None) -> None:
        assert generation.result is not None  # noqa: S101
        data = await self._genart.download_result(generation.result)
        grid = await self._images.check(data, decode=True)

        async def post(limit: int) -> Delivered:
            fitted = await self._images.fit(grid, limit)
            small = await self._images.fit(source, limit) if source else None
            delivered = await self._publisher.post_grid(generation, fitted, small)
            if len(fitted.data) <= CACHE_BYTES:
                self._grids[generation.id] = fitted.data
            return delivered

        delivered = await self._within_limit(generation, post)
        await self._finish(generation, delivered)

    async def _upscale(self, generation: Generation) -> None:
        parent = await self._parent(generation)
        if parent is None:
            raise PictureGone
        tile = await self._images.tile(await self._grid(generation), generation.tile)

        async def post(limit: int) -> Delivered:
            fitted = await self._images.fit(tile, limit)
            return await self._publisher.post_tile(generation, parent, fitted)

        await self._finish(generation, await self._within_limit(generation, post))

    async def _within_limit(
        self, generation: Generation, post: Callable[[int], Awaitable[Delivered]]
    ) -> Delivered:
        """Post within the upload limit, and within half of it where Discord refuses that."""
        try:
            return await post(generation.upload_limit)
        except UploadRefused:
            log.info("generation %s: the upload was refused; made smaller", generation.id)
            return await post(generation.upload_limit // 2)

    async def _finish(self, generation: Generation, delivered: Delivered) -> None:
        await self._settle(
            self._store.posted,
            generation.id,
            delivered.message_id,
            delivered.grid_file,
            delivered.source_file,
        )
        message_id = delivered.message_id
        await self._conclude(replace(generation, state=State.POSTED, message_id=message_id))

    async def _conclude(self, generation: Generation, detail: str | None = None) -> None:
        """Show in the channel that a generation is over, and how."""
        generation = await self._with_card(generation)
        if generation.state is not State.POSTED:
            async with self._card(generation.id):
                await self._publisher.show_end(generation, detail)
        elif generation.kind is not Kind.UPSCALE:
            async with self._card(generation.id):
                await self._publisher.remove_card(generation)
        elif parent := await self._parent(generation):
            async with self._card(parent.id):
                used = await self._store.used_tiles(parent.id)
                await self._publisher.recolour(parent, used)
        await self._settle(self._store.card_done, generation.id)

    async def _with_card(self, generation: Generation) -> Generation:
        """Look for the card if the process died before it could be noted."""
        if generation.card_id is not None:
            return generation
        return replace(generation, card_id=await self._publisher.find_card(generation))

    def _card(self, generation_id: int) -> asyncio.Lock:
        """Return the lock under which a generation's messages are edited, so that an edit that is
        late can't undo one that came after it."""
        return self._cards_of.setdefault(generation_id, asyncio.Lock())

    async def _put_back(self, generation: Generation, error: ApiBusy) -> None:
        log.warning("The API is busy; generation %s waits %.0f s", generation.id, error.retry_after)
        not_before = self._clock() + timedelta(seconds=error.retry_after)
        self._paused_until = max(self._paused_until, not_before)
        await self._settle(self._store.requeue, generation.id, not_before)

    async def _fail(self, generation: Generation, error: Exception) -> None:
        if not isinstance(error, VaryError):
            log.error("generation %s broke", generation.id, exc_info=error)
            error = VaryError()
        cause = error.__cause__ or error
        log.warning("generation %s: %s: %r", generation.id, error.code, cause)
        state = State.UNDELIVERED if isinstance(error, DeliveryFailed) else State.FAILED
        await self._settle(self._store.failed, generation.id, state, error.code)
        if isinstance(error, Unauthorized):
            await self._hold(error)
        self._running.pop(generation.id, None)
        detail = error.reason if isinstance(error, BadRequest) else None
        await self._conclude(replace(generation, state=state, error=error.code), detail)

    async def _hold(self, error: Unauthorized) -> None:
        """Stop calling for a while: a key that was revoked must not burn through the queue."""
        if self._clock() < self._paused_until:
            return
        self._paused_until = self._clock() + self._pause
        log.error("The API refuses the key; trying again after %s.", self._pause)
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        if self._clock() >= self._alert_due:
            self._alert_due = self._clock() + timedelta(hours=1)
            await self._publisher.alert_operator(error)

    async def _settle(
        self, change: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Do something with the ledger, however long it takes until that can be done."""
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(StoreUnavailable),
            wait=wait_exponential_jitter(multiplier=0.5, max=30),
        )
        return await retrying(change, *args, **kwargs)

    async def _update_cards(self) -> None:
        """Edit the cards whose place or progress changed, one after the other.

        One pass at a time and a few cards a pass: where Discord limits the rate, edits of cards
        are what is left out.
        """
        try:
            line = await self._store.line()
            usual = await self._store.typical_duration()
        except StoreUnavailable:
            return
        now = self._clock()
        cards = [
            (generation, Progress(since=generation.started_at, usual=usual, now=now))
            for generation in self._running.values()
        ]
        cards += [(generation, Progress(place=place)) for place, generation in enumerate(line, 1)]
        live = {generation.id for generation, _ in cards}
        self._shown = {id_: shown for id_, shown in self._shown.items() if id_ in live}
        edits = 0
        for generation, progress in cards:
            shown, at = self._shown.get(generation.id, (None, generation.created_at))
            due = shown is None or now - at >= timedelta(seconds=CARD_PERIOD)
            if progress == shown or not due or generation.card_id is None or edits == _CARDS_A_PASS:
                continue
            edits += 1
            self._shown[generation.id] = (progress, now)
            await self._show_progress(generation, progress)

    async def _show_progress(self, generation: Generation, progress: Progress) -> None:
        """Edit one card, unless the ledger has moved on; put right what moved on meanwhile."""
        async with self._card(generation.id):
            if generation.id not in self._running:
                current = await self._store.get(generation.id)
                if current is None or current.state is not State.QUEUED:
                    return
            await self._publisher.show_progress(generation, progress)
            current = await self._store.get(generation.id)
            if current is not None and current.state is State.CANCELLED:
                await self._publisher.show_end(current)
