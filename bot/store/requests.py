"""What the front writes: new generations, clicks, and that their askers were answered."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

import sqlalchemy as sa

from bot.domain import Asker, Click, Generation, NewGeneration
from bot.errors import StoreUnavailable
from bot.store import asked
from bot.store.admission import Limits
from bot.store.asked import EnqueueResult
from bot.store.batch import Batch
from bot.store.database import Database
from bot.store.decisions import Transaction
from bot.store.recording import discard
from bot.store.rows import card_done

log = logging.getLogger(__name__)
T = TypeVar("T")

COMMIT_TIME = 2.2
"""Seconds that a member waits for the database; Discord wants an answer within 3."""


_UNSURE = 500
"""Interactions that are remembered where nobody knows whether they were committed."""


class Requests:
    """The front's transactions. Each raises a :class:`Refused` that says why it isn't possible,
    or :class:`StoreUnavailable`: nothing was written, or the next transaction takes it back."""

    def __init__(
        self,
        database: Database,
        limits: Limits,
        clock: Callable[[], datetime],
        changed: Callable[[], None],
        governed: Collection[int] = (),
    ) -> None:
        self._database = database
        self._limits = limits
        self._clock = clock
        self._changed = changed
        self._governed = governed
        self._batch: Batch[asked.Request] = Batch(self._commit, _undo)
        self._unsure: deque[int] = deque(maxlen=_UNSURE)

    async def enqueue(self, new: NewGeneration) -> EnqueueResult:
        """Put a generation into the queue, if the limits allow it."""
        return await self._ask(new)

    async def press(self, click: Click) -> EnqueueResult:
        """Record a click and put what it asks for into the queue; all of it or nothing."""
        return await self._ask(click)

    async def act(
        self,
        click: Click,
        act: Callable[[sa.Connection, Generation], T] = lambda _, generation: generation,
        *,
        anywhere: bool = False,
        posted: bool = False,
    ) -> T:
        """Record a click of a button that is no option of the API's, do what it stands for with
        the generation that it is about, and return what came of it (see :class:`asked.Act`)."""
        return await self._ask(asked.Act(click, act, anywhere, posted))

    async def remix(self, click: Click, prompt: str, tile: int) -> EnqueueResult:
        """Put a new grid in other words into the queue (see :class:`asked.Remix`)."""
        return await self._ask(asked.Remix(click, prompt, tile))

    async def note(self, click: Click) -> None:
        """Record a click of a button that only shows something."""
        await self._ask(asked.Note(click))

    async def remake(self, click: Click, repeated: int) -> EnqueueResult:
        """Make anew what a click was answered with, as its message is deleted; correct the click's
        outcome."""
        return await self._ask(asked.Remake(click, repeated))

    async def retry(
        self, asker: Asker, generation_id: int, *, label: str | None = None
    ) -> EnqueueResult:
        """Ask again for what failed; once for each, whoever presses the button ``label``."""
        return await self._ask(asked.Retry(asker, generation_id, label))

    async def fetch_undelivered(self, asker: Asker) -> EnqueueResult:
        """Put a user's oldest undelivered result of this server into the queue again, to be posted
        where it is asked for."""
        return await self._ask(asked.Fetch(asker))

    async def cancel(
        self, asker: Asker, generation_id: int, *, label: str | None = None
    ) -> Generation:
        """Take a generation out of the queue; ``label`` is that of the button pressed for it."""
        return await self._ask(asked.Cancel(asker, generation_id, label))

    async def discard(self, click: Click) -> Generation:
        """Have the result of a generation that runs kept to be fetched, not posted."""
        act = partial(discard, asker=click.asker)
        return await self.act(click, act)

    async def shown_end(self, generation_id: int) -> None:
        """Record that a card shows that its generation is over: no worker edits it."""
        await self._database.write(
            lambda connection: card_done(connection, [generation_id]), lock=None
        )

    async def answered(self, generation_id: int, card_id: int) -> None:
        """Record that the asker sees the card ``card_id``: the work may begin."""
        await self._batch.add(asked.Answered(generation_id, card_id))
        self._changed()

    async def unanswered(self, generation_id: int) -> None:
        """Record that the asker wasn't told. What isn't paid for yet is cancelled."""
        await self._batch.add(asked.Answered(generation_id, None))

    async def _ask(self, request: asked.Request) -> Any:
        """Commit what a member waits for, in the time that leaves some to answer them."""
        try:
            async with asyncio.timeout(COMMIT_TIME):
                return await self._batch.add(request)
        except TimeoutError:
            log.error("The database takes too long.")
            raise StoreUnavailable from None

    async def _commit(self, requests: list[asked.Request]) -> Sequence[Any]:
        """Commit requests, and take back those before them of which nobody knows whether they were
        committed: their askers were told that they weren't, and may ask again."""
        now = self._clock()
        lost = [asked.Answered(interaction_id, None) for interaction_id in self._unsure]
        batch = [*lost, *requests]
        try:
            results = await self._database.write(
                lambda connection: Transaction(
                    connection, self._limits, now, batch, self._governed
                ).run(),
                urgent=True,
                wake=any(isinstance(request, asked.Answered) for request in batch),
            )
        except StoreUnavailable:
            askers = filter(None, map(asked.who_asks, requests))
            self._unsure.extend(asker.interaction_id for asker in askers)
            raise
        self._unsure.clear()
        return results[len(lost) :]


def _undo(result: Any) -> asked.Answered | None:
    """Take back what was committed when its asker had been told that it couldn't be."""
    if isinstance(result, EnqueueResult) and not result.repeated:
        return asked.Answered(result.generation.id, None)
    return None
