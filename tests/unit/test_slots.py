"""Bounds on what is done at once, by key and in all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bot.worker.slots import Slots


class Work:
    """Work in slots that lasts until it is ended."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self.running: list[int] = []
        self._ends: dict[int, asyncio.Event] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def begin(self, *keys: int) -> list[asyncio.Task[None]]:
        """Ask for a slot for each key, and let those begin that may."""
        tasks = [asyncio.create_task(self._work(key)) for key in keys]
        self._tasks += tasks
        await settled()
        return tasks

    async def end(self, key: int) -> None:
        """End what works under a key, now and later."""
        self._ends.setdefault(key, asyncio.Event()).set()
        await settled()

    async def close(self) -> None:
        """Cancel what is left."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self, key: int) -> None:
        async with self._slots.slot(key):
            self.running.append(key)
            try:
                await self._ends.setdefault(key, asyncio.Event()).wait()
            finally:
                self.running.remove(key)


@asynccontextmanager
async def working(*, each: int, total: int, patience: float = 60) -> AsyncIterator[Work]:
    """Return work in slots; ends it afterwards."""
    work = Work(Slots(each=each, total=total, patience=patience))
    try:
        yield work
    finally:
        await work.close()


async def settled() -> None:
    """Let every task go on as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_one_key_that_hangs_leaves_the_others_their_share():
    async with working(each=2, total=3) as work:
        await work.begin(*[1] * 50)
        assert work.running == [1, 1]
        await work.begin(2)
        assert work.running == [1, 1, 2]
        await work.begin(3, 4)
        assert work.running == [1, 1, 2]
        for key in (2, 3, 4):
            await work.end(key)
        assert work.running == [1, 1]


async def test_no_more_work_at_once_than_the_total():
    async with working(each=5, total=4) as work:
        tasks = await work.begin(*range(10))
        assert work.running == [0, 1, 2, 3]
        for key in range(10):
            await work.end(key)
        await asyncio.gather(*tasks)
        assert work.running == []


async def test_what_is_slow_leaves_its_slot_to_others():
    async with working(each=2, total=2, patience=0.05) as work:
        await work.begin(*[1] * 9, *[2] * 9)
        assert work.running == [1, 1]
        await asyncio.sleep(0.08)
        assert work.running == [1, 1, 2, 2]
        await asyncio.sleep(0.08)
        await work.begin(3, 4, 5)
        assert work.running == [1, 1, 2, 2, 3, 4]
        await asyncio.sleep(0.1)
        assert work.running == [1, 1, 2, 2, 3, 4], "no more than that are in memory"
        await work.end(4)
        assert work.running == [1, 1, 2, 2, 3, 5]


async def test_slots_are_as_many_as_before_once_slow_work_is_done():
    async with working(each=1, total=2, patience=0.01) as work:
        for _ in range(5):
            tasks = await work.begin(1, 2, 3, 4)
            await asyncio.sleep(0.05)
            assert sorted(work.running) == [1, 2, 3, 4]
            for task in tasks:
                task.cancel()
            await settled()
            assert work.running == []
        await work.begin(5, 6, 7)
        assert work.running == [5, 6]


async def test_what_is_cancelled_or_breaks_frees_its_slot():
    async with working(each=1, total=1) as work:
        running, waiting, _ = await work.begin(1, 1, 2)
        waiting.cancel()
        running.cancel()
        await settled()
        assert work.running == [2]
    slots = Slots(each=1, total=1)
    for _ in range(3):
        try:
            async with slots.slot(1):
                raise ValueError
        except ValueError:
            pass


async def test_nothing_is_kept_of_a_key_that_is_done():
    slots = Slots(each=1, total=1)
    for key in range(100):
        async with slots.slot(key):
            pass
    assert len(slots._shares) <= 1  # pyright: ignore[reportPrivateUsage]
