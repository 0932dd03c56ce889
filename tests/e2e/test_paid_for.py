"""What the API has answered is kept until it is delivered, and is never paid for twice."""

from __future__ import annotations

import asyncio
import io
import json
import signal

import pytest
from PIL import Image

from sandbox.bot_process import BotProcess
from sandbox.discord import Fault, Request
from sandbox.genart import Behaviour, answer, change, reset_before
from tests.e2e.conftest import LABELS, World, file_of, generation_of, labels, picture

MESSAGES = "/channels/*/messages"
DOWN = Fault(503, 0, "Service Unavailable")


def during(world: World, fault: Fault, *paths: str) -> list[object]:
    """Let every request to Discord whose path begins so meet a fault; until the list is cleared."""
    on: list[object] = [True]

    def hook(request: Request) -> Fault | None:
        return fault if on and request.path.startswith(paths) else None

    world.discord.faults.append(hook)
    return on


def copies(world: World, generation: int) -> int:
    """Return how many messages hold a generation's buttons."""
    grids = [m for m in world.discord.messages.values() if len(labels(m)) == len(LABELS)]
    return sum(generation_of(m) == generation for m in grids)


async def called(world: World, number: int = 1) -> None:
    """Wait until the API has been called so often."""
    await world.genart.signal.until(lambda: len(world.genart.calls) >= number, 10)


async def test_a_picture_host_that_is_down_for_a_while_costs_nothing(world: World):
    world.genart.image_behaviour = answer(503, "down", "text/plain")
    asked = await world.vary()
    await world.ends(asked, "picture is ready")
    assert world.state(asked) in {"queued", "running"}
    assert labels(asked.message) == []
    world.genart.image_behaviour = reset_before()
    await asyncio.sleep(15)
    world.genart.image_behaviour = None
    assert labels(await world.result(asked, 60)) == LABELS
    assert len(world.genart.calls) == 1


async def test_an_outage_of_discord_delays_results_and_leaves_no_dead_card(world: World):
    grid = await world.grid()
    world.genart.delay = 1
    asked, pressed = await world.vary(), await world.press(grid, "V1")
    await called(world, 3)
    for fault in (DOWN, Fault(drop="before")):
        outage = during(world, fault, "/channels/", "/webhooks/", "/users/")
        await asyncio.sleep(13)
        outage.clear()
    for one in (asked, pressed):
        assert labels(await world.result(one, 90)) == LABELS
        card = one.message
        assert card is not None
        await world.discord.signal.until(lambda card=card: card.deleted, 60)
        assert copies(world, one.id) == 1
    await world.settled(60)
    assert len(world.genart.calls) == 3
    assert "Traceback" not in world.bot.log


async def test_a_card_that_cannot_be_edited_is_edited_later(make):
    async with make(GENART_TIMEOUT="1") as world:
        world.genart.default = answer(500, "{}")
        world.genart.delay = 0.5
        waiting = await world.vary()
        await called(world)
        outage = during(world, Fault(drop="before"), "/channels/", "/webhooks/")
        await world.becomes(waiting, "failed")
        await asyncio.sleep(6)
        outage.clear()
        card = await world.ends(waiting, "had an error")
        assert labels(card) == ["Try again"]


async def test_a_cancel_whose_answer_fails_ends_its_card_all_the_same(make):
    async with make(GENART_CONCURRENCY="1") as world:
        world.genart.delay = 30
        await world.vary()
        await called(world)
        waiting = await world.vary()
        world.discord.fail("POST", "/interactions/*", Fault(drop="before"), times=20)
        await world.discord.press(world.discord.alice, waiting.message, label="Cancel")
        card = await world.ends(waiting, "Cancelled")
        assert labels(card) == []
        world.genart.delay = 0
        await asyncio.sleep(1)
        due = "select count(*) from generations where card_due or (worker is not null and state"
        assert world.sql(f"{due} = 'cancelled')") == [(0,)]
        assert "Traceback" not in world.bot.log


async def test_a_tile_that_cannot_be_hosted_for_a_while_is_hosted_later(world: World):
    grid = await world.grid()
    outage = during(world, DOWN, "/channels/", "/webhooks/")
    pressed = await world.press(grid, "V3")
    await asyncio.sleep(4)
    outage.clear()
    assert labels(await world.result(pressed)) == LABELS


async def test_a_gateway_that_ends_during_a_call_disturbs_no_delivery(world: World):
    world.genart.delay = 3
    asked = await world.vary()
    await called(world)
    world.discord.fail("GET", "/gateway/bot", DOWN, times=3)
    await world.discord.drop_gateway(4000)
    await world.discord.invalidate_session(resumable=False)
    result = await world.result(asked)
    assert labels(result) == LABELS
    await world.becomes(asked, "posted")


async def test_the_bot_s_own_end_loses_no_result(make):
    async with make(SHUTDOWN_GRACE="2") as world:
        hang = during(world, Fault(503, delay=20), "/channels/")
        asked = await world.vary()
        await called(world)
        await asyncio.sleep(1)
        assert await world.bot.stop() == 0
        hang.clear()
        assert world.state(asked) == "queued"
        await world.bot.start()
        assert labels(await world.result(asked)) == LABELS
        await world.settled()
        assert copies(world, asked.id) == 1
        assert len(world.genart.calls) == 1
        assert "Traceback" not in world.bot.log


async def test_try_again_delivers_what_is_paid_for_without_a_call(world: World):
    world.genart.image_behaviour = answer(200, b"no picture", "image/png")
    card = await world.ends(await world.vary(), "isn't a picture")
    world.genart.image_behaviour = None
    again = await world.press(card, "Try again")
    assert labels(await world.result(again)) == LABELS
    assert len(world.genart.calls) == 1


def strip() -> bytes:
    """Return a picture that is longer than WebP allows."""
    buffer = io.BytesIO()
    noise = Image.effect_noise((17_000, 240), 60)
    Image.merge("RGB", [noise] * 3).save(buffer, "PNG")
    return buffer.getvalue()


def truncated() -> bytes:
    """Return the first half of a picture of some megabytes."""
    data = picture(size=(1400, 1400))
    return data[: len(data) // 2]


def given(world: World) -> Behaviour:
    """Answer with a grid, whatever the source is: an API may read what the loopback can't."""
    path = "/attachments/1/2/given.png"
    world.genart.images[path] = picture(size=(128, 128))
    options = [
        {"type": 2, "style": 2, "label": f"{letter}{n}", "custom": f"MJ::JOB::{kind}::{n}::job"}
        for letter, kind in (("U", "upsample"), ("V", "variation"))
        for n in range(1, 5)
    ]
    options.insert(
        4, {"type": 2, "style": 2, "label": "🔄", "custom": "MJ::JOB::reroll::0::job::S"}
    )
    link = f"http://{world.genart.image_host}{path}?hm=1"
    body = {"uri": link, "progress": "done", "options": options}
    return answer(200, json.dumps(body))


@pytest.mark.parametrize("make_source", [strip, truncated])
@pytest.mark.parametrize("limit", [10 * 2**20, 300_000])
async def test_a_source_that_cannot_be_shown_costs_no_result(make, make_source, limit: int):
    async with make(tile=64) as world:
        world.discord.attachment_size_limit = limit
        world.genart.default = given(world)
        grid = await world.grid(data=make_source())
        assert labels(grid) == LABELS
        await world.tile(await world.press(grid, "U1"))


@pytest.mark.parametrize(
    "fields",
    [
        {"flags": "x"},
        {"id": {}},
        {"content": "half an emoji \ud83d"},
        {"hash": None, "taskId": 7},
        {"uri": "https://xn--0"},
    ],
    ids=str,
)
async def test_fields_that_nobody_needs_cost_no_result(shared: World, fields: dict[str, object]):
    shared.genart.behaviours.append(change(**fields))
    assert labels(await shared.grid()) == LABELS


async def test_a_result_among_many_messages_is_found_after_a_crash(world: World):
    world.discord.fail("POST", MESSAGES, Fault(drop="after"))
    asked = await world.vary()
    await world.result(asked)
    await world.bot.kill()
    for number in range(450):
        await world.discord.say(world.discord.bob, f"message {number}")
    world.discord.advance(3600)
    await world.bot.start()
    await world.becomes(asked, "posted")
    assert copies(world, asked.id) == 1


async def test_a_look_up_that_fails_is_repeated_before_anything_is_posted(world: World):
    world.discord.fail("POST", MESSAGES, Fault(drop="after"))
    asked = await world.vary()
    await world.result(asked)
    await world.bot.kill()
    for number in range(150):
        await world.discord.say(world.discord.bob, f"message {number}")
    world.discord.advance(3600)
    world.discord.fail("GET", MESSAGES, DOWN, times=2)
    world.discord.fail("GET", MESSAGES, Fault(drop="before"), times=4)
    await world.bot.start()
    await world.becomes(asked, "posted")
    assert copies(world, asked.id) == 1


@pytest.mark.both_databases
async def test_a_worker_that_was_paused_posts_nothing_dead_and_nothing_twice(make):
    async with make(SHUTDOWN_GRACE="1") as world:
        other = BotProcess(world.discord, world.bot.settings)
        world.genart.delay = 3
        asked = await world.vary()
        await called(world)
        world.bot.signal(signal.SIGSTOP)
        await other.start()
        try:
            await world.becomes(asked, "interrupted")
            await asyncio.sleep(3)
            world.bot.signal(signal.SIGCONT)
            grid = await world.result(asked)
            await world.settled()
            assert copies(world, asked.id) == 1
            assert world.state(asked) == "posted"
            tile = await world.press(grid, "U1")
            await world.tile(tile)
            assert len(world.genart.calls) == 1
        finally:
            world.bot.signal(signal.SIGCONT)
            await other.kill()


@pytest.mark.both_databases
async def test_a_worker_paused_while_it_delivers_leaves_that_to_another(make):
    async with make(SHUTDOWN_GRACE="1") as world:
        other = BotProcess(world.discord, world.bot.settings)
        world.genart.image_behaviour = answer(503, "later", "text/plain")
        asked = await world.vary()
        await called(world)
        await asyncio.sleep(0.3)
        world.bot.signal(signal.SIGSTOP)
        await other.start()
        try:
            await asyncio.sleep(11)
            world.genart.image_behaviour = None
            grid = await world.result(asked, 40)
            world.bot.signal(signal.SIGCONT)
            await asyncio.sleep(3)
            assert copies(world, asked.id) == 1
            await world.tile(await world.press(grid, "U2"))
        finally:
            world.bot.signal(signal.SIGCONT)
            await other.kill()


async def test_a_replacement_card_outlives_a_crash(world: World):
    grid = await world.grid()
    await world.bot.kill()
    await world.bot.start()
    world.genart.delay = 4
    world.discord.fail("GET", MESSAGES + "/*", Fault(delay=1))
    pressed = await world.press(grid, "V2")
    assert pressed.message is not None
    world.discord.remove(pressed.message)
    await called(world, 2)
    await world.bot.kill()
    await world.bot.start()
    await world.becomes(pressed, "interrupted")
    card = await world.discord.wait_for(lambda m: labels(m) == ["Try again"])
    assert card.id != pressed.message.id
    await world.settled()
    left = [m for m in world.discord.messages.values() if "Started" in world.discord.text_of(m)]
    assert left == []
    world.genart.delay = 0
    assert labels(await world.result(await world.press(card, "Try again"))) == LABELS


async def test_a_hosted_tile_is_fitted_to_what_discord_takes(make):
    async with make(tile=512) as world:
        grid = await world.grid()
        world.discord.attachment_size_limit = world.discord.upload_limit = 400_000
        pressed = await world.press(grid, "V1")
        assert labels(await world.result(pressed)) == LABELS
        assert file_of(grid, "grid")


async def test_what_is_answered_too_late_is_never_charged(world: World):
    discord = world.discord
    grid = await world.grid()
    discord.fail("POST", "/interactions/*", Fault(delay=8), times=3)
    options = {"prompt": "too late", "image": world.upload()}
    asked = [await discord.slash(discord.alice, "vary", options)]
    asked += [await discord.press(discord.alice, grid, label=label) for label in ("V1", "U1")]
    for one in asked:
        await world.becomes(one, "cancelled")
    await asyncio.sleep(6)
    assert len(world.genart.calls) == 1
    assert [one.answer for one in asked] == [None] * 3


async def test_what_a_crash_left_unanswered_is_never_charged(world: World):
    world.discord.fail("POST", "/interactions/*", Fault(delay=60))
    options = {"prompt": "nobody sees it", "image": world.upload()}
    asked = await world.discord.slash(world.discord.alice, "vary", options)
    await world.discord.signal.until(lambda: world.state(asked), 5)
    await world.bot.kill()
    await world.bot.start()
    await world.becomes(asked, "cancelled")
    assert world.genart.calls == []


async def test_an_answer_that_discord_cannot_be_asked_for_is_looked_for_later(world: World):
    world.discord.fail("POST", "/interactions/*", Fault(drop="after"))
    outage = during(world, DOWN, "/webhooks/", "/channels/")
    options = {"prompt": "seen after all", "image": world.upload()}
    asked = await world.discord.slash(world.discord.alice, "vary", options)
    await asyncio.sleep(10)
    outage.clear()
    assert labels(await world.result(asked)) == LABELS
    await world.settled()
    assert asked.message.deleted
