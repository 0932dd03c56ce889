"""``/describe``: descriptions of a picture, their buttons, and the modal for new pictures."""

from __future__ import annotations

import json

import pytest

from sandbox.discord import Interaction, LoopbackDiscord, Message
from sandbox.genart import answer, change, hang
from tests.e2e.conftest import DESCRIBED, LABELS, World, file_of, generation_of, labels, picture

DAY = 24 * 3600


def field_of(opened: Interaction) -> str:
    """Return the text that an open modal's one field holds."""
    assert opened.modal is not None
    (label,) = opened.modal["components"]
    return label["component"]["value"]


async def described(world: World, **more: object) -> Message:
    """Send ``/describe`` and return its result."""
    return await world.result(await world.describe(**more))  # pyright: ignore


async def test_a_picture_becomes_four_descriptions_with_five_buttons(shared: World):
    upload = picture()
    before = len(shared.genart.calls)
    asked = await shared.describe(upload)
    assert asked.message is not None
    assert labels(asked.message) == ["Cancel"]
    result = await shared.result(asked)
    assert labels(result) == DESCRIBED
    assert file_of(result, "source") == upload
    shown = LoopbackDiscord.text_of(result)
    assert "**1** An old man with a lantern" in shown
    assert "**4** A quiet street after rain" in shown
    for sign in ("goo.gl", "\u20e3", "https"):
        assert sign not in shown
    assert result.pings == [str(shared.discord.alice.id)]
    (call,) = shared.genart.calls[before:]
    assert (call.describes, call.source) == (True, upload)
    await shared.settled()
    assert asked.message.deleted
    row = shared.sql("select kind, state, prompt from generations where id = ?", asked.id)
    assert row == [("describe", "posted", "")]


async def test_a_number_opens_its_description_and_makes_a_grid_of_the_described_picture(
    shared: World,
):
    upload = picture()
    result = await described(shared, data=upload)
    opened = await shared.press(result, "1", shared.discord.bob)
    prompt = field_of(opened)
    assert prompt.startswith("An old man with a lantern")
    assert prompt.endswith("by Atey Ghailan --ar 3:2")
    assert shared.clicks(generation_of(result)) == [(shared.discord.bob.id, "1", "accepted")]
    words = f"a green one, {prompt}"
    sent = await shared.discord.submit(opened, {"prompt": words})
    await sent.answered()
    grid = await shared.result(sent)
    assert labels(grid) == LABELS
    assert shared.call_for(words).source == upload
    row = shared.sql("select kind, user_id, parent_id from generations where id = ?", sent.id)
    assert row == [("vary", shared.discord.bob.id, generation_of(result))]
    details = await shared.press(grid, "Details")
    assert "Description" in LoopbackDiscord.text_of(details.message)


async def test_other_descriptions_are_made_of_the_same_picture(shared: World):
    upload = picture()
    result = await described(shared, data=upload)
    again = await shared.press(result, "🔄")
    other = await shared.result(again)
    assert labels(other) == DESCRIBED
    assert LoopbackDiscord.text_of(other) != LoopbackDiscord.text_of(result)
    assert file_of(other, "source") == upload
    assert shared.genart.calls[-1].source == upload


async def test_two_descriptions_are_made_at_once(world: World):
    world.genart.behaviours.extend([hang(), hang()])
    await world.describe()
    await world.describe(user=world.discord.bob)
    await world.genart.signal.until(lambda: world.genart.in_flight == 2 or None, 10)


async def test_buttons_and_modals_work_after_a_restart_and_a_month_later(world: World):
    upload = picture()
    result = await described(world, data=upload)
    opened = await world.press(result, "2")
    await world.bot.stop()
    world.discord.advance(30 * DAY)
    await world.bot.start()
    sent = await world.discord.submit(opened)
    await sent.answered()
    await world.result(sent)
    later = await world.press(result, "3", world.discord.bob)
    assert field_of(later).startswith("Four lamps over a harbour at night")
    again = await world.press(result, "🔄", world.discord.bob)
    await world.result(again)
    assert [call.source for call in world.genart.calls] == [upload] * 3


async def test_a_kill_while_a_picture_is_described_charges_nothing_twice(world: World):
    world.genart.behaviours.append(hang())
    asked = await world.describe()
    await world.genart.signal.until(lambda: world.genart.in_flight or None, 10)
    await world.bot.kill()
    await world.bot.start()
    card = await world.ends(asked, "I was restarted")
    assert len(world.genart.calls) == 1
    assert world.state(asked) == "interrupted"
    retried = await world.press(card, "Try again")
    result = await world.result(retried)
    assert labels(result) == DESCRIBED
    assert len(world.genart.calls) == 2


async def test_a_kill_after_the_answer_posts_the_descriptions_once(world: World):
    asked = await world.describe()
    result = await world.result(asked)
    await world.bot.kill()
    world.sql_write(
        "update generations set state = 'running', message_id = null, finished_at = null, "
        "card_due = 0, worker = 'elsewhere/1/2', lease_until = '2020-01-01 00:00:00.000000' "
        "where id = ?",
        asked.id,
    )
    await world.bot.start()
    await world.becomes(asked, "posted")
    assert world.sql("select message_id from generations where id = ?", asked.id) == [(result.id,)]
    assert len(world.genart.calls) == 1


async def test_what_waits_can_be_cancelled(make):
    async with make(GENART_CONCURRENCY="1") as world:
        world.genart.behaviours.append(hang())
        await world.describe()
        waiting = await world.describe(user=world.discord.bob)
        assert waiting.message is not None
        await world.press(waiting.message, "Cancel", world.discord.bob)
        assert world.state(waiting) == "cancelled"


async def test_descriptions_count_as_pictures_do(make):
    async with make(DAILY_LIMIT="1") as world:
        await described(world)
        refused = await world.vary()
        assert "today's pictures" in world.discord.text_of(refused.message)


async def test_refused_words_are_given_back(shared: World):
    result = await described(shared)
    opened = await shared.press(result, "1")
    words = "my long prompt --turbo ```now```"
    sent = await shared.discord.submit(opened, {"prompt": words})
    await sent.answered()
    assert sent.message is not None
    assert sent.message.ephemeral
    said = shared.discord.text_of(sent.message)
    assert "--turbo isn't possible here" in said
    assert "my long prompt --turbo" in said
    assert shared.state(sent) is None


async def test_a_modal_of_another_place_is_refused(shared: World):
    result = await described(shared)
    opened = await shared.press(result, "1")
    elsewhere = {
        "channel_id": str(shared.discord.other_channel_id),
        "channel": shared.discord.channel_payload(shared.discord.other_channel_id),
    }
    sent = await shared.discord.submit(opened, overrides=elsewhere)
    await sent.answered()
    assert shared.state(sent) is None


@pytest.mark.parametrize(
    ("given", "count"),
    [
        (["1\ufe0f\u20e3 ", 7, None, " one "], 1),
        (["1\ufe0f\u20e3 a", "2\ufe0f\u20e3 b", "3\ufe0f\u20e3 c", "d", "e", "f"], 4),
        (["**@everyone** [x](https://x.example) " + "long " * 1_000] * 2, 1),
    ],
)
async def test_whatever_the_descriptions_are_they_fit_a_message(
    shared: World, given: list[object], count: int
):
    shared.genart.behaviours.append(change(descriptions=given))
    result = await described(shared)
    assert labels(result) == [*map(str, range(1, count + 1)), "🔄"]
    opened = await shared.press(result, "1")
    assert 0 < len(field_of(opened)) <= 1_800


async def test_an_answer_without_descriptions_says_so(shared: World):
    shared.genart.behaviours.append(answer(200, json.dumps({"id": "1", "descriptions": []})))
    asked = await shared.describe()
    card = await shared.ends(asked, "makes no sense")
    assert labels(card) == ["Try again"]


async def test_where_the_bot_may_not_post_the_card_becomes_the_descriptions(shared: World):
    before = shared.discord.app_permissions
    shared.discord.app_permissions = before & ~(1 << 11)
    try:
        asked = await shared.describe()
        result = await shared.result(asked)
    finally:
        shared.discord.app_permissions = before
    assert asked.message is not None
    assert result.id == asked.message.id
    assert file_of(result, "source")
