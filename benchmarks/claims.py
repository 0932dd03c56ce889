"""How long a claim takes where 1, 4 or 16 workers, each a process of its own, share a queue."""

from __future__ import annotations

import asyncio
import sys
import time

from benchmarks.store_calls import settings_of
from bot.domain import Asker, Kind, NewGeneration
from bot.store import Store
from tests.postgres import Server

WAITING = 480
"""Generations in the queue, of eight users each; about what ``QUEUE_LIMIT`` allows."""

_USERS = 60
_WARM_UP = 8
"""Claims of each worker before it is measured: PostgreSQL plans a statement anew five times for
each connection, which a worker that runs for hours doesn't notice."""


async def claims(server: Server, workers: list[int]) -> dict[str, float]:
    """Return the seconds for each claim until a queue is empty, for each number of workers.

    Each has a database of its own: what is claimed goes on running, and is counted at each claim.
    """
    found: list[float] = []
    for number in workers:
        url = server.database()
        async with Store(settings_of(url)) as store:
            await _fill(store, WAITING + number * _WARM_UP)
        found.append(await _drain(url, number))
        server.drop(url)
    return {"claims_4": found[0], "claims_16": found[1]}


async def _fill(store: Store, number: int) -> None:
    first = time.time_ns()
    asked = [
        Asker(first + n, 1 + n % _USERS, 1, first + n, "token", 10 * 2**20, 8)
        for n in range(number)
    ]
    new = [NewGeneration(a, Kind.VARY, str(a.interaction_id), "https://x") for a in asked]
    await asyncio.gather(*map(store.requests.enqueue, new))
    await asyncio.gather(*(store.requests.answered(a.interaction_id, 1) for a in asked))


async def _drain(url: str, number: int) -> float:
    """Let so many workers claim all that waits; they begin together."""
    workers = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "benchmarks.claims", url),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for _ in range(number)
    ]
    for worker in workers:
        assert worker.stdout is not None  # noqa: S101
        await worker.stdout.readline()
    began = time.time()
    ends = await asyncio.gather(*(worker.communicate(b"go\n") for worker in workers))
    said = [out.split() for out, _ in ends]
    claimed = sum(int(count) for count, _ in said)
    assert claimed == WAITING, f"{claimed} claims"  # noqa: S101
    return (max(float(at) for _, at in said) - began) / claimed


async def work(url: str) -> None:
    """Warm up, then claim, once told to begin, until nothing is left; print how many it were and
    when the last was claimed."""
    claimed, at = 0, 0.0
    async with Store(settings_of(url)) as store:
        for _ in range(_WARM_UP):
            await store.queue.claim_call(10**6, equal_prompts=True)
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        while await store.queue.claim_call(10**6, equal_prompts=True):
            claimed, at = claimed + 1, time.time()
        print(claimed, at, flush=True)


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1]))
