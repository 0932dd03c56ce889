"""Serving Discord's REST API: reading requests, faults, rate limits, errors as JSON."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from sandbox.discord.answers import AnswerRoutes
from sandbox.discord.application import ApplicationRoutes
from sandbox.discord.channels import ChannelRoutes
from sandbox.discord.http import ApiError, Fault, Request
from sandbox.discord.messages import MessageState
from sandbox.discord.model import Upload
from sandbox.discord.rates import RateLimits, Verdict
from sandbox.discord.routes import Files, Route

API = "/api/v10"
LONG_WAIT = 60.0  # seconds: what a 429 says unless a fault says otherwise
RECORD = web.RequestKey("record", Request)
FILES = web.RequestKey("files", dict[int, Upload])


def _answer(status: int, body: Any, headers: dict[str, str] | None = None) -> web.Response:
    if status == 204:
        return web.Response(status=204)
    raw = json.dumps(body).encode()
    return web.Response(status=status, body=raw, content_type="application/json", headers=headers)


def _broken(fault: Fault) -> web.Response:
    if fault.retry_after is None and fault.status != 429:
        return _answer(fault.status, {"message": fault.message, "code": fault.code})
    wait = LONG_WAIT if fault.retry_after is None else fault.retry_after
    after = str(wait)
    headers = {"Via": "1.1 google", "Retry-After": after, "X-RateLimit-Reset-After": after}
    if fault.everywhere:
        headers |= {"X-RateLimit-Global": "true", "X-RateLimit-Scope": "global"}
    else:
        scope = "shared" if fault.code else "user"
        headers |= {"X-RateLimit-Limit": "5", "X-RateLimit-Remaining": "0"}
        headers["X-RateLimit-Scope"] = scope
    message = fault.message if fault.code else "You are being rate limited."
    body = {"message": message, "retry_after": wait, "global": fault.everywhere}
    return _answer(429, body | ({"code": fault.code} if fault.code else {}), headers)


def _limited(verdict: Verdict) -> web.Response:
    message = "You are being rate limited."
    body = {"message": message, "retry_after": verdict.retry_after, "global": verdict.everywhere}
    return _answer(429, body, verdict.headers | {"Via": "1.1 google"})


async def _read(request: web.Request, record: Request) -> Files:
    files: Files = {}
    if request.content_type == "application/json" and request.can_read_body:
        record.json = await request.json()
    elif request.content_type == "multipart/form-data":
        for name, part in (await request.post()).items():
            if isinstance(part, web.FileField):
                with part.file as file:
                    upload = Upload(part.filename, file.read(), part.content_type)
                record.files.append((upload.filename, upload.data, upload.content_type))
                files[int(name.removeprefix("files[").removesuffix("]"))] = upload
            elif name == "payload_json":
                # Some clients give this part a content type, and then it is bytes.
                record.json = json.loads(part)
    return files


class DiscordRest:
    """Serves every route on the given state.

    ``rate_limits``: whether requests are counted, and refused where there are too many.
    """

    def __init__(self, state: MessageState, *, rate_limits: bool) -> None:
        self.state = state
        self.rates = RateLimits(state.now) if rate_limits else None

    def app(self) -> web.Application:
        """Return the application that serves ``/api/v10``."""
        app = web.Application(client_max_size=2**28, middlewares=[self._around])
        for part in (ApplicationRoutes, AnswerRoutes, ChannelRoutes):
            for key, route in part(self.state).routes().items():
                method, path = key.split()
                app.router.add_route(method, API + path, self._handler(key, route))
        return app

    def _handler(self, key: str, route: Route) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            record = request[RECORD]
            verdict = self._count(key, request)
            if verdict.retry_after is not None:
                return _limited(verdict)
            try:
                found = route(request, {} if record.json is None else record.json, request[FILES])
                answer = _answer(204 if found is None else 200, found)
            except ApiError as error:
                answer = _answer(error.status, error.body)
                if (wait := error.body.get("retry_after")) is not None:
                    answer.headers["Via"] = "1.1 google"
                    answer.headers["Retry-After"] = str(wait)
                    answer.headers["X-RateLimit-Scope"] = "shared"
            answer.headers.update(verdict.headers)
            return answer

        return handle

    def _count(self, key: str, request: web.Request) -> Verdict:
        """Count a request. Answers to interactions are outside the token's own limit."""
        if self.rates is None:
            return Verdict({})
        given = request.match_info
        resource = given.get("channel") or given.get("token") or ""
        return self.rates.take(key, resource, by_token="token" not in given)

    @web.middleware
    async def _around(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Record the request, meet the faults, check the token, turn errors into JSON."""
        record = Request(request.method, request.path.removeprefix(API), at=self.state.now())
        # A link of an earlier loopback may lead here, where its port is this one's now.
        if not request.path.startswith(API) or record.path in ("/gateway", "/gateway/"):
            return await handler(request)
        self.state.requests.append(record)
        request[RECORD] = record
        request[FILES] = await _read(request, record)
        fault = next((f for hook in self.state.faults if (f := hook(record))), Fault())
        await asyncio.sleep(fault.delay)
        if fault.drop == "before":
            return self._cut(request)
        broken = fault.status != 200 or fault.retry_after is not None
        if broken and not fault.carried_out:
            return self._note(record, _broken(fault))
        try:
            open_to_all = record.path.startswith(("/interactions/", "/webhooks/"))
            given = request.headers.get("Authorization")
            if not open_to_all and given != f"Bot {self.state.token}":
                raise ApiError(401, 0, "401: Unauthorized")
            response = await handler(request)
        except ApiError as error:
            response = _answer(error.status, error.body)
        except web.HTTPException as error:
            message = f"{error.status}: {error.reason}"
            response = _answer(error.status, {"message": message, "code": 0})
        self.state.signal.notify()
        if fault.drop == "after":
            return self._cut(request)
        return self._note(record, _broken(fault) if broken else response)

    @staticmethod
    def _note(record: Request, response: web.StreamResponse) -> web.StreamResponse:
        record.status = response.status
        if isinstance(response, web.Response) and isinstance(response.body, bytes):
            record.answer = response.body
        return response

    @staticmethod
    def _cut(request: web.Request) -> web.Response:
        if request.transport:
            request.transport.abort()
        return web.Response()
