"""What is measured: each function starts a bot, drives it, and returns its figures by name.

Times are in seconds, memory in bytes. Each works in a folder of its own that is empty at first.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.ledger import HEAVY, HEAVY_USERS, fill
from benchmarks.loopback import OURS, Stage, Subject, User, answered, stage, until
from benchmarks.pictures import MEGABYTE, noise, tile_times
from benchmarks.store_calls import store_calls

Figures = dict[str, float]

PRESSES, PRESSED_GRIDS = 300, 15
COMMANDS, MEMBERS = 500, 100
COMMANDS_IN_TURN, WARM_UP = 65, 5
SERVERS = 20_000
GRIDS, STALL_GRIDS = 4, 10
REQUESTS = 6
GRID_BYTES, CACHED_BYTES = 98 * MEGABYTE // 10, 8 * MEGABYTE
SIDE = 2048
SMALL = 64
SETTLE = 0.4
"""Seconds for what a bot does after a result is posted."""

TILES = ("U1", "U2", "U3", "U4")


def p99(latencies: list[float]) -> float:
    """Return the 99th percentile of sorted values."""
    return latencies[min(int(0.99 * len(latencies)), len(latencies) - 1)]


async def presses(subject: Subject, folder: Path) -> Figures:
    """One press after the other on an idle bot, then 300 presses at once by 300 users."""
    async with stage(subject, folder / "vary.db", grid=noise(SMALL)) as scene:
        members = scene.users(PRESSES)
        for number in range(PRESSED_GRIDS + 1):
            await scene.vary(members[0], f"grid {number}", noise(SMALL))
            await scene.posted(number + 1)
        await asyncio.sleep(SETTLE)
        *single, crowded = scene.grids()
        idle: list[float] = []
        for message in single:
            for label in TILES:
                pressed = await scene.press(members[0], message, label)
                idle += await answered([pressed], scene)
                await asyncio.sleep(0.05)
        await asyncio.sleep(SETTLE)
        before = scene.cpu()
        asked = [
            await scene.press(member, crowded, TILES[number % 4])
            for number, member in enumerate(members)
        ]
        latencies = await answered(asked, scene)
        return {
            "press": statistics.median(idle),
            "presses_p99": p99(latencies),
            "presses_cpu": scene.cpu() - before,
        }


async def commands(subject: Subject, folder: Path, url: str | None = None) -> Figures:
    """500 ``/vary`` at once by 100 users. The API takes longer than the answers."""
    async with stage(subject, url or folder / "vary.db", grid=noise(SMALL), delay=10) as scene:
        members = scene.users(MEMBERS)
        await answered([await scene.vary(members[0], "warm up", noise(SMALL))], scene)
        # All are sent before an answer is read: reading answers between them would spread the burst
        # over as much time as the bot takes for its answers.
        asked = [
            await scene.vary(members[number % MEMBERS], f"{number}", noise(SMALL))
            for number in range(COMMANDS)
        ]
        return {"commands_p99": p99(await answered(asked, scene))}


async def grids(subject: Subject, folder: Path) -> Figures:
    """``/vary`` with grids of 9.8 MB, one after the other: delivery, and processor time."""
    async with stage(subject, folder / "vary.db", grid=noise(SIDE, GRID_BYTES)) as scene:
        member = scene.users(1)[0]
        await scene.vary(member, "warm up", noise(SMALL))
        await scene.posted(1)
        await asyncio.sleep(SETTLE)
        before = scene.cpu()
        times = [await _deliver(scene, f"grid {number}", number + 2) for number in range(GRIDS)]
        used = scene.cpu() - before
        return {"delivery": statistics.median(times), "command_cpu": used / GRIDS}


async def _deliver(scene: Stage, prompt: str, number: int) -> float:
    """Return the seconds from the API's answer until Discord has the whole message."""
    scene.uploads.clear()
    await scene.vary(scene.users(1)[0], prompt, noise(SMALL))
    await scene.posted(number)
    large = [(at, request) for at, request in scene.uploads if _size(request.files) > MEGABYTE]
    await asyncio.sleep(SETTLE)
    return large[0][0] - (scene.last_call().finished or 0.0)


def _size(files: list[tuple[str, bytes, str]]) -> int:
    return sum(len(data) for _, data, _ in files)


async def tiles(subject: Subject, folder: Path) -> Figures:
    """A press on U1 to U4 until Discord has the tile; the grid of 8 MB was posted just before."""
    async with stage(subject, folder / "vary.db", grid=noise(SIDE, CACHED_BYTES)) as scene:
        member = scene.users(1)[0]
        times: list[float] = []
        await scene.vary(member, "a grid", noise(SMALL))
        (grid,) = await scene.posted(1)
        await asyncio.sleep(SETTLE)
        for label in TILES:
            scene.uploads.clear()
            pressed = await scene.press(member, grid, label)
            await until(lambda: bool(scene.uploads), 30, scene)
            times.append(scene.uploads[0][0] - pressed.created)
            await asyncio.sleep(SETTLE)
        return {"tile": statistics.median(times)}


async def pillow(_: Subject, __: Path) -> Figures:
    """Pillow's time for a tile of the same grid, in a process that does nothing else."""
    times = await asyncio.to_thread(tile_times, noise(SIDE, CACHED_BYTES))
    return {"tile": statistics.median(times)}


async def memory(subject: Subject, folder: Path) -> Figures:
    """What is resident after five seconds in which nothing was asked."""
    async with stage(subject, folder / "vary.db", grid=noise(SMALL)) as scene:
        await asyncio.sleep(5)
        return {"memory": float(scene.memory())}


async def servers(subject: Subject, folder: Path) -> Figures:
    """What 20,000 servers in READY cost, beside none, five seconds after the start."""
    found: list[int] = []
    for number in (0, SERVERS):
        database = folder / f"{number}.db"
        async with stage(subject, database, grid=noise(SMALL), servers=number) as scene:
            await asyncio.sleep(5)
            found.append(scene.memory())
    return {"servers_memory": float(found[1] - found[0])}


async def fronts(subject: Subject, folder: Path) -> Figures:
    """A front alone: ``/vary`` one after the other, then 300 at once; no worker runs."""
    async with stage(subject, folder / "vary.db", grid=noise(SMALL)) as scene:
        members = scene.users(MEMBERS)
        one: list[float] = []
        for number in range(COMMANDS_IN_TURN):
            asked = await scene.vary(members[number], f"one {number}", noise(SMALL))
            one += (await answered([asked], scene))[number < WARM_UP :]
            await asyncio.sleep(0.02)
        many = []
        for number in range(PRESSES):
            many.append(await scene.vary(members[number % MEMBERS], f"{number}", noise(SMALL)))
            await asyncio.sleep(0)
        return {
            "front_one": statistics.median(one),
            "front_p99": p99(await answered(many, scene)),
        }


async def stalls(subject: Subject, folder: Path) -> Figures:
    """The longest stall of the event loop while ten grids of 9.8 MB are asked for and posted."""
    file = folder / "stalls.json"
    grid = noise(SIDE, GRID_BYTES)
    async with stage(
        subject,
        folder / "vary.db",
        grid=grid,
        arguments=("-m", "benchmarks.stalls"),
        STALLS_FILE=str(file),
    ) as scene:
        member = scene.users(1)[0]
        await scene.vary(member, "warm up", noise(SMALL))
        await scene.posted(1)
        await asyncio.sleep(1)
        began = time.time()
        for number in range(STALL_GRIDS):
            await scene.vary(member, f"grid {number}", noise(SMALL))
        await scene.posted(STALL_GRIDS + 1)
        await asyncio.sleep(SETTLE)
        ended = time.time()
    late = [seconds for at, seconds in json.loads(file.read_text()) if began < at < ended]
    return {"stall": max(late, default=0.0)}


class Ledgers:
    """Two databases that are filled once: a few finished rows, and a great many.

    Each request is by another user who has much history: what somebody has just done would be
    found at once.
    """

    def __init__(self, database: Callable[[str], str], *, few: int, many: int) -> None:
        self.sizes = {"few": few, "many": many}
        self._database = database
        self._urls: dict[str, str] = {}
        self._users: dict[str, Iterator[int]] = {}

    async def measure(self, name: str) -> Figures:
        """Return claim, add and press on the database ``name``: through interactions, and
        (``store_…``) through the store's methods."""
        if name not in self._urls:
            self._urls[name] = url = self._database(name)
            async with stage(OURS, url, grid=noise(SMALL)):
                pass
            await asyncio.to_thread(fill, url, self.sizes[name])
            self._users[name] = itertools.cycle(range(HEAVY, HEAVY + HEAVY_USERS))
        url = self._urls[name]
        users = list(itertools.islice(self._users[name], 2 * REQUESTS))
        times = await _requests(url, users[:REQUESTS])
        calls = await store_calls(url, users[REQUESTS:])
        times |= {f"store_{call}": found for call, found in calls.items()}
        return {call: statistics.median(found) for call, found in times.items()}


async def _requests(url: str, users: list[int]) -> dict[str, list[float]]:
    """Return the seconds until a command is answered, from there to the call of the API, and until
    a press is answered."""
    times: dict[str, list[float]] = {"add": [], "claim": [], "press": []}
    async with stage(OURS, url, grid=noise(SMALL), DAILY_LIMIT="1000") as scene:
        for number, user in enumerate(users):
            member = User(user, f"heavy{user}")
            asked = await scene.vary(member, f"{asyncio.get_running_loop().time()}", noise(SMALL))
            times["add"] += await answered([asked], scene)
            grid = (await scene.posted(number + 1))[-1]
            answered_at = asked.created + (asked.latency or 0.0)
            times["claim"].append(scene.last_call().started - answered_at)
            await asyncio.sleep(0.1)
            times["press"] += await answered([await scene.press(member, grid, "U1")], scene)
            await asyncio.sleep(0.1)
    return times
