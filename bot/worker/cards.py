"""Keeps cards up to date: how far work is, and that it is over."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from cachetools import LRUCache

from bot.domain import Generation, HostedTile, Kind, Progress, State, count_ahead
from bot.errors import DiscordUnavailable, MessageGone, VaryError
from bot.store.pictures import Pictures
from bot.store.queue import Queue
from bot.store.workers import Workers
from bot.worker.markers import Markers
from bot.worker.publisher import Publisher
from bot.worker.slots import Slots

log = logging.getLogger(__name__)

CARD_PERIOD = 5.0
"""Seconds between two edits of one card that only show that time goes on."""

GIVE_UP = timedelta(hours=1)
"""How long after the end of its work a card is tried to be edited."""

_EDITS_EACH, _EDITS = 2, 10
_FIRST_WAIT, _LONGEST_WAIT = 2.0, 300.0
_MARKS = 1_000
_GATHER_TIME = 0.1
_UPDATE_PERIOD = 1.0

_Key = tuple[Literal["card", "grid"], int]
"""What is edited: a generation's card, or the grid whose buttons were used."""


@dataclass(slots=True)
class _Retry:
    """When an edit that failed is tried again, in seconds of ``time.monotonic``."""

    at: float
    wait: float


class Cards:
    """Edits cards in tasks of their own: nothing that members wait for waits for a card.

    Whatever Discord does about one card, it holds up no other channel's.
    """

    def __init__(
        self,
        queue: Queue,
        pictures: Pictures,
        workers: Workers,
        publisher: Publisher,
        markers: Markers,
        clock: Callable[[], datetime],
        concurrency: int,
    ) -> None:
        self._queue = queue
        self._pictures = pictures
        self._workers = workers
        self._markers = markers
        self._publisher = publisher
        self._clock = clock
        self._concurrency = concurrency
        self.changed = asyncio.Event()
        self.paused = False
        self._next_update = 0.0
        self._running: dict[int, tuple[Generation, HostedTile | None]] = {}
        self._shown: dict[int, tuple[Progress, float]] = {}
        self._details: dict[int, str] = {}
        self._edits: dict[_Key, tuple[asyncio.Task[None], int]] = {}
        self._retries: dict[_Key, _Retry] = {}
        self._marked: LRUCache[int, frozenset[tuple[Kind, int]]] = LRUCache(_MARKS)
        self._used: dict[int, int] = {}
        self._slots = Slots(each=_EDITS_EACH, total=_EDITS)

    def running(self, generation: Generation, tile: HostedTile | None = None) -> None:
        """Show from now on that a generation runs."""
        self._running[generation.id] = (generation, tile)
        self.changed.set()

    def stopped(self, generation_id: int, detail: str | None = None) -> None:
        """Show no progress any more; ``detail`` is what the API says of a failure."""
        self._running.pop(generation_id, None)
        if detail:
            self._details[generation_id] = detail
        self.changed.set()

    async def close(self, grace: float) -> None:
        """Let the edits that are under way finish for ``grace`` seconds; end the rest."""
        if edits := [edit for edit, _ in self._edits.values()]:
            _, late = await asyncio.wait(edits, timeout=grace)
            for edit in late:
                edit.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def refresh(self) -> None:
        """Begin the edits that are due. What ends at about the same time is shown together."""
        await asyncio.sleep(_GATHER_TIME)
        await self._conclude_all()
        if time.monotonic() >= self._next_update:
            self._next_update = time.monotonic() + _UPDATE_PERIOD
            await self._update()

    async def _running_cards(self) -> list[tuple[Generation, Progress]]:
        """Return what this worker runs, with what its cards show."""
        if not self._running:
            return []
        usual = await self._queue.typical_duration()
        discarded = await self._queue.discarded()
        now = self._clock()
        return [
            (
                generation,
                # Grids tell nothing of how long a description takes.
                Progress(
                    since=generation.started_at,
                    usual=None if generation.kind is Kind.DESCRIBE else usual,
                    now=now,
                    tile=tile,
                ),
            )
            for generation, tile in self._running.values()
            if generation.id not in discarded
        ]

    async def _waiting_cards(self) -> list[tuple[Generation, Progress]]:
        """Return what waits, with what its cards show."""
        delayed = await self._queue.postponed()
        cards = [(generation, Progress(delayed=True)) for generation in delayed]
        if waiting := await self._queue.waiting():
            running = await self._queue.running()
            equal_prompts = self._markers.equal_prompts
            held_up = set[int]() if equal_prompts else await self._queue.held_up()
            for place, row in enumerate(waiting, 1):
                ahead = count_ahead(place, running, self._concurrency)
                progress = Progress(ahead=ahead, same_prompt=row.id in held_up, paused=self.paused)
                cards.append((row, progress))
        return cards

    async def _update(self) -> None:
        """Edit the cards whose place or progress changed: of what this worker runs, and where it
        leads of what waits."""
        cards = await self._running_cards()
        if self._workers.leads:
            cards += await self._waiting_cards()
        live = {generation.id for generation, _ in cards}
        channels = Counter(channel_id for _, channel_id in self._edits.values())
        self._shown = {id_: shown for id_, shown in self._shown.items() if id_ in live}
        for generation, progress in cards:
            if generation.card_id is None or not self._is_due(generation, progress):
                continue
            if channels[generation.channel_id] >= _EDITS_EACH:
                continue
            channels[generation.channel_id] += 1
            self._shown[generation.id] = (progress, time.monotonic())
            work = self._show_progress(generation, progress)
            self._edit(("card", generation.id), generation.channel_id, work)

    def _is_due(self, generation: Generation, progress: Progress) -> bool:
        """Tell whether a card is to be edited: at once where the work begins, else now and then."""
        if ("card", generation.id) in self._edits:
            return False
        shown, at = self._shown.get(generation.id, (None, 0.0))
        if shown is None:
            # The answer showed its place, or that it would be started.
            age = self._clock() - generation.created_at
            fresh = timedelta(0) <= age <= timedelta(seconds=CARD_PERIOD)
            held = progress.same_prompt or progress.paused
            return progress.ahead is None or held or not fresh
        same_phase = (shown.since, shown.delayed) == (progress.since, progress.delayed)
        waited = time.monotonic() - at >= CARD_PERIOD
        return shown != progress and (waited or not same_phase)

    def _edit(self, key: _Key, channel_id: int, work: Coroutine[Any, Any, object]) -> None:
        async def run() -> None:
            try:
                async with self._slots.slot(channel_id):
                    await work
            except VaryError as error:
                log.info("The %s of generation %s can't be edited now: %r", *key, error)
                self._try_later(key)
            except Exception:
                log.exception("The %s of generation %s could not be edited.", *key)
                self._try_later(key)
            finally:
                work.close()
                del self._edits[key]
                self.changed.set()

        self._edits[key] = (asyncio.create_task(run()), channel_id)

    async def _show_progress(self, generation: Generation, progress: Progress) -> None:
        """Edit one card, unless the ledger has moved on."""
        if generation.id not in self._running:
            current = await self._queue.get(generation.id)
            if current is None or current.state is not State.QUEUED:
                return
        try:
            await self._publisher.show_progress(generation, progress)
        except DiscordUnavailable as error:
            log.info("generation %s: its card is edited later: %r", generation.id, error)
            self._shown[generation.id] = (Progress(), time.monotonic())

    async def _conclude_all(self) -> None:
        """Show which work is over: on its card, or on the grid that a tile came from."""
        self._mark_grids()
        due: dict[_Key, list[Generation]] = {}
        for generation in await self._queue.cards_due():
            is_tile = _is_posted(generation) and generation.kind.fills_answer
            key = ("grid", generation.parent_id or 0) if is_tile else ("card", generation.id)
            due.setdefault(key, []).append(generation)
        self._retries = {key: retry for key, retry in self._retries.items() if key in due}
        for key, generations in due.items():
            retry = self._retries.get(key)
            if key not in self._edits and (retry is None or time.monotonic() >= retry.at):
                self._edit(key, generations[0].channel_id, self._conclude(key, generations))

    async def _conclude(self, key: _Key, generations: list[Generation]) -> None:
        done = await self._show_end(generations[0])
        ended = generations[0].deleted_at or generations[0].finished_at
        if done or (ended and self._clock() - ended > GIVE_UP):
            deleted = generations[0].deleted_at is not None
            ids = [generation.id for generation in generations]
            await self._queue.card_done(ids, deleted=deleted)
            self._details.pop(key[1], None)
            if key[0] == "card" and _is_posted(generations[0]) and generations[0].parent_id:
                self._used[generations[0].parent_id] = generations[0].channel_id
        else:
            self._try_later(key)

    def _try_later(self, key: _Key) -> None:
        retry = self._retries.get(key)
        wait = min(retry.wait * 2, _LONGEST_WAIT) if retry else _FIRST_WAIT
        self._retries[key] = _Retry(time.monotonic() + wait, wait)

    def _mark_grids(self) -> None:
        """Begin to mark what was made from grids. A crash loses no more than a colour here, and
        the next mark of that grid shows it."""
        for grid_id, channel_id in list(self._used.items()):
            if ("grid", grid_id) not in self._edits:
                del self._used[grid_id]
                self._edit(("grid", grid_id), channel_id, self._mark_used(grid_id))

    async def _show_end(self, generation: Generation) -> bool:
        if generation.deleted_at:
            return await self._publisher.remove_card(generation)
        if generation.state is State.POSTED and generation.retry_of is not None:
            await self._show_retried(generation)
        if generation.state is State.POSTED and generation.kind.fills_answer:
            return await self._mark_used(generation.parent_id or 0)
        if generation.card_id is None:
            try:
                card_id = await self._publisher.find_card(generation)
            except DiscordUnavailable:
                return False
            generation = replace(generation, card_id=card_id)
        if generation.state is State.POSTED:
            return await self._publisher.remove_card(generation)
        return await self._publisher.show_end(generation, self._details.get(generation.id))

    async def _show_retried(self, generation: Generation) -> None:
        """Show on the card of what had failed where the result of trying again is."""
        failed = await self._queue.get(generation.retry_of or 0)
        if failed is not None:
            await self._publisher.show_end(failed, retried=generation)

    async def _mark_used(self, grid_id: int) -> bool:
        grid = await self._queue.get(grid_id)
        if grid is None or grid.deleted_at or grid.kind.fills_answer:
            return True
        used = frozenset(await self._queue.used(grid.id)) & _marked_options(grid)
        if not used or self._marked.get(grid.id) == used:
            return True
        try:
            done = await self._publisher.mark_used(grid, used)
        except MessageGone:
            log.info("generation %s: its message was deleted", grid.id)
            await self._pictures.gone([grid.id])
            return True
        if done:
            self._marked[grid.id] = used
        return done


def _is_posted(generation: Generation) -> bool:
    return generation.state is State.POSTED and generation.deleted_at is None


def _marked_options(grid: Generation) -> set[tuple[Kind, int]]:
    """Return what buttons of a grid show in blue once it was made."""
    options = grid.result.options if grid.result else ()
    return {(Kind.UPSCALE, 0), *((option.kind, option.tile) for option in options)}
