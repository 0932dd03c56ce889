"""Discord's *Interactions Endpoint URL*: interactions over HTTP instead of the gateway.

What comes must be signed by Discord, which sends wrong signatures on purpose (documentation,
"Interactions", Setting Up an Endpoint). A PING is answered at once; everything else with 202, and
by the interaction's callback as everywhere.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any, Self

from aiohttp import web

# PyNaCl would do, but discord.py loads that at every start where it is installed.
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from bot.config import Settings
from bot.serving import listening

log = logging.getLogger(__name__)

BODY_BYTES = 1024 * 1024
"""The largest body that is read. A message menu brings a whole message: some 100 kB at most."""

FRESH = 30.0
"""Seconds that a request's timestamp may be off: nobody waits for an answer after 3, and clocks
differ."""

_READ_TIME = 3.0
_PING, _PONG = 1, {"type": 1}


class Endpoint:
    """Receives interactions on ``HTTP_HOST``:``PORT``, whatever the path. An async context manager.

    ``receive`` begins to answer one, and returns at once. ``clock`` returns unix seconds.
    """

    def __init__(
        self,
        settings: Settings,
        receive: Callable[[dict[str, Any]], None],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._address = (settings.http_host, settings.port)
        self._key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(settings.discord_public_key))
        self._receive = receive
        self._clock = clock
        self._seen: dict[bytes, float] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        host, port = self._address
        port = await self._stack.enter_async_context(listening(self._handle, host, port))
        log.info("Listening for interactions on %s:%s.", host, port)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        if request.method != "POST":
            return web.Response(status=405, headers={"Allow": "POST"})
        try:
            async with asyncio.timeout(_READ_TIME):
                body = await _read(request)
        except (TimeoutError, ConnectionError):  # Who sent it is gone, for the latter.
            return web.Response(status=408)
        if body is None:
            return web.Response(status=413)
        timestamp = request.headers.get("X-Signature-Timestamp", "")
        signature = request.headers.get("X-Signature-Ed25519", "")
        if reason := self._why_refused(timestamp, signature, body):
            return web.Response(status=401, text=reason)
        try:
            interaction: dict[str, Any] = json.loads(body)
            if interaction["type"] == _PING:
                return web.json_response(_PONG)
            self._receive(interaction)
        except Exception:
            log.exception("An interaction that Discord signed can't be read.")
            return web.Response(status=400)
        # The answer is begun before this one is sent: while the database works, there is time.
        await asyncio.sleep(0)
        return web.Response(status=202)

    def _why_refused(self, timestamp: str, signature: str, body: bytes) -> str | None:
        """Say why a request isn't Discord's, isn't fresh, or has come before."""
        message = timestamp.encode("utf-8", "surrogateescape") + body
        try:
            self._key.verify(bytes.fromhex(signature), message)
        except (InvalidSignature, ValueError):
            return "the signature is wrong"
        now = self._clock()
        if not timestamp.isdecimal() or abs(now - int(timestamp)) > FRESH:
            log.warning("A signed request is of %s: is this machine's clock right?", timestamp)
            return "the timestamp is too old"
        return "it has come before" if self._has_come(message, now) else None

    def _has_come(self, message: bytes, now: float) -> bool:
        """Tell whether the same was signed and received before, and remember it.

        Only this process remembers; but an interaction that another one has answered is in the
        ledger by its id, and Discord takes no second callback.
        """
        while self._seen and next(iter(self._seen.values())) < now:
            del self._seen[next(iter(self._seen))]
        digest = hashlib.blake2b(message, digest_size=16).digest()
        known = digest in self._seen
        self._seen.setdefault(digest, now + 2 * FRESH)
        return known


async def _read(request: web.BaseRequest) -> bytes | None:
    """Return a request's body; nothing where it is larger than :data:`BODY_BYTES`."""
    if (request.content_length or 0) > BODY_BYTES:
        return None
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > BODY_BYTES:
            return None
    return bytes(body)
