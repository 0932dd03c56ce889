"""``/account``: the operator's panel, its pause, and what the operator is told by itself."""

from __future__ import annotations

import asyncio

from sandbox.discord import Interaction, Message, User
from sandbox.genart import answer
from tests.e2e.conftest import LABELS, World, labels


async def panel(world: World, user: User | None = None, **more: object) -> Interaction:
    """Send ``/account`` and return the interaction once its answer is filled."""
    user = user or world.discord.moderator
    asked = await world.discord.slash(user, "account", **more)  # pyright: ignore
    await asked.answered()
    message = asked.message
    assert message is not None
    await world.discord.signal.until(lambda: world.discord.text_of(message), 15)
    assert asked.ephemeral
    return asked


def to_operator(world: World) -> list[Message]:
    """Return the direct messages to the application's owner."""
    channel = world.discord.direct.get(world.discord.moderator.id)
    return [m for m in world.discord.messages.values() if m.channel_id == channel]


async def test_the_owner_sees_the_account_the_queue_and_who_uses_it(world: World):
    await world.grid()
    world.genart.behaviours.append(answer(500))
    failed = await world.vary(user=world.discord.bob)
    await world.becomes(failed, "failed")
    before = world.genart.info_calls
    asked = await panel(world)
    assert world.genart.info_calls == before + 1
    words = world.discord.text_of(asked.message)
    for part in (
        "Standard (Active monthly, renews next on <t:1717212880>)",
        "13.47/15.0 hours",
        "Public",
        "**Waiting:** 0",
        "api failure 1",
        f"`{world.discord.guild_id}`: 2",
        f"<@{world.discord.alice.id}>: 1",
        "Vary ",
        "database ",
    ):
        assert part in words, part
    assert labels(asked.message) == ["Pause all work", "Refresh"]
    assert asked.message.pings == []
    direct = await panel(world, guild_id=None)
    assert "Standard" in world.discord.text_of(direct.message)


async def test_everybody_else_is_refused_and_so_are_forged_presses(world: World):
    asked = await panel(world, world.discord.alice)
    assert "Only whoever runs this bot" in world.discord.text_of(asked.message)
    assert labels(asked.message) == []
    panel_of_owner = await panel(world)
    for user in (world.discord.alice, world.discord.bob):
        forged = await world.discord.press(
            user, panel_of_owner.message, custom_id="account:1", forge=True
        )
        await forged.answered()
        await world.discord.signal.until(lambda forged=forged: forged.followups, 5)
        assert "Only whoever" in world.discord.text_of(forged.followups[0])
    assert world.sql("select value from key_values where name = 'paused'") == []


async def test_a_team_runs_it_with_those_who_have_accepted(make):
    async with make() as world:
        members = [(world.discord.alice, 2), (world.discord.bob, 1)]
        world.discord.team = {
            "id": "1",
            "icon": None,
            "name": "team",
            "owner_user_id": str(world.discord.alice.id),
            "members": [
                {
                    "membership_state": state,
                    "team_id": "1",
                    "user": user.payload(),
                    "role": "developer",
                    "permissions": ["*"],
                }
                for user, state in members
            ],
        }
        assert "Queue" in world.discord.text_of((await panel(world, world.discord.alice)).message)
        for user in (world.discord.bob, world.discord.moderator):
            asked = await panel(world, user)
            assert "Only whoever" in world.discord.text_of(asked.message)


async def test_a_pause_holds_over_restarts_until_it_is_lifted(world: World):
    asked = await panel(world)
    await world.press(asked.message, "Pause all work", world.discord.moderator)
    await world.discord.signal.until(
        lambda: "All work is paused" in world.discord.text_of(asked.message), 10
    )
    assert labels(asked.message) == ["Resume all work", "Refresh"]
    waiting = await world.vary()
    await world.ends(waiting, "has paused all work")
    await world.bot.stop()
    await world.bot.start()
    await asyncio.sleep(3)
    assert world.state(waiting) == "queued"
    assert world.genart.calls == []
    await world.press(asked.message, "Resume all work", world.discord.moderator)
    assert labels(await world.result(waiting)) == LABELS


async def test_low_fast_time_is_told_once_and_again_when_it_was_over(make):
    async with make(FAST_HOURS_LOW="14") as world:
        async with asyncio.timeout(10):
            while not to_operator(world):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        (told,) = to_operator(world)
        assert "13.47/15.0 hours" in world.discord.text_of(told)
        for _ in range(2):
            asked = await panel(world)
            assert "Little fast time is left" in world.discord.text_of(asked.message)
        await world.bot.stop()
        await world.bot.start()
        await panel(world)
        assert len(to_operator(world)) == 1
        world.genart.info = {"fastTimeRemaining": "15.0/15.0 hours (100%)"}
        asked = await panel(world)
        assert "Little fast time" not in world.discord.text_of(asked.message)
        world.genart.info = {"fastTimeRemaining": "0.2/15.0 hours (1%)"}
        await panel(world)
        await world.discord.signal.until(lambda: len(to_operator(world)) == 2, 5)


async def test_a_refused_key_is_told_once_and_shown(world: World):
    await panel(world)
    world.genart.api_key = "another"
    for _ in range(2):
        asked = await panel(world)
        assert "The API refuses the key" in world.discord.text_of(asked.message)
    refused = await world.vary()
    await world.becomes(refused, "failed")
    (told,) = to_operator(world)
    assert "401" in world.discord.text_of(told)


async def test_an_api_that_says_nothing_hides_nothing_else(world: World):
    world.genart.info = {"subscription": "", "fastTimeRemaining": "soon"}
    words = world.discord.text_of((await panel(world)).message)
    assert "soon" in words
    assert "**Subscription:**" not in words
