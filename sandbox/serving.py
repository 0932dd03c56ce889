"""Serving an aiohttp application on 127.0.0.1, and waiting for something to become true."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

T = TypeVar("T")


LINE_SIZE = 2**17  # bytes: a prompt of 1,800 emoji is 40,000 of them in a query


async def serve(
    stack: AsyncExitStack, app: web.Application, port: int = 0, *, cancel: bool = False
) -> str:
    """Serve ``app`` until ``stack`` closes and return its ``host:port``.

    ``cancel``: a handler ends when its client goes away.
    """
    server = socket.create_server(("127.0.0.1", port))
    port = server.getsockname()[1]
    app.middlewares.insert(0, _only({f"127.0.0.1:{port}", f"localhost:{port}"}))
    runner = web.AppRunner(
        app,
        access_log=None,
        handler_cancellation=cancel,
        shutdown_timeout=0.2,
        max_line_size=LINE_SIZE,
    )
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.SockSite(runner, server).start()
    return f"127.0.0.1:{port}"


def _only(hosts: set[str]) -> Middleware:
    """Refuse requests under other names, which a page of another site could have made up."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.host not in hosts:
            raise web.HTTPForbidden(text="This address is not served.")
        return await handler(request)

    return check


class Signal:
    """Wakes whoever waits for a condition each time that something changed."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.count = 0

    def notify(self) -> None:
        """Let every waiter look again."""
        self.count += 1
        self._event.set()
        self._event = asyncio.Event()

    async def until(self, look: Callable[[], T | None], timeout_s: float) -> T:
        """Return what ``look`` gives once it is truthy; ``TimeoutError`` after so many seconds."""
        async with asyncio.timeout(timeout_s):
            while not (found := look()):
                await self._event.wait()
            return found
