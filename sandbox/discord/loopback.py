"""``LoopbackDiscord``: a Discord on 127.0.0.1 that the real discord.py runs against."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Self

from sandbox.discord.cdn import cdn
from sandbox.discord.endpoint import EndpointClient
from sandbox.discord.gateway import INVALID, RECONNECT, DiscordGateway
from sandbox.discord.members import Members
from sandbox.discord.model import Attachment, Json, Message, buttons_of, images_of, text_of
from sandbox.discord.rest import DiscordRest
from sandbox.discord.state import MakeEvent
from sandbox.serving import serve


class LoopbackDiscord(Members):
    """Serves the REST API and gateway on one port, attachments on another; drives the members.

    ``now`` returns unix seconds. Every timeout below is in real seconds. ``rate_limits=False``
    takes requests at any rate, which load tests need.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        cdn_port: int = 0,
        now: Callable[[], float] = time.time,
        rate_limits: bool = True,
    ) -> None:
        super().__init__(now)
        self._ports = (port, cdn_port)
        self._rate_limits = rate_limits
        self._stack = AsyncExitStack()
        self.gateway = DiscordGateway(self)
        self.endpoint = EndpointClient(self)

    async def __aenter__(self) -> Self:
        app = DiscordRest(self, rate_limits=self._rate_limits).app()
        app.router.add_get("/gateway", self.gateway.handle)
        app.router.add_get("/gateway/", self.gateway.handle)
        host = await serve(self._stack, app, self._ports[0])
        self.cdn_host = await serve(self._stack, cdn(self), self._ports[1])
        self.api_url, self.gateway_url = f"http://{host}/api/v10", f"ws://{host}/gateway"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.gateway.end(None)
        await self.endpoint.close()
        await self._stack.aclose()

    def tell_bot(self, data: Json, guild_id: int | None) -> None:
        """Bring an interaction to the bot: to its Interactions Endpoint URL, if it has one, else
        through the gateway."""
        if self.interactions_endpoint_url is not None:
            self.events.append({"t": "INTERACTION_CREATE", "d": data})
            self.endpoint.deliver(data)
        else:
            self.gateway.interaction(data, guild_id)

    def publish(self, name: str, guild_id: int | None, intent: int, make: MakeEvent) -> None:
        """Tell the gateway's clients that asked for ``intent``."""
        self.gateway.publish(name, guild_id, intent, make)

    async def connected(self, identifies: int = 1, timeout_s: float = 20.0) -> None:
        """Wait until so many IDENTIFYs were accepted since the start."""
        await self.signal.until(lambda: self.gateway.identifies >= identifies, timeout_s)

    async def drop_gateway(self, code: int | None = None) -> None:
        """Close the bot's connections: with a close code, or abruptly."""
        await self.gateway.end(code)

    async def request_reconnect(self) -> None:
        """Ask the bot to connect again and resume."""
        self.gateway.tell(RECONNECT)

    async def invalidate_session(self, resumable: bool) -> None:
        """Tell the bot that its session is invalid.

        Unless ``resumable``, discord.py then connects to ``DiscordWebSocket.DEFAULT_GATEWAY``,
        which is the real Discord: a client must first have set that to ``gateway_url``.
        """
        self.gateway.tell(INVALID, resumable)

    text_of = staticmethod(text_of)
    buttons_of = staticmethod(buttons_of)

    @staticmethod
    def images_of(message: Message) -> list[Attachment]:
        """Return a message's attachments that are images."""
        return images_of(message)
