"""Bounds how much is done at once, without one channel's trouble becoming everybody's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary


class Slots:
    """``total`` slots, of which one key has at most ``each``.

    A key waits for its own share before it takes one of the total: however long what it does
    takes, the others have the rest.
    """

    def __init__(self, *, each: int, total: int) -> None:
        self._each = each
        self._total = asyncio.Semaphore(total)
        self._shares: WeakValueDictionary[int, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def slot(self, key: int) -> AsyncGenerator[None]:
        """Hold a slot."""
        share = self._shares.setdefault(key, asyncio.Semaphore(self._each))
        async with share, self._total:
            yield
