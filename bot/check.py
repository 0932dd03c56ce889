"""``python -m bot check``: tries every setting that leads somewhere, and says what to do."""

from __future__ import annotations

from dataclasses import dataclass

import aiohttp
import discord

from bot.app import VaryBot
from bot.config import Settings
from bot.errors import (
    ApiBusy,
    ApiFailure,
    ApiTimeout,
    ApiUnreachable,
    BadRequest,
    DatabaseUnusable,
    GenArtError,
    PictureUnreachable,
    Unauthorized,
)
from bot.genart import GenArt
from bot.store import Store, database_at
from bot.store.database import version_of
from bot.store.tables import REVISION

REQUIRED = discord.Permissions(
    view_channel=True,
    read_message_history=True,
    send_messages=True,
    send_messages_in_threads=True,
    attach_files=True,
    embed_links=True,
    connect=True,
)
"""What the bot asks for where it is installed. Embed Links may not be needed for Components V2
(discord-api-docs #8462); Connect is, for what is posted in the chats of voice channels."""

SCOPES = ("bot", "applications.commands")
"""What the bot is installed with."""

_SERVERS = 200
"""Servers that one request tells of at most (Discord's users reference)."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: ``advice`` if something is wrong. A ``note`` is no failure, and what is
    ``told`` is neither."""

    name: str
    advice: str | None
    note: bool = False
    told: bool = False

    def __str__(self) -> str:
        if self.told:
            return f"      {self.name}: {self.advice}"
        grade = "ok" if self.advice is None else "note" if self.note else "FAIL"
        return f"{grade:4}  {self.name}" + (f": {self.advice}" if self.advice else "")


async def check(settings: Settings) -> bool:
    """Print a line for each thing that the bot needs; return whether all of them work.

    A line that begins with ``note`` is no failure: the bot runs, but less well. Indented lines
    tell who the bot is and how to invite it.
    """
    notes: list[Finding] = []
    good = True
    for find in (_discord, _api, _database, _hosts):
        for finding in await find(settings):
            if finding.note:
                notes.append(finding)
                continue
            print(finding)
            good = good and finding.advice is None
    for note in notes:
        print(note)
    return good


async def _discord(settings: Settings) -> list[Finding]:
    try:
        async with discord.Client(intents=discord.Intents.none()) as client:
            await client.login(settings.discord_token.get_secret_value())
            return [
                *_front(settings, client),
                Finding("Commands", await _commands(settings, client), note=True),
                Finding("Permissions", await _permissions(client), note=True),
                *await _about(client),
            ]
    except discord.LoginFailure:
        advice = (
            "the token is refused. Set DISCORD_TOKEN to the one that the developer portal shows "
            "under Bot, Reset Token."
        )
    except discord.HTTPException as error:
        advice = _answers_wrongly(settings, f"with status {error.status}")
    except (TypeError, LookupError, AttributeError):
        # discord.py takes what it is answered for Discord's.
        advice = _answers_wrongly(settings, "with something else")
    except (aiohttp.ClientError, OSError):
        advice = (
            f"{settings.discord_api_url} can't be reached. Check the network and DISCORD_API_URL."
        )
    return [Finding("Discord", advice)]


def _answers_wrongly(settings: Settings, how: str) -> str:
    return (
        f"{settings.discord_api_url} answers {how}, and not as Discord does. Check "
        "DISCORD_API_URL; if it is right, Discord has trouble: try again later."
    )


async def _about(client: discord.Client) -> list[Finding]:
    """Tell who the bot is, where it is, and how it is invited."""
    guilds = await client.http.get_guilds(_SERVERS, with_counts=False)
    names = ", ".join(guild["name"] for guild in guilds)
    where = f"on {len(guilds)} server(s): {names}" if guilds else "on no server yet"
    link = discord.utils.oauth_url(client.application_id or 0, permissions=REQUIRED, scopes=SCOPES)
    return [
        Finding("Bot", f"{client.user}, {where}", note=True, told=True),
        Finding("Invite", link, note=True, told=True),
    ]


def _front(settings: Settings, client: discord.Client) -> list[Finding]:
    """Say whether interactions reach the bot: over the gateway, or over HTTP where the settings
    have a public key. Where an Interactions Endpoint URL is set, the gateway brings none."""
    application = client.application
    url = application.interactions_endpoint_url if application else None
    if not settings.discord_public_key:
        advice = url and (
            f"commands and buttons go to {url}, and none reach the bot. Clear Interactions "
            "Endpoint URL in the developer portal, under General Information, or set "
            "DISCORD_PUBLIC_KEY and run `python -m bot endpoint` there."
        )
        return [Finding("Discord", advice)]
    note = (
        "DISCORD_PUBLIC_KEY is set, but the application has no Interactions Endpoint URL: "
        "commands and buttons come over the gateway, and none reach `python -m bot endpoint`."
    )
    advice = None
    if application and application.verify_key != settings.discord_public_key:
        advice = (
            "DISCORD_PUBLIC_KEY isn't the application's. Copy it from the developer portal, "
            "under General Information."
        )
    elif url:
        note = (
            f"commands and buttons go to {url}: run `python -m bot endpoint` there. None reach "
            "`python -m bot` or `python -m bot gateway`."
        )
    return [Finding("Discord", advice), Finding("Front", note, note=True)]


async def _commands(settings: Settings, client: discord.Client) -> str | None:
    async with VaryBot(Store(settings), settings.prompt_rules()) as bot:
        await bot.load_features()
        if await bot.are_registered(client):
            return None
    return (
        "Discord doesn't have this version's commands. The bot registers them when it starts; if "
        "they differ again afterwards, something else uses the token."
    )


async def _permissions(client: discord.Client) -> str | None:
    """Say which permissions are missing. Those of single channels may differ."""
    guilds = await client.http.get_guilds(_SERVERS, with_counts=False)
    lacking: list[discord.Permissions] = []
    for guild in guilds:
        given = discord.Permissions(int(guild.get("permissions", 0)))
        if not given.administrator and (missing := REQUIRED & ~given):
            lacking.append(missing)
    if not lacking:
        return None
    names = sorted({name for missing in lacking for name, needed in missing if needed})
    shown = ", ".join(name.replace("_", " ") for name in names)
    return (
        f"{len(lacking)} of {len(guilds)} server(s) don't give the bot all that it asks for: "
        f"{shown}. Give them to its role; README.md says what each is for."
    )


async def _api(settings: Settings) -> list[Finding]:
    return [Finding("GenArt API", await _api_advice(settings))]


async def _api_advice(settings: Settings) -> str | None:
    try:
        async with GenArt(settings) as genart:
            await genart.info()
    except Unauthorized:
        return "the key is refused. Set GENART_API_KEY to a key that is valid and not expired."
    except BadRequest:
        return (
            "it answers that something is missing or wrong. Check GENART_SERVER_ID, "
            "GENART_CHANNEL_ID and GENART_DISCORD_TOKEN."
        )
    except ApiUnreachable:
        return f"{settings.genart_api_url} can't be reached. Check the network and GENART_API_URL."
    except ApiTimeout:
        return "it doesn't answer in time. Try again later, or check GENART_API_URL."
    except ApiBusy:
        return "it has too much to do now. Try again later."
    except ApiFailure as error:
        if error.status < 500:
            return _is_no_api(settings, f"with status {error.status}")
        return f"it answers with status {error.status}. Try again later, or ask its provider."
    except GenArtError:
        return _is_no_api(settings, "with something else")
    return None


def _is_no_api(settings: Settings, how: str) -> str:
    return (
        f"{settings.genart_api_url} answers {how}, and not as the GenArt API does. Check "
        "GENART_API_URL."
    )


async def _database(settings: Settings) -> list[Finding]:
    """Try the database and change nothing: an older version of the bot may be using it."""
    versions: list[str | None] = []
    try:
        async with database_at(
            settings.database_url,
            prepare=lambda connection: versions.append(version_of(connection)),
        ):
            pass
    except DatabaseUnusable as error:
        advice = f"{error.reason}. Check DATABASE_URL, and that its directory can be written."
        return [Finding("Database", advice)]
    findings = [Finding("Database", None)]
    if (old := versions[-1]) and old < REVISION:
        advice = f"the next start migrates it from {old} to {REVISION}: make a backup before"
        findings.append(Finding("Tables", advice, note=True))
    return findings


async def _hosts(settings: Settings) -> list[Finding]:
    silent: list[str] = []
    async with GenArt(settings) as genart:
        for host in sorted(settings.genart_image_hosts):
            try:
                await genart.reach(host)
            except PictureUnreachable:
                silent.append(host)
    advice = f"no answer from {', '.join(silent)}. Check the network and GENART_IMAGE_HOSTS."
    return [Finding("Image hosts", advice if silent else None)]
