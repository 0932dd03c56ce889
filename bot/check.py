"""``python -m bot check``: tries every setting that leads somewhere, and says what to do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import aiohttp
import discord

from bot.config import Settings
from bot.errors import ApiFailure, DatabaseUnusable, GenArtError, PictureUnreachable, Unauthorized
from bot.genart import GenArt
from bot.store import Store


async def check(settings: Settings) -> bool:
    """Print a line for each thing that the bot needs; return whether all of them work."""
    checks: dict[str, Callable[[Settings], Awaitable[str | None]]] = {
        "Discord": _discord,
        "GenArt API": _api,
        "Database": _database,
        "Image hosts": _hosts,
    }
    good = True
    for name, try_it in checks.items():
        advice = await try_it(settings)
        print(f"{'ok  ' if advice is None else 'FAIL'}  {name}{f': {advice}' if advice else ''}")
        good = good and advice is None
    return good


async def _discord(settings: Settings) -> str | None:
    try:
        async with discord.Client(intents=discord.Intents.none()) as client:
            await client.login(settings.discord_token.get_secret_value())
    except discord.LoginFailure:
        return (
            "the token is refused. Set DISCORD_TOKEN to the one that the developer portal shows "
            "under Bot, Reset Token."
        )
    except (discord.HTTPException, aiohttp.ClientError, OSError):
        return (
            f"{settings.discord_api_url} can't be reached. Check the network and DISCORD_API_URL."
        )
    return None


async def _api(settings: Settings) -> str | None:
    try:
        async with GenArt(settings) as genart:
            await genart.info()
    except Unauthorized:
        return "the key is refused. Set GENART_API_KEY to a key that is valid and not expired."
    except ApiFailure as error:
        return f"it answers with status {error.status}. Try again later, or ask its provider."
    except GenArtError as error:
        return (
            f"it doesn't answer as it should ({error.code}). Check GENART_API_URL, "
            "GENART_SERVER_ID, GENART_CHANNEL_ID and GENART_DISCORD_TOKEN."
        )
    return None


async def _database(settings: Settings) -> str | None:
    try:
        async with Store(settings):
            return None
    except DatabaseUnusable as error:
        return f"{error.reason}. Check DATABASE_URL, and that its directory can be written."


async def _hosts(settings: Settings) -> str | None:
    silent: list[str] = []
    async with GenArt(settings) as genart:
        for host in sorted(settings.genart_image_hosts):
            try:
                await genart.reach(host)
            except PictureUnreachable:
                silent.append(host)
    if not silent:
        return None
    return f"no answer from {', '.join(silent)}. Check the network and GENART_IMAGE_HOSTS."
