"""What Discord's documents and threads say, held against the real bot (docs/discord.md)."""

from __future__ import annotations

import asyncio
import time

import pytest

from sandbox.discord import Fault, Interaction, Message
from sandbox.discord.permissions import EMBED_LINKS, READ_HISTORY, SEND_MESSAGES
from sandbox.genart import hang
from tests.e2e.conftest import LABELS, World, file_of, labels, pixels, quadrant, styles
from tests.e2e.test_discord_faults import MESSAGES, NO_PERMISSION, results_of

MONTH = 30 * 86_400


async def undelivered(world: World, asked: Interaction) -> Message:
    """Wait until a result is kept, and return the private message that says so."""
    await world.becomes(asked, "undelivered")
    return await world.discord.wait_for(lambda m: m.guild_id is None and "/fetch" in m.content)


async def fetch(world: World) -> tuple[Interaction, Message]:
    """Fetch a kept result in another channel; return the interaction and the result."""
    elsewhere = world.discord.other_channel_id
    fetched = await world.discord.slash(world.discord.alice, "fetch", channel_id=elsewhere)
    await fetched.answered()
    grid = await world.discord.wait_for(lambda m: m.channel_id == elsewhere and bool(labels(m)))
    return fetched, grid


async def called(world: World) -> None:
    """Wait until the API is called."""
    await world.genart.signal.until(lambda: world.genart.in_flight, 10)


# Whoever is asked for something is told, and nobody else.


async def test_a_follow_up_tells_the_asker_where_the_card_becomes_the_result(world: World):
    world.discord.app_permissions &= ~SEND_MESSAGES
    asked = await world.vary()
    grid = await world.result(asked)
    assert asked.message is not None
    assert (grid.id, grid.pings) == (asked.message.id, [])
    ready = "Your picture is ready"
    await world.discord.signal.until(
        lambda: [m for m in asked.followups if m.content.startswith(ready)], 10
    )
    (told,) = (m for m in asked.followups if m.content.startswith(ready))
    assert told.pings == [str(world.discord.alice.id)]
    place = f"{world.discord.guild_id}/{world.discord.channel_id}/{grid.id}"
    assert told.content.endswith(f"https://discord.com/channels/{place}")
    await world.becomes(asked, "posted")
    assert len(results_of(world, asked.id)) == 1


async def test_a_result_begins_with_what_it_is(shared: World):
    """A push notification of it has no text of its own, and readers are read the first words."""
    grid = await shared.grid()
    tile = await shared.tile(await shared.press(grid, "U1"))
    assert shared.discord.text_of(grid).startswith("**Four new pictures** for ")
    assert shared.discord.text_of(tile).startswith("**Picture 1 of 4** for ")


# Threads.


async def test_a_thread_locked_meanwhile_keeps_the_result_for_fetch(world: World):
    thread = world.discord.channels[world.discord.add_thread(world.discord.channel_id)]
    world.genart.delay = 1
    asked = await world.vary(channel_id=thread.id)
    await called(world)
    thread.locked = True
    await undelivered(world, asked)
    _, grid = await fetch(world)
    assert labels(grid) == LABELS
    assert len(world.genart.calls) == 1


async def test_a_thread_archived_meanwhile_is_opened_by_the_result(world: World):
    thread = world.discord.channels[world.discord.add_thread(world.discord.channel_id)]
    world.genart.delay = 1
    asked = await world.vary(channel_id=thread.id)
    await called(world)
    thread.archived = True
    grid = await world.result(asked)
    assert (grid.channel_id, thread.archived) == (thread.id, False)
    await world.becomes(asked, "posted")
    assert len(results_of(world, asked.id)) == 1


async def test_a_tile_whose_answer_an_archived_thread_holds_is_posted_on_its_own(world: World):
    grid = await world.grid()
    archived = Fault(400, 50083, "Thread is archived")
    world.discord.fail("PATCH", "/webhooks/*", archived, 9)
    world.discord.fail("PATCH", MESSAGES + "/*", archived, 9)
    await world.press(grid, "U2")
    tile = await world.discord.wait_for(
        lambda m: any(a.filename.startswith("tile-2") for a in m.attachments)
    )
    assert pixels(tile.attachments[0].data) == quadrant(file_of(grid, "grid"), 2)
    assert tile.reply_to == grid.id


# After a crash.


async def crash_after_the_post(world: World, seconds: float) -> Interaction:
    """Let a result be posted where the bot can't see it, and the bot die before it knows."""
    world.discord.app_permissions &= ~READ_HISTORY
    world.discord.fail("POST", MESSAGES, Fault(drop="after"))
    asked = await world.vary()
    await world.result(asked)
    await world.bot.kill()
    assert world.state(asked) == "running"
    assert world.discord.ahead == 0
    world.discord.advance(seconds)
    return asked


async def test_without_the_history_the_nonce_keeps_a_result_from_being_posted_twice(world: World):
    asked = await crash_after_the_post(world, 0)
    await world.bot.start()
    await world.becomes(asked, "posted")
    assert len(results_of(world, asked.id)) == 1


async def test_without_history_and_nonce_a_result_is_kept_not_posted_again(world: World):
    asked = await crash_after_the_post(world, 3_600)
    world.sql_write("update generations set called_at = datetime(called_at, '-1 hour')")
    world.sql_write("update generations set interaction_id = interaction_id - (3600000 << 22)")
    await world.bot.start()
    await world.becomes(asked, "undelivered")
    assert len(results_of(world, asked.id)) == 1
    card = await world.ends(asked, "/fetch")
    assert "perhaps posted already" in world.discord.text_of(card)


async def test_a_fetch_is_an_interaction_of_its_own(world: World):
    path = f"/channels/{world.discord.channel_id}/messages"
    world.discord.fail("POST", path, NO_PERMISSION, 9)
    world.genart.delay = 1
    asked = await world.vary()
    await called(world)
    world.discord.advance(16 * 60)
    world.discord.fail("PATCH", MESSAGES + "/*", NO_PERMISSION, times=9)
    await undelivered(world, asked)
    world.discord.fail("POST", MESSAGES, Fault(drop="after"))
    fetched, grid = await fetch(world)
    assert grid.nonce == str(fetched.id) != str(asked.id)
    await world.bot.kill()
    await world.bot.start()
    await world.becomes(asked, "posted")
    assert len(results_of(world, asked.id)) == 1
    assert fetched.message is not None
    await world.discord.signal.until(lambda: fetched.message.deleted, 15)


async def test_a_nonce_whose_message_was_deleted_costs_nobody_the_result(world: World):
    world.discord.fail("POST", MESSAGES, Fault(404, 10008, "Unknown Message"))
    asked = await world.vary()
    grid = await world.result(asked)
    assert asked.message is not None
    assert (grid.id, labels(grid)) == (asked.message.id, LABELS)


# Refusals, and long waits.


async def test_a_prompt_that_is_blocked_is_answered_and_costs_nothing(shared: World):
    shared.discord.automod.append("rude")
    asked = await shared.vary("something rude")
    shared.discord.automod.clear()
    assert asked.message is not None
    assert (asked.ephemeral, "AutoMod" in asked.message.content) == (True, True)
    await shared.becomes(asked, "cancelled")
    assert "something rude" not in [call.prompt for call in shared.genart.calls]


@pytest.mark.parametrize("blocked", ["automod", "harmful_links"])
async def test_a_result_that_is_blocked_is_kept_and_its_card_says_why(world: World, blocked: str):
    world.genart.delay = 1
    asked = await world.vary("something rude")
    await called(world)
    words: list[str] = getattr(world.discord, blocked)
    words.append("rude")
    await world.becomes(asked, "undelivered")
    card = await world.ends(asked, "AutoMod")
    assert "rude" not in world.discord.text_of(card)
    words.clear()
    _, grid = await fetch(world)
    assert labels(grid) == LABELS
    assert len(world.genart.calls) == 1


async def test_a_card_that_is_blocked_fails_before_anything_is_paid_for(world: World):
    grid = await world.grid("something rude")
    world.discord.fail("PATCH", "/webhooks/*", Fault(400, 200000, "Blocked"), times=1)
    pressed = await world.press(grid, "V1")
    await world.becomes(pressed, "failed")
    card = await world.ends(pressed, "Nothing was started")
    assert labels(card) == []
    assert len(world.genart.calls) == 1


async def test_colours_that_discord_refuses_hold_nothing_up(world: World):
    """Edits of messages older than an hour have a limit of their own, of minutes."""
    grid = await world.grid()
    world.discord.advance(3_700)
    world.discord.old_edits = 0
    start = time.monotonic()
    for n in (1, 2, 3, 4):
        await world.tile(await world.press(grid, f"U{n}"))
    assert labels(await world.result(await world.press(grid, "V1"))) == LABELS
    assert time.monotonic() - start < 15
    assert set(styles(grid).values()) == {2}
    await world.settled()
    await asyncio.sleep(1)
    refused = [r for r in world.discord.requests if r.status == 429]
    assert 1 <= len(refused) <= 5, "it gives up"
    await asyncio.sleep(3)
    assert len([r for r in world.discord.requests if r.status == 429]) == len(refused)


async def test_the_usual_work_meets_no_refusal(world: World):
    """An address that is answered 401, 403 or 429 too often is shut out."""
    grid = await world.grid()
    await world.result(await world.press(grid, "V1"))
    await world.tile(await world.press(grid, "U1"))
    await world.settled()
    assert [r for r in world.discord.requests if r.status in {401, 403, 404, 429}] == []


async def test_a_card_that_is_gone_is_not_edited_again_and_again(world: World):
    """An address that uses a webhook after its 404 is shut out as well."""
    world.genart.behaviours.append(hang())
    asked = await world.vary()
    await called(world)
    assert asked.message is not None
    world.discord.remove(asked.message)
    await asyncio.sleep(12)
    edits = [r for r in world.discord.requests if r.method == "PATCH"]
    assert len([edit for edit in edits if edit.status == 404]) <= 2, "once each way"


async def test_components_need_no_embed_links(world: World):
    world.discord.app_permissions &= ~EMBED_LINKS
    assert labels(await world.grid()) == LABELS


# A tile that comes late.


@pytest.mark.parametrize("deletable", [True, False])
async def test_a_tile_later_than_its_answer_replies_and_the_answer_goes(
    world: World, deletable: bool
):
    grid = await world.grid()
    await world.bot.kill()
    await world.bot.start()
    world.discord.fail("GET", MESSAGES + "/*", Fault(delay=1))
    pressed = await world.press(grid, "U1")
    world.discord.advance(16 * 60)
    gone = Fault(404, 10008, "Unknown Message")
    world.discord.fail("PATCH", MESSAGES + "/*", gone)
    assert pressed.message is not None
    if not deletable:
        world.discord.fail("DELETE", f"{MESSAGES}/{pressed.message.id}", gone)
    tile = await world.discord.wait_for(
        lambda m: any(a.filename.startswith("tile-1") for a in m.attachments)
    )
    await world.becomes(pressed, "posted")
    assert tile.reply_to == grid.id
    assert tile.pings == [str(world.discord.alice.id)]
    assert tile.id != pressed.message.id
    tried = f"/channels/{world.discord.channel_id}/messages/{pressed.message.id}"
    await world.discord.signal.until(
        lambda: [r for r in world.discord.requests if (r.method, r.path) == ("DELETE", tried)], 10
    )
    await asyncio.sleep(0.2)
    assert pressed.message.deleted == deletable


async def test_a_late_tile_does_not_wait_until_edits_are_allowed_again(world: World):
    grid = await world.grid()
    world.discord.fail("PATCH", "/webhooks/*", Fault(401, 50027, "Invalid Webhook Token"))
    world.discord.fail("PATCH", MESSAGES + "/*", Fault(429, 30046, "Old", retry_after=600))
    pressed = await world.press(grid, "U3")
    tile = await world.discord.wait_for(
        lambda m: m.reply_to == grid.id and any("tile-3" in a.filename for a in m.attachments), 10
    )
    await world.becomes(pressed, "posted")
    assert pressed.message is not None
    assert tile.id != pressed.message.id


# Links and files.


async def test_a_link_that_expired_in_line_is_refreshed(make):
    async with make(GENART_CONCURRENCY="1") as world:
        world.genart.behaviours.append(hang())
        await world.vary("first", user=world.discord.bob)
        await called(world)
        waiting = await world.vary("second")
        world.discord.advance(86_400 + 60)
        await world.bot.kill()
        await world.bot.start()
        await world.becomes(waiting, "posted")
        assert world.call_for("second").source
        assert "/attachments/refresh-urls" in {r.path for r in world.discord.requests}


async def test_a_file_that_is_gone_is_asked_for_once_more_and_the_card_says_why(make):
    async with make(GENART_CONCURRENCY="1") as world:
        world.genart.behaviours.append(hang())
        await world.vary("first", user=world.discord.bob)
        await called(world)
        waiting = await world.vary("second")
        world.discord.drop_uploads()
        world.discord.fail("POST", "/attachments/*", Fault(404, 0, "404: Not Found"), times=9)
        await world.bot.kill()
        await world.bot.start()
        card = await world.ends(waiting, "is gone: Discord drops a file")
        assert labels(card) == []
        assert [call.prompt for call in world.genart.calls] == ["first"]


async def test_edits_list_what_they_keep(world: World):
    """``attachment://`` in an edit without the field may not be found."""
    grid = await world.grid()
    world.genart.delay = 1
    pressed = await world.press(grid, "V2")
    await world.result(pressed)
    await world.tile(await world.press(grid, "U2"))
    await world.discord.signal.until(lambda: styles(grid)["U2"] == 1, 10)
    edits = [r.json for r in world.discord.requests if r.method == "PATCH" and r.json]
    shown = [edit for edit in edits if "attachment://" in str(edit["components"])]
    assert len(shown) >= 3
    assert all(edit.get("attachments") for edit in shown)
    assert pixels(file_of(grid, "grid"))[0] == (128, 128)


async def test_a_month_old_message_still_has_its_pictures(world: World):
    grid = await world.grid()
    world.discord.advance(MONTH)
    await world.tile(await world.press(grid, "U1"))
    assert labels(await world.result(await world.press(grid, "🔄"))) == LABELS
