"""``PageServer``: a Discord channel in the browser, with the real bot behind it."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import sqlite3
import tempfile
from collections.abc import Coroutine
from contextlib import AsyncExitStack, closing, suppress
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from sandbox import genart_api
from sandbox.bot_process import BotProcess, environment
from sandbox.discord_model import (
    LOADING,
    ApiError,
    Fault,
    Interaction,
    Json,
    Message,
    Request,
    Upload,
    User,
)
from sandbox.discord_rest import ANSWER_WITHIN
from sandbox.genart_api import LoopbackGenArt
from sandbox.loopback_discord import LoopbackDiscord
from sandbox.markdown import to_html
from sandbox.pictures import draw
from sandbox.serving import serve

FILES = Path(__file__).with_name("page")
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
SHOWN = 60  # messages, and rows of each table
SLOW = 20.0  # seconds
SIGNATURE = re.compile(r"\?ex=[^\"]*")
API_FAULTS: dict[str, genart_api.Behaviour | None] = {
    "normal": None,
    "slow": None,
    "400": genart_api.answer(400, '{"message": "Banned prompt detected"}'),
    "401": genart_api.answer(401, '{"message": "The API key is incorrect or expired"}'),
    "500": genart_api.answer(500, '{"message": "Internal server error"}'),
    "never answers": genart_api.hang(),
    "garbage": genart_api.truncated_json(),
}
LIMITED = Fault(retry_after=1.0)
DISCORD_FAULTS = {
    "normal": None,
    "rate limited": LIMITED,
    "interaction tokens expired": Fault(401, 50027, "Invalid Webhook Token"),
    "answers too late": Fault(404, 10062, "Unknown interaction"),
    "posting forbidden": Fault(403, 50013, "Missing Permissions"),
    "errors": Fault(503, 0, "Service Unavailable"),
}
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
    """

    def __init__(
        self, port: int = 0, *, delay: float = 6.0, tile: int = 768, **settings: str
    ) -> None:
        self.delay, self._port = delay, port
        self._settings = {"GENART_TIMEOUT": "30", **settings}
        self.discord = LoopbackDiscord()
        self.genart = LoopbackGenArt(delay=delay, tile=tile)
        self.api_fault = self.discord_fault = "normal"
        self.problem = ""
        self.ledger: Json = {"generations": [], "clicks": []}
        self._dismissed: set[int] = set()
        self._every = itertools.count()
        self._stack = AsyncExitStack()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        try:
            await self._open()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def _open(self) -> None:
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="vary-sandbox-"))
        self.database = Path(folder) / "vary.db"
        await self._stack.enter_async_context(self.discord)
        await self._stack.enter_async_context(self.genart)
        self.discord.faults.append(self._fault)
        given = environment(self.discord, self.genart, self.database, **self._settings)
        self.bot = BotProcess(self.discord, given)
        self._stack.push_async_callback(self.bot.end)
        self._stack.callback(lambda: [task.cancel() for task in self._tasks])
        app = web.Application(client_max_size=2**26)
        app.router.add_get("/events", self._events)
        app.router.add_post("/do/{action}", self._do)
        app.router.add_get("/sample.png", self._sample)
        app.router.add_get("/{name:|app.js|style.css}", self._file)
        app.on_response_prepare.append(self._headers)
        self.host = await serve(self._stack, app, self._port, cancel=True)
        self.address = f"http://{self.host}/"
        self._begin(self._start())
        self._begin(self._watch_ledger())

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

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
        viewer = self._user(request.query["user"])
        locale = request.query.get("locale", "en-US")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        sent: dict[str, str] = {}
        signal = self.discord.signal
        with suppress(ConnectionError):
            while True:
                count = signal.count
                parts = self._parts(viewer, locale)
                now = {key: json.dumps(part) for key, part in parts.items()}
                same = {key: SIGNATURE.sub("", text) for key, text in now.items()}
                changed = {key: parts[key] for key in now if sent.get(key) != same[key]}
                changed |= dict.fromkeys(sent.keys() - now.keys())
                if changed:
                    await response.write(f"data: {json.dumps(changed)}\n\n".encode())
                sent = same
                with suppress(TimeoutError):
                    await signal.until(lambda seen=count: signal.count != seen, 0.5)
        return response

    def _parts(self, viewer: User, locale: str) -> Json:
        """Return everything that a viewer sees, in parts; a message's key is m and its id."""
        discord = self.discord
        direct = discord.direct_channel(viewer.id)
        channels: list[Json] = [
            {"id": str(key), "name": discord.channel_payload(key)["name"], "direct": False}
            for key, guild_id in discord.channels.items()
            if guild_id == discord.guild_id
        ]
        channels.append({"id": str(direct), "name": "Vary", "direct": True})
        people = [{"id": str(u.id), "name": u.name.title()} for u in self._people()]
        ids = {int(channel["id"]) for channel in channels}
        latest = sorted(discord.messages.items())[-SHOWN:]
        seen = [m for _, m in latest if m.channel_id in ids and self._visible(m, viewer)]
        waiting = [
            i
            for i in list(discord.interactions.values())[-SHOWN:]
            if i.user == viewer and i.answer is None and i.id not in self._dismissed
        ]
        names: dict[str, str] = {person["id"]: person["name"] for person in people}
        names |= {str(discord.bot.id): "Vary"} | {c["id"]: c["name"] for c in channels}
        return {
            "channels": channels,
            "people": people,
            "commands": self._commands(viewer, locale),
            "bot": self._bot(),
            "faults": {
                "api": [list(API_FAULTS), self.api_fault],
                "discord": [list(DISCORD_FAULTS), self.discord_fault],
                "ahead": round(discord.ahead),
            },
            "ledger": self.ledger | {"names": names},
            "log": self.bot.log.splitlines()[-80:],
            **{f"m{m.id}": self._message(m, viewer, waiting, names) for m in seen},
            **{f"m{i.id}": self._unanswered(i) for i in waiting if i.type == 2},
        }

    def _people(self) -> list[User]:
        return [self.discord.alice, self.discord.bob, self.discord.moderator]

    def _user(self, key: str) -> User:
        for user in self._people():
            if key == str(user.id) or key == user.name:
                return user
        raise web.HTTPBadRequest(text="There is no such user.")

    def _visible(self, message: Message, viewer: User) -> bool:
        if message.id in self._dismissed:
            return False
        return not message.ephemeral or (
            message.interaction is not None and message.interaction.user == viewer
        )

    def _bot(self) -> Json:
        try:
            running = self.bot.returncode is None
            status = "starting" if not self.discord.gateway.connected else "online"
            return {"status": status if running else "stopped", "problem": self.problem}
        except RuntimeError:
            return {"status": "starting", "problem": self.problem}

    def _commands(self, viewer: User, locale: str) -> list[Json]:
        """Return the chat commands that a viewer is shown, subcommands by their full names."""
        found: list[Json] = []

        def add(command: Json, prefix: str, direct: bool) -> None:
            options: list[Json] = command.get("options") or []
            name = f"{prefix}{command['name']}"
            if options and options[0]["type"] in (1, 2):
                for child in options:
                    add(child, name + " ", direct)
                return
            said: dict[str, str] = command.get("description_localizations") or {}
            description = said.get(locale, command["description"])
            found.append(
                {"name": name, "description": description, "options": options, "direct": direct}
            )

        for command in self.discord.commands:
            needed = command["default_member_permissions"]
            allowed = needed is None or viewer.permissions & int(needed)
            if command["type"] == 1 and allowed:
                contexts: list[int] | None = command["contexts"]
                direct = command["dm_permission"] if contexts is None else 1 in contexts
                add(command, "", direct)
        return found

    def _late(self, interaction: Interaction) -> bool:
        return self.discord.now() - interaction.created > ANSWER_WITHIN

    def _unanswered(self, interaction: Interaction) -> Json:
        return {
            "id": str(interaction.id),
            "channel": str(interaction.channel_id),
            "time": interaction.created,
            "ephemeral": True,
            "pending": "failed" if self._late(interaction) else "sending",
            "used": {"user": interaction.user.name.title(), "name": interaction.name},
        }

    def _message(
        self, message: Message, viewer: User, waiting: list[Interaction], names: dict[str, str]
    ) -> Json:
        payload = message.payload
        found: Json = {
            "id": str(message.id),
            "channel": str(message.channel_id),
            "time": message.created,
            "edited": message.edited is not None,
            "ephemeral": message.ephemeral,
            "loading": bool(message.flags & LOADING),
            "pinged": str(viewer.id) in message.pings,
            "html": to_html(message.content, names),
            "components": [self._component(c, names) for c in payload["components"]],
            "embeds": message.embeds,
            "attachments": [] if message.flags >> 15 & 1 else payload["attachments"],
        }
        if message.type == 20 and message.interaction:
            user = message.interaction.user.name.title()
            found["used"] = {"user": user, "name": message.interaction.name}
        if message.reply_to:
            found["reply"] = self._reply(message.reply_to, names)
        pressed = [i for i in waiting if i.source is message]
        if pressed:
            found["notice"] = "failed" if self._late(pressed[-1]) else "sending"
        return found

    def _reply(self, message_id: int, names: dict[str, str]) -> Json:
        message = self.discord.messages.get(message_id)
        if message is None:
            return {"id": "", "html": "<p><em>Original message was deleted</em></p>"}
        text = self.discord.text_of(message).split("\n")[0]
        return {"id": str(message_id), "html": to_html(text, names)}

    def _component(self, component: Json, names: dict[str, str]) -> Json:
        found = dict(component)
        if found["type"] == 10:
            found["html"] = to_html(found.pop("content"), names)
        if "components" in found:
            found["components"] = [self._component(c, names) for c in found["components"]]
        if "accessory" in found:
            found["accessory"] = self._component(found["accessory"], names)
        return found

    async def _do(self, request: web.Request) -> web.Response:
        """Carry out what somebody did on the page, and on no other site's page."""
        origin = request.headers.get("Origin")
        if origin is not None and origin != f"http://{request.host}":
            raise web.HTTPForbidden(text="Only the sandbox's own page may do that.")
        action = getattr(self, "_on_" + request.match_info["action"], None)
        if action is None:
            raise web.HTTPNotFound
        form = await request.post()
        body: Json = json.loads(str(form["body"]))
        uploads = {
            name: Upload(part.filename, part.file.read(), part.content_type)
            for name, part in form.items()
            if isinstance(part, web.FileField)
        }
        try:
            await action(body, uploads)
        except (ValueError, LookupError, PermissionError, TimeoutError, ApiError) as error:
            words = str(error) or "The bot has registered no commands."
            return web.json_response({"error": words}, status=400)
        self.discord.signal.notify()
        return web.json_response({})

    async def _on_slash(self, body: Json, uploads: dict[str, Upload]) -> None:
        user = self._user(body["user"])
        options: Json = {**body["options"], **uploads}
        for name in body["people"]:
            options[name] = self._user(options[name])
        channel_id = int(body["channel"])
        await self.discord.slash(
            user,
            body["name"],
            options,
            channel_id=channel_id,
            guild_id=self.discord.channels[channel_id],
            locale=body["locale"],
        )

    async def _on_press(self, body: Json, _: object) -> None:
        message = self.discord.messages[int(body["message"])]
        user, locale = self._user(body["user"]), {"locale": body["locale"]}
        for waiting in list(self.discord.interactions.values()):
            if waiting.source is message and waiting.user == user:
                self._dismissed.add(waiting.id)
        await self.discord.press(user, message, custom_id=body["custom_id"], overrides=locale)

    async def _on_dismiss(self, body: Json, _: object) -> None:
        self._dismissed.add(int(body["message"]))

    async def _on_api(self, body: Json, _: object) -> None:
        self.genart.default = API_FAULTS[body["fault"]]
        self.genart.delay = SLOW if body["fault"] == "slow" else self.delay
        self.api_fault = body["fault"]

    async def _on_discord(self, body: Json, _: object) -> None:
        self.discord_fault = body["fault"] if body["fault"] in DISCORD_FAULTS else "normal"

    def _fault(self, request: Request) -> Fault | None:
        """Let a request of the bot's meet what the side panel says."""
        fault = DISCORD_FAULTS[self.discord_fault]
        messages = request.path.startswith("/channels/")
        answers = request.path.startswith("/interactions/")
        meets = {
            "rate limited": messages and next(self._every) % 2 == 0,
            "interaction tokens expired": request.path.startswith("/webhooks/"),
            "answers too late": answers,
            "posting forbidden": messages and request.method == "POST",
            "errors": messages,
        }
        return fault if meets.get(self.discord_fault) else None

    async def _on_gateway(self, body: Json, _: object) -> None:
        await self.discord.drop_gateway()

    async def _on_time(self, body: Json, _: object) -> None:
        self.discord.advance(float(body["seconds"]))

    async def _on_uploads(self, body: Json, _: object) -> None:
        self.discord.drop_uploads()

    async def _on_bot(self, body: Json, _: object) -> None:
        running = self._bot()["status"] != "stopped"
        match body["do"]:
            case "kill" if running:
                await self.bot.kill()
            case "restart":
                self._begin(self._restart(running))
            case "start" if not running:
                self._begin(self._start())
            case _:
                pass

    async def _restart(self, running: bool) -> None:
        if running:
            await self.bot.stop()
        await self._start()

    async def _start(self) -> None:
        self.problem = ""
        try:
            await self.bot.start()
        except RuntimeError as error:
            self.problem = str(error).splitlines()[0]
        self.discord.signal.notify()

    async def _watch_ledger(self) -> None:
        while True:
            with suppress(sqlite3.Error):
                found = await asyncio.to_thread(self._read_ledger)
                if found != self.ledger:
                    self.ledger = found
                    self.discord.signal.notify()
            await asyncio.sleep(0.3)

    def _read_ledger(self) -> Json:
        """Read the bot's own file, read-only. Ids as strings: they are too large for JavaScript."""
        queries = {
            "generations": "SELECT id, parent_id, user_id, kind, state, prompt, created_at, error "
            "FROM generations ORDER BY created_at DESC LIMIT ?",
            "clicks": "SELECT user_id, label, outcome, clicked_at, generation_id FROM clicks "
            "ORDER BY clicked_at DESC LIMIT ?",
        }
        uri = f"file:{self.database}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=1)) as connection:
            connection.row_factory = sqlite3.Row
            return {
                table: [
                    {key: None if row[key] is None else str(row[key]) for key in row.keys()}  # noqa: SIM118
                    for row in connection.execute(query, (SHOWN,))
                ]
                for table, query in queries.items()
            }
