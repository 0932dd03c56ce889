"""How the process is, for whoever watches it: ``/livez``, ``/readyz`` and ``/metrics``.

Loaded only where ``HEALTH_PORT`` is set.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from typing import Self

from aiohttp import web

from bot import metrics
from bot.config import Settings
from bot.errors import StoreUnavailable
from bot.serving import listening
from bot.store import Store

Check = Callable[[], str | None]
"""Says why a part isn't ready, if that is so."""
Checks = dict[str, Check]
"""The parts of a process by name. Who runs a part puts its check here."""

_DATABASE_TIME = 2.0
_LAG_PERIOD = 0.25


class Health:
    """Serves on ``HEALTH_HOST``:``HEALTH_PORT``. An async context manager."""

    def __init__(self, settings: Settings, store: Store, checks: Checks) -> None:
        self._address = (settings.health_host, settings.health_port or 0)
        self._store = store
        self._checks = checks
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        metrics.enable()
        await self._stack.enter_async_context(listening(self._handle, *self._address))
        watch = asyncio.create_task(_watch_the_loop(), name="event loop lag")
        self._stack.callback(watch.cancel)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        match request.path:
            case "/livez":
                return web.json_response({"alive": True})
            case "/readyz":
                return await self._ready()
            case "/metrics":
                return await self._metrics()
            case _:
                return web.Response(status=404)

    async def _ready(self) -> web.Response:
        """Return by part whether it is ready, and why not; 503 where one isn't."""
        reasons = self._reasons()
        reasons["database"] = await self._why_no_database()
        parts = {name: {"ready": not why, "reason": why} for name, why in reasons.items()}
        ready = not any(reasons.values())
        body = {"ready": ready, "checks": parts}
        return web.json_response(body, status=200 if ready else 503)

    def _reasons(self) -> dict[str, str | None]:
        return {name: check() for name, check in self._checks.items()}

    async def _why_no_database(self) -> str | None:
        try:
            async with asyncio.timeout(_DATABASE_TIME):
                await self._store.figures.read()
        except TimeoutError:
            return f"no answer within {_DATABASE_TIME:.0f} s"
        except StoreUnavailable:
            return "it can't be read"
        return None

    async def _metrics(self) -> web.Response:
        figures = None
        with suppress(TimeoutError, StoreUnavailable):
            async with asyncio.timeout(_DATABASE_TIME):
                figures = await self._store.figures.read()
        ready = {name: reason is None for name, reason in self._reasons().items()}
        body, content_type = metrics.page(figures, ready | {"database": figures is not None})
        return web.Response(body=body, headers={"Content-Type": content_type})


async def _watch_the_loop() -> None:
    """Count how late a timer comes, again and again."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + _LAG_PERIOD
        await asyncio.sleep(_LAG_PERIOD)
        metrics.lag(max(loop.time() - due, 0.0))
