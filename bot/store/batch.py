"""Group commit: what is asked for while one transaction runs goes into the next one, together.

A burst of presses then costs a few transactions rather than hundreds, one after the other, and
each is answered in time. A single press is committed at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

from bot.errors import VaryError

log = logging.getLogger(__name__)
T = TypeVar("T")

_SIZE = 200


class Batch(Generic[T]):
    """Calls ``commit`` with what has come together, one batch at a time.

    ``commit`` returns for each item, in order, a result or the error that is raised to whoever
    asked for it. A batch that fails otherwise is committed again item by item, so that one bad
    item spoils nobody else's.

    Who stops waiting (by a timeout, say) wants nothing any more: an item that isn't begun is
    dropped, and for one that is committed too late ``undo`` returns, from its result, the item
    that takes it back, if any.
    """

    def __init__(
        self,
        commit: Callable[[list[T]], Awaitable[Sequence[Any]]],
        undo: Callable[[Any], T | None] = lambda _: None,
    ) -> None:
        self._commit = commit
        self._undo = undo
        self._waiting: list[tuple[T, asyncio.Future[Any]]] = []
        self._running: asyncio.Task[None] | None = None

    async def add(self, item: T) -> Any:
        """Commit ``item`` with the next batch and return its result."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch = self._waiting[:_SIZE]
                del self._waiting[:_SIZE]
                await self._commit_all(batch)
        finally:
            self._running = None

    async def _commit_all(self, batch: list[tuple[T, asyncio.Future[Any]]]) -> None:
        batch = [one for one in batch if not one[1].done()]
        if not batch:
            return
        try:
            results = await self._commit([item for item, _ in batch])
        except VaryError as error:
            results = [error] * len(batch)
        except Exception as error:
            if len(batch) > 1:
                for one in batch:
                    await self._commit_all([one])
                return
            results = [error]
        for (_, future), result in zip(batch, results, strict=True):
            if future.done():
                self._take_back(result)
            elif isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)

    def _take_back(self, result: Any) -> None:
        undone = None if isinstance(result, Exception) else self._undo(result)
        if undone is not None:
            future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            future.add_done_callback(_log)
            self._waiting.append((undone, future))


def _log(future: asyncio.Future[Any]) -> None:
    if error := future.exception():
        log.warning("What came too late could not be taken back: %r", error)
