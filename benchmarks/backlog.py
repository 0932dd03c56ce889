"""How fast a backlog is worked off by one worker and by two, over one PostgreSQL.

    python -m benchmarks.backlog                  # prints, writes nothing

The API answers at once with grids of 9.8 MB and ``GENART_CONCURRENCY`` is 64, so the workers' own
work is what takes the time: download, check, upload. Discord, the API and the host of pictures are
those of :mod:`benchmarks.cheap`, in this process.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Sequence

import uvloop

from benchmarks import cheap
from benchmarks.pictures import MEGABYTE, noise
from benchmarks.store_calls import settings_of
from bot.domain import Asker, Kind, NewGeneration
from bot.store import Store
from tests.postgres import Server, running

GRIDS, WARM_UP, CHANNELS, RUNS = 300, 8, 20, 3


async def fill(store: Store, number: int, source: str) -> None:
    """Put so many generations into the queue, while all work is paused."""
    first = cheap.now()
    asked = [
        Asker(first + n, n + 1, 1, first + n % CHANNELS, f"token-{n}", 10 * 2**20, 8)
        for n in range(number)
    ]
    new = [NewGeneration(one, Kind.VARY, f"{one.interaction_id}", source) for one in asked]
    await store.account.pause(True)
    await asyncio.gather(*map(store.requests.enqueue, new))
    await asyncio.gather(*(store.requests.answered(a.interaction_id, 1) for a in asked))
    await asyncio.sleep(1)


async def measure(url: str, number: int) -> dict[str, float]:
    """Let so many workers work a backlog off; return grids a second, and the milliseconds of
    processor time for one grid of the workers, of PostgreSQL and of this process."""
    pictures = {cheap.GRID: noise(2048, 98 * MEGABYTE // 10), cheap.SOURCE: noise(64)}
    async with cheap.serving(pictures) as server, Store(settings_of(url)) as store:
        given = cheap.settings(server, url) | {"GENART_CONCURRENCY": "64"}
        workers = await cheap.start("worker", number, given, r"The worker claims\.")
        try:
            source = f"http://{server.host}{cheap.SOURCE}"
            await fill(store, WARM_UP, source)
            await store.account.pause(False)
            await cheap.until(server, lambda: server.posted >= WARM_UP, 60)
            await fill(store, GRIDS, source)
            before, mine, database = (
                cheap.cpu(workers),
                time.process_time(),
                cheap.cpu_of_postgres(),
            )
            began = time.perf_counter()
            await store.account.pause(False)
            await cheap.until(server, lambda: server.posted >= WARM_UP + GRIDS, 60)
            taken = time.perf_counter() - began
            return {
                "rate": GRIDS / taken,
                "workers": (cheap.cpu(workers) - before) * 1000 / GRIDS,
                "postgres": (cheap.cpu_of_postgres() - database) * 1000 / GRIDS,
                "client": (time.process_time() - mine) * 1000 / GRIDS,
            }
        except TimeoutError:
            await cheap.stop(workers)
            logs = [(await worker.reading).decode() for worker in workers]
            raise TimeoutError("\n".join(log[-4000:] for log in logs)) from None
        finally:
            await cheap.stop(workers)


def _line(number: int, runs: Sequence[dict[str, float]]) -> str:
    middle = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
    return (
        f"{number} worker(s): {middle['rate']:.1f} grids a second; processor time for one: "
        f"{middle['workers']:.0f} ms in the workers, {middle['postgres']:.0f} ms in PostgreSQL, "
        f"{middle['client']:.0f} ms in this client"
    )


async def main(server: Server) -> None:
    """Measure one and two workers in turn, and print the rates, their ratio, and the profile."""
    found: dict[int, list[dict[str, float]]] = {1: [], 2: []}
    for _ in range(RUNS):
        for number, runs in found.items():
            runs.append(await measure(server.database(), number))
    for number, runs in found.items():
        print(_line(number, runs))
    one, two = (statistics.median(run["rate"] for run in runs) for runs in found.values())
    print(f"ratio {two / one:.2f}; load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")


if __name__ == "__main__":
    with running(durable=True) as postgres:
        uvloop.run(main(postgres))
