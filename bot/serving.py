"""Listening for HTTP on an address of the settings."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from bot.errors import AddressUnusable

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def listening(
    handle: Handler, host: str, port: int, *, last_requests: float = 1.0
) -> AsyncGenerator[int]:
    """Serve every request by ``handle``; yield the port (another where ``port`` is 0).

    What has arrived when it ends gets ``last_requests`` seconds.

    Raises:
        AddressUnusable
    """
    runner = web.ServerRunner(web.Server(handle, access_log=None), shutdown_timeout=last_requests)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise AddressUnusable(f"{host}:{port}", reason) from error
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
