"""How many interactions endpoints answer in a second: one beside two, over the same database.

    python -m benchmarks.firehose                  # SQLite; prints, writes nothing
    DATABASE_URL=postgres://… python -m benchmarks.firehose

Everything here is made to cost little, for it runs on the same machine: interactions are built and
signed beforehand, and Discord is a protocol that reads no more of a request than it must. It still
takes a part of the processors, which the profile shows.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ROOT = Path(__file__).parents[1]
INTERACTIONS, WARM_UP, IN_FLIGHT, MEMBERS = 2_000, 200, 64, 200
RUNS = 3
APPLICATION, GUILD, CHANNEL = "1500000000000000001", "1500000000000000002", "1500000000000000003"
COMMANDS: list[Any] = []


class Discord(asyncio.Protocol):
    """A Discord that takes every answer, and knows the few pages that a start needs."""

    answered = 0
    waiting: asyncio.Event

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end]
            size = int(_header(head, b"content-length") or 0)
            if len(self._buffer) < end + 4 + size:
                return
            body = self._buffer[end + 4 : end + 4 + size]
            self._buffer = self._buffer[end + 4 + size :]
            self._answer(head.split(b" ", 2), body)

    def _answer(self, line: list[bytes], body: bytes) -> None:
        path = line[1].partition(b"?")[0].decode()
        self._transport.write(_response(_page(line[0], path, body)))  # pyright: ignore
        if path.endswith("/callback"):
            Discord.answered += 1
            Discord.waiting.set()


def _header(head: bytes, name: bytes) -> bytes | None:
    start = head.lower().find(b"\r\n" + name + b":")
    if start < 0:
        return None
    return head[start + len(name) + 3 :].split(b"\r\n", 1)[0].strip()


def _response(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % len(body) + body


_ANSWER = json.dumps(
    {"interaction": {"id": "1", "type": 2, "response_message_id": "1500000000000000009"}}
).encode()


def _page(method: bytes, path: str, body: bytes) -> bytes:
    if path.endswith("/callback"):
        return _ANSWER
    user = {"id": APPLICATION, "username": "vary", "discriminator": "0", "avatar": None}
    if path.endswith("/gateway/bot"):
        limit = {"total": 1000, "remaining": 999, "reset_after": 0, "max_concurrency": 1}
        return json.dumps(
            {"url": "ws://127.0.0.1:9", "shards": 1, "session_start_limit": limit}
        ).encode()
    if path.endswith("/commands"):
        if method == b"PUT":
            COMMANDS[:] = json.loads(body)
        made = [c | {"id": "1", "application_id": APPLICATION, "version": "1"} for c in COMMANDS]
        return json.dumps(made).encode()
    application = {
        "id": APPLICATION, "name": "vary", "description": "", "icon": None, "bot_public": True,
        "bot_require_code_grant": False, "verify_key": "0" * 64, "owner": user, "flags": 0,
        "interactions_endpoint_url": "https://bot.example/",
    }  # fmt: skip
    return json.dumps(user | application).encode()


def _body(number: int) -> bytes:
    """Return a ``/vary`` as Discord would send it."""
    new = (int(time.time() * 1000) - 1420070400000 << 22) + number
    user = {"id": str(1600000000000000000 + number % MEMBERS), "username": f"member{number}"}
    user |= {"discriminator": "0", "avatar": None, "global_name": None}
    attachment = {"id": "5", "filename": "cat.png", "size": 1000, "content_type": "image/png"}
    link = "https://cdn.discordapp.com/ephemeral-attachments/1/5/cat.png?ex=1&is=1&hm=1&"
    attachment |= {"url": link, "proxy_url": link, "width": 64, "height": 64}
    data = {
        "id": "1", "name": "vary", "type": 1, "resolved": {"attachments": {"5": attachment}},
        "options": [
            {"name": "prompt", "type": 3, "value": f"a lighthouse in a storm, number {number}"},
            {"name": "image", "type": 11, "value": "5"},
        ],
    }  # fmt: skip
    member = {"user": user, "roles": [], "joined_at": "2026-01-01T00:00:00+00:00", "flags": 0}
    member |= {"deaf": False, "mute": False, "permissions": str(2**50 - 1)}
    return json.dumps(
        {
            "id": str(new), "application_id": APPLICATION, "type": 2, "token": f"firehose-{new}",
            "version": 1, "data": data, "guild_id": GUILD, "channel_id": CHANNEL,
            "guild": {"id": GUILD, "locale": "en-US", "features": []},
            "channel": {
                "id": CHANNEL,
                "type": 0,
                "name": "pictures",
                "permissions": "0",
                "position": 0,
            },
            "member": member, "app_permissions": str(2**50 - 1), "locale": "en-US",
            "entitlements": [], "attachment_size_limit": 10485760, "context": 0,
            "authorizing_integration_owners": {"0": GUILD},
        }
    ).encode()  # fmt: skip


def requests(key: Ed25519PrivateKey, numbers: range) -> list[bytes]:
    """Return whole HTTP requests, signed now."""
    made: list[bytes] = []
    for number in numbers:
        body, timestamp = _body(number), str(int(time.time()))
        signature = key.sign(timestamp.encode() + body).hex()
        made.append(
            f"POST / HTTP/1.1\r\nHost: bot\r\nContent-Type: application/json\r\n"
            f"X-Signature-Ed25519: {signature}\r\nX-Signature-Timestamp: {timestamp}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
    return made


class Sender(asyncio.Protocol):
    """A connection to an endpoint; whatever comes back is skipped."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport


@dataclass
class Figures:
    """What one run gave: answers a second, and milliseconds of processor time for each answer."""

    rate: list[float] = field(default_factory=list[float])
    endpoints_cpu: list[float] = field(default_factory=list[float])
    client_cpu: list[float] = field(default_factory=list[float])


async def send(all_requests: list[bytes], connections: Iterator[Any]) -> None:
    """Send so that never more than :data:`IN_FLIGHT` wait for their answers."""
    goal, sent = Discord.answered + len(all_requests), Discord.answered
    left = iter(all_requests)
    async with asyncio.timeout(120):
        while Discord.answered < goal:
            for request in itertools.islice(left, IN_FLIGHT - (sent - Discord.answered)):
                next(connections).write(request)
                sent += 1
            Discord.waiting.clear()
            await Discord.waiting.wait()


async def start(number: int, environment: dict[str, str]) -> list[tuple[Any, psutil.Process]]:
    """Start so many endpoints; return a stream of each one's log, and its process."""
    found: list[tuple[Any, psutil.Process]] = []
    for _ in range(number):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", "endpoint",
            cwd=ROOT, env=environment, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stderr is not None  # noqa: S101
        found.append((process, psutil.Process(process.pid)))
    return found


async def port_of(process: Any) -> int:
    """Return the port that an endpoint says it listens on, and go on reading its log."""
    while line := await process.stderr.readline():
        if b"Listening for interactions" in line:
            process.drain = asyncio.create_task(process.stderr.read())
            return int(line.rstrip(b".\n").rsplit(b":", 1)[1])
    raise RuntimeError("an endpoint did not start")


def cpu(processes: list[psutil.Process]) -> float:
    """Return the seconds of processor time of some processes."""
    return sum(sum(process.cpu_times()[:2]) for process in processes)


async def measure(number: int, figures: Figures) -> None:
    """Let so many endpoints answer, and note what came of it."""
    loop = asyncio.get_running_loop()
    Discord.waiting = asyncio.Event()
    server = await loop.create_server(Discord, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/v10"
    key = Ed25519PrivateKey.generate()
    with tempfile.TemporaryDirectory() as folder:
        given = {
            "DISCORD_TOKEN": "firehose", "GENART_API_KEY": "firehose", "GENART_SERVER_ID": "1",
            "GENART_CHANNEL_ID": "1", "GENART_DISCORD_TOKEN": "firehose", "PORT": "0",
            "DISCORD_API_URL": address, "QUEUE_LIMIT": "100000", "USER_QUEUE_LIMIT": "100000",
            "DISCORD_PUBLIC_KEY": key.public_key().public_bytes_raw().hex(),
            "DATABASE_URL": os.environ.get("DATABASE_URL", f"sqlite:///{folder}/vary.db"),
            "PATH": os.environ["PATH"], "LOG_LEVEL": "INFO",
        }  # fmt: skip
        started = await start(number, given)
        try:
            connections: list[Any] = []
            for process, _ in started:
                port = await port_of(process)
                for _ in range(IN_FLIGHT // number):
                    _, sender = await loop.create_connection(Sender, "127.0.0.1", port)
                    connections.append(sender.transport)
            spread = itertools.cycle(connections[:: len(connections) // 2 or 1] + connections)
            await send(requests(key, range(WARM_UP)), spread)
            ready = requests(key, range(WARM_UP, WARM_UP + INTERACTIONS))
            processes = [process for _, process in started]
            before, mine, began = cpu(processes), time.process_time(), time.perf_counter()
            await send(ready, itertools.cycle(connections))
            figures.rate.append(INTERACTIONS / (time.perf_counter() - began))
            figures.endpoints_cpu.append((cpu(processes) - before) * 1000 / INTERACTIONS)
            figures.client_cpu.append((time.process_time() - mine) * 1000 / INTERACTIONS)
        finally:
            for process, _ in started:
                process.terminate()
                await process.wait()
            server.close()


async def main() -> None:
    """Measure one and two endpoints in turn, and print the rates, their ratio, and the profile."""
    found = {1: Figures(), 2: Figures()}
    for _ in range(RUNS):
        for number, figures in found.items():
            await measure(number, figures)
    for number, figures in found.items():
        print(
            f"{number} endpoint(s): {statistics.median(figures.rate):.0f} answers a second; "
            f"processor time for one: {statistics.median(figures.endpoints_cpu):.2f} ms in the "
            f"endpoints, {statistics.median(figures.client_cpu):.2f} ms in this client"
        )
    one, two = (statistics.median(figures.rate) for figures in found.values())
    print(f"ratio {two / one:.2f}; load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")


if __name__ == "__main__":
    uvloop.run(main())
