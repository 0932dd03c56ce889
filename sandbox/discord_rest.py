"""Discord's REST routes and its attachment host, as far as bots of this kind use them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from sandbox.discord_model import (
    EPHEMERAL,
    LOADING,
    MANAGE_MESSAGES,
    ApiError,
    Fault,
    Interaction,
    Json,
    Message,
    Request,
    Upload,
)
from sandbox.discord_rules import check_commands
from sandbox.discord_state import DiscordState

ANSWER_WITHIN, TOKEN_LIFE = 3.0, 15 * 60.0  # seconds
Files = dict[int, Upload]
Route = Callable[[web.Request, Json, Files], Any]
RECORD = web.RequestKey("record", Request)
FILES = web.RequestKey("files", dict[int, Upload])


def _answer(status: int, body: Any, headers: dict[str, str] | None = None) -> web.Response:
    if status == 204:
        return web.Response(status=204)
    raw = json.dumps(body).encode()
    return web.Response(status=status, body=raw, content_type="application/json", headers=headers)


def _broken(fault: Fault) -> web.Response:
    if fault.retry_after is None:
        return _answer(fault.status, {"message": fault.message, "code": fault.code})
    after = str(fault.retry_after)
    headers = {"Via": "1.1 google", "Retry-After": after, "X-RateLimit-Reset-After": after}
    if fault.everywhere:
        headers["X-RateLimit-Global"] = "true"
    else:
        headers |= {"X-RateLimit-Limit": "5", "X-RateLimit-Remaining": "0"}
    message = "You are being rate limited."
    body = {"message": message, "retry_after": fault.retry_after, "global": fault.everywhere}
    return _answer(429, body, headers)


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
                record.json = json.loads(str(part))
    return files


class DiscordRest:
    """The handlers; every one works on the given state."""

    def __init__(self, state: DiscordState) -> None:
        self.state = state

    def app(self) -> web.Application:
        """Return the application that serves ``/api/v10``."""
        app = web.Application(client_max_size=2**28, middlewares=[self._around])
        api = "/api/v10"
        routes: dict[str, Route] = {
            "GET /users/@me": self.me,
            "GET /users/{user}": self.get_user,
            "POST /users/@me/channels": self.open_direct,
            "GET /oauth2/applications/@me": self.application,
            "GET /applications/@me": self.application,
            "GET /gateway/bot": self.gateway,
            "GET /applications/{app}/commands": self.get_commands,
            "PUT /applications/{app}/commands": self.put_commands,
            "POST /interactions/{id}/{token}/callback": self.callback,
            "POST /webhooks/{app}/{token}": self.follow_up,
            "GET /webhooks/{app}/{token}/messages/{message}": self.get_answer,
            "PATCH /webhooks/{app}/{token}/messages/{message}": self.edit_answer,
            "DELETE /webhooks/{app}/{token}/messages/{message}": self.delete_answer,
            "GET /channels/{channel}": self.channel,
            "GET /channels/{channel}/messages": self.history,
            "POST /channels/{channel}/messages": self.post,
            "GET /channels/{channel}/messages/{message}": self.get_message,
            "PATCH /channels/{channel}/messages/{message}": self.edit,
            "DELETE /channels/{channel}/messages/{message}": self.delete,
        }
        for key, route in routes.items():
            method, path = key.split()
            app.router.add_route(method, api + path, self._handler(route))
        return app

    def _handler(self, route: Route) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            record = request[RECORD]
            found = route(request, record.json or {}, request[FILES])
            return _answer(204 if found is None else 200, found)

        return handle

    @web.middleware
    async def _around(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Record the request, meet the faults, check the token, turn errors into JSON."""
        record = Request(request.method, request.path.removeprefix("/api/v10"), at=self.state.now())
        if record.path == "/gateway":
            return await handler(request)
        self.state.requests.append(record)
        request[RECORD] = record
        request[FILES] = await _read(request, record)
        fault = next((f for hook in self.state.faults if (f := hook(record))), Fault())
        await asyncio.sleep(fault.delay)
        if fault.drop == "before":
            return self._cut(request)
        if fault.status != 200 or fault.retry_after is not None:
            response = _broken(fault)
            record.status = response.status
            return response
        try:
            open_to_all = record.path.startswith(("/interactions/", "/webhooks/"))
            given = request.headers.get("Authorization")
            if not open_to_all and given != f"Bot {self.state.token}":
                raise ApiError(401, 0, "401: Unauthorized")
            response = await handler(request)
        except ApiError as error:
            response = _answer(error.status, error.body)
        except web.HTTPException as error:
            response = _answer(error.status, {"message": f"{error.status}: {error.reason}"})
        self.state.signal.notify()
        if fault.drop == "after":
            return self._cut(request)
        record.status = response.status
        return response

    @staticmethod
    def _cut(request: web.Request) -> web.Response:
        if request.transport:
            request.transport.abort()
        return web.Response()

    def me(self, *_: object) -> Json:
        return self.state.bot.payload()

    def application(self, *_: object) -> Json:
        name = {"name": self.state.bot.name, "description": "", "icon": None, "flags": 0}
        flags = {"bot_public": True, "bot_require_code_grant": False, "verify_key": "0" * 64}
        owner = {"owner": self.state.moderator.payload(), "team": None}
        return {"id": str(self.state.application_id), **name, **flags, **owner}

    def gateway(self, request: web.Request, *_: object) -> Json:
        limit = {"total": 1000, "remaining": 999, "reset_after": 0, "max_concurrency": 16}
        address = f"ws://{request.host}/gateway"
        return {"url": address, "shards": self.state.shards, "session_start_limit": limit}

    def get_user(self, request: web.Request, *_: object) -> Json:
        if (user := self.state.users.get(_id(request, "user"))) is None:
            raise ApiError(404, 10013, "Unknown User")
        return user.payload()

    def open_direct(self, _: web.Request, data: Json, __: object) -> Json:
        if int(data["recipient_id"]) not in self.state.users:
            raise ApiError(400, 50033, "Invalid Recipient(s)")
        return self.state.channel_payload(self.state.direct_channel(int(data["recipient_id"])))

    def get_commands(self, *_: object) -> list[Json]:
        return self.state.commands

    def put_commands(self, request: web.Request, *_: object) -> list[Json]:
        commands: list[Json] = request[RECORD].json
        check_commands(commands)
        known = {(c["name"], c["type"]): c["id"] for c in self.state.commands}
        application = str(self.state.application_id)
        self.state.commands = []
        for command in commands:
            made: Json = {"type": 1, "description": "", "options": [], "nsfw": False}
            made |= {"default_member_permissions": None, "dm_permission": True, "contexts": None}
            made |= {"integration_types": [0], "application_id": application} | command
            made["version"] = str(self.state.new_id())
            made["id"] = known.get((made["name"], made["type"])) or str(self.state.new_id())
            self.state.commands.append(made)
        self.state.command_puts += 1
        return self.state.commands

    def callback(self, request: web.Request, data: Json, files: Files) -> Json | None:
        state = self.state
        found = state.interactions.get(_id(request, "id"))
        late = found is not None and state.now() - found.created > ANSWER_WITHIN
        if found is None or found.token != request.match_info["token"] or late:
            raise ApiError(404, 10062, "Unknown interaction")
        if found.answer is not None:
            raise ApiError(400, 40060, "Interaction has already been acknowledged.")
        kind, body = data["type"], dict(data.get("data") or {})
        found.ephemeral = bool(body.get("flags", 0) & EPHEMERAL)
        if kind in (4, 5):
            found.message = state.post(
                found.channel_id, body | {"loading": kind == 5}, files, found
            )
            if found.type == 2:
                found.message.type = 20
        elif kind in (6, 7) and found.source:
            if kind == 7:
                state.write(found.source, body, files)
            found.message, found.ephemeral = found.source, found.source.ephemeral
        elif kind not in (8, 9):
            raise ApiError(400, 50035, f"Invalid Form Body: type {kind}")
        found.latency = state.now() - found.created
        found.answer = data
        if request.query.get("with_response", "").lower() not in {"true", "1"}:
            return None
        about: Json = {"id": str(found.id), "type": found.type}
        resource: Json = {"type": kind}
        if found.message:
            about["response_message_id"] = str(found.message.id)
            about["response_message_loading"] = bool(found.message.flags & LOADING)
            about["response_message_ephemeral"] = found.ephemeral
            if kind != 6:
                resource["message"] = found.message.payload
        return {"interaction": about, "resource": resource}

    def _by_token(self, request: web.Request) -> Interaction:
        token = request.match_info["token"]
        found = next((i for i in self.state.interactions.values() if i.token == token), None)
        if found and self.state.now() - found.created > TOKEN_LIFE:
            raise ApiError(401, 50027, "Invalid Webhook Token")
        if not found or found.answer is None or _id(request, "app") != self.state.application_id:
            raise ApiError(404, 10015, "Unknown Webhook")
        return found

    def _answer_of(self, request: web.Request) -> Message:
        found = self._by_token(request)
        key = request.match_info["message"]
        mine = [m for m in (found.message, found.source, *found.followups) if m and not m.deleted]
        wanted = found.message.id if key == "@original" and found.message else key
        for message in mine:
            if str(message.id) == str(wanted):
                return message
        raise ApiError(404, 10008, "Unknown Message")

    def follow_up(self, request: web.Request, data: Json, files: Files) -> Json:
        found = self._by_token(request)
        if (first := found.message) and first.flags & LOADING and not first.deleted:
            body = {key: value for key, value in data.items() if key != "flags"}
            body["flags"] = data.get("flags", 0) & ~EPHEMERAL
            self.state.write(first, body, files)
            return first.payload
        message = self.state.post(found.channel_id, data, files, found)
        found.followups.append(message)
        return message.payload

    def get_answer(self, request: web.Request, *_: object) -> Json:
        return self._answer_of(request).payload

    def edit_answer(self, request: web.Request, data: Json, files: Files) -> Json:
        message = self._answer_of(request)
        self.state.write(message, data, files)
        return message.payload

    def delete_answer(self, request: web.Request, *_: object) -> None:
        self.state.remove(self._answer_of(request))

    def _message(self, request: web.Request) -> Message:
        channel_id = _id(request, "channel")
        self.state.channel_payload(channel_id)
        found = self.state.messages.get(_id(request, "message"))
        if not found or found.channel_id != channel_id or found.ephemeral:
            raise ApiError(404, 10008, "Unknown Message")
        return found

    def channel(self, request: web.Request, *_: object) -> Json:
        return self.state.channel_payload(_id(request, "channel"))

    def get_message(self, request: web.Request, *_: object) -> Json:
        return self._message(request).payload

    def history(self, request: web.Request, *_: object) -> list[Json]:
        channel_id = _id(request, "channel")
        self.state.channel_payload(channel_id)
        limit = int(request.query.get("limit", 50))
        low, high = int(request.query.get("after", 0)), int(request.query.get("before", 2**63))
        found = [
            m.payload
            for key, m in sorted(self.state.messages.items())
            if m.channel_id == channel_id and not m.ephemeral and low < key < high
        ]
        if around := request.query.get("around"):
            found.sort(key=lambda m: abs(int(m["id"]) - int(around)))
            found = found[:limit]
        chosen = found[:limit] if low else found[-limit:]
        return sorted(chosen, key=lambda m: -int(m["id"]))

    def post(self, request: web.Request, data: Json, files: Files) -> Json:
        return self.state.post(_id(request, "channel"), data, files).payload

    def edit(self, request: web.Request, data: Json, files: Files) -> Json:
        message = self._message(request)
        if message.author != self.state.bot:
            raise ApiError(403, 50005, "Cannot edit a message authored by another user")
        self.state.write(message, data, files)
        return message.payload

    def delete(self, request: web.Request, *_: object) -> None:
        message = self._message(request)
        if message.author != self.state.bot and not self.state.app_permissions & MANAGE_MESSAGES:
            raise ApiError(403, 50013, "Missing Permissions")
        self.state.remove(message)

    def cdn(self) -> web.Application:
        """Return the application that serves attachments."""
        app = web.Application()
        app.router.add_get("/{folder}/{owner}/{id}/{name}", self._file)
        return app

    async def _file(self, request: web.Request) -> web.Response:
        self.state.cdn_requests.append(request.path_qs)
        attachment = self.state.stored.get(_id(request, "id"))
        ex, since, hm = (request.query.get(key, "") for key in ("ex", "is", "hm"))
        live = attachment and self.state.link_holds(attachment, ex, since, hm)
        if not attachment or not live or request.match_info["name"] != attachment.filename:
            return web.Response(status=404, text="This content is no longer available.")
        return web.Response(body=attachment.data, content_type=attachment.content_type)


def _id(request: web.Request, name: str) -> int:
    value = request.match_info[name]
    if not value.isdigit():
        raise ApiError(400, 50035, f"Invalid Form Body: {value!r} is not snowflake.")
    return int(value)
