"""Bots in libraries that this project does not use run on the sandbox without knowing it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from sandbox.bot_process import BotProcess
from sandbox.discord import LOADING, Interaction, LoopbackDiscord, Message, Upload
from sandbox.pictures import draw
from tests.openapi import OpenApi

CLIENTS = Path(__file__).parent / "clients"
DISCORD_JS = "discord.js@14"
PICTURE = draw((64, 48))


async def play(discord: LoopbackDiscord, bot: BotProcess) -> None:
    """Use everything that a small bot has, and take its gateway away in between."""
    await bot.start()
    await discord.signal.until(lambda: len(discord.commands) == 2, 10)
    options = {"text": "a cat", "image": Upload("my cat.png", PICTURE)}
    shown = await discord.slash(discord.alice, "show", options)
    assert (await shown.answered())["type"] == 5
    grid = await picture_of(discord, shown)
    assert (grid.attachments[0].data, discord.text_of(grid)) == (PICTURE, "a cat")
    assert grid.payload["attachments"] == []
    await discord.signal.until(lambda: [m.content for m in shown.followups] == ["done"], 10)

    await discord.drop_gateway()
    pressed = await discord.press(discord.bob, grid, label="Again")
    await pressed.answered(15)
    again = await picture_of(discord, pressed)
    assert (again.attachments[0].data, discord.text_of(again)) == (PICTURE, "again")
    assert (discord.gateway.identifies, discord.gateway.resumes) == (1, 1)

    asked = await discord.press(discord.bob, again, label="Ask")
    assert (await asked.answered())["type"] == 9
    submitted = await discord.submit(asked, {"words": "in other words"})
    await submitted.answered()
    assert submitted.message is not None
    assert (submitted.message.content, submitted.ephemeral) == ("in other words", True)

    said = await discord.say(discord.alice, "look", Upload("photo.png", PICTURE))
    looked = await discord.menu(discord.bob, "Look", said)
    await looked.answered()
    assert looked.message is not None
    assert looked.message.content == "photo.png"


async def picture_of(discord: LoopbackDiscord, interaction: Interaction) -> Message:
    """Wait until a deferred answer holds its picture."""
    message = interaction.message
    assert message is not None
    return await discord.wait_for(
        lambda m: m is message and not m.flags & LOADING and bool(m.attachments), 10
    )


async def run(arguments: list[str], openapi: OpenApi | None, **settings: str) -> None:
    """Run a bot through its part; what it was told is held against Discord's description."""
    async with LoopbackDiscord() as discord:
        settings |= {"DISCORD_TOKEN": discord.token, "DISCORD_API_URL": discord.api_url}
        bot = BotProcess(discord, settings, arguments)
        try:
            await play(discord, bot)
        finally:
            await bot.kill()
            print(bot.log)
        assert [r for r in discord.requests if r.status >= 400] == []
        if openapi is not None:
            answers = [e for r in discord.requests for e in openapi.check_response(r)]
            assert answers + [e for one in discord.events for e in openapi.check_event(one)] == []


async def test_a_bot_in_hikari_runs_against_it(openapi: OpenApi | None) -> None:
    await run([os.fspath(CLIENTS / "hikari_bot.py")], openapi)


@pytest.fixture(scope="session")
def node_modules(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where discord.js is; it is installed once, into the tests' cache if there is one."""
    if os.environ.get("CI"):
        pytest.skip("discord.js is not installed in CI")
    if shutil.which("npm") is None:
        pytest.skip("Node is absent")
    cache: pytest.Cache | None = getattr(pytestconfig, "cache", None)
    folder = cache.mkdir("discord.js") if cache else tmp_path_factory.mktemp("discord.js")
    if not (folder / "node_modules" / "discord.js").is_dir():
        (folder / "package.json").write_text('{"private": true}')
        command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", DISCORD_JS]
        try:
            subprocess.run(command, cwd=folder, capture_output=True, check=True, timeout=60)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            pytest.skip(f"discord.js can't be installed: {error}")
    return folder / "node_modules"


async def test_a_bot_in_discord_js_runs_against_it(
    openapi: OpenApi | None, node_modules: Path
) -> None:
    # BotProcess starts Python, which becomes Node: the signals reach it.
    become = "import os, sys; os.execvp('node', ['node', *sys.argv[1:]])"
    bot = os.fspath(CLIENTS / "discordjs_bot.cjs")
    await run(["-c", become, bot], openapi, NODE_PATH=os.fspath(node_modules))
