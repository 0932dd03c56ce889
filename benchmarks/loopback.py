"""A bot on a loopback Discord and API: the only module here that imports the sandbox."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from aiohttp import web

from sandbox.bot_process import BotProcess, environment
from sandbox.discord import (
    Interaction,
    LoopbackDiscord,
    Message,
    Request,
    Upload,
    User,
    buttons_of,
)
from sandbox.genart import Call, LoopbackGenArt

__all__ = [
    "ANSWERING",
    "BARE",
    "ENDPOINT",
    "GATEWAY",
    "OURS",
    "Stage",
    "Subject",
    "User",
    "answered",
    "stage",
    "until",
]

POLL = 0.002
"""Seconds between two looks at whether something has happened. One look for all interactions
together: a waiter for each would cost more than the bot."""

DEADLINE = 3.0
"""Seconds in which an interaction must be answered."""

LABELS = ("U1", "U2", "U3", "U4", "🔄", "V1", "V2", "V3", "V4")
_KINDS = {"U": "upsample", "V": "variation", "🔄": "reroll"}


@dataclass(frozen=True)
class Subject:
    """A bot that is measured: how it is started, and settings beside the usual ones."""

    name: str
    arguments: tuple[str, ...]
    settings: dict[str, str] = field(default_factory=dict[str, str])


OURS = Subject("ours", ("-m", "bot"))
GATEWAY = Subject("gateway", ("-m", "bot", "gateway"))
ENDPOINT = Subject("endpoint", ("-m", "bot", "endpoint"), {"PORT": "0"})
BARE = Subject("bare", ("-m", "benchmarks.bare_bot"))
ANSWERING = Subject("bare", ("-m", "benchmarks.bare_bot"), {"BARE_ANSWERS_ONLY": "1"})


@dataclass
class Stage:
    """A bot that runs, with its loopback Discord and API. ``grid`` is what the API answers."""

    discord: LoopbackDiscord
    genart: LoopbackGenArt
    bot: BotProcess
    grid: bytes
    uploads: list[tuple[float, Request]] = field(default_factory=list[tuple[float, Request]])
    _users: list[User] = field(default_factory=list[User])

    @property
    def process(self) -> psutil.Process:
        """The bot's process."""
        return psutil.Process(self.bot.pid)

    def cpu(self) -> float:
        """Return the seconds of processor time that the bot has used, all threads together."""
        times = self.process.cpu_times()
        return times.user + times.system

    def memory(self) -> int:
        """Return the bytes of the bot that are resident."""
        return self.process.memory_info().rss

    def users(self, number: int) -> list[User]:
        """Return so many members, the same at every call."""
        while len(self._users) < number:
            self._users.append(User(self.discord.new_id(), f"member{len(self._users)}"))
        return self._users[:number]

    async def vary(self, user: User, prompt: str, source: bytes) -> Interaction:
        """Send ``/vary`` and return without waiting for its answer."""
        options = {"prompt": prompt, "image": Upload("cat.png", source)}
        return await self.discord.slash(user, "vary", options)

    async def press(self, user: User, message: Message, label: str) -> Interaction:
        """Press a button and return without waiting for its answer."""
        return await self.discord.press(user, message, label=label)

    def grids(self) -> list[Message]:
        """Return the grids that have been posted and not deleted, oldest first."""
        messages = self.discord.messages.values()
        return [m for m in messages if len(buttons_of(m)) >= len(LABELS)]

    async def posted(self, number: int, within: float = 60.0) -> list[Message]:
        """Wait until so many grids are posted, at most ``within`` seconds, and return them."""
        await until(lambda: len(self.grids()) >= number, within, self)
        return self.grids()

    def note_uploads(self, request: Request) -> None:
        """Keep when a request with files had arrived completely (a hook of the loopback)."""
        if request.files:
            self.uploads.append((time.time(), request))

    def last_call(self) -> Call:
        """Return the API's last call."""
        return self.genart.calls[-1]

    async def answer(self, request: web.Request) -> web.Response:
        """Answer a call of the API with ``grid``; nothing is drawn (a behaviour of the API)."""
        number = next(_numbers)
        path = f"/attachments/1/{number}/grid.png"
        self.genart.images[path] = self.grid
        link = f"http://{self.genart.image_host}{path}?ex=1&is=1&hm={number}&"
        marker, job = 7_000_000_000 + number, f"{number:032x}"
        options = [
            {
                "type": 2,
                "style": 2,
                "label": label,
                "custom": f"MJ::JOB::{_KINDS[label[0]]}::{label[1:] or 0}::{job}",
            }
            for label in LABELS
        ]
        body = {
            "content": f"[{marker}] {request.query['prompt']}",
            "id": str(number),
            "uri": link,
            "proxy_url": link,
            "flags": 0,
            "hash": job,
            "options": options,
        }
        return web.Response(text=json.dumps(body), content_type="application/json")


# No limit is met, and nobody waits for what is still running when a measurement is over.
_SETTINGS = {"QUEUE_LIMIT": "5000", "USER_QUEUE_LIMIT": "1000", "SHUTDOWN_GRACE": "1"}
_numbers = itertools.count(1)


@asynccontextmanager
async def stage(
    subject: Subject,
    database: Path | str,
    *,
    grid: bytes,
    delay: float = 0.0,
    servers: int = 0,
    arguments: tuple[str, ...] | None = None,
    **settings: str,
) -> AsyncGenerator[Stage]:
    """Start a bot and yield its stage. The API answers with ``grid`` after ``delay`` seconds; the
    bot is in so many further servers. The ``database`` is a file, or an address."""
    async with LoopbackDiscord(rate_limits=False) as discord, LoopbackGenArt(delay=delay) as genart:
        url = database if isinstance(database, str) else f"sqlite:///{database}"
        discord.guild_ids += [number << 22 | 1 for number in range(1, servers + 1)]
        given = {"DATABASE_URL": url, "DISCORD_PUBLIC_KEY": discord.public_key}
        given |= {**_SETTINGS, **subject.settings, **settings}
        bot = BotProcess(
            discord,
            environment(discord, genart, Path(), **given),
            arguments or subject.arguments,
        )
        found = Stage(discord, genart, bot, grid)
        genart.default = found.answer
        discord.faults.append(found.note_uploads)
        if subject is ENDPOINT:
            await _start_endpoint(discord, bot)
        else:
            await bot.start()
        try:
            yield found
        finally:
            await bot.stop(10)


async def _start_endpoint(discord: LoopbackDiscord, bot: BotProcess) -> None:
    await bot.launch()
    address = (await bot.says(r"Listening for interactions on (\S+)\.\n"))[1]
    await discord.endpoint.save(f"http://{address}/")


async def until(look: Callable[[], bool], within: float, stage: Stage) -> None:
    """Wait until ``look`` is true; ``TimeoutError`` with the bot's log after ``within`` seconds."""
    end = time.monotonic() + within
    while not look():
        if time.monotonic() > end:
            raise TimeoutError(stage.bot.log[-4000:])
        await asyncio.sleep(POLL)


async def answered(asked: Sequence[Interaction], stage: Stage) -> list[float]:
    """Wait until all are answered; return the seconds from dispatch to callback, sorted.

    Discord takes no callback after 3 s: an answer that is missing then counts as 3 s.
    """
    left = list(asked)
    end = time.monotonic() + DEADLINE + 1

    def look() -> bool:
        nonlocal left
        left = [one for one in left if one.latency is None]
        return not left or time.monotonic() > end

    await until(look, 60, stage)
    return sorted(DEADLINE if one.latency is None else one.latency for one in asked)
