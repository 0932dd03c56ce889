"""The buttons with which members go on from a picture, keep it, look into it, delete it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sandbox.discord import Interaction, LoopbackDiscord, Message, User
from sandbox.discord.permissions import READ_HISTORY
from tests.e2e.conftest import (
    LABELS,
    OPTIONS,
    TILE_LABELS,
    World,
    file_of,
    generation_of,
    labels,
    picture,
    pixels,
    quadrant,
    styles,
)


def said(world: World, interaction: Interaction) -> str:
    """Return what a member was told in private."""
    assert interaction.ephemeral
    return world.discord.text_of(interaction.message)


def field(interaction: Interaction, custom_id: str) -> dict[str, Any]:
    """Return a field of the modal that answered a press."""
    assert interaction.modal is not None
    parts = (label["component"] for label in interaction.modal["components"])
    return next(part for part in parts if part["custom_id"] == custom_id)


async def remix(
    world: World,
    message: Message,
    prompt: str | None = None,
    start: str | None = None,
    user: User | None = None,
    button: str = "Remix",
) -> Interaction:
    """Press Remix, change what is given, send the modal, wait for the answer."""
    opened = await world.press(message, button, user)
    values: dict[str, Any] = {} if prompt is None else {"prompt": prompt}
    if start is not None:
        values["start"] = [start]
    sent = await world.discord.submit(opened, values)
    await sent.answered()
    return sent


async def u(world: World, grid: Message, number: int, user: User | None = None) -> Message:
    """Return a tile of a grid on its own."""
    return await world.tile(await world.press(grid, f"U{number}", user))


def kind_of(world: World, interaction: Interaction) -> tuple[str, int]:
    """Return the kind and the tile of what an interaction asked for."""
    rows = world.sql("select kind, tile from generations where id = ?", interaction.id)
    return rows[0][0], rows[0][1]


# Remix.


async def test_remix_opens_a_modal_with_the_prompt_and_what_to_start_from(shared: World):
    grid = await shared.grid("a red barn")
    opened = await shared.press(grid, "Remix", shared.discord.bob)
    assert field(opened, "prompt")["value"] == "a red barn"
    start = field(opened, "start")
    assert [option["label"] for option in start["options"]] == [
        "The original picture",
        *(f"Picture {number} of 4" for number in range(1, 5)),
    ]
    assert [option.get("default", False) for option in start["options"]] == [True] + [False] * 4
    pressed = shared.clicks(generation_of(grid))
    assert pressed == [(shared.discord.bob.id, "Remix", "accepted")]


async def test_a_remix_starts_from_the_original_in_other_words_and_replies(shared: World):
    upload = picture()
    grid = await shared.grid("a blue barn", data=upload)
    sent = await remix(shared, grid, "a green barn", user=shared.discord.bob)
    posted = await shared.result(sent)
    call = shared.call_for("a green barn")
    assert call.source == upload
    assert labels(posted) == LABELS
    assert posted.reply_to == grid.id
    assert posted.pings == [str(shared.discord.bob.id)]
    assert kind_of(shared, sent) == ("remix", 0)


async def test_a_remix_starts_from_a_tile(shared: World):
    grid = await shared.grid("a stone bridge")
    sent = await remix(shared, grid, "a wooden bridge", "3")
    posted = await shared.result(sent)
    call = shared.call_for("a wooden bridge")
    assert pixels(call.source) == quadrant(file_of(grid, "grid"), 3)
    assert pixels(file_of(posted, "source")) == pixels(call.source)
    assert kind_of(shared, sent) == ("remix", 3)


@pytest.mark.parametrize(
    ("start", "kind"), [("0", ("reroll", 0)), ("2", ("variation", 2))], ids=["original", "tile"]
)
async def test_unchanged_words_mean_what_the_other_buttons_mean(
    shared: World, start: str, kind: tuple[str, int]
):
    grid = await shared.grid()
    sent = await remix(shared, grid, None, start)
    await shared.result(sent)
    assert kind_of(shared, sent) == kind


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("a cat --turbo", "--turbo"),
        ("\u200b", "blank"),
        ("{a, b} cat", "braces"),
        ("```\n@everyone [x](https://evil.example) ``` --repeat 9", "--repeat"),
    ],
)
async def test_a_refusal_gives_the_words_back(shared: World, words: str, reason: str):
    grid = await shared.grid()
    calls = len(shared.genart.calls)
    sent = await remix(shared, grid, words)
    told = said(shared, sent)
    assert reason in told
    block = told.partition("```\n")[2]
    assert block.endswith("\n```")
    assert block.removesuffix("\n```").replace("`\u200b", "`").strip() == words.strip()
    assert block.count("```") == 1
    assert sent.message is not None
    assert sent.message.pings == []
    assert len(shared.genart.calls) == calls
    assert shared.state(sent) is None


async def test_the_limits_are_checked_when_the_modal_is_sent(make):
    async with make(DAILY_LIMIT="2") as world:
        grid = await world.grid()
        opened = await world.press(grid, "Remix")
        assert opened.modal is not None
        await world.result(await world.press(grid, "V1"))
        sent = await world.discord.submit(opened, {"prompt": "one more", "start": ["0"]})
        await sent.answered()
        assert "one more" in said(world, sent)
        assert "all 2 of today" in said(world, sent)


async def test_the_longest_prompt_goes_through_the_modal_and_back(shared: World):
    prompt = "😀" * 450
    grid = await shared.grid(prompt)
    opened = await shared.press(grid, "Remix")
    assert field(opened, "prompt")["value"] == prompt
    sent = await shared.discord.submit(opened, {"prompt": prompt + " --turbo"})
    await sent.answered()
    assert prompt in said(shared, sent)


async def test_no_reply_is_tried_where_the_bot_may_not_read_the_history(world: World):
    grid = await world.grid()
    world.discord.app_permissions &= ~READ_HISTORY
    sent = await remix(world, grid, "something else")
    assert (await world.result(sent)).reply_to is None


# Tiles.


async def test_a_tile_shows_its_prompt_its_source_and_its_number(shared: World):
    upload = picture()
    grid = await shared.grid("a tall ship", data=upload)
    tile = await u(shared, grid, 2)
    assert "Picture 2 of 4" in shared.discord.text_of(tile)
    assert "a tall ship" in shared.discord.text_of(tile)
    assert file_of(tile, "source") == upload
    assert labels(tile) == TILE_LABELS
    (link,) = [b["url"] for b in shared.discord.buttons_of(tile) if "url" in b]
    assert link.endswith(f"/{shared.discord.guild_id}/{grid.channel_id}/{grid.id}")


@pytest.mark.parametrize("button", ["Vary", "Remix"])
async def test_a_tile_leads_on_after_its_grid_was_deleted(shared: World, button: str):
    grid = await shared.grid()
    tile = await u(shared, grid, 4)
    data = file_of(tile, "tile-4")
    confirm = await shared.press(grid, "🗑")
    await shared.press(confirm.message, "Delete")
    await shared.discord.signal.until(lambda: grid.deleted, 10)
    prompt = f"by {button} on a tile"
    opened = await shared.press(tile, button, shared.discord.bob)
    assert [part["component"]["custom_id"] for part in opened.modal["components"]] == ["prompt"]
    sent = await shared.discord.submit(opened, {"prompt": prompt})
    await sent.answered()
    posted = await shared.result(sent)
    assert shared.call_for(prompt).source == data
    assert file_of(posted, "source") == data
    assert posted.reply_to == tile.id
    again = await shared.result(await shared.press(posted, "🔄"))
    assert file_of(again, "source") == data
    generation = int(shared.discord.buttons_of(tile)[0]["custom_id"].split(":")[1])
    assert shared.clicks(generation) == [(shared.discord.bob.id, button, "accepted")]


async def test_a_tile_s_unchanged_words_mean_a_variation(shared: World):
    grid = await shared.grid()
    tile = await u(shared, grid, 1)
    sent = await remix(shared, tile, button="Vary")
    posted = await shared.result(sent)
    assert kind_of(shared, sent) == ("variation", 0)
    assert shared.genart.calls[-1].source == file_of(tile, "tile-1")
    assert labels(posted) == LABELS


# All four.


async def test_all_four_are_posted_once_as_one_gallery_and_cost_nothing(shared: World):
    grid = await shared.grid("four seasons")
    calls = len(shared.genart.calls)
    pressed = await shared.press(grid, "All four", shared.discord.bob)
    posted = await shared.tile(pressed)
    for number in range(1, 5):
        assert pixels(file_of(posted, f"tile-{number}")) == quadrant(file_of(grid, "grid"), number)
    (gallery,) = [part for part in posted.components if part["type"] == 12]
    assert len(gallery["items"]) == 4
    assert labels(posted) == ["⭐", "🗑", "Its grid"]
    assert len(shared.genart.calls) == calls
    assert kind_of(shared, pressed) == ("upscale", 0)
    again = await shared.press(grid, "All four")
    assert str(posted.id) in said(shared, again)
    assert [(label, outcome) for _, label, outcome in shared.clicks(generation_of(grid))] == [
        ("All four", "accepted"),
        ("All four", "repeated"),
    ]
    await shared.discord.wait_for(lambda m: m.id == grid.id and styles(m)["All four"] == 1)


async def test_all_four_fit_the_upload_limit_together(world: World):
    world.genart.tile = 256
    world.discord.attachment_size_limit = 100_000
    grid = await world.grid()
    posted = await world.tile(await world.press(grid, "All four"))
    sizes = [len(a.data) for a in posted.attachments if a.filename.startswith("tile-")]
    assert len(sizes) == 4
    assert sum(sizes) <= 100_000


# Favourites.


async def test_a_star_is_each_member_s_own_and_edits_nothing(shared: World):
    grid = await shared.grid()
    tile = await u(shared, grid, 1)
    await shared.settled()
    edits = len([r for r in shared.discord.requests if r.method == "PATCH"])
    for message in (grid, tile):
        for user in (shared.discord.alice, shared.discord.bob):
            assert "favourites now" in said(shared, await shared.press(message, "⭐", user))
    assert "any more" in said(shared, await shared.press(grid, "⭐", shared.discord.bob))
    kept = shared.sql("select user_id from favourites where generation_id = ?", generation_of(grid))
    assert kept == [(shared.discord.alice.id,)]
    assert len([r for r in shared.discord.requests if r.method == "PATCH"]) == edits


# Details.


async def test_details_tell_all_and_lead_to_the_first_picture(shared: World):
    prompt = "<@&1> **bold** `code` ``` [x](https://evil.example) # title " + "long " * 100
    grid = await shared.grid(prompt)
    second = await shared.result(await shared.press(grid, "V2"))
    third = await shared.result(await remix(shared, second, "in the end"))
    told = said(shared, await shared.press(second, "Details", shared.discord.bob))
    clean = " ".join(prompt.split())
    assert clean.replace("``", "`\u200b`").replace("``", "`\u200b`") in told
    rows = dict(line.split(":** ", 1) for line in told.splitlines() if ":** " in line)
    assert rows["**By"] == f"<@{shared.discord.alice.id}>"
    assert rows["**When"].startswith("<t:")
    assert rows["**Took"].endswith(" s")
    assert rows["**Size"] == "128 x 128 pixels"
    (api_id, flags, hash_) = shared.sql(
        "select json_extract(result, '$.api_id'), json_extract(result, '$.flags'),"
        " json_extract(result, '$.api_hash') from generations where id = ?",
        generation_of(second),
    )[0]
    assert (rows["**API id"], rows["**Flags"]) == (api_id, str(flags))
    assert rows["**Hash"].replace("\\", "") == hash_
    told = said(shared, await shared.press(third, "Details"))
    assert told.index(f"/{grid.id})") < told.index(f"/{second.id})")


async def test_the_longest_prompt_is_told_whole(shared: World):
    grid = await shared.grid("😀" * 500)
    told = await shared.press(grid, "Details")
    assert "😀" * 500 in said(shared, told)
    shared.sql_write(
        "update generations set prompt = ?, result = json_set(result, '$.api_id', ?,"
        " '$.api_hash', ?) where id = ?",
        "😀" * 1800,
        "*" * 300,
        "*" * 300,
        generation_of(grid),
    )
    told = await shared.press(grid, "Details")
    assert "**By:**" in said(shared, told)
    follow_up = await shared.discord.signal.until(lambda: told.followups, 5)
    assert follow_up[0].ephemeral
    assert "😀" * 1800 in shared.discord.text_of(follow_up[0])


# Deleting.


async def test_the_asker_deletes_a_picture_and_only_what_accounting_needs_is_left(shared: World):
    grid = await shared.grid("a secret")
    confirm = await shared.press(grid, "🗑")
    assert "Delete for everyone?" in said(shared, confirm)
    assert labels(confirm.message) == ["Delete"]
    assert not grid.deleted
    done = await shared.press(confirm.message, "Delete")
    assert done.answer is not None
    assert done.answer["type"] == 7
    await shared.discord.signal.until(lambda: grid.deleted, 10)
    generation = generation_of(grid)
    row = shared.sql(
        "select state, prompt, source_url, result, user_id, kind, message_id from generations"
        " where id = ?",
        generation,
    )[0]
    assert row == ("posted", "", None, None, shared.discord.alice.id, "vary", None)
    assert [label for _, label, _ in shared.clicks(generation)] == ["🗑", "Delete"]


@pytest.mark.parametrize("with_tiles", [True, False])
async def test_a_moderator_deletes_with_the_tiles_or_without(shared: World, with_tiles: bool):
    grid = await shared.grid()
    tiles = [await u(shared, grid, n, shared.discord.bob) for n in (1, 2)]
    confirm = await shared.press(grid, "🗑", shared.discord.moderator)
    assert labels(confirm.message) == ["Delete", "Delete with its tiles"]
    label = "Delete with its tiles" if with_tiles else "Delete"
    await shared.press(confirm.message, label, shared.discord.moderator)
    await shared.discord.signal.until(lambda: grid.deleted, 10)
    if with_tiles:
        await shared.discord.signal.until(lambda: all(t.deleted for t in tiles), 10)
    await shared.settled()
    assert [t.deleted for t in tiles] == [with_tiles] * 2


async def test_nobody_else_deletes_a_picture_not_even_with_another_s_question(shared: World):
    grid = await shared.grid()
    refused = await shared.press(grid, "🗑", shared.discord.bob)
    assert "Only the one who asked" in said(shared, refused)
    confirm = await shared.press(grid, "🗑")
    (button,) = shared.discord.buttons_of(confirm.message)
    forged = await shared.discord.press(
        shared.discord.bob, confirm.message, custom_id=button["custom_id"], forge=True
    )
    await forged.answered()
    assert "Only the one who asked" in said(shared, forged)
    await shared.settled()
    assert not grid.deleted
    assert [outcome for *_, outcome in shared.clicks(generation_of(grid))] == [
        "refused",
        "accepted",
        "refused",
    ]


async def test_the_buttons_of_what_was_deleted_say_so(shared: World):
    grid = await shared.grid()
    confirm = await shared.press(grid, "🗑")
    opened = await shared.press(grid, "Remix")
    stays = [await shared.press(grid, "🗑", shared.discord.moderator)]
    await shared.press(confirm.message, "Delete")
    await shared.discord.signal.until(lambda: grid.deleted, 10)
    late = [
        await shared.press(stays[0].message, "Delete", shared.discord.moderator),
        await shared.discord.submit(opened, {"prompt": "too late"}),
    ]
    for label in LABELS:
        (custom_id,) = [
            b["custom_id"]
            for b in LoopbackDiscord.buttons_of(grid)
            if label in (b.get("label"), b.get("emoji", {}).get("name"))
        ]
        late.append(
            await shared.discord.press(shared.discord.bob, grid, custom_id=custom_id, forge=True)
        )
    for pressed in late:
        await pressed.answered()
        assert "was deleted" in said(shared, pressed)


async def test_a_message_deleted_by_hand_is_noticed_when_it_is_next_touched(shared: World):
    grid = await shared.grid()
    tile = await u(shared, grid, 3)
    await shared.discord.wait_for(lambda m: m.id == grid.id and styles(m)["U3"] == 1)
    shared.discord.remove(tile)
    again = await shared.press(grid, "U3")
    await shared.discord.signal.until(lambda: again.followups, 10)
    found = "select deleted_at is not null, prompt from generations where parent_id = ?"
    assert (1, "") in shared.sql(found, generation_of(grid))


async def test_a_grid_deleted_by_hand_while_it_is_worked_on_is_noticed(make):
    async with make(USER_QUEUE_LIMIT="50") as world:
        grid = await world.grid()
        world.genart.delay = 1
        pressed = await world.press(grid, "V1")
        await world.genart.signal.until(lambda: len(world.genart.calls) == 2, 10)
        world.discord.remove(grid)
        posted = await world.result(pressed)
        assert labels(posted) == LABELS
        assert posted.reply_to is None
        found = "select deleted_at is not null, prompt from generations where id = ?"
        async with asyncio.timeout(10):
            while world.sql(found, generation_of(grid)) != [(1, "")]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)


async def test_a_stranger_reaches_nothing_from_another_place(shared: World):
    """Somebody elsewhere sends the custom_ids of buttons that they can't see."""
    grid = await shared.grid("not for strangers")
    tile = await u(shared, grid, 1)
    await shared.settled()
    rows = shared.sql("select * from generations")
    elsewhere = {"channel": shared.discord.channel_payload(shared.discord.other_channel_id)}
    stranger = User(shared.discord.new_id(), "stranger")
    for message in (grid, tile):
        for button in shared.discord.buttons_of(message):
            if "custom_id" not in button:
                continue
            forged = await shared.discord.press(
                stranger, message, custom_id=button["custom_id"], overrides=elsewhere
            )
            await forged.answered()
            assert "another place" in said(shared, forged), button
            assert forged.modal is None
    assert shared.sql("select * from generations") == rows
    assert not grid.deleted


async def test_a_deletion_is_not_forgotten_by_kill_9(world: World):
    grid = await world.grid()
    confirm = await world.press(grid, "🗑")
    await world.press(confirm.message, "Delete")
    await world.bot.kill()
    assert not grid.deleted
    await world.bot.start()
    await world.discord.signal.until(lambda: grid.deleted, 20)
    await world.settled()


# Old messages, restarts, kill -9.


async def test_every_new_button_and_modal_works_after_a_restart(world: World):
    grid = await world.grid("before the restart")
    tile = await u(world, grid, 1)
    opened = await world.press(grid, "Remix")
    confirm = await world.press(tile, "🗑")
    await world.bot.kill()
    world.discord.advance(31 * 24 * 3600)
    await world.bot.start()
    sent = await world.discord.submit(opened, {"prompt": "after the restart"})
    await sent.answered()
    assert labels(await world.result(sent)) == LABELS
    assert "favourites now" in said(world, await world.press(grid, "⭐", world.discord.bob))
    assert "before the restart" in said(world, await world.press(grid, "Details"))
    assert len((await world.tile(await world.press(grid, "All four"))).attachments) == 5
    for button in ("Vary", "Remix"):
        sent = await remix(world, tile, f"{button} after the restart", button=button)
        assert labels(await world.result(sent)) == LABELS
    await world.press(confirm.message, "Delete")
    await world.discord.signal.until(lambda: tile.deleted, 10)


async def test_messages_from_before_these_buttons_keep_working(world: World):
    grid = await world.grid()
    grid.components = grid.components[:-1]
    grid.components[-1]["components"].pop()
    assert labels(grid) == OPTIONS
    await u(world, grid, 1)
    await world.discord.wait_for(lambda m: m.id == grid.id and labels(m) == LABELS)
    assert labels(await world.result(await world.press(grid, "V1"))) == LABELS


async def test_used_v_and_reroll_turn_blue_as_u_does(shared: World):
    grid = await shared.grid()
    for label in ("V2", "🔄"):
        await shared.result(await shared.press(grid, label))
    await shared.discord.wait_for(
        lambda m: m.id == grid.id and [k for k, s in styles(m).items() if s == 1] == ["🔄", "V2"]
    )


async def test_cancel_and_try_again_are_counted(make):
    async with make(GENART_CONCURRENCY="1") as world:
        world.genart.delay = 2
        running, waiting = await world.vary(), await world.vary(user=world.discord.bob)
        await world.press(waiting.message, "Cancel", world.discord.alice)
        await world.press(waiting.message, "Cancel", world.discord.bob)
        assert world.clicks(waiting.id) == [
            (world.discord.alice.id, "Cancel", "refused"),
            (world.discord.bob.id, "Cancel", "accepted"),
        ]
        await world.genart.signal.until(lambda: world.genart.calls, 5)
        await world.bot.kill()
        await world.bot.start()
        await world.discord.wait_for(lambda m: m is running.message and labels(m) == ["Try again"])
        await world.result(await world.press(running.message, "Try again"))
        assert world.clicks(running.id) == [(world.discord.alice.id, "Try again", "accepted")]


async def test_a_remix_is_charged_once_whenever_the_bot_is_killed(world: World):
    world.genart.delay = 0.3
    grid = await world.grid()
    opened = [await world.press(grid, "Remix") for _ in range(4)]
    sent: list[Interaction] = []
    for number, modal in enumerate(opened):
        sent.append(await world.discord.submit(modal, {"prompt": f"killed {number}"}))
        await asyncio.sleep(number * 0.15)
        await world.bot.kill()
        await world.bot.start()
    await world.settled(40)
    for number, asked in enumerate(sent):
        calls = [c for c in world.genart.calls if c.prompt == f"killed {number}"]
        state = world.state(asked)
        assert len(calls) <= 1
        assert state in {None, "posted", "interrupted", "cancelled"}
        assert state != "posted" or len(calls) == 1
