"""Bounds how much is done at once, without one channel's trouble becoming everybody's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

PATIENCE = 1.0
"""Seconds after which what holds a slot counts as slow."""


class Slots:
    """``total`` slots, of which one key has at most ``each``.

    A key waits for its own share before it takes one of the total: however long what it does
    takes, the others have the rest. What is slow leaves its slot to others, as long as no more
    than twice the ``total`` are slow: several keys' trouble is nobody else's either, and memory is
    bounded.
    """

    def __init__(self, *, each: int, total: int, patience: float = PATIENCE) -> None:
        self._each = each
        self._total = asyncio.Semaphore(total)
        self._slow = asyncio.Semaphore(2 * total)
        self._patience = patience
        self._shares: WeakValueDictionary[int, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def slot(self, key: int) -> AsyncGenerator[None]:
        """Hold a slot."""
        share = self._shares.setdefault(key, asyncio.Semaphore(self._each))
        async with share:
            await self._total.acquire()
            leaving = asyncio.create_task(self._leave())
            try:
                yield
            finally:
                (self._slow if leaving.done() else self._total).release()
                leaving.cancel()

    async def _leave(self) -> None:
        """Leave a slot that is held for long, once no more than may are slow."""
        await asyncio.sleep(self._patience)
        await self._slow.acquire()
        self._total.release()
