"""``python -m sandbox --command``: the page around any bot, as it is started in a terminal."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
from pathlib import Path
from typing import Any

import aiohttp
import psutil

ROOT = Path(__file__).parents[2]
BOT = ROOT / "tests" / "browser" / "any_bot.py"


async def lines_until(process: asyncio.subprocess.Process, pattern: str) -> re.Match[str]:
    assert process.stdout is not None
    while line := (await process.stdout.readline()).decode():
        if found := re.search(pattern, line):
            return found
    raise AssertionError("it ended")


async def status_of(address: str) -> dict[str, Any]:
    """Return what the page is told of the bot once it is online or has stopped."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{address}events?user=alice") as stream,
    ):
        async for line in stream.content:
            if not line.startswith(b"data:"):
                continue
            bot = json.loads(line.removeprefix(b"data:")).get("bot")
            if bot and bot["status"] in {"online", "stopped"}:
                return bot
    raise AssertionError("the stream ended")


async def run(command: str) -> tuple[dict[str, Any], int]:
    """Start the page with a command; return the bot's state there, and the exit status."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sandbox", "--port", "0", "--no-open", "--command", command),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        found = await lines_until(process, r"Your bot is at (http://\S+)")
        bot = await asyncio.wait_for(status_of(found[1]), 40)
        process.send_signal(signal.SIGTERM)
        return bot, await asyncio.wait_for(process.wait(), 20)
    finally:
        if process.returncode is None:
            process.kill()


async def test_a_bot_is_started_and_ended_with_the_page() -> None:
    bot, status = await run(f'"{sys.executable}" "{BOT}"')
    assert (bot["status"], bot["own"], status) == ("online", False, 0)
    assert not psutil.pid_exists(bot["pid"]), "the bot outlives the page"


async def test_a_command_that_ends_is_shown_as_stopped() -> None:
    bot, status = await run(f'"{sys.executable}" -c "raise SystemExit(3)"')
    assert (bot["status"], bot["exit"], status) == ("stopped", 3, 0)
