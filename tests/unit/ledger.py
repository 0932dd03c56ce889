"""A store to test with: a clock that is moved by hand, and short ways to fill it."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.domain import (
    Asker,
    Click,
    Delivered,
    Generation,
    Kind,
    NewGeneration,
    Option,
    Result,
    State,
)
from bot.store import Store
from bot.store.asked import EnqueueResult
from tests.conftest import MakeSettings
from tests.postgres import ask

GUILD, CHANNEL, ANN, BOB = 10, 20, 1, 2
MODERATOR = {"permissions": 1 << 13}
"""What Discord says of who has the permission Manage Messages."""

OPTIONS = (
    *(Option(Kind.UPSCALE, n, f"U{n}", 2, f"MJ::JOB::upsample::{n}::h") for n in range(1, 5)),
    Option(Kind.REROLL, 0, "🔄", 2, "MJ::JOB::reroll::0::h::SOLO"),
    *(Option(Kind.VARIATION, n, f"V{n}", 2, f"MJ::JOB::variation::{n}::h") for n in range(1, 5)),
)
RESULT = Result(("https://cdn.example/grid.png",), OPTIONS, "1", "h", 0, "dGFzaw==")
U1, U2, REROLL, V3 = 0, 1, 4, 7
ELSEWHERE = "elsewhere/1/2"
"""The name of a worker on another machine: whether it lives is told by its lease alone."""

Rows = Callable[[str], list[tuple[Any, ...]]]


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        self.now += by


class Ledger:
    """A store with a clock of its own, and short ways to fill it."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self.requests = store.requests
        self.queue = store.queue
        self.ids = itertools.count(1000)

    def asker(self, user_id: int = ANN, **values: Any) -> Asker:
        """Return who asks, through an interaction of its own."""
        id_ = next(self.ids)
        asker = Asker(id_, user_id, GUILD, CHANNEL, f"token-{id_}", 1_000_000, 8)
        return replace(asker, **values)

    def new(self, user_id: int = ANN, prompt: str | None = None, **values: Any) -> NewGeneration:
        """Return what ``/vary`` asks for."""
        asker = self.asker(user_id, **values)
        text = prompt or f"prompt {asker.interaction_id}"
        return NewGeneration(asker, Kind.VARY, text, "https://cdn.example/upload.png")

    async def queued(
        self, user_id: int = ANN, prompt: str | None = None, **values: Any
    ) -> Generation:
        """Put a generation into the queue whose asker sees its card."""
        result = await self.requests.enqueue(self.new(user_id, prompt, **values))
        return await self.answered(result)

    async def answered(self, result: EnqueueResult) -> Generation:
        """Record that the asker sees the card of what was accepted."""
        assert not result.repeated
        id_ = result.generation.id
        await self.requests.answered(id_, id_ + 1)
        return result.generation

    async def call(self, concurrency: int = 100, *, equal_prompts: bool = False) -> int | None:
        """Claim the next generation that needs a call; return its id."""
        claimed = await self.queue.claim_call(concurrency, equal_prompts=equal_prompts)
        return claimed and claimed.id

    async def calls(self, concurrency: int, *, equal_prompts: bool) -> list[int]:
        """Claim one after the other, as a worker does, until it gets none; return the ids."""
        claimed: list[int] = []
        while id_ := await self.call(concurrency, equal_prompts=equal_prompts):
            claimed.append(id_)
        return claimed

    async def others(self, limit: int = 100) -> list[int]:
        """Claim what needs no call; return the ids."""
        return sorted(g.id for g in await self.queue.claim_others([], limit))

    async def running(self, user_id: int = ANN) -> Generation:
        """Return a generation that is claimed, but not asked of the API yet."""
        generation = await self.queued(user_id)
        assert await self.call() == generation.id
        return await self.get(generation)

    async def called(self, user_id: int = ANN) -> Generation:
        """Return a generation that is being asked of the API."""
        generation = await self.running(user_id)
        assert await self.queue.start_call(generation.id, 100)
        return await self.get(generation)

    async def posted(self, user_id: int = ANN) -> Generation:
        """Return a generation whose result is posted."""
        return await self.finish(await self.called(user_id))

    async def failed(self, user_id: int = ANN, state: State = State.FAILED) -> Generation:
        """Return a generation that came to nothing (or ``undelivered``, with its result)."""
        generation = await self.called(user_id)
        if state is State.UNDELIVERED:
            assert await self.queue.keep_result(generation.id, RESULT)
        error = "undelivered" if state is State.UNDELIVERED else "timeout"
        assert await self.queue.failed(generation.id, state, error)  # pyright: ignore
        await self.queue.card_done([generation.id])
        return await self.get(generation)

    async def finish(self, generation: Generation) -> Generation:
        """Keep and post the result of a generation that runs."""
        id_ = generation.id
        assert await self.queue.keep_result(id_, RESULT)
        assert await self.queue.posted(id_, Delivered(id_ + 2, "grid.png", "source.png"))
        await self.queue.card_done([id_])
        done = await self.get(generation)
        assert done.state is State.POSTED
        return done

    async def upscale(self, grid: Generation, option: int, user_id: int = ANN) -> Generation:
        """Post a tile of a grid."""
        made = await self.answered(await self.requests.press(self.click(grid, option, user_id)))
        assert made.id in await self.others()
        assert await self.queue.posted(made.id, Delivered(made.id + 2, f"tile-{made.tile}.png"))
        await self.queue.card_done([made.id])
        return await self.get(made)

    async def get(self, generation: Generation) -> Generation:
        """Return a generation as it is now."""
        current = await self.queue.get(generation.id)
        assert current is not None
        return current

    async def states(self, *generations: Generation) -> list[State]:
        """Return where some generations stand."""
        return [(await self.get(generation)).state for generation in generations]

    def click(
        self, generation: Generation, option: int, user_id: int = ANN, **values: Any
    ) -> Click:
        """Return a press of an option on a posted grid."""
        return Click(
            asker=self.asker(user_id, **values),
            message_id=generation.message_id or 0,
            generation_id=generation.id,
            option=option,
            label=OPTIONS[option].label if 0 <= option < len(OPTIONS) else "?",
            links={"grid.png": "https://fresh", "source.webp": "https://fresher"},
        )


@asynccontextmanager
async def opened(make_settings: MakeSettings, **settings: object) -> AsyncIterator[Ledger]:
    """Open a ledger; ``settings`` beside the required ones."""
    clock = Clock()
    async with Store(make_settings(**settings), clock=clock) as store:
        yield Ledger(store, clock)


@asynccontextmanager
async def other_worker(make_settings: MakeSettings, ledger: Ledger) -> AsyncIterator[Ledger]:
    """Open the same database as a worker on another machine does."""
    settings = make_settings(user_queue_limit=50)
    async with Store(settings, clock=ledger.clock, worker=ELSEWHERE) as store:
        other = Ledger(store, ledger.clock)
        other.ids = ledger.ids
        yield other


def rows_of(url: str) -> Rows:
    """Return a function that queries a database over a connection of its own."""

    def query(statement: str) -> list[tuple[Any, ...]]:
        if not url.startswith("sqlite:///"):
            return ask(url, statement)
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            return connection.execute(statement).fetchall()

    return query
