"""What a viewer does on the page: one route for each action."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, cast

from aiohttp import web

from sandbox.discord import ApiError, Json, Upload
from sandbox.discord.permissions import MANAGE_MESSAGES
from sandbox.page.view import field_types
from sandbox.page.world import DISCORD_FAULTS, World

Uploads = dict[str, Upload]
Action = Callable[[World, Json, Uploads], Awaitable[None]]
# Options and menus whose values are ids of users, channels, roles or what can be mentioned.
OPTION_ENTITIES, SELECT_ENTITIES = {6, 7, 8, 9}, {5, 6, 7, 8}


def add_actions(app: web.Application, world: World) -> None:
    """Add ``POST /do/<action>`` for every action."""
    used = (slash, menu, press, select, submit, say, delete, dismiss)
    set_up = (role, install, server, api, discord, gateway, time, uploads, bot)
    for action in used + set_up:
        app.router.add_post(f"/do/{action.__name__}", _handler(world, action))


def _handler(world: World, action: Action) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        """Carry out what somebody did on the page, and on no other site's page."""
        origin = request.headers.get("Origin")
        if origin is not None and origin != f"http://{request.host}":
            raise web.HTTPForbidden(text="Only the sandbox's own page may do that.")
        form = await request.post()
        body: Json = json.loads(str(form["body"]))
        files = {
            name: Upload(part.filename, part.file.read(), part.content_type)
            for name, part in form.items()
            if isinstance(part, web.FileField)
        }
        try:
            await action(world, body, files)
        except (ValueError, LookupError, PermissionError, TimeoutError, ApiError) as error:
            words = str(error.args[0]) if error.args else "The bot has registered no such command."
            return web.json_response({"error": words}, status=400)
        world.discord.signal.notify()
        return web.json_response({})

    return handle


def _retry(world: World, user: Any, message: Any) -> None:
    """Hide what failed before on a message that is used again."""
    for waiting in list(world.discord.interactions.values()):
        if waiting.source is message and waiting.user == user and waiting.answer is None:
            world.dismissed.add(waiting.id)


async def slash(world: World, body: Json, files: Uploads) -> None:
    """Send a command."""
    path: list[str] = body["name"].split()
    declared = next((c for c in world.discord.commands if c["name"] == path[0]), None)
    for word in path[1:]:
        declared = next((o for o in (declared or {}).get("options", []) if o["name"] == word), None)
    kinds = {o["name"]: o["type"] for o in (declared or {}).get("options", [])}
    options: Json = {**body["options"], **files}
    for name, value in options.items():
        if kinds.get(name) in OPTION_ENTITIES:
            options[name] = world.entity(value)
    await world.discord.slash(
        world.user(body["user"]),
        body["name"],
        options,
        channel_id=int(body["channel"]),
        locale=body["locale"],
    )


async def menu(world: World, body: Json, _: Uploads) -> None:
    """Choose an entry of the Apps menu of a message, or of a user."""
    found: Any = world.discord.messages.get(int(body["target"]))
    target = found or world.discord.users[int(body["target"])]
    await world.discord.menu(
        world.user(body["user"]),
        body["name"],
        target,
        channel_id=int(body["channel"]),
        overrides={"locale": body["locale"]},
    )


async def press(world: World, body: Json, _: Uploads) -> None:
    """Press a button; what failed before on that message is no longer shown."""
    message = world.discord.messages[int(body["message"])]
    user, locale = world.user(body["user"]), {"locale": body["locale"]}
    _retry(world, user, message)
    await world.discord.press(user, message, custom_id=body["custom_id"], overrides=locale)


async def select(world: World, body: Json, _: Uploads) -> None:
    """Choose in a menu of a message."""
    message = world.discord.messages[int(body["message"])]
    user, locale = world.user(body["user"]), {"locale": body["locale"]}
    kind = field_types(message.components).get(body["custom_id"], 3)
    values = [world.entity(v) if kind in SELECT_ENTITIES else v for v in body["values"]]
    _retry(world, user, message)
    await world.discord.select(user, message, values, custom_id=body["custom_id"], overrides=locale)


async def submit(world: World, body: Json, files: Uploads) -> None:
    """Send a modal; files are named ``<custom_id>:<number>``."""
    opened = world.discord.interactions[int(body["modal"])]
    kinds = field_types(opened.modal["components"] if opened.modal else [])
    values: Json = dict(body["values"])
    for name, kind in kinds.items():
        if kind in SELECT_ENTITIES and name in values:
            values[name] = [world.entity(value) for value in cast("list[str]", values[name])]
    for key, upload in files.items():
        values.setdefault(key.rpartition(":")[0], []).append(upload)
    await world.discord.submit(opened, values, overrides={"locale": body["locale"]})


async def say(world: World, body: Json, files: Uploads) -> None:
    """Post a message as a member."""
    user, channel = world.user(body["user"]), int(body["channel"])
    await world.discord.say(user, body["content"], *files.values(), channel_id=channel)


async def delete(world: World, body: Json, _: Uploads) -> None:
    """Delete a message: one's own, or any with Manage Messages."""
    message, user = world.discord.messages[int(body["message"])], world.user(body["user"])
    if message.author != user and not user.permissions & MANAGE_MESSAGES:
        raise PermissionError("You may not delete that message.")
    world.discord.remove(message)


async def dismiss(world: World, body: Json, _: Uploads) -> None:
    """Hide a message that only the viewer sees, or close a modal."""
    world.dismissed.add(int(body["message"]))


async def role(world: World, body: Json, _: Uploads) -> None:
    """Give the viewer a role, or take it."""
    roles, key = world.user(body["user"]).roles, int(body["role"])
    if body["has"] and key not in roles:
        roles.append(key)
    elif not body["has"] and key in roles:
        roles.remove(key)


async def install(world: World, body: Json, _: Uploads) -> None:
    """Install the app for the viewer alone, everywhere, or take it away."""
    user = world.user(body["user"])
    (world.discord.user_installs.add if body["on"] else world.discord.user_installs.discard)(
        user.id
    )


async def server(world: World, body: Json, _: Uploads) -> None:
    """Set the server's language."""
    if body["language"] not in world.locales():
        raise ValueError("The bot's commands aren't translated into that language.")
    world.discord.guild_locale = body["language"]


async def api(world: World, body: Json, _: Uploads) -> None:
    """Let the API fail in a way of ``API_FAULTS``."""
    world.break_api(body["fault"])


async def discord(world: World, body: Json, _: Uploads) -> None:
    """Let Discord fail in a way of ``DISCORD_FAULTS``."""
    world.discord_fault = body["fault"] if body["fault"] in DISCORD_FAULTS else "normal"


async def gateway(world: World, _: Json, __: Uploads) -> None:
    """Cut the bot's gateway connections."""
    await world.discord.drop_gateway()


async def time(world: World, body: Json, _: Uploads) -> None:
    """Let time pass, in seconds."""
    world.discord.advance(float(body["seconds"]))


async def uploads(world: World, _: Json, __: Uploads) -> None:
    """Forget the files that were given to commands."""
    world.discord.drop_uploads()


async def bot(world: World, body: Json, _: Uploads) -> None:
    """Kill, stop, restart or start the bot's process."""
    status = world.status
    match body["do"]:
        case "kill" if status != "stopped" and world.bot.started:
            await world.bot.kill()
        case "stop" if status in {"starting", "online"} and world.bot.started:
            world.begin(world.stop())
        case "restart" if status in {"starting", "online"} and world.bot.started:
            world.begin(world.restart(running=True))
        case "start" if status == "stopped":
            world.begin(world.start())
        case _:
            pass
