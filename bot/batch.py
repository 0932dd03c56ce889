"""Group commit: what is asked for while one transaction runs goes into the next one, together.

A burst of presses then costs a few transactions rather than hundreds, one after the other, and
each is answered in time. Alone, a press waits for nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

_SIZE = 100


class Batch(Generic[T, R]):
    """Calls ``commit`` with what has come together, one batch at a time.

    ``commit`` returns one result for each item, in order; what it raises is raised to all of them.
    """

    def __init__(self, commit: Callable[[list[T]], Awaitable[Sequence[R]]]) -> None:
        self._commit = commit
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._running: asyncio.Task[None] | None = None

    async def add(self, item: T) -> R:
        """Commit ``item`` with the next batch and return its result."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        try:
            while batch := self._waiting[:_SIZE]:
                del self._waiting[:_SIZE]
                await self._settle(batch)
        finally:
            self._running = None

    async def _settle(self, batch: list[tuple[T, asyncio.Future[R]]]) -> None:
        futures = [future for _, future in batch]
        try:
            results = await self._commit([item for item, _ in batch])
        except Exception as error:  # Whoever asked raises it.
            for future in futures:
                if not future.done():
                    future.set_exception(error)
            return
        for future, result in zip(futures, results, strict=True):
            if not future.done():
                future.set_result(result)
