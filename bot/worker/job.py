"""One generation from its claim to its result: a handler for each kind."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from bot.domain import (
    NOBODY,
    Delivered,
    ErrorCode,
    Generation,
    HostedTile,
    Kind,
    Picture,
    Result,
    State,
)
from bot.errors import (
    ApiBusy,
    ApiNonsense,
    BadRequest,
    DatabaseUnusable,
    DeliveryFailed,
    DiscordUnavailable,
    HistoryUnreadable,
    NotAPicture,
    PictureError,
    SourceUnusable,
    StoreUnavailable,
    Unauthorized,
    UploadRefused,
    VaryError,
)
from bot.genart import GenArt
from bot.genart_format import Answer, matches
from bot.images import Images
from bot.store import Store
from bot.store.account import Alert
from bot.store.claiming import LONGEST_DELAY
from bot.worker.account import AccountWatch
from bot.worker.breaker import CircuitBreaker
from bot.worker.cards import Cards
from bot.worker.markers import Markers
from bot.worker.publisher import Publisher
from bot.worker.saving import saved
from bot.worker.slots import Slots
from bot.worker.sources import Sources

log = logging.getLogger(__name__)
T = TypeVar("T")

NONCE_LIFE = timedelta(minutes=2)
"""How long Discord surely recognizes a message by its nonce ("a few minutes", its reference)."""

_MESSAGE_BYTES = 24 * 1024 * 1024
"""Bytes of all files of a message: below Discord's limit."""
_SMALLER_LIMITS = (int(9.5 * 1024 * 1024), 7 * 1024 * 1024)
"""Bytes of a file that are tried next where Discord refuses it."""
_DELIVERY_ATTEMPTS = 150
"""Twelve hours: the API's links of a result live for a day."""
_PREPARE_ATTEMPTS = 8
"""Eight minutes, for work that nothing was paid for yet."""
_PLACE_WAIT = 0.5


@dataclass(frozen=True, slots=True)
class _Source:
    """What a call starts from: a link for the API, and what the result's message shows of it;
    ``generation`` is the one with the card that a tile is attached to."""

    generation: Generation
    link: str
    thumbnail: Picture | None


class _Lost(Exception):
    """Another worker owns the generation by now."""


class _Erased(Exception):
    """The member has deleted their data."""


class _Unseen(Exception):
    """The asker sees nothing of the generation: they were not answered, or discarded it."""


def _require_owned(generation: Generation | None) -> None:
    """Go on with a generation that this worker owns still, as it is now in the ledger.

    Raises:
        _Lost, _Erased
        _Unseen: it was discarded.
    """
    if generation is None:
        raise _Lost
    if generation.user_id == NOBODY:
        raise _Erased
    if generation.discarded:
        raise _Unseen


class Jobs:
    """Runs generations that a worker has claimed."""

    def __init__(
        self,
        store: Store,
        genart: GenArt,
        images: Images,
        publisher: Publisher,
        sources: Sources,
        account: AccountWatch,
        cards: Cards,
        breaker: CircuitBreaker,
        markers: Markers,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._queue = store.queue
        self._genart = genart
        self._images = images
        self._publisher = publisher
        self._sources = sources
        self._account = account
        self._cards = cards
        self._breaker = breaker
        self._markers = markers
        self._clock = clock
        self._preparing = Slots(each=1, total=4)
        self._posting = Slots(each=2, total=6)
        self._cutting = Slots(each=2, total=4)
        self._handlers = {
            Kind.VARY: self._make_grid,
            Kind.REROLL: self._make_grid,
            Kind.VARIATION: self._make_grid,
            Kind.REMIX: self._make_grid,
            Kind.UPSCALE: self._make_tile,
            Kind.DESCRIBE: self._describe,
        }

    async def run(self, generation: Generation) -> None:
        """Work on a generation until it is over, or queued again for later."""
        detail = None
        try:
            if generation.card_id is None:
                generation = await self._with_card(generation)
            await self._handlers[generation.kind](generation)
            return
        except _Unseen:
            log.info("generation %s: its asker doesn't see it", generation.id)
            await saved(self._queue.unseen, generation.id)
        except _Lost:
            log.warning("generation %s belongs to another worker by now; left to it", generation.id)
        except _Erased:
            log.info("generation %s: its member has deleted their data", generation.id)
        except DatabaseUnusable:
            log.warning("generation %s is left where it is: the database is gone", generation.id)
        except ApiBusy as error:
            log.warning("The API is busy; calls wait %.0f s.", error.retry_after)
            await saved(self._breaker.busy, error.retry_after)
            wait = min(error.retry_after, LONGEST_DELAY.total_seconds())
            await self._later(generation, wait, generation.attempts)
        except VaryError as error:
            if not (error.transient and await self._try_later(generation, error)):
                await self._fail(generation, error)
            detail = error.reason if isinstance(error, BadRequest) else None
        except Exception:
            log.exception("generation %s broke", generation.id)
            await self._fail(generation, VaryError())
        finally:
            self._cards.stopped(generation.id, detail)
        await self._drop_nameless(generation)

    async def _with_card(self, generation: Generation) -> Generation:
        """Return a generation with its card, which the front didn't record.

        Raises:
            _Unseen: there is none. Nobody pays for what can't be seen.
            DiscordUnavailable
        """
        card = await self._publisher.find_card(generation)
        if card is None:
            raise _Unseen
        await saved(self._queue.card_moved, generation.id, card)
        return replace(generation, card_id=card)

    # The kinds of work.

    async def _make_grid(self, generation: Generation) -> None:
        """Call the API for a grid, if that wasn't done before, and post it."""
        await self._make(generation, self._post_grid)

    async def _describe(self, generation: Generation) -> None:
        """Call the API for descriptions, if that wasn't done before, and post them."""
        await self._make(generation, self._post_descriptions)

    async def _make(
        self,
        generation: Generation,
        post: Callable[[Generation, Picture | None], Awaitable[Delivered]],
    ) -> None:
        """Call the API, if that wasn't done before, and ``post`` what it answered with a picture
        of what it was made from."""
        thumbnail = None
        if generation.discarded:
            raise _Unseen
        if generation.needs_call:
            self._cards.running(generation)
            source = await self._prepare(generation)
            thumbnail = source.thumbnail
            generation = await self._call(source.generation, source.link)
            self._cards.stopped(generation.id)
        async with self._posting.slot(generation.channel_id):
            delivered = await self._find(generation)
            if delivered is None:
                delivered = await post(generation, thumbnail)
        await self._posted(generation, delivered)

    async def _make_tile(self, generation: Generation) -> None:
        """Cut a tile out of its grid, or all four, and post it."""
        async with self._cutting.slot(generation.channel_id):
            delivered = await self._find(generation)
            if delivered is None:
                parent, tiles = await self._sources.cut(generation)
                shown = await self._sources.shown(parent)
                post = partial(self._post_tiles, generation, parent, tiles, shown)
                taken = len(shown.data) if shown else 0
                delivered = await self._within_limit(generation, taken, post)
        await self._posted(generation, delivered)

    # What a call starts from.

    async def _prepare(self, generation: Generation) -> _Source:
        """Get the source ready before anything is paid for: it is looked at, and reachable."""
        async with self._preparing.slot(generation.channel_id):
            try:
                if generation.starts_from_tile:
                    return await self._hosted_tile(generation)
                link, picture = await self._sources.source(generation)
                thumbnail = await self._images.thumbnail(picture)
                return _Source(generation, link, thumbnail)
            except PictureError as error:
                raise SourceUnusable(error) from error

    async def _hosted_tile(self, generation: Generation) -> _Source:
        _, (tile,) = await self._sources.cut(generation)
        hosted = await self._within_limit(
            generation, 0, lambda limit: self._host_tile(generation, tile, limit)
        )
        if hosted.card_id != generation.card_id:
            moved = (generation.id, hosted.card_id, hosted.direct_id)
            await saved(self._queue.card_moved, *moved)
            generation = replace(generation, card_id=hosted.card_id, direct_id=hosted.direct_id)
        self._cards.running(generation, hosted)
        return _Source(generation, hosted.link, await self._images.thumbnail(tile))

    async def _host_tile(self, generation: Generation, tile: Picture, limit: int) -> HostedTile:
        return await self._publisher.host_tile(generation, await self._images.fit(tile, limit))

    # The call.

    async def _call(self, generation: Generation, link: str) -> Generation:
        """Call the API once a place is free; return the generation with its result."""
        while not await saved(self._queue.start_call, generation.id, self._breaker.places):
            await self._check_owned(generation)
            await asyncio.sleep(_PLACE_WAIT)
        self._store.changed.set()  # The next one of this channel may be prepared.
        try:
            answer = await self._ask(generation, link)
        except Unauthorized:
            if await saved(self._breaker.refused):
                log.error("The API refuses the key; calls wait.")
            await saved(self._account.key_refused)
            raise
        if await saved(self._breaker.succeeded):
            await saved(self._store.account.over, Alert.KEY_REFUSED)
        if not matches(answer.content, generation.prompt):
            await saved(self._markers.mixed_up)
            raise ApiNonsense("the answer's content is that of another prompt")
        kept = await saved(self._queue.keep_result, generation.id, answer.result)
        await saved(self._markers.answered, answer.content, generation.prompt)
        self._store.changed.set()
        _require_owned(kept)
        return replace(generation, result=answer.result)

    async def _ask(self, generation: Generation, link: str) -> Answer:
        if generation.kind is Kind.DESCRIBE:
            return await self._genart.describe(link)
        return await self._genart.image_to_image(generation.prompt, link)

    # Delivery.

    async def _find(self, generation: Generation) -> Delivered | None:
        """Look for a result that an earlier attempt may have posted."""
        if not generation.attempts:
            return None
        try:
            return await self._publisher.find_result(generation)
        except HistoryUnreadable:
            if abs(self._clock() - generation.posted_since()) < NONCE_LIFE:
                return None  # Discord returns the first message instead of posting a second.
            raise

    async def _post_grid(self, generation: Generation, thumbnail: Picture | None) -> Delivered:
        assert generation.result is not None  # noqa: S101
        receive = partial(self._receive, generation.result)
        grid = await self._genart.download_result(generation.result, receive)
        if thumbnail is None:
            thumbnail = await self._sources.thumbnail(generation)
        parent = await self._sources.parent(generation)

        async def post(limit: int) -> Delivered:
            fitted = await self._images.fit(grid, limit)
            small = await self._images.thumbnail(thumbnail, limit) if thumbnail else None
            await self._check_owned(generation)
            delivered = await self._publisher.post_grid(generation, fitted, small, parent)
            self._sources.keep(generation.id, fitted.data, small)
            return delivered

        taken = len(thumbnail.data) if thumbnail else 0
        return await self._within_limit(generation, taken, post)

    async def _post_descriptions(
        self, generation: Generation, thumbnail: Picture | None
    ) -> Delivered:
        if thumbnail is None:
            thumbnail = await self._sources.thumbnail(generation)

        async def post(limit: int) -> Delivered:
            small = await self._images.thumbnail(thumbnail, limit) if thumbnail else None
            await self._check_owned(generation)
            return await self._publisher.post_descriptions(generation, small)

        return await self._within_limit(generation, 0, post)

    async def _receive(self, result: Result, chunks: AsyncIterator[bytes]) -> Picture:
        """Return the grid that arrives in ``chunks``.

        Raises:
            NotAPicture: also where its size is not the one that the API said.
            PictureTooLarge
        """
        picture = await self._images.receive(chunks)
        size = (picture.width, picture.height)
        if result.size not in {None, size}:
            log.warning("A result has %s pixels instead of %s.", size, result.size)
            raise NotAPicture
        return picture

    async def _post_tiles(
        self,
        generation: Generation,
        parent: Generation,
        tiles: Sequence[Picture],
        shown: Picture | None,
        limit: int,
    ) -> Delivered:
        fitted = [await self._images.fit(tile, limit // len(tiles)) for tile in tiles]
        small = await self._images.thumbnail(shown, limit) if shown else None
        await self._check_owned(generation)
        return await self._publisher.post_tile(generation, parent, fitted, small)

    async def _within_limit(
        self, generation: Generation, taken: int, upload: Callable[[int], Awaitable[T]]
    ) -> T:
        """Upload a file within what is known to be allowed, and smaller where Discord refuses it.

        The interaction's limit counts the asker's own subscription, which the bot's messages don't
        have; what the server allows is known only by trying.
        """
        first = min(generation.upload_limit, _MESSAGE_BYTES - taken)
        *others, last = (first, *(limit for limit in _SMALLER_LIMITS if limit < first))
        for limit in others:
            try:
                return await upload(limit)
            except UploadRefused:
                log.info("generation %s: %s bytes are refused", generation.id, limit)
        return await upload(last)

    async def _check_owned(self, generation: Generation) -> None:
        _require_owned(await saved(self._queue.owned, generation.id))

    async def _drop_nameless(self, generation: Generation) -> None:
        """Forget what came of a generation whose member has deleted their data meanwhile."""
        try:
            if await self._store.privacy.is_nameless(generation.id):
                await self._store.privacy.drop(generation.id)
        except StoreUnavailable:
            log.warning("generation %s: what came of it can't be dropped", generation.id)

    async def _posted(self, generation: Generation, delivered: Delivered) -> None:
        posted = await saved(self._queue.posted, generation.id, delivered)
        current = posted or await saved(self._queue.get, generation.id)
        if current and current.user_id == NOBODY:
            # It was posted just as its member deleted their data.
            drop = self._store.privacy.drop
            place = delivered.direct_id or generation.channel_id
            await saved(drop, generation.id, place, delivered.message_id)
            raise _Erased

    # What went wrong.

    async def _try_later(self, generation: Generation, error: VaryError) -> bool:
        """Queue a generation again whose trouble may pass; tell whether it makes sense."""
        attempts = generation.attempts + 1
        paid = await self._is_paid(generation)
        if attempts > (_DELIVERY_ATTEMPTS if paid else _PREPARE_ATTEMPTS):
            return False
        wait = 2.0**attempts
        if isinstance(error, DiscordUnavailable):
            wait = max(wait, error.retry_after)
        wait = min(wait, LONGEST_DELAY.total_seconds())
        log.warning("generation %s: %r; again in %.0f s", generation.id, error, wait)
        await self._later(generation, wait, attempts)
        return True

    async def _is_paid(self, generation: Generation) -> bool:
        """Tell whether there is something to deliver, so that no call is needed any more."""
        current = await saved(self._queue.get, generation.id)
        return current is not None and not current.needs_call

    async def _later(self, generation: Generation, seconds: float, attempts: int) -> None:
        not_before = self._clock() + timedelta(seconds=seconds)
        await saved(self._queue.requeue, generation.id, not_before, attempts=attempts)

    async def _fail(self, generation: Generation, error: VaryError) -> None:
        cause = error.__cause__ or error
        log.warning("generation %s: %s: %r", generation.id, error.code, cause)
        state, code = State.FAILED, error.code
        if isinstance(error, DeliveryFailed):
            if await self._is_paid(generation):
                state = State.UNDELIVERED
            elif isinstance(error, DiscordUnavailable):
                code = ErrorCode.SOURCE_UNREACHABLE  # Nothing was asked of the API yet.
        await saved(self._queue.failed, generation.id, state, code)
