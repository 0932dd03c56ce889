"""Whatever Discord does, nothing accepted is lost, nothing is posted or charged twice."""

from __future__ import annotations

import asyncio

import pytest

from sandbox.discord import Fault, Message
from sandbox.genart import hang
from tests.e2e.conftest import LABELS, World, file_of, labels, pixels, quadrant

NO_PERMISSION = Fault(403, 50013, "Missing Permissions")
MESSAGES = "/channels/*/messages"


def results_of(world: World, generation: int) -> list[Message]:
    """Return every message, deleted or not, that holds a generation's buttons."""
    prefix = f"v:{generation}:"
    return [
        message
        for message in world.discord.messages.values()
        if any(b["custom_id"].startswith(prefix) for b in world.discord.buttons_of(message))
    ]


async def test_where_the_bot_may_not_post_the_card_becomes_the_result(world: World):
    world.discord.fail("POST", MESSAGES, NO_PERMISSION, times=99)
    asked = await world.vary()
    grid = await world.result(asked)
    assert asked.message is not None
    assert grid.id == asked.message.id
    assert labels(grid) == LABELS
    await asyncio.sleep(0.5)
    assert not grid.deleted
    await world.becomes(asked, "posted")
    tile = await world.tile(await world.press(grid, "U2"))
    assert pixels(tile.attachments[0].data) == quadrant(file_of(grid, "grid"), 2)


async def test_where_the_bot_may_neither_post_nor_edit_the_interaction_is_used(world: World):
    world.discord.fail("POST", MESSAGES, NO_PERMISSION, times=99)
    world.discord.fail("PATCH", MESSAGES + "/*", NO_PERMISSION, times=99)
    asked = await world.vary()
    grid = await world.result(asked)
    assert asked.message is not None
    assert grid.id == asked.message.id


async def test_what_cannot_be_delivered_is_kept_and_can_be_fetched(world: World):
    alice = world.discord.alice
    world.discord.fail("POST", f"/channels/{world.discord.channel_id}/messages", NO_PERMISSION, 9)
    world.genart.delay = 1
    asked = await world.vary("worth keeping")
    await world.genart.signal.until(lambda: world.genart.calls, 5)
    world.discord.advance(16 * 60)
    world.discord.fail("PATCH", MESSAGES + "/*", NO_PERMISSION, times=9)
    await world.discord.wait_for(lambda m: m.guild_id is None and "/fetch" in m.content)
    await world.becomes(asked, "undelivered")
    none = await world.discord.slash(world.discord.bob, "fetch")
    await none.answered()
    assert none.ephemeral
    fetched = await world.discord.slash(alice, "fetch", channel_id=world.discord.other_channel_id)
    await fetched.answered()
    grid = await world.discord.wait_for(
        lambda m: m.channel_id == world.discord.other_channel_id and labels(m) == LABELS
    )
    assert grid.pings == [str(alice.id)]
    assert len(world.genart.calls) == 1
    await world.becomes(asked, "posted")
    assert labels(await world.result(await world.press(grid, "V1"))) == LABELS
    again = await world.discord.slash(alice, "fetch")
    await again.answered()
    assert again.ephemeral


async def test_a_channel_deleted_meanwhile_loses_nothing(world: World):
    world.genart.delay = 1
    asked = await world.vary()
    gone = Fault(404, 10003, "Unknown Channel")
    path = f"/channels/{world.discord.channel_id}/messages"
    for method, where in (("POST", path), ("PATCH", path + "/*"), ("GET", path + "*")):
        world.discord.fail(method, where, gone, times=99)
    world.discord.fail("PATCH", "/webhooks/*", gone, times=99)
    await world.discord.wait_for(lambda m: m.guild_id is None and "/fetch" in m.content)
    await world.becomes(asked, "undelivered")


async def test_a_card_that_was_deleted_costs_nobody_the_result(world: World):
    world.genart.delay = 1
    grid = await world.grid()
    pressed = await world.press(grid, "🔄")
    assert pressed.message is not None
    world.discord.remove(pressed.message)
    assert labels(await world.result(pressed)) == LABELS
    tile = await world.press(grid, "V1")
    assert tile.message is not None
    world.discord.remove(tile.message)
    assert labels(await world.result(tile)) == LABELS


async def test_a_deferred_reply_that_was_deleted_gets_a_message_of_its_own(world: World):
    grid = await world.grid()
    world.discord.fail("PATCH", "/webhooks/*", Fault(404, 10008, "Unknown Message"), times=9)
    world.discord.fail("PATCH", MESSAGES + "/*", Fault(404, 10008, "Unknown Message"), times=9)
    await world.press(grid, "U3", world.discord.bob)
    tile = await world.discord.wait_for(
        lambda m: any(a.filename.startswith("tile-3") for a in m.attachments)
    )
    assert tile.pings == [str(world.discord.bob.id)]


async def test_an_upscale_answered_too_late_for_its_token_is_posted_on_its_own(world: World):
    grid = await world.grid()
    world.genart.delay = 0
    await world.bot.kill()
    await world.bot.start()
    slow = Fault(delay=2)
    world.discord.fail("GET", MESSAGES + "/*", slow)
    pressed = await world.press(grid, "U1")
    world.discord.advance(16 * 60)
    world.discord.fail("PATCH", MESSAGES + "/*", Fault(404, 10008, "Unknown Message"))
    tile = await world.discord.wait_for(
        lambda m: any(a.filename.startswith("tile-1") for a in m.attachments)
    )
    assert pressed.message is not None
    assert tile.id != pressed.message.id


@pytest.mark.parametrize(
    "fault",
    [
        Fault(500, 0, "Internal"),
        Fault(503, 0, "Unavailable"),
        Fault(429, retry_after=0.5),
        Fault(429, retry_after=0.5, everywhere=True),
        Fault(drop="before"),
        Fault(drop="after"),
    ],
    ids=["500", "503", "429", "global 429", "cut before", "cut after"],
)
async def test_a_post_that_fails_at_first_is_made_once(shared: World, fault: Fault):
    shared.discord.fail("POST", MESSAGES, fault)
    asked = await shared.vary()
    grid = await shared.result(asked)
    await shared.discord.signal.until(lambda: asked.message.deleted, 15)
    await shared.becomes(asked, "posted")
    assert len(results_of(shared, asked.id)) == 1
    assert grid.pings == [str(shared.discord.alice.id)]


@pytest.mark.parametrize("drop", ["before", "after"])
async def test_an_answer_that_breaks_off_charges_only_for_what_can_be_seen(
    shared: World, drop: str
):
    calls = len(shared.genart.calls)
    shared.discord.fail("POST", "/interactions/*", Fault(drop=drop))
    shared.genart.delay = 0.05
    data = shared.discord
    asked = await data.slash(
        data.alice, "vary", {"prompt": f"broken {drop}", "image": shared.upload()}
    )
    if drop == "after":
        assert labels(await shared.result(asked)) == LABELS
    else:
        await shared.becomes(asked, "cancelled")
        assert len(shared.genart.calls) == calls


async def test_an_unknown_interaction_that_did_reach_discord_is_carried_out(shared: World):
    unknown = Fault(404, 10062, "Unknown interaction", carried_out=True)
    shared.discord.fail("POST", "/interactions/*", unknown)
    grid = await shared.grid()
    assert labels(grid) == LABELS
    shared.discord.fail("POST", "/interactions/*", unknown)
    await shared.tile(await shared.press(grid, "U1"))


async def test_editing_an_old_message_may_fail_without_matter(shared: World):
    grid = await shared.grid()
    shared.discord.fail("PATCH", f"/channels/*/messages/{grid.id}", Fault(429, 30046, "Old"))
    await shared.tile(await shared.press(grid, "U4"))
    await shared.tile(await shared.press(grid, "U3"))


@pytest.mark.parametrize("how", ["drop", "close", "reconnect", "invalid", "fresh"])
async def test_the_gateway_may_go_and_come_back(world: World, how: str):
    grid = await world.grid()
    match how:
        case "drop":
            await world.discord.drop_gateway()
        case "close":
            await world.discord.drop_gateway(4000)
        case "reconnect":
            await world.discord.request_reconnect()
        case "invalid":
            await world.discord.invalidate_session(resumable=True)
        case _:
            await world.discord.invalidate_session(resumable=False)

    async def pressable() -> Message:
        while True:
            pressed = await world.discord.press(world.discord.alice, grid, label="🔄")
            try:
                await pressed.answered()
                return await world.result(pressed)
            except TimeoutError:
                continue

    assert labels(await asyncio.wait_for(pressable(), 40)) == LABELS
    assert world.bot.returncode is None


async def test_a_token_that_discord_refuses_ends_it_with_a_sentence(make):
    async with make() as world:
        await world.bot.stop()
        world.bot.settings["DISCORD_TOKEN"] = "another-token"
        await world.bot.launch()
        assert await world.bot.wait() == 78
        assert "DISCORD_TOKEN is refused by Discord" in world.bot.log
        assert "Traceback" not in world.bot.log


async def test_without_a_network_at_start_it_waits_and_says_so(make):
    async with make() as world:
        await world.bot.stop()
        world.discord.fail("GET", "/users/@me", Fault(drop="before"), times=2)
        world.discord.fail("GET", "/gateway/bot", Fault(503), times=1)
        await world.bot.start(timeout=60)
        assert "Discord can't be reached" in world.bot.log
        assert labels(await world.grid()) == LABELS


async def test_told_to_stop_it_finishes_what_runs_and_leaves_the_rest_in_line(make):
    async with make(GENART_CONCURRENCY="1") as world:
        world.genart.delay = 2
        running = await world.vary()
        await world.genart.signal.until(lambda: world.genart.calls, 5)
        waiting = await world.vary()
        assert await world.bot.stop() == 0
        assert [world.state(a) for a in (running, waiting)] == ["posted", "queued"]
        world.genart.delay = 0
        await world.bot.start()
        assert labels(await world.result(waiting)) == LABELS


async def test_what_takes_longer_than_the_grace_is_interrupted_and_its_card_says_so(make):
    async with make(SHUTDOWN_GRACE="1") as world:
        world.genart.behaviours.append(hang())
        asked = await world.vary()
        await world.genart.signal.until(lambda: world.genart.calls, 5)
        assert await world.bot.stop() == 0
        await world.becomes(asked, "interrupted")
        assert asked.message is not None
        assert labels(asked.message) == ["Try again"]
        await world.bot.start()
        again = await world.press(asked.message, "Try again")
        assert labels(await world.result(again)) == LABELS


async def test_a_result_posted_just_before_a_crash_is_recognized(world: World):
    """The post goes through, its answer doesn't, and the process dies before it tries again."""
    world.discord.fail("POST", MESSAGES, Fault(drop="after"))
    asked = await world.vary()
    grid = await world.result(asked)
    await world.bot.kill()
    assert world.state(asked) == "running"
    world.discord.advance(3600)
    await world.bot.start()
    await world.becomes(asked, "posted")
    assert len(results_of(world, asked.id)) == 1
    assert len(world.genart.calls) == 1
    assert labels(await world.result(await world.press(grid, "V4"))) == LABELS
