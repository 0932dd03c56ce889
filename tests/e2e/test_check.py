"""``python -m bot check`` over the real connections."""

from __future__ import annotations

import pytest

from sandbox.discord.permissions import ADMINISTRATOR, CONNECT, EMBED_LINKS
from tests.e2e.conftest import World


async def run_check(world: World, **settings: str) -> tuple[int, list[str]]:
    world.bot.arguments = ("-m", "bot", "check")
    world.bot.settings |= settings
    before = len(world.bot.log)
    await world.bot.launch()
    status = await world.bot.wait()
    return status, world.bot.log[before:].splitlines()


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


async def test_an_interactions_endpoint_is_said_to_take_everything(world: World):
    await world.bot.stop()
    world.discord.interactions_endpoint_url = "https://elsewhere.example/interactions"
    status, lines = await run_check(world)
    assert status != 0
    assert lines[0].startswith("FAIL  Discord: commands and buttons go to https://elsewhere.")
    assert lines[1:] == WORKING[1:]


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
