"""Group commit: what comes together is committed together, and a bad item spoils nobody else's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from bot.errors import QueueFull, StoreUnavailable
from bot.store.batch import Batch


class Broken(Exception):
    """What a bad item does to a transaction."""


class Commits:
    """A commit that notes its batches; ``bad`` items break it, ``refused`` ones are turned down."""

    def __init__(self, bad: Sequence[int] = (), refused: Sequence[int] = ()) -> None:
        self.bad = bad
        self.refused = refused
        self.batches: list[list[int]] = []
        self.begun = asyncio.Event()
        self.unavailable = False
        self._running = 0

    async def __call__(self, items: list[int]) -> Sequence[Any]:
        self._running += 1
        assert self._running == 1, "one transaction at a time"
        self.batches.append(list(items))
        self.begun.set()
        await asyncio.sleep(0)
        self._running -= 1
        if self.unavailable:
            raise StoreUnavailable
        if set(items) & set(self.bad):
            raise Broken(items)
        return [QueueFull(1) if item in self.refused else item * 10 for item in items]


async def add_all(batch: Batch[int], items: Sequence[int]) -> list[Any]:
    """Ask for all items at once; return results and errors."""
    return await asyncio.gather(*map(batch.add, items), return_exceptions=True)


async def test_one_alone_waits_for_nobody():
    commits = Commits()
    assert await Batch(commits).add(1) == 10
    assert commits.batches == [[1]]


async def test_what_is_asked_for_during_a_transaction_goes_into_the_next_one_together():
    commits = Commits()
    batch = Batch(commits)
    first = asyncio.create_task(batch.add(1))
    await commits.begun.wait()
    assert await add_all(batch, [2, 3, 4]) == [20, 30, 40]
    assert await first == 10
    assert commits.batches == [[1], [2, 3, 4]]


async def test_a_batch_has_a_size_so_that_the_first_are_answered_soon():
    commits = Commits()
    assert await add_all(Batch(commits), range(450)) == [n * 10 for n in range(450)]
    assert [len(items) for items in commits.batches] == [200, 200, 50]


async def test_what_nobody_waits_for_any_more_is_not_committed_item_by_item():
    commits = Commits(bad=[1])
    batch = Batch(commits)
    asked = [asyncio.create_task(batch.add(item)) for item in (1, 2, 3)]
    await commits.begun.wait()
    asked[1].cancel()
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(results[0], Broken)
    assert results[2] == 30
    assert commits.batches == [[1, 2, 3], [1], [3]]


async def test_a_bad_item_spoils_nobody_else_s():
    commits = Commits(bad=[3])
    batch = Batch(commits)
    results = await add_all(batch, [1, 2, 3, 4])
    assert results[:2] + results[3:] == [10, 20, 40]
    assert isinstance(results[2], Broken)
    assert commits.batches == [[1, 2, 3, 4], [1], [2], [3], [4]]
    assert await batch.add(5) == 50


async def test_a_refused_item_is_told_so_alone():
    results = await add_all(Batch(Commits(refused=[2])), [1, 2, 3])
    assert results[::2] == [10, 30]
    assert isinstance(results[1], QueueFull)


async def test_a_database_that_is_gone_is_not_tried_again_for_each_item():
    commits = Commits()
    commits.unavailable = True
    batch = Batch(commits)
    results = await add_all(batch, [1, 2, 3])
    assert [type(result) for result in results] == [StoreUnavailable] * 3
    assert commits.batches == [[1, 2, 3]]
    commits.unavailable = False
    assert await batch.add(4) == 40


async def test_whoever_stops_waiting_holds_up_nobody():
    commits = Commits()
    batch = Batch(commits)
    tasks = [asyncio.create_task(batch.add(n)) for n in (1, 2, 3)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    assert [await tasks[0], await tasks[2]] == [10, 30]
    with pytest.raises(asyncio.CancelledError):
        await tasks[1]
    assert commits.batches == [[1, 3]], "what was not begun is dropped"


async def test_who_stopped_waiting_gets_nothing_done():
    batches: list[list[int]] = []
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def commit(items: list[int]) -> list[int]:
        batches.append(items)
        begun.set()
        await may_end.wait()
        return items

    batch: Batch[int] = Batch(commit, undo=lambda result: -result)
    waiting = [asyncio.create_task(batch.add(1))]
    await begun.wait()
    waiting += [asyncio.create_task(batch.add(item)) for item in (2, 3)]
    await asyncio.sleep(0)
    for one in waiting[:2]:
        one.cancel()
    may_end.set()
    assert await waiting[2] == 3
    assert batches == [[1], [3, -1]], "the first is taken back, the second was never begun"
