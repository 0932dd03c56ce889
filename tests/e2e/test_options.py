"""The options of /vary, and results that nobody else sees or that only an answer can carry."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sandbox.discord import Fault, Message
from sandbox.discord.permissions import ATTACH_FILES, SEND_MESSAGES
from sandbox.genart import answer, hang
from tests.e2e.conftest import LABELS, World, file_of, generation_of, labels, pixels, quadrant

EVERYWHERE = ([0, 1, 2], [0, 1])
TOKEN_LIFE = 15 * 60


async def vary(world: World, prompt: str, where: dict[str, Any] | None = None, **options: Any):
    """Send /vary with options of its own, and return the answered interaction."""
    given = {"prompt": prompt, "image": world.upload(), **options}
    asked = await world.discord.slash(world.discord.alice, "vary", given, **(where or {}))
    await asked.answered()
    return asked


async def direct_grid(world: World) -> Message:
    """Return the grid that came as a direct message."""
    channel = await world.discord.signal.until(
        lambda: world.discord.direct.get(world.discord.alice.id), 20
    )
    return await world.discord.wait_for(lambda m: m.channel_id == channel and "U1" in labels(m))


def seen_by_all(world: World) -> list[Message]:
    """Return the bot's messages that others can see."""
    direct = world.discord.direct.values()
    return [
        m
        for m in world.discord.messages.values()
        if m.author == world.discord.bot and not m.ephemeral and m.channel_id not in direct
    ]


async def test_choices_become_parameters_at_the_prompt_s_end(shared: World):
    asked = await vary(
        shared, "a fox --seed 7", aspect="16:9", strength=1.5, avoid="hands, text", private=False
    )
    grid = await shared.result(asked)
    call = shared.call_for("a fox --seed 7 --ar 16:9 --iw 1.5 --no hands, text")
    assert pixels(file_of(grid, "grid")) == pixels(call.grid)
    again = await shared.result(await shared.press(grid, "🔄"))
    assert shared.genart.calls[-1].prompt == call.prompt
    assert labels(again) == LABELS


@pytest.mark.parametrize("aspect", ["1:1", "3:2", "2:3", "4:3", "3:4", "16:9", "9:16"])
async def test_tiles_are_cut_right_for_every_shape(shared: World, aspect: str):
    grid = await shared.result(await vary(shared, f"a fox {aspect}", aspect=aspect))
    (width, height), _ = pixels(file_of(grid, "grid"))
    across, down = map(int, aspect.split(":"))
    assert width / height == pytest.approx(across / down, rel=0.03)
    for number in (1, 4):
        tile = await shared.tile(await shared.press(grid, f"U{number}"))
        assert pixels(tile.attachments[0].data) == quadrant(file_of(grid, "grid"), number)
    await shared.result(await shared.press(grid, "V3"))
    assert pixels(shared.genart.calls[-1].source) == quadrant(file_of(grid, "grid"), 3)


@pytest.mark.parametrize(
    ("prompt", "avoid", "words"),
    [
        ("a fox", "hands --repeat 4", "--repeat"),
        ("a fox", "hands —turbo", "--turbo"),
        ("a fox", "--ar 2:3", "--ar"),
        ("a {red fox", "hands, text}", "braces"),
        ("a fox --turbo", "hands", "--turbo"),
    ],
)
async def test_what_to_avoid_smuggles_nothing(shared: World, prompt: str, avoid: str, words: str):
    calls = len(shared.genart.calls)
    asked = await vary(shared, prompt, avoid=avoid)
    assert asked.ephemeral
    assert asked.message is not None
    assert words in shared.discord.text_of(asked.message)
    assert shared.state(asked) is None
    assert len(shared.genart.calls) == calls


@pytest.mark.parametrize(
    "options",
    [{"aspect": "5:4"}, {"strength": 9.0}, {"avoid": "x" * 501}],
    ids=["aspect", "strength", "avoid"],
)
async def test_options_that_are_not_offered_cost_nothing(shared: World, options: dict[str, Any]):
    given = {"prompt": "a fox", "image": shared.upload(), **options}
    asked = await shared.discord.slash(shared.discord.alice, "vary", given, check=False)
    await asked.answered()
    assert asked.ephemeral
    assert shared.state(asked) is None
    assert "Incident" not in shared.bot.log


async def test_every_command_is_everywhere(shared: World):
    for command in shared.discord.commands:
        assert (command["contexts"], command["integration_types"]) == EVERYWHERE


async def test_an_application_without_user_installs_has_its_commands_in_servers(make):
    async with make() as world:
        await world.bot.stop()
        world.discord.commands = []
        refusal = Fault(400, 50035, "Invalid Form Body")
        world.discord.fail("PUT", "/applications/*/commands", refusal, 1)
        await world.bot.start()
        places = [(c["contexts"], c["integration_types"]) for c in world.discord.commands]
        assert places == [([0, 1], [0])] * len(world.discord.commands)
        assert "User Install" in world.bot.log


# Nobody else sees it.


async def test_a_private_result_and_all_that_is_made_of_it_is_seen_by_its_asker_alone(make):
    async with make() as world:
        asked = await vary(world, "a secret", private=True)
        assert asked.ephemeral
        assert asked.message is not None
        assert "Only you see this" in world.discord.text_of(asked.message)
        grid = await world.result(asked)
        assert (grid.id, grid.ephemeral) == (asked.message.id, True)
        assert labels(grid) == LABELS
        await world.becomes(asked, "posted")
        await world.discord.signal.until(lambda: [m for m in asked.followups if m.content], 10)
        told = [m for m in asked.followups if m.content.startswith("Your picture is ready")]
        assert [m.ephemeral for m in told] == [True]
        assert all(m.ephemeral for m in asked.followups)
        for label in ("U2", "V3", "🔄"):
            pressed = await world.press(grid, label)
            assert pressed.ephemeral
            if label == "U2":
                tile = await world.tile(pressed)
                assert pixels(tile.attachments[0].data) == quadrant(file_of(grid, "grid"), 2)
                continue
            made = await world.result(pressed)
            assert made.ephemeral
            if label == "V3":
                assert pixels(world.genart.calls[-1].source) == quadrant(file_of(grid, "grid"), 3)
            await world.becomes(pressed, "posted")
            await world.tile(await world.press(made, "U1"))
        assert seen_by_all(world) == []
        assert world.sql("select distinct private from generations") == [(1,)]


async def test_an_ephemeral_tile_is_cut_again_wherever_it_went(make):
    async with make() as world:
        grid = await world.result(await vary(world, "a secret", private=True))
        for _ in range(2):
            pressed = await world.press(grid, "U2")
            await world.tile(pressed)
            await world.becomes(pressed, "posted")


async def test_a_remix_and_all_four_tiles_of_a_private_grid_are_private(make):
    async with make() as world:
        grid = await world.result(await vary(world, "a secret", private=True))
        remix = await world.discord.submit(await world.press(grid, "Remix"), {"prompt": "another"})
        await remix.answered()
        assert remix.ephemeral
        assert (await world.result(remix)).ephemeral
        four = await world.press(grid, "All four")
        assert four.ephemeral
        await world.tile(four)
        assert (await world.press(grid, "Details")).ephemeral
        assert seen_by_all(world) == []


async def test_trying_again_stays_private(make):
    async with make() as world:
        world.genart.behaviours.append(answer(500, "{}"))
        asked = await vary(world, "a secret", private=True)
        card = await world.ends(asked, "had an error")
        assert card.ephemeral
        again = await world.press(card, "Try again")
        assert again.ephemeral
        assert (await world.result(again)).ephemeral
        assert seen_by_all(world) == []


async def test_a_private_result_needs_no_permission_to_post(make):
    async with make(GENART_TIMEOUT="900") as world:
        world.discord.app_permissions &= ~(SEND_MESSAGES | ATTACH_FILES)
        grid = await world.result(await vary(world, "a secret", private=True))
        await world.result(await world.press(grid, "V1"))


async def test_nobody_else_presses_a_private_button(make):
    async with make() as world:
        asked = await vary(world, "a secret", private=True)
        grid = await world.result(asked)
        bob = world.discord.bob
        for label in ("U1", "V1"):
            (custom_id,) = (
                b["custom_id"] for b in world.discord.buttons_of(grid) if b.get("label") == label
            )
            forged = await world.discord.press(bob, grid, custom_id=custom_id, forge=True)
            await forged.answered()
            assert world.state(forged) is None
        assert [user for user, _, _ in world.clicks(asked.id)] == [bob.id] * 2


async def test_a_private_result_later_than_its_answer_is_a_direct_message(make):
    async with make(GENART_TIMEOUT="900") as world:
        world.genart.delay = 1
        asked = await vary(world, "a secret", private=True)
        await world.genart.signal.until(lambda: world.genart.in_flight, 10)
        world.discord.advance(TOKEN_LIFE + 1)
        grid = await direct_grid(world)
        await world.becomes(asked, "posted")
        assert grid.pings == [str(world.discord.alice.id)]
        assert seen_by_all(world) == []
        tile = await world.tile(await world.press(grid, "U3"))
        assert pixels(tile.attachments[0].data) == quadrant(file_of(grid, "grid"), 3)
        variation = await world.result(await world.press(grid, "V2"))
        assert variation.channel_id == grid.channel_id
        assert pixels(world.genart.calls[-1].source) == quadrant(file_of(grid, "grid"), 2)
        again = await world.result(await world.press(variation, "🔄"))
        assert again.channel_id == grid.channel_id
        assert seen_by_all(world) == []


async def test_a_private_result_that_nothing_carries_is_kept_for_fetch(make):
    async with make(GENART_TIMEOUT="900") as world:
        world.discord.closed_dms.add(world.discord.alice.id)
        world.genart.delay = 1
        asked = await vary(world, "a secret", private=True)
        await world.genart.signal.until(lambda: world.genart.in_flight, 10)
        world.discord.advance(TOKEN_LIFE + 1)
        await world.becomes(asked, "undelivered")
        fetched = await world.discord.slash(world.discord.alice, "fetch")
        await fetched.answered()
        assert fetched.ephemeral
        grid = await world.result(asked)
        assert grid.ephemeral
        assert len(world.genart.calls) == 1
        assert seen_by_all(world) == []


@pytest.mark.parametrize("late", [False, True])
async def test_a_private_result_is_shown_once_after_a_crash(make, late: bool):
    async with make(GENART_TIMEOUT="900") as world:
        world.genart.delay = 0.5
        where = ("POST", "/channels/*/messages") if late else ("PATCH", "/webhooks/*")
        asked = await vary(world, "a secret", private=True)
        await world.genart.signal.until(lambda: world.genart.in_flight, 10)
        if late:
            world.discord.advance(TOKEN_LIFE + 1)
        await world.genart.signal.until(lambda: not world.genart.in_flight, 10)
        world.discord.fail(*where, Fault(drop="after"), 9)
        await world.result(asked)
        await world.bot.kill()
        world.discord.faults.clear()
        await world.bot.start()
        await world.becomes(asked, "posted")
        results = [m for m in world.discord.messages.values() if "U1" in labels(m)]
        assert len(results) == 1
        assert len(world.genart.calls) == 1
        assert seen_by_all(world) == []


# Where the bot is no member.


def foreign(world: World) -> list[dict[str, Any]]:
    """Return the places where only Alice's own installation is."""
    world.discord.user_installs.add(world.discord.alice.id)
    return [
        {"channel_id": world.discord.foreign_channel_id},
        {"channel_id": world.discord.private_channel_id},
    ]


async def test_where_the_bot_is_no_member_the_answer_becomes_the_result(make):
    async with make(rate_limits=True) as world:
        for where in foreign(world):
            asked = await vary(world, "a wanderer", where)
            assert asked.message is not None
            assert "I'm no member here" in world.discord.text_of(asked.message)
            assert not asked.ephemeral
            grid = await world.result(asked)
            assert (grid.id, grid.channel_id) == (asked.message.id, where["channel_id"])
            tile = await world.tile(await world.press(grid, "U4", world.discord.bob))
            assert pixels(tile.attachments[0].data) == quadrant(file_of(grid, "grid"), 4)
            made = await world.press(grid, "V1", world.discord.bob)
            variation = await world.result(made)
            assert made.message is not None
            assert variation.id == made.message.id
            assert pixels(world.genart.calls[-1].source) == quadrant(file_of(grid, "grid"), 1)
            again = await world.result(await world.press(variation, "🔄", world.discord.bob))
            assert labels(again) == LABELS
        await world.settled()
        refused = [r.path for r in world.discord.requests if r.status in {401, 403, 404}]
        assert refused == []


async def test_where_the_bot_is_no_member_late_results_are_direct_messages(make):
    async with make(GENART_TIMEOUT="900") as world:
        world.genart.delay = 1
        asked = await vary(world, "a wanderer", foreign(world)[0])
        await world.genart.signal.until(lambda: world.genart.in_flight, 10)
        world.discord.advance(TOKEN_LIFE + 1)
        grid = await direct_grid(world)
        await world.becomes(asked, "posted")
        await world.tile(await world.press(grid, "U1"))


async def test_where_the_bot_is_no_member_what_nothing_carries_is_kept_for_fetch(make):
    async with make(GENART_TIMEOUT="900") as world:
        where = foreign(world)[1]
        world.discord.closed_dms.add(world.discord.alice.id)
        world.genart.delay = 1
        asked = await vary(world, "a wanderer", where)
        await world.genart.signal.until(lambda: world.genart.in_flight, 10)
        world.discord.advance(TOKEN_LIFE + 1)
        await world.becomes(asked, "undelivered")
        fetched = await world.discord.slash(world.discord.alice, "fetch", **where)
        await fetched.answered()
        grid = await world.result(asked)
        assert grid.channel_id == where["channel_id"]
        assert len(world.genart.calls) == 1


async def test_a_variation_whose_turn_comes_late_is_made_in_the_direct_messages(make):
    async with make(GENART_CONCURRENCY="1", GENART_TIMEOUT="900") as world:
        grid = await world.result(await vary(world, "a secret", private=True))
        world.genart.behaviours.append(hang())
        await vary(world, "first in line", private=True)
        await world.genart.signal.until(lambda: world.genart.in_flight, 10)
        pressed = await world.press(grid, "V2")
        await asyncio.sleep(0.3)
        world.discord.advance(TOKEN_LIFE + 1)
        await world.bot.kill()
        await world.bot.start()
        variation = await direct_grid(world)
        await world.becomes(pressed, "posted")
        assert pixels(world.genart.calls[-1].source) == quadrant(file_of(grid, "grid"), 2)
        assert generation_of(variation) == pressed.id
        assert seen_by_all(world) == []


async def test_in_direct_messages_everything_works(make):
    async with make(rate_limits=True) as world:
        grid = await world.result(await vary(world, "between us", {"guild_id": None}))
        assert grid.channel_id == world.discord.direct[world.discord.alice.id]
        tile = await world.tile(await world.press(grid, "U1"))
        assert pixels(tile.attachments[0].data) == quadrant(file_of(grid, "grid"), 1)
        again = await world.result(await world.press(grid, "🔄"))
        await world.bot.kill()
        world.discord.advance(31 * 24 * 3600)
        await world.bot.start()
        variation = await world.result(await world.press(again, "V4"))
        assert variation.channel_id == grid.channel_id
        secret = await vary(world, "a secret", {"guild_id": None}, private=True)
        assert (await world.result(secret)).ephemeral


async def test_a_user_s_own_app_beside_the_server_s_posts_as_ever(make):
    async with make() as world:
        world.discord.user_installs.add(world.discord.alice.id)
        asked = await vary(world, "both")
        grid = await world.result(asked)
        assert asked.message is not None
        assert grid.id != asked.message.id


async def test_a_private_description_makes_private_pictures(make):
    async with make() as world:
        options = {"image": world.upload()}
        where = foreign(world)[0]
        asked = await world.discord.slash(world.discord.alice, "describe", options, **where)
        described = await world.discord.wait_for(lambda m: "4" in labels(m))
        assert asked.message is not None
        assert described.id == asked.message.id
        opened = await world.press(described, "2")
        sent = await world.discord.submit(opened)
        await sent.answered()
        grid = await world.result(sent)
        assert sent.message is not None
        assert grid.id == sent.message.id
