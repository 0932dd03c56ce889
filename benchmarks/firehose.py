"""How many interactions endpoints answer in a second: one beside two, over the same database.

    python -m benchmarks.firehose                  # on SQLite, then on PostgreSQL; writes nothing

Everything here is made to cost little, for it runs on the same machine: interactions are built and
signed beforehand, and Discord is that of :mod:`benchmarks.cheap`. It still takes a part of the
processors, which the profile shows.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks import cheap
from benchmarks.cheap import APPLICATION, CHANNEL, GUILD, Process, Server
from tests.postgres import running

INTERACTIONS, WARM_UP, IN_FLIGHT, MEMBERS = 2_000, 200, 64, 200
RUNS = 3


def _body(number: int) -> bytes:
    """Return a ``/vary`` as Discord would send it."""
    new = cheap.now() + number
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
            "channel": {"id": CHANNEL, "type": 0, "name": "x", "permissions": "0", "position": 0},
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
    database_cpu: list[float] = field(default_factory=list[float])
    client_cpu: list[float] = field(default_factory=list[float])


async def send(all_requests: list[bytes], connections: Iterator[Any], discord: Server) -> None:
    """Send so that never more than :data:`IN_FLIGHT` wait for their answers."""
    goal, sent = discord.answered + len(all_requests), discord.answered
    left = iter(all_requests)

    def all_answered() -> bool:
        nonlocal sent
        for request in itertools.islice(left, IN_FLIGHT - (sent - discord.answered)):
            next(connections).write(request)
            sent += 1
        return discord.answered >= goal

    await cheap.until(discord, all_answered, 120)


async def measure(number: int, database: str, figures: Figures) -> None:
    """Let so many endpoints answer, and note what came of it."""
    key = Ed25519PrivateKey.generate()
    async with cheap.serving() as discord:
        given = cheap.settings(discord, database) | {
            "DISCORD_PUBLIC_KEY": key.public_key().public_bytes_raw().hex(),
            "PORT": "0",
        }
        started = await cheap.start("endpoint", number, given, r"Listening for .*:(\d+)\.")
        try:
            await _send_all(key, started, discord, figures)
        finally:
            await cheap.stop(started)


async def _send_all(
    key: Ed25519PrivateKey, endpoints: list[Process], discord: Server, figures: Figures
) -> None:
    connections: list[Any] = []
    for endpoint in endpoints:
        for _ in range(IN_FLIGHT // len(endpoints)):
            _, sender = await asyncio.get_running_loop().create_connection(
                Sender, "127.0.0.1", int(endpoint.said[1])
            )
            connections.append(sender.transport)
    spread = itertools.cycle(connections[:: len(connections) // 2 or 1] + connections)
    await send(requests(key, range(WARM_UP)), spread, discord)
    ready = requests(key, range(WARM_UP, WARM_UP + INTERACTIONS))
    before, database, mine = cheap.cpu(endpoints), cheap.cpu_of_postgres(), time.process_time()
    began = time.perf_counter()
    await send(ready, itertools.cycle(connections), discord)
    figures.rate.append(INTERACTIONS / (time.perf_counter() - began))
    figures.endpoints_cpu.append((cheap.cpu(endpoints) - before) * 1000 / INTERACTIONS)
    figures.database_cpu.append((cheap.cpu_of_postgres() - database) * 1000 / INTERACTIONS)
    figures.client_cpu.append((time.process_time() - mine) * 1000 / INTERACTIONS)


async def compare(new_database: Callable[[], str]) -> None:
    """Measure one and two endpoints in turn, and print the rates, their ratio, and the profile."""
    found = {1: Figures(), 2: Figures()}
    for _ in range(RUNS):
        for number, figures in found.items():
            await measure(number, new_database(), figures)
    for number, figures in found.items():
        print(
            f"{number} endpoint(s): {statistics.median(figures.rate):.0f} answers a second; "
            f"processor time for one: {statistics.median(figures.endpoints_cpu):.2f} ms in the "
            f"endpoints, {statistics.median(figures.database_cpu):.2f} ms in PostgreSQL, "
            f"{statistics.median(figures.client_cpu):.2f} ms in this client"
        )
    one, two = (statistics.median(figures.rate) for figures in found.values())
    print(f"ratio {two / one:.2f}; load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        numbers = itertools.count()
        print("SQLite")
        uvloop.run(compare(lambda: f"sqlite:///{folder}/{next(numbers)}.db"))
    with running(durable=True) as server:
        print("PostgreSQL")
        uvloop.run(compare(server.database))
