"""``python -m bot check`` over the real connections."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import discord
import pytest

from bot.check import REQUIRED
from bot.store import database_at
from bot.store.tables import REVISION
from sandbox.discord.permissions import ADMINISTRATOR, CONNECT, EMBED_LINKS
from tests.e2e.conftest import World


async def run_check(world: World, **settings: str) -> tuple[int, list[str]]:
    world.bot.arguments = ("-m", "bot", "check")
    world.bot.settings |= settings
    before = len(world.bot.log)
    await world.bot.launch()
    status = await world.bot.wait()
    lines = world.bot.log[before:].splitlines()
    return status, [line for line in lines if not line.startswith(" ")]


WORKING = [
    "ok    Discord",
    "ok    GenArt API",
    "ok    Database",
    "ok    Image hosts",
    "ok    Commands",
    "ok    Permissions",
]


async def test_what_works_is_said_to_work(world: World):
    await world.bot.stop()
    assert await run_check(world) == (0, WORKING)


async def test_a_database_of_an_older_version_is_left_as_it_is(world: World, tmp_path: Path):
    await world.bot.stop()
    older = f"sqlite:///{tmp_path / 'older.db'}"
    async with database_at(older):
        pass
    with sqlite3.connect(tmp_path / "older.db") as connection:
        connection.execute("update alembic_version set version_num = '0001'")
    status, lines = await run_check(world, DATABASE_URL=older)
    assert status == 0
    assert lines[-1] == (
        f"note  Tables: the next start migrates it from 0001 to {REVISION}: make a backup before"
    )
    with sqlite3.connect(tmp_path / "older.db") as connection:
        assert connection.execute("select * from alembic_version").fetchall() == [("0001",)]


async def test_who_the_bot_is_and_how_it_is_invited_is_told(world: World):
    await world.bot.stop()
    world.bot.arguments = ("-m", "bot", "check")
    before = len(world.bot.log)
    await world.bot.launch()
    assert await world.bot.wait() == 0
    bot, invite = [line.strip() for line in world.bot.log[before:].splitlines()[-2:]]
    assert bot.startswith("Bot: vary, on 2 server(s): The loopback's server")
    link = urlsplit(invite.removeprefix("Invite: "))
    query = parse_qs(link.query)
    assert (link.scheme, link.netloc, link.path) == ("https", "discord.com", "/oauth2/authorize")
    assert query["client_id"] == [str(world.discord.application_id)]
    assert query["scope"] == ["bot applications.commands"]
    assert discord.Permissions(int(query["permissions"][0])) == REQUIRED


async def test_what_answers_wrongly_is_told_from_what_cannot_be_reached(world: World):
    await world.bot.stop()
    wrong = world.genart.api_url  # a web server that is no Discord
    status, lines = await run_check(world, DISCORD_API_URL=wrong)
    assert status != 0
    assert "answers with status 404, and not as Discord does. Check DISCORD_API_URL" in lines[0]
    elsewhere = f"http://{world.genart.image_host}"
    status, lines = await run_check(
        world, DISCORD_API_URL=world.discord.api_url, GENART_API_URL=elsewhere
    )
    assert "answers with status 404, and not as the GenArt API does." in lines[1]
    status, lines = await run_check(world, GENART_API_URL="http://127.0.0.1:9")
    assert "http://127.0.0.1:9 can't be reached. Check the network" in lines[1]


async def test_an_interactions_endpoint_is_said_to_take_everything(world: World):
    await world.bot.stop()
    world.discord.interactions_endpoint_url = "https://elsewhere.example/interactions"
    status, lines = await run_check(world)
    assert status != 0
    assert lines[0].startswith("FAIL  Discord: commands and buttons go to https://elsewhere.")
    assert lines[1:] == WORKING[1:]


async def test_which_front_hears_is_noted_where_there_is_a_public_key(world: World):
    await world.bot.stop()
    key = world.discord.public_key
    status, lines = await run_check(world, DISCORD_PUBLIC_KEY=key)
    assert status == 0
    assert lines[4].startswith("note  Front: DISCORD_PUBLIC_KEY is set, but the application has no")
    assert lines[:4] + lines[5:] == WORKING
    world.discord.interactions_endpoint_url = "https://bot.example/interactions"
    status, lines = await run_check(world, DISCORD_PUBLIC_KEY=key.upper())
    assert status == 0
    assert lines[4].startswith("note  Front: commands and buttons go to https://bot.example/")
    status, lines = await run_check(world, DISCORD_PUBLIC_KEY="0" * 64)
    assert status != 0
    assert lines[0].startswith("FAIL  Discord: DISCORD_PUBLIC_KEY isn't the application's.")


async def test_commands_that_differ_are_noted(world: World):
    await world.bot.stop()
    world.discord.commands[0]["description"] = "Something else"
    status, lines = await run_check(world)
    assert status == 0
    assert lines[4].startswith("note  Commands: ")
    assert lines[:4] + lines[5:] == WORKING[:4] + WORKING[5:]
    assert world.discord.command_puts == 1


async def test_permissions_that_are_missing_are_noted(world: World):
    await world.bot.stop()
    world.discord.app_permissions &= ~(EMBED_LINKS | CONNECT)
    status, lines = await run_check(world)
    assert status == 0
    assert lines[:5] == WORKING[:5]
    assert lines[5].startswith("note  Permissions: 2 of 2 server(s)")
    assert "connect, embed links." in lines[5]
    world.discord.app_permissions = ADMINISTRATOR
    assert await run_check(world) == (0, WORKING)


@pytest.mark.parametrize(
    ("name", "value", "line", "advice"),
    [
        ("DISCORD_TOKEN", "another-token", 0, "DISCORD_TOKEN"),
        ("DISCORD_API_URL", "http://127.0.0.1:9", 0, "DISCORD_API_URL"),
        ("GENART_API_KEY", "another-key", 1, "GENART_API_KEY"),
        ("GENART_SERVER_ID", "1", 1, "GENART_SERVER_ID"),
        ("GENART_API_URL", "http://127.0.0.1:9", 1, "GENART_API_URL"),
        ("DATABASE_URL", "sqlite:////nowhere/at/all.db", 2, "DATABASE_URL"),
        ("GENART_IMAGE_HOSTS", "127.0.0.1:9", 3, "127.0.0.1:9"),
    ],
)
async def test_what_fails_is_said_with_what_to_do(
    world: World, name: str, value: str, line: int, advice: str
):
    await world.bot.stop()
    status, lines = await run_check(world, **{name: value})
    assert status != 0
    assert lines[line].startswith("FAIL")
    assert advice in lines[line]
    assert all(other.startswith("ok") for n, other in enumerate(lines) if n != line)
