"""What can't come to anything is refused before it costs anything."""

from __future__ import annotations

import pytest

from sandbox.discord import Interaction
from sandbox.discord.model import THREAD, Channel
from sandbox.discord.permissions import (
    ATTACH_FILES,
    BOT,
    SEND_IN_THREADS,
    SEND_MESSAGES,
    VIEW_CHANNEL,
)
from tests.e2e.conftest import LABELS, World, generation_of, labels

SLOW = {"GENART_TIMEOUT": "900"}
"""A call may take as long as an interaction's token lives: that can't be relied on."""


async def refused(world: World, asked: Interaction, *words: str) -> None:
    """Check that somebody was refused in private, with some words."""
    assert asked.ephemeral
    assert asked.message is not None
    said = world.discord.text_of(asked.message)
    assert [word for word in words if word not in said] == []
    assert world.state(asked) is None


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("a cat --repeat 4", ["--repeat", "--ar, --c, --chaos"]),
        ("a cat —turbo", ["--turbo"]),
        ("a cat --*_~@everyone", ["--"]),
        ("a {red, green} cat", ["{red, green}"]),
        ("🐈" * 1_800, ["7,000"]),
        ("👩‍🚀" * 600, ["7,000"]),
        ("猫" * 1_800, ["7,000"]),
    ],
    ids=["parameter", "dash", "markdown", "permutation", "emoji", "joined emoji", "Japanese"],
)
async def test_a_prompt_that_the_service_would_stumble_over_costs_nothing(
    shared: World, prompt: str, words: list[str]
):
    calls = len(shared.genart.calls)
    if prompt == "a cat --*_~@everyone":  # No name of a parameter follows: only text.
        await shared.result(await shared.vary(prompt))
        return
    await refused(shared, await shared.vary(prompt), *words)
    assert len(shared.genart.calls) == calls


async def test_what_a_prompt_may_hold_is_the_operator_s_to_say(make):
    async with make(PROMPT_PARAMETERS="repeat, --AR", GENART_URL_LIMIT="500") as world:
        await world.grid("a cat --repeat 4 --ar 3:2")
        await refused(world, await world.vary("a cat --seed 7"), "--seed", "--ar, --repeat")
        await refused(world, await world.vary("x" * 500), "of 500")


@pytest.mark.parametrize(
    ("lacking", "words"),
    [
        (VIEW_CHANNEL, ["View Channel"]),
        (SEND_MESSAGES | ATTACH_FILES, ["Send Messages, Attach Files"]),
        (ATTACH_FILES, ["Attach Files"]),
    ],
)
async def test_where_the_result_could_not_be_posted_in_time_nothing_is_charged(
    make, lacking: int, words: list[str]
):
    async with make(**SLOW) as world:
        grid = await world.grid()
        world.discord.channels[world.discord.channel_id].app_permissions = BOT & ~lacking
        await refused(world, await world.vary(), *words)
        await refused(world, await world.press(grid, "V1"), *words)
        await refused(world, await world.press(grid, "🔄"), *words)
        await world.tile(await world.press(grid, "U1"))
        assert [outcome for _, _, outcome in world.clicks(generation_of(grid))] == [
            "refused",
            "refused",
            "accepted",
        ]
        assert len(world.genart.calls) == 1


async def test_in_a_thread_another_permission_counts(make):
    async with make(**SLOW) as world:
        parent = world.discord.channel_id
        thread = Channel(
            world.discord.new_id(), world.discord.guild_id, "thread", THREAD, parent_id=parent
        )
        world.discord.channels[thread.id] = thread
        thread.app_permissions = BOT & ~SEND_IN_THREADS
        asked = await world.vary(channel_id=thread.id)
        await refused(world, asked, "Send Messages in Threads")
        thread.app_permissions = BOT & ~SEND_MESSAGES
        assert labels(await world.result(await world.vary(channel_id=thread.id))) == LABELS


async def test_where_the_interaction_carries_the_result_in_time_nothing_is_refused(make):
    async with make(GENART_CONCURRENCY="1") as world:
        channel = world.discord.channels[world.discord.channel_id]
        channel.app_permissions = BOT & ~(SEND_MESSAGES | ATTACH_FILES)
        asked = await world.vary()
        grid = await world.result(asked)
        assert asked.message is not None
        assert grid.id == asked.message.id
