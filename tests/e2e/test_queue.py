"""The line: its limits, its order, its cards, and what is asked for twice."""

from __future__ import annotations

import asyncio
import itertools
import json
import re

import pytest

from sandbox.discord import Fault, User
from sandbox.genart import hang
from tests.e2e.conftest import (
    LABELS,
    World,
    file_of,
    generation_of,
    labels,
    pixels,
    quadrant,
    styles,
)

pytestmark = pytest.mark.both_databases


async def test_cards_tell_the_place_in_line_then_the_start_then_an_estimate(make):
    async with make(GENART_CONCURRENCY="1") as world:
        await world.grid()
        world.genart.delay = 8
        asked = [await world.vary()]
        await world.genart.signal.until(lambda: len(world.genart.calls) == 2, 5)
        asked += [await world.vary(user=u) for u in (world.discord.bob, world.discord.moderator)]
        cards = [a.message for a in asked]
        shown = ("Starting…", "1 ahead of you.", "2 ahead of you.")
        for card, ahead in zip(cards, shown, strict=True):
            assert card is not None
            words = world.discord.text_of(card)
            assert ahead in words or (card is cards[0] and "Started <t:" in words)
        await world.ends(asked[0], "Started <t:")
        assert labels(cards[0]) == ["Discard"]
        await world.ends(asked[2], "2 ahead of you.")
        await world.ends(asked[0], "taking longer than usual")
        edits: dict[tuple[str, bool], list[float]] = {}
        await world.result(asked[0])
        await world.ends(asked[2], "1 ahead of you.")
        for request in world.discord.requests:
            if request.method == "PATCH":
                phase = request.path, "Started" in str(request.json)
                edits.setdefault(phase, []).append(request.at)
        for times in edits.values():
            gaps = [b - a for a, b in itertools.pairwise(times)]
            assert all(gap >= 4.9 for gap in gaps)


async def test_only_the_asker_and_moderators_can_cancel(make):
    async with make(GENART_CONCURRENCY="1") as world:
        world.genart.behaviours.append(hang())
        await world.vary()
        await world.genart.signal.until(lambda: world.genart.calls, 5)
        first, second = await world.vary(), await world.vary()
        no = await world.press(first.message, "Cancel", world.discord.bob)
        assert no.ephemeral
        assert world.state(first) == "queued"
        await world.press(first.message, "Cancel", world.discord.alice)
        await world.press(second.message, "Cancel", world.discord.moderator)
        await world.becomes(first, "cancelled")
        await world.becomes(second, "cancelled")
        for asked in (first, second):
            card = await world.ends(asked, "Cancelled")
            assert labels(card) == []
        assert len(world.genart.calls) == 1


async def test_what_runs_cannot_be_cancelled(world: World):
    world.genart.delay = 2
    asked = await world.vary()
    button = world.discord.buttons_of(asked.message)[0]["custom_id"]
    await world.genart.signal.until(lambda: world.genart.calls, 5)
    late = await world.discord.press(
        world.discord.alice, asked.message, custom_id=button, forge=True
    )
    await late.answered()
    assert late.ephemeral
    assert labels(await world.result(asked)) == LABELS


async def test_each_limit_has_a_sentence_of_its_own(make):
    async with make(
        GENART_CONCURRENCY="1", QUEUE_LIMIT="3", USER_QUEUE_LIMIT="3", DAILY_LIMIT="4"
    ) as world:
        world.genart.behaviours.append(hang())
        alice, bob = world.discord.alice, world.discord.bob
        own = [await world.vary(user=alice) for _ in range(4)]
        assert "You have 3 waiting or running" in world.discord.text_of(own[3].message)
        await world.vary(user=bob)
        full = await world.vary(user=bob)
        assert "The line is full" in world.discord.text_of(full.message)
        assert [a.ephemeral for a in (*own, full)] == [False, False, False, True, True]
        rows = world.sql("select count(*) from generations")
        assert rows == [(4,)]
        await world.press(own[1].message, "Cancel", alice)
        await world.press(own[2].message, "Cancel", alice)
        for _ in range(2):
            await world.vary(user=alice)
        assert world.sql("select count(*) from generations") == [(6,)]


async def test_a_daily_limit_says_when_the_next_is_possible(make):
    async with make(DAILY_LIMIT="2") as world:
        grid = await world.grid()
        await world.grid()
        refused = [await world.vary(), await world.press(grid, "V1")]
        for answer in refused:
            assert answer.ephemeral
            assert re.search(r"<t:\d+:t> \(<t:\d+:R>\)", world.discord.text_of(answer.message))
        await world.tile(await world.press(grid, "U1"))
        assert world.clicks(generation_of(grid))[0][1:] == ("V1", "refused")
        await world.grid(user=world.discord.bob)


async def test_presses_at_once_count_once_for_each_user(make):
    async with make(USER_QUEUE_LIMIT="50") as world:
        grid = await world.grid()
        world.genart.delay = 1
        people = [world.discord.alice, world.discord.bob]
        presses = await asyncio.gather(
            *(world.press(grid, label, user) for user in people for label in ("V1", "🔄") * 5)
        )
        cards = {p.message.id: p for p in presses if not p.ephemeral}
        assert len(cards) == 4
        for repeated in (p for p in presses if p.ephemeral):
            said = world.discord.text_of(repeated.message)
            assert "on its way" in said or any(str(card) in said for card in cards)
        for pressed in cards.values():
            await world.result(pressed)
        assert len(world.genart.calls) == 5
        assert world.genart.peak_in_flight <= 3
        outcomes = [outcome for _, _, outcome in world.clicks(generation_of(grid))]
        assert (outcomes.count("accepted"), outcomes.count("repeated")) == (4, 16)


async def test_an_upscale_pressed_at_once_by_one_user_is_made_once(world: World):
    grid = await world.grid()
    presses = await asyncio.gather(*(world.press(grid, "U2") for _ in range(6)))
    first = [p for p in presses if not p.ephemeral]
    assert len(first) == 1
    tile = await world.tile(first[0])
    await world.settled()  # Until the ledger has it, everybody gets a tile of their own.
    again = await world.press(grid, "U2", world.discord.bob)
    assert again.ephemeral
    assert str(tile.id) in world.discord.text_of(again.message)


async def test_an_upscale_whose_message_was_deleted_is_made_anew(world: World):
    grid = await world.grid()
    tile = await world.tile(await world.press(grid, "U2"))
    await world.discord.wait_for(lambda m: m.id == grid.id and styles(m)["U2"] == 1)
    world.discord.remove(tile)
    pressed = await world.press(grid, "U2", world.discord.bob)
    again = await world.discord.wait_for(
        lambda m: m.reply_to == grid.id and bool(m.attachments) and m.id != tile.id
    )
    assert pixels(again.attachments[0].data) == quadrant(file_of(grid, "grid"), 2)
    await world.ends(pressed, "making it again")
    outcomes = [outcome for _, _, outcome in world.clicks(generation_of(grid))]
    assert outcomes == ["accepted", "accepted"]
    assert (await world.press(grid, "U2")).ephemeral


async def test_users_take_turns(make):
    async with make(GENART_CONCURRENCY="1", USER_QUEUE_LIMIT="50") as world:
        everybody_asked = asyncio.Event()

        async def wait_for_everybody(_: object) -> None:
            await everybody_asked.wait()

        world.genart.behaviours.append(wait_for_everybody)
        await world.vary("alice")
        await world.genart.signal.until(lambda: world.genart.calls, 5)
        for n in range(4):
            await world.vary(f"alice {n}")
        await world.vary("bob", user=world.discord.bob)
        everybody_asked.set()
        await world.genart.signal.until(lambda: len(world.genart.calls) == 6, 30)
        prompts = [call.prompt for call in world.genart.calls]
        assert prompts == ["alice", "bob", "alice 0", "alice 1", "alice 2", "alice 3"]


async def test_equal_prompts_are_never_in_flight_together_without_markers(make):
    async with make(USER_QUEUE_LIMIT="50") as world:
        world.genart.marked = False
        world.genart.delay = 0.3
        users = [world.discord.alice, world.discord.bob]
        asked = await asyncio.gather(*(world.vary("the same", user=users[n % 2]) for n in range(4)))
        for interaction in asked:
            await world.result(interaction)
        spans = sorted((c.started, c.finished) for c in world.genart.calls)
        assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))


async def test_edits_of_cards_that_are_held_up_hold_up_nothing(make):
    async with make(GENART_CONCURRENCY="1", USER_QUEUE_LIMIT="50") as world:
        world.genart.delay = 0.3

        def slow(request):
            return Fault(delay=20) if request.method == "PATCH" else None

        world.discord.faults.append(slow)
        asked = [await world.vary() for _ in range(6)]
        for interaction in asked:
            await world.result(interaction, 15)


async def test_a_burst_is_answered_in_time_and_ends_posted(make):
    async with make() as world:
        world.genart.tile = 16
        users = [User(world.discord.new_id(), f"member{n}") for n in range(40)]
        asked = [
            await world.discord.slash(
                users[n % 40], "vary", {"prompt": f"burst {n}", "image": world.upload()}
            )
            for n in range(200)
        ]
        await asyncio.gather(*(interaction.answered() for interaction in asked))
        assert not any(interaction.ephemeral for interaction in asked)
        for interaction in asked:
            await world.becomes(interaction, "posted")
        assert len(world.genart.calls) == 200
        assert world.genart.peak_in_flight <= 3


@pytest.mark.parametrize("form", ["text", "json"])
async def test_no_secret_is_in_a_log_a_message_or_the_database(make, form: str):
    async with make(LOG_FORMAT=form, LOG_LEVEL="DEBUG", GENART_TIMEOUT="2") as world:
        grid = await world.grid()
        await world.tile(await world.press(grid, "U1"))
        await world.result(await world.press(grid, "V1"))
        world.genart.behaviours.append(hang())
        await world.ends(await world.vary(), "in time")
        world.discord.fail("PATCH", "/webhooks/*", Fault(429, retry_after=0.2))
        world.discord.fail("POST", "/channels/*/messages", Fault(429, retry_after=0.2))
        await world.tile(await world.press(grid, "U2"))
        await world.grid()
        await world.settled()
        assert await world.bot.stop() == 0
        secrets = [world.discord.token, world.genart.api_key, world.genart.discord_token]
        tokens = [interaction.token for interaction in world.discord.interactions.values()]
        pages = world.kept()
        assert [s for s in secrets if s.encode() in pages] == []
        kept = world.sql("select token from generations where token is not null")
        assert kept == []
        texts = [json.dumps(m.payload) for m in world.discord.messages.values()]
        assert [s for s in secrets + tokens for text in texts if s in text] == []
        if form == "json":
            lines = [json.loads(line) for line in world.bot.log.splitlines()]
            changes = [line for line in lines if "generation" in line]
            posted = next(line for line in changes if line["state"] == "posted")
            assert posted["kind"] == "vary"
            assert posted["duration"] >= 0
            assert {line["levelname"] for line in lines} <= {"DEBUG", "INFO", "WARNING", "ERROR"}
