"""``/help``, and the welcome that a server gets once."""

from __future__ import annotations

from sandbox.discord import Interaction, LoopbackDiscord, Message
from tests.e2e.conftest import World


def welcomes(world: World) -> list[Message]:
    """Return the welcomes that were sent, newest last."""
    found = [m for m in world.discord.messages.values() if _says(m, "shown once in each server")]
    return sorted(found, key=lambda m: m.id)


def _says(message: Message, words: str) -> bool:
    return words in LoopbackDiscord.text_of(message)


async def welcome_of(world: World, asked: Interaction) -> Message:
    """Return the welcome that followed a command."""
    return await world.discord.wait_for(
        lambda m: m in asked.followups and _says(m, "shown once in each server")
    )


async def test_help_says_what_the_buttons_do_the_limits_and_who_runs_the_bot(make):
    async with make(DAILY_LIMIT="7") as world:
        for place in ({}, {"guild_id": None}):
            asked = await world.discord.slash(world.discord.bob, "help", **place)
            await asked.answered()
            message = asked.message
            assert message is not None
            assert message.ephemeral
            for words in ("**U1** to **U4**", "🔄", "In 24 hours: 7", "/privacy", "Run by"):
                assert _says(message, words)
            assert _says(message, f"<@{world.discord.moderator.id}>")
            assert message.pings == []
            assert not _says(message, "Welcome")


async def test_the_first_vary_of_a_server_brings_help_once(world: World):
    first = await world.vary()
    welcome = await welcome_of(world, first)
    assert welcome.ephemeral
    assert _says(welcome, "**U1** to **U4**")
    await world.result(await world.vary(user=world.discord.bob))
    await world.bot.kill()
    await world.bot.start()
    await world.grid()
    elsewhere = await world.vary(guild_id=world.discord.other_guild_id)
    await welcome_of(world, elsewhere)
    await world.settled()
    assert [m.guild_id for m in welcomes(world)] == [
        world.discord.guild_id,
        world.discord.other_guild_id,
    ]


async def test_a_refused_vary_brings_no_help(make):
    async with make(USER_QUEUE_LIMIT="1", GENART_CONCURRENCY="1") as world:
        refused = await world.vary("turbo --turbo")
        assert not welcomes(world)
        assert not refused.followups
        await welcome_of(world, await world.vary())


async def test_descriptions_bring_no_help(world: World):
    await world.result(await world.describe())
    await world.settled()
    assert welcomes(world) == []
