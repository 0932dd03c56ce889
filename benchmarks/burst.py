"""Five hundred /vary at once from a hundred users: how late are answers, how much memory goes?

Baseline: a bot of ten lines that answers every command at once with a card and does nothing else,
over the same loopback Discord, so what remains is what discord.py and the loopback cost.

    python -m benchmarks.burst [grids]     # grids: how many 8 MB grids are posted (default 60)
"""

from __future__ import annotations

import asyncio
import io
import os
import statistics
import sys
import tempfile
from pathlib import Path

import psutil
from PIL import Image

from sandbox.bot_process import BotProcess, environment
from sandbox.discord_model import Upload, User
from sandbox.genart_api import LoopbackGenArt
from sandbox.loopback_discord import LoopbackDiscord

REQUESTS, USERS = 500, 100
BASELINE = Path(__file__).parent / "answering_bot.py"
MEGABYTE = 2**20


def picture(side: int, grain: int = 70) -> bytes:
    """Return a PNG of noise, which hardly compresses."""
    image = Image.merge("RGB", [Image.effect_noise((side, side), grain) for _ in range(3)])
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


async def burst(arguments: tuple[str, ...], folder: Path) -> list[float]:
    """Return the seconds that each answer took, in order."""
    async with LoopbackDiscord() as discord, LoopbackGenArt(tile=16) as genart:
        bot = BotProcess(discord, environment(discord, genart, folder / "burst.db"), arguments)
        await bot.start()
        users = [User(discord.new_id(), f"member{n}") for n in range(USERS)]
        upload = Upload("cat.png", picture(64))
        asked = [
            await discord.slash(users[n % USERS], "vary", {"prompt": f"burst {n}", "image": upload})
            for n in range(REQUESTS)
        ]
        await asyncio.gather(*(one.answered(30) for one in asked))
        await bot.kill()
        return sorted(one.latency or 30 for one in asked)


async def memory(grids: int, folder: Path) -> tuple[float, float]:
    """Return the resident MB when idle, and at most while ``grids`` grids of 8 MB are posted."""
    async with LoopbackDiscord() as discord, LoopbackGenArt(tile=1024, delay=0) as genart:
        settings = environment(discord, genart, folder / "memory.db", USER_QUEUE_LIMIT="500")
        bot = BotProcess(discord, settings)
        await bot.start()
        process = psutil.Process(bot.pid)
        await asyncio.sleep(3)
        idle = most = process.memory_info().rss
        upload = Upload("cat.png", picture(1000, 50))
        for n in range(grids):
            await discord.slash(discord.alice, "vary", {"prompt": f"grid {n}", "image": upload})
        posted = 0
        while posted < grids:
            await asyncio.sleep(0.05)
            most = max(most, process.memory_info().rss)
            messages = [m for m in discord.messages.values() if len(discord.buttons_of(m)) == 9]
            posted = len(messages)
        size = statistics.mean(len(m.attachments[0].data) for m in messages)
        print(f"{posted} grids of {size / MEGABYTE:.1f} MB on average")
        await bot.stop()
        return idle / MEGABYTE, most / MEGABYTE


async def main() -> None:
    grids = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        baseline = await burst((os.fspath(BASELINE),), folder)
        ours = await burst(("-m", "bot"), folder)
        idle, most = await memory(grids, folder)
    print(f"\n{REQUESTS} /vary at once: the baseline's time is 1\n")
    print("| answer | answers only | Vary |\n|---|---|---|")
    for what, at in (("median", 0.5), ("99th in a hundred", 0.99), ("last", 1.0)):
        index = min(int(at * REQUESTS), REQUESTS - 1)
        print(f"| {what} | 1 | {ours[index] / baseline[index]:.2f} |")
    late = sum(seconds > 3 for seconds in ours)
    print(f"\nlater than 3 s: {late} of {REQUESTS}")
    print(f"memory: {idle:.0f} MB idle, {most:.0f} MB at most (+{most - idle:.0f} MB)")


if __name__ == "__main__":
    asyncio.run(main())
