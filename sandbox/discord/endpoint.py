"""Interactions over HTTP: what Discord sends to an application's Interactions Endpoint URL.

Source: documentation, "Interactions", Preparing for Interactions and Setting Up an Endpoint.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sandbox.discord.model import Json
from sandbox.discord.state import DiscordState

PONG: Json = {"type": 1}
WITHIN = 3.0  # seconds that the endpoint has for its answer
LOOPBACK = {"127.0.0.1", "localhost"}
CONNECTIONS = 100


@dataclass(frozen=True)
class Reply:
    """What the endpoint answered; status 0 where it could not be reached."""

    status: int
    body: bytes = b""


class EndpointClient:
    """Posts interactions to ``interactions_endpoint_url``. ``replies`` are what came back.

    ``others`` are further addresses of the same application that share the interactions in turn,
    as a load balancer's upstreams do; one where nothing listens is passed over.
    """

    def __init__(self, state: DiscordState) -> None:
        self.state = state
        self.replies: list[Reply] = []
        self.others: list[str] = []
        self._turns = itertools.count()
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[Reply]] = set()

    def deliver(self, data: Json) -> None:
        """Send an interaction without waiting for what comes back."""
        task = asyncio.create_task(self._deliver(data))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, data: Json) -> Reply:
        """Send an interaction to the next address that takes a connection."""
        urls = [self.state.interactions_endpoint_url or "", *self.others]
        first, body, reply = next(self._turns), json.dumps(data).encode(), Reply(0)
        for number in range(len(urls)):
            reply = await self.send(body, url=urls[(first + number) % len(urls)])
            if reply.status:
                break
        self.replies.append(reply)
        self.state.signal.notify()
        return reply

    async def save(self, url: str) -> None:
        """Set the URL as the developer portal does; ``ValueError`` where it isn't taken.

        A PING must be answered, and one with a wrong signature be refused.
        """
        good = await self.send(self.ping(), url=url)
        bad = await self.send(self.ping(), url=url, key=Ed25519PrivateKey.generate())
        if good.status != 200 or json.loads(good.body) != PONG or bad.status != 401:
            raise ValueError(f"interactions_endpoint_url could not be verified: {good}, {bad}")
        self.state.interactions_endpoint_url = url

    def ping(self) -> bytes:
        """Return the body of a PING."""
        new, application = self.state.new_id(), str(self.state.application_id)
        ping = {"id": str(new), "application_id": application, "type": 1, "version": 1}
        return json.dumps(ping | {"token": f"ping-{new:x}"}).encode()

    def signed(
        self, body: bytes, timestamp: str | None = None, key: Ed25519PrivateKey | None = None
    ) -> dict[str, str]:
        """Return the headers of a request, signed by the application's key or another."""
        now = self.state.now() - self.state.ahead  # The bot's clock is the machine's.
        timestamp = str(int(now)) if timestamp is None else timestamp
        signature = (key or self.state.signing_key).sign(timestamp.encode() + body)
        return {
            "Content-Type": "application/json",
            "X-Signature-Ed25519": signature.hex(),
            "X-Signature-Timestamp": timestamp,
        }

    async def send(
        self,
        body: bytes,
        *,
        url: str | None = None,
        key: Ed25519PrivateKey | None = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """Post a body, signed unless ``headers`` are given, and return what is answered."""
        target = url or self.state.interactions_endpoint_url or ""
        if urlsplit(target).hostname not in LOOPBACK:
            return Reply(0)
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=CONNECTIONS)
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=WITHIN),
                skip_auto_headers=["Accept", "Accept-Encoding", "User-Agent"],
            )
        headers = self.signed(body, key=key) if headers is None else headers
        try:
            async with self._session.post(target, data=body, headers=headers) as answer:
                return Reply(answer.status, await answer.read())
        except (aiohttp.ClientError, TimeoutError):
            return Reply(0)

    async def close(self) -> None:
        """Stop delivering."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
