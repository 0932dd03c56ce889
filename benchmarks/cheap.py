"""A Discord, an API and a host of pictures in one server that costs next to nothing.

It reads no more of a request than it must, for it runs on the processors of what is measured.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[1]

APPLICATION, GUILD, CHANNEL = "1500000000000000001", "1500000000000000002", "1500000000000000003"
GRID, SOURCE = "/grid.png", "/source.png"

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
_ANSWER = {"interaction": {"id": "1", "type": 2, "response_message_id": "1500000000000000009"}}
_OPTIONS = [
    {"type": 2, "style": 2, "label": label, "custom": f"MJ::JOB::{kind}::{number}::0"}
    for kind, labels in (("upsample", "U"), ("variation", "V"))
    for number in range(1, 5)
    for label in [f"{labels}{number}"]
]


class Server:
    """What the bot's processes talk to. ``answered`` counts callbacks, ``posted`` results;
    ``changed`` is set with each. ``pictures`` is what its paths give."""

    def __init__(self, pictures: dict[str, bytes] | None = None) -> None:
        self.pictures = pictures or {}
        self.answered = 0
        self.posted = 0
        self.changed = asyncio.Event()
        self.host = ""
        self._ids = itertools.count(int(APPLICATION) + 1000)
        self._commands: list[Any] = []

    def answer(self, method: bytes, path: str, body: bytes) -> list[bytes]:
        """Return the parts of the answer to a request."""
        if path in self.pictures:
            picture = self.pictures[path]
            return [_HEAD % (b"image/png", len(picture)), picture]
        data = json.dumps(self._page(method, path, body)).encode()
        return [_HEAD % (b"application/json", len(data)), data]

    def _page(self, method: bytes, path: str, body: bytes) -> Any:
        if path.endswith("/callback"):
            self.answered += 1
            self.changed.set()
            return _ANSWER
        if path.startswith("/imageToImage"):
            return self._grid()
        if "/messages" in path:
            if method == b"POST":
                self.posted += 1
                self.changed.set()
            return self._message()
        if path.endswith("/gateway/bot"):
            limit = {"total": 1000, "remaining": 999, "reset_after": 0, "max_concurrency": 1}
            return {"url": "ws://127.0.0.1:9", "shards": 1, "session_start_limit": limit}
        if path.endswith("/commands"):
            if method == b"PUT":
                self._commands = json.loads(body)
            known = {"id": "1", "application_id": APPLICATION, "version": "1"}
            return [command | known for command in self._commands]
        return _application()

    def _grid(self) -> Any:
        number = next(self._ids)
        link = f"http://{self.host}{GRID}?ex=1&is=1&hm={number}"
        # Without a prompt to compare, an answer's content is taken as it is.
        return {"id": str(number), "uri": link, "hash": f"{number:032x}", "options": _OPTIONS}

    def _message(self) -> Any:
        return {
            "id": str(next(self._ids)), "channel_id": CHANNEL, "author": _application(),
            "content": "", "timestamp": "2026-01-01T00:00:00+00:00", "edited_timestamp": None,
            "tts": False, "mention_everyone": False, "mentions": [], "mention_roles": [],
            "attachments": [], "embeds": [], "components": [], "pinned": False, "type": 0,
        }  # fmt: skip


def _application() -> Any:
    user = {"id": APPLICATION, "username": "vary", "discriminator": "0", "avatar": None}
    return user | {
        "name": "vary", "description": "", "icon": None, "bot_public": True,
        "bot_require_code_grant": False, "verify_key": "0" * 64, "owner": user, "flags": 0,
        "interactions_endpoint_url": "https://bot.example/",
    }  # fmt: skip


class _Connection(asyncio.Protocol):
    """Reads requests; of a body longer than a megabyte it keeps nothing but the length."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._buffer = bytearray()
        self._skip = 0
        self._line = [b""]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        if self._skip:
            self._skip -= len(data)
            if self._skip <= 0:
                self._skip = 0
                self._respond(b"")
            return
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._buffer[:end])
            size = int(_header(head, b"content-length") or 0)
            self._line = head.split(b" ", 2)
            left = end + 4 + size - len(self._buffer)
            if size > 1_000_000 and left > 0:
                self._skip = left
                self._buffer.clear()
                return
            if left > 0:
                return
            body = bytes(self._buffer[end + 4 : end + 4 + size])
            del self._buffer[: end + 4 + size]
            self._respond(body)

    def _respond(self, body: bytes) -> None:
        path = self._line[1].partition(b"?")[0].decode()
        self._transport.writelines(self._server.answer(self._line[0], path, body))


def _header(head: bytes, name: bytes) -> bytes | None:
    start = head.lower().find(b"\r\n" + name + b":")
    if start < 0:
        return None
    return head[start + len(name) + 3 :].split(b"\r\n", 1)[0].strip()


@asynccontextmanager
async def serving(pictures: dict[str, bytes] | None = None) -> AsyncGenerator[Server]:
    """Serve on a free port of the loopback interface."""
    made = Server(pictures)
    listening = await asyncio.get_running_loop().create_server(
        lambda: _Connection(made), "127.0.0.1", 0
    )
    made.host = f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        listening.close()


def settings(server: Server, database: str) -> dict[str, str]:
    """Return the environment of a bot's process that talks to the server alone."""
    return {
        "DISCORD_TOKEN": "cheap", "GENART_API_KEY": "cheap", "GENART_SERVER_ID": "1",
        "GENART_CHANNEL_ID": "1", "GENART_DISCORD_TOKEN": "cheap",
        "DISCORD_API_URL": f"http://{server.host}/api/v10",
        "GENART_API_URL": f"http://{server.host}", "GENART_IMAGE_HOSTS": server.host,
        "DATABASE_URL": database, "QUEUE_LIMIT": "100000", "USER_QUEUE_LIMIT": "100000",
        "PATH": os.environ["PATH"],
    }  # fmt: skip


@dataclass
class Process:
    """A process of the bot, and what it ``said`` when it was ready. Its log is read and dropped."""

    running: asyncio.subprocess.Process
    said: re.Match[str]
    reading: asyncio.Task[bytes]


async def start(role: str, number: int, given: dict[str, str], ready: str) -> list[Process]:
    """Start so many processes; return them once each has logged what matches ``ready``."""
    made = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", role,
            cwd=ROOT, env=given, stderr=asyncio.subprocess.PIPE,
        )
        for _ in range(number)
    ]  # fmt: skip
    return [await _ready(process, ready) for process in made]


async def _ready(process: asyncio.subprocess.Process, ready: str) -> Process:
    assert process.stderr is not None  # noqa: S101
    log = ""
    while line := await process.stderr.readline():
        log += line.decode()
        if said := re.search(ready, log):
            return Process(process, said, asyncio.create_task(process.stderr.read()))
    raise RuntimeError(log)


async def stop(processes: list[Process]) -> None:
    """End processes."""
    for process in processes:
        if process.running.returncode is None:
            process.running.terminate()
        await process.running.wait()


def cpu(processes: list[Process]) -> float:
    """Return the seconds of processor time of some processes."""
    times = [psutil.Process(process.running.pid).cpu_times() for process in processes]
    return sum(time.user + time.system for time in times)


def cpu_of_postgres() -> float:
    """Return the seconds of processor time of the PostgreSQL server that this process started.

    A backend's are lost when it ends: what is measured keeps its connections.
    """
    used = 0.0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if process.name().startswith("postgres"):
                times = process.cpu_times()
                used += times.user + times.system
    return used


async def until(server: Server, look: Callable[[], bool], seconds: float) -> None:
    """Wait until ``look()`` is true, looking with each answer; ``TimeoutError`` after that."""
    async with asyncio.timeout(seconds):
        while not look():
            server.changed.clear()
            await server.changed.wait()


def now() -> int:
    """Return a new id, as Discord makes them."""
    return int(time.time() * 1000) - 1420070400000 << 22
