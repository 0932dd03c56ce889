"""``PageServer``: a Discord channel in the browser, with the real bot behind it."""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Self

from aiohttp import web
from aiohttp_sse import sse_response

from sandbox.discord import LoopbackDiscord
from sandbox.genart import LoopbackGenArt
from sandbox.page.actions import add_actions
from sandbox.page.view import View
from sandbox.page.world import World
from sandbox.pictures import draw
from sandbox.serving import serve

FILES = Path(__file__).parent
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
SERVED = "|".join(
    re.escape(path.name) for path in FILES.iterdir() if path.suffix in {".js", ".css"}
)
SIGNATURE = re.compile(r"\?ex=[^\"]*")
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class PageServer:
    """Serves the page at ``address`` (``port`` 0: any). An async context manager, which starts
    both loopbacks, and the bot with ``settings`` in the background.

    ``delay`` is how long the API takes for an image in seconds, ``tile`` a tile's side in pixels.
    ``command`` starts any other bot instead, which gets ``DISCORD_TOKEN`` and ``DISCORD_API_URL``.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        delay: float = 6.0,
        tile: int = 1024,
        command: str | None = None,
        **settings: str,
    ) -> None:
        self._port, self._command = port, command
        self._settings = {"GENART_TIMEOUT": "30", **settings}
        self.discord = LoopbackDiscord()
        self.genart = LoopbackGenArt(delay=delay, tile=tile)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            await self._open()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def _open(self) -> None:
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="vary-sandbox-"))
        await self._stack.enter_async_context(self.discord)
        await self._stack.enter_async_context(self.genart)
        database = Path(folder) / "vary.db"
        self.world = World(self.discord, self.genart, database, self._settings, self._command)
        self.bot = self.world.bot
        self._stack.push_async_callback(self.world.close)
        app = web.Application(client_max_size=2**26)
        app.router.add_get("/events", self._events)
        app.router.add_get("/sample.png", self._sample)
        app.router.add_get(f"/{{name:|{SERVED}}}", self._file)
        add_actions(app, self.world)
        app.on_response_prepare.append(self._headers)
        self.host = await serve(self._stack, app, self._port, cancel=True)
        self.address = f"http://{self.host}/"
        self.world.begin(self.world.start())
        if self.world.own:
            self.world.begin(self.world.watch_ledger())

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _headers(self, _: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(HEADERS)
        response.headers["Content-Security-Policy"] = (
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
            f"img-src 'self' data: blob: http://{self.discord.cdn_host}; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )

    async def _file(self, request: web.Request) -> web.Response:
        path = FILES / (request.match_info["name"] or "index.html")
        text = await asyncio.to_thread(path.read_text, "utf-8")
        return web.Response(text=text, content_type=TYPES[path.suffix])

    async def _sample(self, _: web.Request) -> web.Response:
        return web.Response(body=await asyncio.to_thread(draw), content_type="image/png")

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """Stream to one viewer what changed since the last event."""
        viewer = self.world.user(request.query["user"])
        view = View(self.world, viewer, request.query.get("locale", "en-US"))
        signal = self.discord.signal
        sent: dict[str, str] = {}
        async with sse_response(request) as response:
            while response.is_connected():
                count = signal.count
                parts = view.parts()
                now = {key: json.dumps(part) for key, part in parts.items()}
                same = {key: SIGNATURE.sub("", text) for key, text in now.items()}
                changed = {key: parts[key] for key in now if sent.get(key) != same[key]}
                changed |= dict.fromkeys(sent.keys() - now.keys())
                if changed:
                    with suppress(ConnectionError):
                        await response.send(json.dumps(changed))
                sent = same
                with suppress(TimeoutError):
                    await signal.until(lambda seen=count: signal.count != seen, 0.5)
        return response
