"""``/stats``: a picture with its numbers as text, for oneself and for those who manage a server."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from PIL import Image

from sandbox.discord import Interaction, User
from sandbox.discord.permissions import MANAGE_GUILD
from sandbox.genart import answer
from tests.e2e.conftest import World


async def stats(world: World, what: str, user: User, **more: object) -> Interaction:
    """Send a subcommand of ``/stats`` and return the interaction once its answer is filled."""
    asked = await world.discord.slash(user, f"stats {what}", **more)  # pyright: ignore
    await asked.answered()
    message = asked.message
    assert message is not None
    await world.discord.signal.until(lambda: world.discord.text_of(message), 90)
    assert asked.ephemeral
    return asked


def manager(world: World) -> User:
    """Return a member who manages the server."""
    user = User(world.discord.new_id(), "owner")
    return replace(user, permissions=user.permissions | MANAGE_GUILD)


@pytest.mark.timeout(240)
async def test_a_picture_shows_the_figures_and_the_text_says_them(world: World):
    alice, bob = world.discord.alice, world.discord.bob
    grid = await world.grid()
    await world.tile(await world.press(grid, "U1", bob))
    world.genart.behaviours.append(answer(500))
    await world.becomes(await world.vary(user=bob), "failed")
    asked = await stats(world, "server", manager(world))
    words = world.discord.text_of(asked.message)
    assert "**2** pictures asked for" in words
    assert "**50%** came to a result" in words
    assert "**1** presses" in words
    assert "**1** tiles" in words
    assert "**By button** U1 1" in words
    assert re.search(r"\*\*Busiest hours\*\* <t:\d+:t> \(2\)", words)
    assert f"<@{alice.id}>: 1" in words
    assert asked.message.pings == []
    (picture,) = asked.message.attachments
    image = Image.open(io.BytesIO(picture.data))
    assert (image.format, image.width) == ("PNG", 1080)
    assert "pictures asked for: 2" in (picture.description or "")
    assert "alice 1" in (picture.description or "")

    own = await stats(world, "me", alice, guild_id=None)
    words = world.discord.text_of(own.message)
    assert "**1** pictures asked for" in words
    assert "**100%** came to a result" in words
    assert "Most active" not in words
    assert len(own.message.attachments) == 1


async def test_a_servers_figures_are_for_those_who_manage_it(world: World):
    await world.grid()
    for user in (world.discord.alice, world.discord.moderator):
        asked = await stats(world, "server", user)
        assert "Manage Server" in world.discord.text_of(asked.message)
        assert asked.message.attachments == []
    alice = world.discord.alice
    forged = {"member": {**manager(world).member(), "permissions": str(alice.permissions)}}
    asked = await stats(world, "server", manager(world), overrides=forged)
    assert "Manage Server" in world.discord.text_of(asked.message)
    direct = await stats(world, "server", manager(world), guild_id=None)
    assert "about a server" in world.discord.text_of(direct.message)
