"""The main job, as members live it: /vary, the grid, its buttons, the same after a restart."""

from __future__ import annotations

import asyncio
import io
import signal
import time

import pytest
from PIL import Image

from sandbox.discord import Fault, Request
from sandbox.genart import hang
from tests.e2e.conftest import (
    LABELS,
    OPTIONS,
    World,
    file_of,
    generation_of,
    labels,
    picture,
    pixels,
    quadrant,
    styles,
)
from tests.openapi import OpenApi

DAY = 24 * 3600

pytestmark = pytest.mark.both_databases


@pytest.mark.parametrize(
    ("form", "name", "content_type"),
    [
        ("PNG", "cat.png", "image/png"),
        ("JPEG", "holiday photo.JPG", "image/jpeg"),
        ("WEBP", "cat.webp", "image/webp"),
        ("GIF", "cat.gif", "image/gif"),
    ],
)
async def test_vary_posts_a_grid_with_its_source_and_its_buttons(
    shared: World, form: str, name: str, content_type: str
):
    upload = picture(form)
    prompt = f"a cat as {form}"
    asked = await shared.vary(prompt, upload, name=name, content_type=content_type)
    assert asked.answer is not None
    assert asked.answer["type"] == 4
    assert asked.message is not None
    assert prompt in shared.discord.text_of(asked.message)
    assert labels(asked.message) == ["Cancel"]
    grid = await shared.result(asked)
    call = shared.call_for(prompt)
    assert call.source == upload
    assert labels(grid) == LABELS
    assert [len(row["components"]) for row in grid.components if row["type"] == 1] == [5, 5, 4]
    assert pixels(file_of(grid, "grid")) == pixels(call.grid)
    assert file_of(grid, "source") == upload
    assert all(attachment.description == prompt for attachment in grid.attachments)
    (gallery,) = (part for part in grid.components if part["type"] == 12)
    assert gallery["items"][0]["description"] == f"Four pictures: {prompt}"
    assert grid.pings == [str(shared.discord.alice.id)]
    assert grid.channel_id == shared.discord.channel_id
    await shared.discord.signal.until(lambda: asked.message.deleted, 5)
    await shared.becomes(asked, "posted")


async def test_u_n_posts_exactly_tile_n_alone(shared: World):
    grid = await shared.grid()
    for number in range(1, 5):
        pressed = await shared.press(grid, f"U{number}", shared.discord.bob)
        assert pressed.answer is not None
        assert pressed.answer["type"] == 5
        tile = await shared.tile(pressed)
        assert pixels(tile.attachments[0].data) == quadrant(file_of(grid, "grid"), number)
        assert file_of(tile, "source") == file_of(grid, "source")
        assert len(tile.attachments) == 2
    assert sum(call.prompt in shared.discord.text_of(grid) for call in shared.genart.calls) == 1


async def test_v_n_posts_a_grid_made_from_tile_n_with_the_same_prompt(shared: World):
    grid = await shared.grid("mountains")
    for number in (1, 4):
        pressed = await shared.press(grid, f"V{number}", shared.discord.bob)
        posted = await shared.result(pressed)
        call = shared.genart.calls[-1]
        assert call.prompt == "mountains"
        assert pixels(call.source) == quadrant(file_of(grid, "grid"), number)
        assert pixels(file_of(posted, "source")) == pixels(call.source)
        assert pixels(file_of(posted, "grid")) == pixels(call.grid)
        assert labels(posted) == LABELS
        assert posted.pings == [str(shared.discord.bob.id)]


async def test_reroll_asks_again_with_the_first_arguments_when_the_upload_is_gone(shared: World):
    upload = picture()
    grid = await shared.grid("a lighthouse", data=upload)
    shared.discord.drop_uploads()
    again = await shared.result(await shared.press(grid, "🔄"))
    third = await shared.result(await shared.press(again, "🔄"))
    calls = [call for call in shared.genart.calls if call.prompt == "a lighthouse"]
    assert [call.source for call in calls] == [upload] * 3
    assert len({pixels(file_of(message, "grid")) for message in (grid, again, third)}) == 3


async def test_a_variation_s_reroll_starts_from_the_same_tile(shared: World):
    grid = await shared.grid("a bridge")
    variation = await shared.result(await shared.press(grid, "V2"))
    again = await shared.result(await shared.press(variation, "🔄"))
    tile = quadrant(file_of(grid, "grid"), 2)
    assert pixels(file_of(again, "source")) == tile
    assert pixels(shared.genart.calls[-1].source) == tile


async def test_every_button_of_an_old_message_works_after_kill_9_and_a_month(world: World):
    upload = picture()
    grid = await world.grid("a harbour", data=upload)
    await world.bot.kill()
    world.discord.drop_uploads()
    world.discord.advance(31 * DAY)
    world.genart.images.clear()
    await world.bot.start()
    data = file_of(grid, "grid")
    for number in range(1, 5):
        tile = await world.tile(await world.press(grid, f"U{number}"))
        assert pixels(tile.attachments[0].data) == quadrant(data, number)
    for label in OPTIONS[4:]:
        posted = await world.result(await world.press(grid, label, world.discord.bob))
        assert labels(posted) == LABELS
    sources = [call.source for call in world.genart.calls[1:]]
    assert sources[0] == upload
    assert [pixels(s) for s in sources[1:]] == [quadrant(data, n) for n in range(1, 5)]


async def test_two_people_press_at_once_and_each_gets_an_own_grid(shared: World):
    grid = await shared.grid()
    people = [shared.discord.alice, shared.discord.bob, shared.discord.moderator]
    pressed = await asyncio.gather(*(shared.press(grid, "V1", person) for person in people))
    posted = [await shared.result(press) for press in pressed]
    assert [message.pings for message in posted] == [[str(p.id)] for p in people]


async def test_a_used_upscale_turns_blue_and_the_other_buttons_go_on_working(shared: World):
    grid = await shared.grid()
    await shared.tile(await shared.press(grid, "U3"))
    await shared.discord.wait_for(lambda m: m.id == grid.id and styles(m)["U3"] == 1)
    assert {label: style for label, style in styles(grid).items() if label != "U3"} == {
        label: 2 for label in LABELS if label != "U3"
    }
    assert len(grid.attachments) == 2
    repeated = await shared.press(grid, "U3", shared.discord.bob)
    assert repeated.ephemeral
    await shared.tile(await shared.press(grid, "U1"))
    await shared.result(await shared.press(grid, "🔄"))
    await shared.discord.wait_for(lambda m: m.id == grid.id and styles(m)["U1"] == 1)


async def test_buttons_of_all_kinds_work_after_a_card_lost_its_own(make):
    """A card loses its Cancel button by an edit; that must not unregister any kind of button."""
    async with make(GENART_CONCURRENCY="1") as world:
        grid = await world.grid()
        world.genart.delay = 1.5
        running = await world.press(grid, "V1")
        waiting = [await world.press(grid, label) for label in ("V2", "V3", "🔄")]
        await world.discord.wait_for(lambda m: m is running.message and labels(m) == ["Discard"])
        for asked in waiting:
            assert asked.message is not None
            await world.press(asked.message, "Cancel")
            await world.ends(asked, "Cancelled")
            assert labels(asked.message) == []
        assert labels(await world.result(running)) == LABELS
        await world.tile(await world.press(grid, "U1"))


async def test_each_click_is_counted_for_its_user(world: World):
    grid = await world.grid()
    alice, bob = world.discord.alice, world.discord.bob
    pressed = await world.press(grid, "U2", alice)
    await world.tile(pressed)
    await world.becomes(pressed, "posted")
    await world.press(grid, "U2", bob)
    await world.result(await world.press(grid, "V3", bob))
    assert world.clicks(generation_of(grid)) == [
        (alice.id, "U2", "accepted"),
        (bob.id, "U2", "repeated"),
        (bob.id, "V3", "accepted"),
    ]
    assert world.sql("select distinct guild_id from clicks") == [(world.discord.guild_id,)]


@pytest.mark.parametrize(
    "prompt",
    [
        "hello @everyone and @here",
        "<@&1234567890123456789> <@1234567890123456789>",
        "[click me](https://evil.example) `code` **bold** ||spoiler|| # title",
        "```\n@everyone\n```",
        "\u202eright to left\u202c z\u200be\u200br\u200bo",
        "👩‍🚀" * 150,
        "*_~`|>" * 300,
        "a",
    ],
)
async def test_no_prompt_pings_anybody_but_the_asker(shared: World, prompt: str):
    asked = await shared.vary(prompt)
    assert asked.message is not None
    assert asked.message.pings == []
    grid = await shared.result(asked)
    assert grid.pings == [str(shared.discord.alice.id)]
    assert shared.genart.calls[-1].prompt == " ".join(prompt.split())
    posted = await shared.result(await shared.press(grid, "V1", shared.discord.bob))
    assert posted.pings == [str(shared.discord.bob.id)]
    tile = await shared.tile(await shared.press(grid, "U1", shared.discord.bob))
    assert set(tile.pings) <= {str(shared.discord.bob.id), str(shared.discord.bot.id)}


@pytest.mark.parametrize(
    ("prompt", "size", "name", "content_type", "word"),
    [
        ("\u200b \u200e", None, "cat.png", "image/png", "blank"),
        ("a cat", None, "cat.pdf", "application/pdf", "PNG"),
        ("a cat", None, "cat.svg", "image/svg+xml", "PNG"),
        ("a cat", None, "cat.exe", "image/png", "PNG"),
        ("a cat", 25 * 2**20 + 1, "cat.png", "image/png", "25 MB"),
    ],
)
async def test_what_cannot_be_used_is_refused_before_anything_is_stored_or_charged(
    shared: World, prompt: str, size: int | None, name: str, content_type: str, word: str
):
    calls, rows = len(shared.genart.calls), shared.sql("select count(*) from generations")
    data = picture() + b"\0" * (size - len(picture())) if size else picture()
    refused = await shared.vary(prompt, data, name=name, content_type=content_type)
    assert refused.ephemeral
    assert refused.message is not None
    assert word in shared.discord.text_of(refused.message)
    assert shared.sql("select count(*) from generations") == rows
    assert len(shared.genart.calls) == calls


async def test_a_prompt_over_the_limit_is_refused_even_if_a_client_lets_it_through(shared: World):
    refused = await shared.vary("x" * 1801, check=False)
    assert refused.ephemeral
    assert "1,800" in shared.discord.text_of(refused.message)


async def test_a_press_on_a_lost_generation_says_so_to_that_user_alone(world: World):
    grid = await world.grid()
    await world.bot.kill()
    world.lose_everything()
    await world.bot.start()
    for label in ("U1", "V2", "🔄"):
        pressed = await world.press(grid, label)
        assert pressed.ephemeral
        assert "/vary" in world.discord.text_of(pressed.message)
    assert [(label, outcome) for _, label, outcome in world.clicks(generation_of(grid))] == [
        ("U1", "unknown"),
        ("V2", "unknown"),
        ("🔄", "unknown"),
    ]


async def test_answers_wait_for_neither_the_api_nor_downloads(world: World):
    grid = await world.grid()
    await world.bot.kill()
    await world.bot.start()
    world.genart.behaviours.extend([hang()] * 9)

    def slow_cdn(request: Request) -> Fault | None:
        slow = request.method == "GET" and "/messages/" in request.path
        return Fault(delay=4) if slow else None

    world.discord.faults.append(slow_cdn)
    asked = [await world.vary(), await world.press(grid, "V1"), await world.press(grid, "🔄")]
    asked += [await world.press(grid, f"U{n}", world.discord.bob) for n in range(1, 5)]
    assert [a.latency for a in asked if a.latency is None or a.latency > 1] == []


async def test_commands_are_registered_once_and_not_at_every_start(world: World):
    (command,) = (c for c in world.discord.commands if c["name"] == "vary")
    required = [o for o in command["options"] if o.get("required")]
    assert [(o["name"], o["type"]) for o in required] == [("prompt", 3), ("image", 11)]
    assert (command["options"][0]["min_length"], command["options"][0]["max_length"]) == (1, 1800)
    await world.bot.stop()
    await world.bot.start()
    assert world.discord.command_puts == 1


async def test_commands_that_something_else_registered_are_replaced_at_start(world: World):
    await world.bot.stop()
    ours = world.discord.commands
    world.discord.commands = [ours[0] | {"integration_types": [0]}, *ours[1:]]
    await world.bot.start()
    assert world.discord.command_puts == 2
    assert [c["integration_types"] for c in world.discord.commands] == [
        c["integration_types"] for c in ours
    ]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_closes_everything_and_exits_0_when_told_to(world: World, number: int):
    await world.grid()
    world.bot.signal(number)
    assert await world.bot.wait() == 0
    assert "Stopped." in world.bot.log
    assert "Traceback" not in world.bot.log


async def test_a_grid_over_the_upload_limit_is_made_smaller_never_refused(world: World):
    world.genart.tile = 256
    world.discord.attachment_size_limit = 100_000
    grid = await world.grid(data=picture(size=(600, 400)))
    assert len(world.genart.calls[0].grid) > 100_000
    sizes = {a.filename: len(a.data) for a in grid.attachments}
    assert set(sizes) == {"grid.webp", "source.webp"}
    assert max(sizes.values()) <= 100_000
    assert Image.open(io.BytesIO(file_of(grid, "grid"))).width >= 256
    tile = await world.tile(await world.press(grid, "U4"))
    assert pixels(tile.attachments[0].data)[0] == quadrant(file_of(grid, "grid"), 4)[0]


@pytest.mark.parametrize(("limit", "fits"), [(10, 9.5), (8, 7)])
async def test_an_asker_s_nitro_is_not_taken_for_the_bot_s_own_limit(
    world: World, limit: float, fits: float
):
    """The interaction's limit counts the asker's subscription; the bot's messages have none.
    (``limit`` and ``fits`` in MiB.)"""
    world.discord.attachment_size_limit = 500 * 2**20
    world.discord.upload_limit = int(limit * 2**20)
    world.genart.tile = 1_500
    grid = await world.grid()
    *refused, taken = [len(r.files[0][1]) for r in world.discord.requests if len(r.files) == 2]
    assert refused
    assert min(refused) > world.discord.upload_limit >= fits * 2**20 >= taken
    assert Image.open(io.BytesIO(file_of(grid, "grid"))).width >= 2_000
    assert len(file_of(grid, "source")) <= 2**20


async def test_a_full_size_grid_goes_through(make):
    async with make(tile=1024) as world:
        grid = await world.grid(data=picture(size=(640, 480)))
        assert Image.open(io.BytesIO(file_of(grid, "grid"))).size == (2048, 2048)
        for number in (2, 3):
            tile = await world.tile(await world.press(grid, f"U{number}"))
            assert pixels(tile.attachments[0].data) == quadrant(file_of(grid, "grid"), number)


async def test_work_in_line_goes_on_after_kill_9(make):
    async with make(GENART_CONCURRENCY="1") as world:
        world.genart.behaviours.append(hang())
        hanging = await world.vary(user=world.discord.bob)
        await world.genart.signal.until(lambda: world.genart.calls, 5)
        waiting = [await world.vary() for _ in range(3)]
        await world.bot.kill()
        began = time.monotonic()
        await world.bot.start()
        posted = [await world.result(asked) for asked in waiting]
        assert [message.pings for message in posted] == [[str(world.discord.alice.id)]] * 3
        await world.ends(hanging, "I was restarted")
        assert time.monotonic() - began < 30
        await world.becomes(hanging, "interrupted")
        assert len(world.genart.calls) == 4, "nothing is asked of the API twice by itself"
        again = await world.result(await world.press(hanging.message, "Try again"))
        assert labels(again) == LABELS


async def test_every_request_is_checked_against_discord_s_description(needs_openapi: OpenApi):
    bad = Request("POST", "/channels/1/messages", {"components": [{"type": 99}]})
    assert needs_openapi.check(bad)
    assert needs_openapi.check(Request("POST", "/channels/1/nonsense", {}))
    assert not needs_openapi.check(Request("POST", "/channels/1/messages", {"content": "x"}))
