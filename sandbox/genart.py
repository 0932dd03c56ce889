"""``LoopbackGenArt``: the documented GenArt API on 127.0.0.1, and its image host."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import time
import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

from sandbox.pictures import make_grid
from sandbox.serving import Signal, serve
from sandbox.shapes import shaped, size_of

Json = dict[str, Any]
Behaviour = Callable[[web.Request], Awaitable[web.StreamResponse | None]]
CHANGE = web.RequestKey[Json]("change", dict)
TRUNCATE = web.RequestKey("truncate", bool)
INFO = {
    "subscription": "Standard (Active monthly, renews next on <t:1717212880>)",
    "jobMode": "",
    "visibilityMode": "Public",
    "fastTimeRemaining": "13.47/15.0 hours (89.78%)",
    "lifetimeUsage": "83 images",
    "relaxedUsage": "1 images",
    "queuedJobsFast": "0",
    "queuedJobsRelax": "0",
    "runningJobs": "None",
}
HEADERS = ("server_id", "channel_id", "discord_token")


@dataclass
class Call:
    """One call of ``imageToImage``, or of ``describe``, which has no prompt. Times in unix seconds;
    ``grid`` is a PNG's bytes."""

    prompt: str
    image_url: str
    started: float
    source: bytes = field(default=b"", repr=False)
    grid: bytes = field(default=b"", repr=False)
    finished: float | None = None
    status: int = 0
    describes: bool = False


class LoopbackGenArt:
    """Serves the API at ``api_url`` and its images at ``image_host`` (``host:port``).

    ``behaviours`` is consumed one a call, the first for the next call to arrive; once it is
    empty ``default`` is. ``None`` is the normal answer. ``tile`` is the side of a tile in pixels.
    Answers begin with a random marker where ``marked``. ``info`` replaces fields of what ``/info``
    answers, which was asked ``info_calls`` times.
    """

    def __init__(self, *, delay: float = 0.05, tile: int = 1024, port: int = 0) -> None:
        self.delay, self.tile = delay, tile
        self.api_key, self.server_id, self.channel_id = "loopback-api-key", "9001", "9002"
        self.discord_token = "loopback-account-token"  # noqa: S105
        self.api_url = self.image_host = ""
        self.calls: list[Call] = []
        self.info: dict[str, str] = {}
        self.info_calls = 0
        self.behaviours: deque[Behaviour | None] = deque()
        self.default: Behaviour | None = None
        self.marked = True
        self.image_behaviour: Behaviour | None = None
        self.in_flight = self.peak_in_flight = 0
        self.signal = Signal()
        self._port = port
        self.images: dict[str, bytes] = {}
        self._counter, self._seeds = itertools.count(1), itertools.count(1)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/imageToImage", self._image_to_image)
        app.router.add_post("/describe", self._describe)
        app.router.add_get("/info", self._info)
        self._session = await self._stack.enter_async_context(aiohttp.ClientSession())
        host = await serve(self._stack, app, self._port, cancel=True)
        self.api_url = f"http://{host}"
        images = web.Application()
        images.router.add_get("/{path:.*}", self._image)
        self.image_host = await serve(self._stack, images, cancel=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def _refusal(self, request: web.Request) -> web.Response | None:
        if request.headers.get("Authorization") != f"Bearer {self.api_key}":
            return _sentence(401, "The API key is incorrect or expired")
        for name in HEADERS:
            if request.headers.get(name) != getattr(self, name):
                return _sentence(400, f"The header {name} is missing or wrong")
        if request.content_type != "application/json":
            return _sentence(400, "Content-Type must be application/json")
        return None

    async def _info(self, request: web.Request) -> web.Response:
        running = {"runningJobs": str(self.in_flight) if self.in_flight else "None"}
        self.info_calls += 1
        return self._refusal(request) or web.json_response(INFO | running | self.info)

    async def _image_to_image(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        call = Call(query.get("prompt", ""), query.get("imageUrl", ""), time.time())
        return await self._serve(request, call)

    async def _describe(self, request: web.Request) -> web.StreamResponse:
        call = Call("", request.query.get("imageUrl", ""), time.time(), describes=True)
        return await self._serve(request, call)

    async def _serve(self, request: web.Request, call: Call) -> web.StreamResponse:
        self.calls.append(call)
        behaviour = self.behaviours.popleft() if self.behaviours else self.default
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
        self.signal.notify()
        try:
            response = await self._work(request, call, behaviour)
            call.status = response.status
            return response
        finally:
            self.in_flight -= 1
            call.finished = time.time()
            self.signal.notify()

    async def _work(
        self, request: web.Request, call: Call, behaviour: Behaviour | None
    ) -> web.StreamResponse:
        if refusal := self._refusal(request):
            return refusal
        if not call.image_url or not (call.prompt or call.describes):
            return _sentence(400, "prompt and imageUrl are required")
        call.source = await self._fetch(call.image_url)
        await asyncio.sleep(self.delay)
        if behaviour and (response := await behaviour(request)) is not None:
            return response
        number = next(self._counter)
        try:
            grid = await asyncio.to_thread(make_grid, call.source, call.prompt, number, self.tile)
            call.grid = await asyncio.to_thread(shaped, grid, call.prompt)
        except OSError:
            return _sentence(400, "imageUrl could not be read as an image")
        answer = _descriptions(number) if call.describes else self._answer(call)
        body: Json = answer | request.get(CHANGE, {})
        body = {key: value for key, value in body.items() if value is not None}
        if request.get(TRUNCATE):
            text = json.dumps(body)
            return web.Response(text=text[: len(text) // 2], content_type="application/json")
        return web.json_response(body)

    async def _fetch(self, url: str) -> bytes:
        """Return what ``url`` gives, or nothing if it fails; never leaves this machine."""
        try:
            if urlsplit(url).hostname != "127.0.0.1":
                return b""
            async with self._session.get(url, allow_redirects=False) as response:
                return await response.read() if response.status == 200 else b""
        except (aiohttp.ClientError, ValueError):
            return b""

    def _answer(self, call: Call) -> Json:
        job, message_id = str(uuid.uuid4()), str(time.time_ns())
        seed = 7413988500 + next(self._seeds)
        name = f"loopback_{seed}_{job}.png"
        path = f"/attachments/{self.channel_id}/{message_id}/{name}"
        self.images[path] = call.grid
        link = f"http://{self.image_host}{path}?ex=6642edfa&is=66419c7a&hm={job.replace('-', '')}&"
        options = [
            (f"{letter}{n}", f"MJ::JOB::{kind}::{n}::{job}")
            for letter, kind in (("U", "upsample"), ("V", "variation"))
            for n in range(1, 5)
        ]
        options.insert(4, ("🔄", f"MJ::JOB::reroll::0::{job}::SOLO"))
        marker = f"[{seed}] " if self.marked else ""
        task = f"[{seed}]_{message_id}_0_{job}"
        return {
            "content": f"{marker}<https://s.mj.run/loopback> {call.prompt}",
            "id": message_id,
            "uri": link,
            "proxy_url": link,
            "flags": 0,
            "hash": job,
            "progress": "done",
            "options": [
                {"type": 2, "style": 2, "label": label, "custom": custom}
                for label, custom in options
            ],
            "width": size_of(call.grid)[0],
            "height": size_of(call.grid)[1],
            "taskId": base64.b64encode(task.encode()).decode(),
        }

    async def _image(self, request: web.Request) -> web.StreamResponse:
        if self.image_behaviour and (response := await self.image_behaviour(request)) is not None:
            return response
        data = self.images.get(request.path)
        if data is None or "hm" not in request.query:
            return web.Response(status=404, text="This content is no longer available.")
        return web.Response(body=data, content_type="image/png")


def _descriptions(number: int) -> Json:
    """Return an answer to ``describe`` as it is documented; each number gives other words."""
    link = "(https://goo.gl/search?artist%20Atey%20Ghailan)"
    texts = (
        f"An old man with a lantern, picture {number}, by [Atey Ghailan]{link} --ar 3:2 ",
        f"A portrait in oil, picture {number}, [Atey Ghailan]{link}, soft light --ar 3:2  ",
        f"Four lamps over a harbour at night, picture {number} --ar 3:2 ",
        f"A quiet street after rain, picture {number}, muted colours --ar 3:2 ",
    )
    numbered = [f"{n}\ufe0f\u20e3 {text}" for n, text in enumerate(texts, 1)]
    return {"id": str(time.time_ns()), "flags": 0, "descriptions": numbered}


def _sentence(status: int, message: str) -> web.Response:
    return web.json_response({"message": message}, status=status)


def answer(
    status: int,
    body: bytes | str = b"",
    content_type: str = "application/json",
    headers: dict[str, str] | None = None,
) -> Behaviour:
    """Answer exactly this."""

    async def behave(_: web.Request) -> web.Response:
        raw = body.encode() if isinstance(body, str) else body
        return web.Response(status=status, body=raw, content_type=content_type, headers=headers)

    return behave


def html() -> Behaviour:
    """Answer 502 with a proxy's HTML page."""
    return answer(502, "<html><h1>502 Bad Gateway</h1></html>", "text/html")


def redirect(url: str) -> Behaviour:
    """Answer 302 to ``url``."""
    return answer(302, headers={"Location": url})


def reset_before() -> Behaviour:
    """Cut the connection without a byte of an answer."""

    async def behave(request: web.Request) -> web.Response:
        _cut(request)
        return web.Response()

    return behave


def reset_during() -> Behaviour:
    """Cut the connection after the headers and half of the body."""

    async def behave(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.content_length = 2000
        await response.prepare(request)
        await response.write(b'{"content": "' + b"x" * 1000)
        await asyncio.sleep(0.05)
        _cut(request)
        return response

    return behave


def _cut(request: web.Request) -> None:
    if request.transport:
        request.transport.abort()


def hang() -> Behaviour:
    """Never answer; ends when the client goes away."""

    async def behave(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    return behave


def truncated_json() -> Behaviour:
    """Answer 200 with the first half of the normal JSON."""
    return _marking(TRUNCATE, True)


def change(**fields: Any) -> Behaviour:
    """Answer normally with some fields replaced, or left out where the value is ``None``."""
    return _marking(CHANGE, fields)


def _marking(key: web.RequestKey[Any], value: Any) -> Behaviour:
    async def behave(request: web.Request) -> None:
        request[key] = value

    return behave


def stream(megabytes: int, content_type: str = "image/png") -> Behaviour:
    """Stream so many MiB without saying how long it will be."""

    async def behave(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": content_type})
        await response.prepare(request)
        for _ in range(megabytes):
            await response.write(bytes(2**20))
        await response.write_eof()
        return response

    return behave
