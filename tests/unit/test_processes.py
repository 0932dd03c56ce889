"""Several processes at one database, each with a store of its own: what one decides holds for all.

On SQLite they are on one machine, on PostgreSQL anywhere."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar

import pytest

from bot.domain import State
from bot.errors import DailyLimitReached, QueueFull
from bot.store import Store
from bot.store.workers import LEASE, processes_of
from tests.conftest import MakeSettings
from tests.unit.ledger import ANN, BOB, U2, V3, Clock, Ledger, Rows

T = TypeVar("T")


@asynccontextmanager
async def processes(
    make_settings: MakeSettings, number: int, **settings: object
) -> AsyncIterator[list[Ledger]]:
    """Open so many stores at once, which share a clock and the ids of interactions."""
    clock = Clock()
    values = {"user_queue_limit": 50, **settings}
    async with AsyncExitStack() as stack:
        stores = [
            Store(make_settings(**values), clock=clock, worker=f"machine{n}/1/1")
            for n in range(number)
        ]
        await asyncio.gather(*(stack.enter_async_context(store) for store in stores))
        ledgers = [Ledger(store, clock) for store in stores]
        for ledger in ledgers:
            ledger.ids = ledgers[0].ids
        yield ledgers


async def results(*asked: Awaitable[T]) -> list[T | BaseException]:
    """Let all of it happen at once; return results and errors."""
    return await asyncio.gather(*asked, return_exceptions=True)


def kinds(found: list[Any]) -> Counter[str]:
    """Count results by type."""
    return Counter(type(one).__name__ for one in found)


async def test_processes_that_start_at_once_on_an_empty_database_all_do(
    make_settings: MakeSettings, rows: Rows
):
    async with processes(make_settings, 4) as ledgers:
        for ledger in ledgers:
            await ledger.queued()
        assert len(await ledgers[0].queue.waiting()) == 4
    assert len(rows("select version_num from alembic_version")) == 1


async def test_no_limit_is_passed_by_several_fronts(make_settings: MakeSettings):
    async with processes(make_settings, 3, queue_limit=4) as fronts:
        asked = [f.requests.enqueue(f.new(user)) for user in range(4) for f in fronts]
        assert kinds(await results(*asked)) == {"EnqueueResult": 4, QueueFull.__name__: 8}


async def test_no_daily_limit_is_passed_by_several_fronts(make_settings: MakeSettings):
    async with processes(make_settings, 3, daily_limit=2) as fronts:
        asked = [f.requests.enqueue(f.new(ANN)) for _ in range(3) for f in fronts]
        assert kinds(await results(*asked)) == {"EnqueueResult": 2, DailyLimitReached.__name__: 7}


async def test_a_press_that_several_fronts_are_told_of_counts_once(
    make_settings: MakeSettings, rows: Rows
):
    async with processes(make_settings, 3) as fronts:
        grid = await fronts[0].posted()
        told = fronts[0].click(grid, V3)
        pressed: list[Any] = await results(*(f.requests.press(told) for f in fronts))
        assert sorted(p.repeated for p in pressed) == [False, True, True]
        again = [f.requests.press(f.click(grid, V3)) for f in fronts]
        assert all(p.repeated for p in await results(*again))  # pyright: ignore
    assert len(rows("select 1 from generations where kind = 'variation'")) == 1


async def test_what_failed_is_tried_again_once_by_several_fronts(make_settings: MakeSettings):
    async with processes(make_settings, 3) as fronts:
        failed = await fronts[0].failed()
        asked = [f.requests.retry(f.asker(BOB), failed.id) for f in fronts]
        found: list[Any] = await results(*asked)
        assert sorted(one.repeated for one in found) == [False, True, True]


async def test_several_fronts_fetch_a_result_each(make_settings: MakeSettings):
    async with processes(make_settings, 3) as fronts:
        for _ in range(2):
            await fronts[0].failed(state=State.UNDELIVERED)
        found: list[Any] = await results(*(f.requests.fetch_undelivered(f.asker()) for f in fronts))
        assert kinds(found) == {"EnqueueResult": 2, "NothingToFetch": 1}
        ids = [one.generation.id for one in found if not isinstance(one, Exception)]
        assert len(set(ids)) == 2


@pytest.mark.parametrize("equal_prompts", [False, True])
async def test_several_workers_claim_everything_once(
    make_settings: MakeSettings, equal_prompts: bool
):
    async with processes(make_settings, 4) as workers:
        grid = await workers[0].posted()
        calls = {(await workers[0].queued(user)).id for user in range(12)}
        pressed = [
            await workers[0].requests.press(workers[0].click(grid, U2, user))
            for user in range(100, 112)
        ]
        tiles = {(await workers[0].answered(one)).id for one in pressed}
        claimed = await asyncio.gather(
            *(w.calls(100, equal_prompts=equal_prompts) for w in workers)
        )
        assert sorted(id_ for ids in claimed for id_ in ids) == sorted(calls)
        found = await asyncio.gather(*(w.others(3) for w in workers * 3))
        while more := await workers[0].others():  # What another was looking at was passed over.
            found.append(more)
        assert sorted(id_ for ids in found for id_ in ids) == sorted(tiles)


@pytest.mark.parametrize("places", [1, 3, 4, 9])
@pytest.mark.parametrize("equal_prompts", [False, True])
async def test_several_workers_together_honour_the_concurrency(
    make_settings: MakeSettings, places: int, equal_prompts: bool
):
    """Also while more places are free than there are workers, and they claim side by side."""
    async with processes(make_settings, 4) as workers:
        for worker in workers:
            await worker.store.workers.heartbeat()
        for user in range(places + 4):
            await workers[0].queued(user)
        claimed = await asyncio.gather(
            *(w.calls(places, equal_prompts=equal_prompts) for w in workers)
        )
        assert sum(map(len, claimed)) == places
        owned = [(w, id_) for w, ids in zip(workers, claimed, strict=True) for id_ in ids]
        started = await asyncio.gather(*(w.queue.start_call(id_, 1) for w, id_ in owned))
        assert sum(started) == 1


async def test_several_workers_never_call_with_equal_prompts(make_settings: MakeSettings):
    async with processes(make_settings, 4) as workers:
        for user in range(4):
            await workers[0].queued(user, "the same")
        claimed = await asyncio.gather(*(w.call() for w in workers))
        assert sum(id_ is not None for id_ in claimed) == 1


async def test_exactly_one_takes_over_what_a_dead_worker_owned(make_settings: MakeSettings):
    async with processes(make_settings, 4) as workers:
        dead, *others = workers
        calling, prepared = await dead.called(), await dead.running(BOB)
        dead.clock.advance(LEASE * 1.1)
        for other in others:
            await other.store.workers.heartbeat()
        took = await asyncio.gather(*(w.queue.take_over() for w in others))
        assert took.count(True) == 1
        assert await dead.states(calling, prepared) == [State.INTERRUPTED, State.QUEUED]
        cards = [await w.queue.cards_due() for w in workers]
        assert [g.id for due in cards for g in due] == [calling.id]
        assert (await dead.get(prepared)).attempts == 1
        assert not await dead.queue.owned(prepared.id)


def test_process_ids_of_two_machines_or_containers_are_told_apart():
    """In a container nearly every process has the id 1, and names may be equal, or long."""
    pod = "vary-workers-of-a-community-with-a-very-long-name"
    names = {
        processes_of(node, marks)
        for node in (pod, f"{pod}-2", "localhost")
        for marks in ([], ["boot 1", "namespace 1"], ["boot 1", "namespace 2"], ["boot 2"])
    }
    assert len(names) == 12
    assert max(map(len, names)) <= 33


async def test_a_paused_worker_that_is_back_in_time_keeps_its_rows(make_settings: MakeSettings):
    """Whether it is too late is decided once: it renews its row, or that is taken away."""
    async with processes(make_settings, 2) as (paused, other):
        generation = await paused.called()
        paused.clock.advance(LEASE * 1.1)
        owns, took = await asyncio.gather(
            paused.queue.owned(generation.id), other.queue.take_over()
        )
        assert bool(owns) is not took
        state = State.RUNNING if owns else State.INTERRUPTED
        assert await paused.states(generation) == [state]


async def test_after_an_outage_the_workers_give_each_other_time_to_come_back(
    make_settings: MakeSettings,
):
    async with processes(make_settings, 2) as (first, second):
        generation = await second.called()
        await first.store.workers.heartbeat()
        first.clock.advance(LEASE * 3)
        await first.store.workers.heartbeat()
        assert not await first.queue.take_over()
        first.clock.advance(LEASE / 2)
        await second.store.workers.heartbeat()
        await first.store.workers.heartbeat()
        first.clock.advance(LEASE * 0.6)
        assert not await first.queue.take_over()
        assert await first.states(generation) == [State.RUNNING]
        await first.store.workers.heartbeat()
        first.clock.advance(LEASE * 0.6)
        assert await first.queue.take_over()
        assert await first.states(generation) == [State.INTERRUPTED]


async def test_one_worker_leads_and_the_next_oldest_when_it_is_gone(make_settings: MakeSettings):
    async with processes(make_settings, 3) as ledgers:
        workers = [ledger.store.workers for ledger in ledgers]
        clock = ledgers[0].clock

        async def leading() -> list[bool]:
            for worker in workers:
                clock.advance(LEASE / 20)
                await worker.heartbeat()
            return [worker.leads for worker in workers]

        assert await leading() == [True, False, False]
        assert await leading() == [True, False, False]
        await workers[0].leave()
        assert not workers[0].leads
        workers.append(workers.pop(0))
        assert await leading() == [True, False, False]
        clock.advance(LEASE * 1.1)
        await workers[1].heartbeat()
        assert workers[1].leads


async def test_a_worker_that_ends_leaves_everything_to_the_others_at_once(
    make_settings: MakeSettings,
):
    async with processes(make_settings, 2) as (ending, other):
        calling, prepared = await ending.called(), await ending.running(BOB)
        assert await other.store.workers.are_others()
        await ending.queue.release()
        assert await other.states(calling, prepared) == [State.INTERRUPTED, State.QUEUED]
        assert not await other.queue.take_over(), "its last cards are its own while it lives"
        await ending.store.workers.leave()
        assert not await other.store.workers.are_others()
        assert await other.queue.take_over()
        assert [g.id for g in await other.queue.cards_due()] == [calling.id]
