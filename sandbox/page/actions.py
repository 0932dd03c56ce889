"""What a viewer does on the page: one route for each action."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

from aiohttp import web

from sandbox.discord import ApiError, Json, Upload
from sandbox.page.world import DISCORD_FAULTS, World

Uploads = dict[str, Upload]
Action = Callable[[World, Json, Uploads], Awaitable[None]]


def add_actions(app: web.Application, world: World) -> None:
    """Add ``POST /do/<action>`` for every action."""
    for action in (slash, press, dismiss, api, discord, gateway, time, uploads, bot):
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
            words = str(error) or "The bot has registered no commands."
            return web.json_response({"error": words}, status=400)
        world.discord.signal.notify()
        return web.json_response({})

    return handle


async def slash(world: World, body: Json, files: Uploads) -> None:
    """Send a command; ``people`` names the options that hold a member."""
    options: Json = {**body["options"], **files}
    for name in body["people"]:
        options[name] = world.user(options[name])
    await world.discord.slash(
        world.user(body["user"]),
        body["name"],
        options,
        channel_id=int(body["channel"]),
        locale=body["locale"],
    )


async def press(world: World, body: Json, _: Uploads) -> None:
    """Press a button; what failed before on that message is no longer shown."""
    message = world.discord.messages[int(body["message"])]
    user, locale = world.user(body["user"]), {"locale": body["locale"]}
    for waiting in list(world.discord.interactions.values()):
        if waiting.source is message and waiting.user == user:
            world.dismissed.add(waiting.id)
    await world.discord.press(user, message, custom_id=body["custom_id"], overrides=locale)


async def dismiss(world: World, body: Json, _: Uploads) -> None:
    """Hide a message that only the viewer sees."""
    world.dismissed.add(int(body["message"]))


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
    """Kill, restart or start the bot's process."""
    running = world.status != "stopped"
    match body["do"]:
        case "kill" if running:
            await world.bot.kill()
        case "restart":
            world.begin(world.restart(running))
        case "start" if not running:
            world.begin(world.start())
        case _:
            pass
