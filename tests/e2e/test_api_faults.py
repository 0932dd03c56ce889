"""Whatever the API does, its card ends in a sentence for that very case."""

from __future__ import annotations

import asyncio
import gzip
import io

import pytest
from aiohttp import web
from PIL import Image

from sandbox.genart import (
    Behaviour,
    answer,
    change,
    hang,
    redirect,
    reset_before,
    reset_during,
    stream,
    truncated_json,
)
from tests.e2e.conftest import LABELS, World, file_of, labels, picture, pixels

CHARGED = "may have been charged"


def gzip_bomb() -> bytes:
    """Return the few kilobytes that two rounds of gzip make of two gigabytes."""
    return gzip.compress(gzip.compress(bytes(2**26)) * 32)


@pytest.mark.parametrize(
    ("behaviour", "words", "retry"),
    [
        (answer(400, '{"message": "That prompt is banned @everyone."}'), "is banned", False),
        (answer(400, "<html>"), "doesn't accept", False),
        (answer(500, "{}"), "had an error", True),
        (answer(404, "{}"), "had an error", True),
        (answer(200, "<html>no</html>", "text/html"), CHARGED, True),
        (truncated_json(), CHARGED, True),
        (reset_before(), CHARGED, True),
        (reset_during(), CHARGED, True),
        (change(uri="http://127.0.0.1:9/x.png", proxy_url=None), "isn't allowed", True),
        (change(uri=None, proxy_url=None), "makes no sense", True),
        (change(progress="42%"), "makes no sense", True),
        (change(progress=0), CHARGED, True),
        (change(content="[1] a dog of somebody else's"), "makes no sense", True),
        (answer(413, ""), "too long for the picture service", False),
        (answer(414, "<html>", "text/html"), "too long for the picture service", False),
        (answer(431, ""), "too long for the picture service", False),
        (answer(400, b"[" * 500_000), "doesn't accept", False),
        (answer(200, b"[" * 500_000), "makes no sense", True),
        (answer(200, gzip_bomb(), headers={"Content-Encoding": "gzip, gzip"}), CHARGED, True),
    ],
)
async def test_a_fault_of_the_api_becomes_a_sentence(
    shared: World, behaviour: Behaviour, words: str, retry: bool
):
    shared.genart.behaviours.append(behaviour)
    asked = await shared.vary()
    card = await shared.ends(asked, words)
    assert labels(card) == (["Try again"] if retry else [])
    await shared.becomes(asked, "failed")
    assert card.pings == []


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (answer(200, b"these bytes are no picture", "image/png"), "isn't a picture"),
        (answer(404, "This content is no longer available."), "was gone"),
        (stream(60), "too large"),
    ],
)
async def test_a_fault_of_the_image_host_becomes_a_sentence(
    shared: World, behaviour: Behaviour, words: str
):
    shared.genart.image_behaviour = behaviour
    try:
        card = await shared.ends(await shared.vary(), words)
    finally:
        shared.genart.image_behaviour = None
    # What is gone can't be fetched again, and Try again never pays for what is paid for.
    assert labels(card) == ([] if "gone" in words else ["Try again"])


async def test_malformed_options_by_the_thousand_write_a_handful_of_log_lines(shared: World):
    before = len(shared.bot.log.splitlines())
    good = {"custom": "MJ::JOB::upsample::1::h", "label": "\x1b[2JU1"}
    malformed = [1, None, {"custom": "\x1b[2J"}] * 20_000
    shared.genart.behaviours.append(change(options=[good, *malformed]))
    grid = await shared.grid()
    assert labels(grid) == ["[2JU1", *LABELS[9:]]
    await shared.tile(await shared.press(grid, "[2JU1"))
    assert len(shared.bot.log.splitlines()) - before < 30
    assert "\x1b" not in shared.bot.log


async def test_a_picture_of_another_size_than_announced_is_fetched_again(shared: World):
    calls = len(shared.genart.calls)
    served: list[str] = []

    async def stunted_once(request: web.Request) -> web.Response | None:
        served.append(request.path)
        return web.Response(body=picture(), content_type="image/png") if not served[1:] else None

    shared.genart.image_behaviour = stunted_once
    try:
        grid = await shared.grid("whole")
    finally:
        shared.genart.image_behaviour = None
    assert pixels(file_of(grid, "grid")) == pixels(shared.call_for("whole").grid)
    assert len(served) == 2
    assert len(shared.genart.calls) == calls + 1


async def test_a_picture_that_stays_of_another_size_is_not_posted(shared: World):
    shared.genart.behaviours.append(change(width=1_000, height=1_000))
    card = await shared.ends(await shared.vary(), "isn't a picture")
    assert labels(card) == ["Try again"]


async def test_a_result_is_not_followed_to_a_host_that_is_not_allowed(shared: World):
    shared.genart.image_behaviour = redirect(shared.genart.api_url + "/info")
    try:
        await shared.ends(await shared.vary(), "isn't allowed")
    finally:
        shared.genart.image_behaviour = None


async def test_try_again_makes_a_new_generation_once(shared: World):
    shared.genart.behaviours.append(answer(500))
    asked = await shared.vary("once more")
    card = await shared.ends(asked, "had an error")
    again = await shared.press(card, "Try again", shared.discord.bob)
    grid = await shared.result(again)
    assert labels(grid) == LABELS
    assert grid.pings == [str(shared.discord.bob.id)]
    repeated = await shared.press(card, "Try again")
    assert repeated.ephemeral
    assert str(grid.id) in shared.discord.text_of(repeated.message)
    assert shared.sql("select retry_of from generations where id = ?", again.id) == [(asked.id,)]


async def test_a_tile_s_retry_works_for_variations_too(shared: World):
    grid = await shared.grid()
    shared.genart.behaviours.append(answer(500))
    pressed = await shared.press(grid, "V2")
    card = await shared.ends(pressed, "had an error")
    assert labels(await shared.result(await shared.press(card, "Try again"))) == LABELS


async def test_an_api_that_never_answers_ends_in_a_timeout(make):
    async with make(GENART_TIMEOUT="1") as world:
        world.genart.behaviours.append(hang())
        card = await world.ends(await world.vary(), "didn't answer in time")
        said = world.discord.text_of(card)
        assert CHARGED in said
        assert "Moderation may be the reason" in said
        assert labels(await world.grid()) == LABELS


async def test_an_api_that_is_not_there_has_certainly_not_charged(make):
    async with make(GENART_API_URL="http://127.0.0.1:9") as world:
        card = await world.ends(await world.vary(), "connection to the picture service broke")
        assert CHARGED not in world.discord.text_of(card)


@pytest.mark.parametrize("status", [429, 503])
async def test_what_a_busy_api_did_not_take_goes_back_in_line(world: World, status: int):
    world.genart.behaviours.append(answer(status, "", headers={"Retry-After": "2"}))
    asked = await world.vary()
    await world.genart.signal.until(lambda: world.genart.calls, 5)
    assert world.genart.calls[0].status in {0, status}
    await asyncio.sleep(0.5)
    assert world.state(asked) == "queued"
    assert len(world.genart.calls) == 1
    await world.result(asked)
    first, second = world.genart.calls
    assert second.started - first.started >= 2


async def test_a_refused_key_stops_the_calls_tells_the_owner_once_and_is_tried_again(make):
    async with make(GENART_CONCURRENCY="1", USER_QUEUE_LIMIT="9") as world:
        world.genart.behaviours.extend([answer(401), answer(401)])
        asked = [await world.vary() for _ in range(4)]
        first = await world.ends(asked[0], "refuses this bot's key")
        assert labels(first) == ["Try again"]
        await asyncio.sleep(1)
        assert len(world.genart.calls) == 1, "a refused key must not burn through the queue"
        assert [world.state(a) for a in asked[1:]] == ["queued"] * 3
        await world.ends(asked[1], "refuses this bot's key")
        await world.result(asked[2])
        await world.result(asked[3])
        told = [
            world.discord.text_of(m) for m in world.discord.messages.values() if m.guild_id is None
        ]
        assert len(told) == 1
        assert "GENART_API_KEY" in told[0]


def bomb() -> bytes:
    """Return a small PNG that says it is 400 megapixels large."""
    buffer = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"MZ\x90\0 no picture at all", "isn't a picture that can be read"),
        (b"GIF89a" + b"<script>alert(1)</script>", "isn't a picture that can be read"),
        (b"%PDF-1.4\n" + picture(), "isn't a picture that can be read"),
        (bomb(), "too large"),
    ],
    ids=["program", "polyglot gif", "polyglot pdf", "bomb"],
)
async def test_a_file_that_only_says_it_is_a_picture_costs_nothing(
    shared: World, data: bytes, words: str
):
    calls = len(shared.genart.calls)
    card = await shared.ends(await shared.vary(data=data), words)
    assert labels(card) == []
    assert len(shared.genart.calls) == calls


async def test_an_upload_that_is_gone_costs_nothing(make):
    async with make(GENART_CONCURRENCY="1") as world:
        world.genart.delay = 1
        running = await world.vary(user=world.discord.bob)
        await world.genart.signal.until(lambda: any(c.source for c in world.genart.calls), 5)
        waiting = await world.vary()
        world.discord.drop_uploads()
        card = await world.ends(waiting, "is gone")
        assert "/vary" in world.discord.text_of(card)
        assert labels(card) == []
        await world.result(running)
        assert len(world.genart.calls) == 1


@pytest.mark.parametrize("mode", ["CMYK", "L", "P", "I;16", "rotated", "animated"])
async def test_pictures_of_every_kind_go_through(shared: World, mode: str):
    base = Image.open(io.BytesIO(picture(size=(120, 80))))
    buffer = io.BytesIO()
    if mode == "rotated":
        exif = Image.Exif()
        exif[0x0112] = 6
        base.save(buffer, "JPEG", exif=exif)
    elif mode == "animated":
        base.save(buffer, "GIF", save_all=True, append_images=[base.rotate(90)])
    elif mode == "I;16":
        Image.frombytes("I;16", (64, 64), bytes(range(256)) * 32).save(buffer, "PNG")
    else:
        base.convert(mode).save(buffer, "JPEG" if mode == "CMYK" else "PNG")
    grid = await shared.grid(f"mode {mode}", data=buffer.getvalue())
    assert labels(await shared.result(await shared.press(grid, "🔄"))) == LABELS
