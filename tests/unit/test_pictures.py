"""Going on from posted pictures, what is told of them, and their deletion."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot import text
from bot.domain import ALL_FOUR, Click, Delivered, Generation, Kind, State
from bot.errors import Elsewhere, NotDeletable, Refused, UnknownPicture, WasDeleted
from bot.store.asked import EnqueueResult
from bot.text import pictures as words
from tests.unit.ledger import ANN, BOB, MODERATOR, RESULT, U1, U2, V3, Ledger, Rows

TILE_LINKS = {"tile-2.png": "https://fresh/tile-2.png"}


def press(ledger: Ledger, on: Generation, label: str, user: int = ANN, **more: Any) -> Click:
    """Return a press of a button that is no option of the API's."""
    return replace(ledger.click(on, U1, user, **more), option=None, label=label)


async def remix(
    ledger: Ledger, on: Generation, prompt: str, tile: int = 0, user: int = ANN, **more: Any
) -> EnqueueResult:
    """Send a remix's modal."""
    return await ledger.requests.remix(press(ledger, on, "Remix", user, **more), prompt, tile)


# Remix.


@pytest.mark.parametrize(
    ("tile", "changed", "kind", "source"),
    [
        (0, True, Kind.REMIX, "https://fresher"),
        (3, True, Kind.REMIX, "https://fresh"),
        (0, False, Kind.REROLL, "https://fresher"),
        (3, False, Kind.VARIATION, "https://fresh"),
    ],
)
async def test_a_remix_of_a_grid_starts_from_its_source_or_a_tile(
    ledger: Ledger, rows: Rows, tile: int, changed: bool, kind: Kind, source: str
):
    grid = replace(await ledger.posted(), source_file="source.webp")
    await ledger.store.database.write(
        lambda c: c.exec_driver_sql("update generations set source_file = 'source.webp'")
    )
    made = (await remix(ledger, grid, "other words" if changed else grid.prompt, tile)).generation
    assert (made.kind, made.tile, made.parent_id) == (kind, tile, grid.id)
    assert made.source_url == source
    assert made.prompt == ("other words" if changed else grid.prompt)
    assert rows("select * from clicks") == [], "sending a modal is no press"


async def test_what_is_made_from_a_tile_has_it_as_its_parent_and_its_file_as_source(
    ledger: Ledger,
):
    tile = await ledger.upscale(await ledger.posted(), U2)
    click = replace(press(ledger, tile, "Remix"), links=TILE_LINKS)
    made = (await ledger.requests.remix(click, "other words", 0)).generation
    assert (made.kind, made.parent_id, made.tile) == (Kind.REMIX, tile.id, 0)
    assert made.source_url == TILE_LINKS["tile-2.png"]
    again = replace(click, asker=ledger.asker())
    same = (await ledger.requests.remix(again, tile.prompt, 0)).generation
    assert (same.kind, same.parent_id, same.tile) == (Kind.VARIATION, tile.id, 0)
    assert not same.starts_from_tile, "the tile's own picture isn't cut again"


async def test_a_remix_in_the_same_words_is_what_waits_already(ledger: Ledger):
    grid = await ledger.posted()
    first = await ledger.requests.press(ledger.click(grid, V3))
    again = await remix(ledger, grid, grid.prompt, first.generation.tile)
    assert again.repeated
    assert again.generation.id == first.generation.id
    assert not (await remix(ledger, grid, "other words", 3)).repeated


async def test_a_modal_that_is_told_of_twice_is_one_remix(ledger: Ledger):
    grid = await ledger.posted()
    click = press(ledger, grid, "Remix")
    first, second = await asyncio.gather(
        *(ledger.requests.remix(click, "other words", 0) for _ in range(2))
    )
    assert [first.repeated, second.repeated] == [False, True]
    assert first.generation.id == second.generation.id


async def test_a_tile_has_no_tiles_and_all_four_have_no_remix(ledger: Ledger):
    grid = await ledger.posted()
    tile = await ledger.upscale(grid, U2)
    four = await ledger.upscale(grid, ALL_FOUR)
    for on, number in ((tile, 2), (four, 0), (four, 1)):
        with pytest.raises(UnknownPicture):
            await remix(ledger, on, "other words", number)
    for on in (tile, four):
        with pytest.raises(UnknownPicture):
            await ledger.requests.press(ledger.click(on, ALL_FOUR))


async def test_a_remix_is_of_a_picture_of_the_same_place(ledger: Ledger):
    grid = await ledger.posted()
    with pytest.raises(Elsewhere):
        await remix(ledger, grid, "other words", channel_id=77)


# All four.


async def test_all_four_are_found_once_they_are_posted(ledger: Ledger, rows: Rows):
    grid = await ledger.posted()
    four = await ledger.upscale(grid, ALL_FOUR)
    assert (four.kind, four.tile, four.parent_id) == (Kind.UPSCALE, 0, grid.id)
    again = await ledger.requests.press(ledger.click(grid, ALL_FOUR, BOB))
    assert (again.repeated, again.generation.id) == (True, four.id)
    await ledger.upscale(grid, U1)
    assert await ledger.queue.used(grid.id) == {(Kind.UPSCALE, 0), (Kind.UPSCALE, 1)}


# Deleting.


async def test_only_the_asker_and_moderators_delete(ledger: Ledger):
    pictures = ledger.store.pictures
    grid = await ledger.posted(ANN)
    await ledger.upscale(grid, U1, BOB)
    with pytest.raises(NotDeletable):
        await pictures.deletable(press(ledger, grid, "🗑", BOB))
    with pytest.raises(NotDeletable):
        await pictures.delete(press(ledger, grid, "Delete", BOB), with_tiles=False)
    assert (await ledger.get(grid)).deleted_at is None
    assert await pictures.deletable(press(ledger, grid, "🗑", BOB, **MODERATOR)) == 1
    assert await pictures.deletable(press(ledger, grid, "🗑", ANN)) == 1


@pytest.mark.parametrize("with_tiles", [True, False])
async def test_a_deleted_row_keeps_what_accounting_needs(ledger: Ledger, with_tiles: bool):
    pictures = ledger.store.pictures
    grid, other = await ledger.posted(), await ledger.posted()
    tile, others = await ledger.upscale(grid, U1), await ledger.upscale(other, U1)
    for on in (grid, tile, other):
        await ledger.store.favourites.toggle(press(ledger, on, "⭐"))
    gone = await pictures.delete(press(ledger, grid, "Delete"), with_tiles=with_tiles)
    deleted = {grid.id, tile.id} if with_tiles else {grid.id}
    assert {each.id for each in gone} == deleted
    for before in (grid, tile, other, others):
        after = await ledger.get(before)
        if before.id not in deleted:
            assert after == before
            continue
        assert (after.prompt, after.source_url, after.result, after.token) == ("", None, None, None)
        assert (after.message_id, after.grid_file, after.source_file) == (None, None, None)
        assert after.deleted_at == ledger.clock.now
        kept = ("state", "kind", "user_id", "guild_id", "created_at", "finished_at", "parent_id")
        assert [getattr(after, name) for name in kept] == [getattr(before, name) for name in kept]


async def test_the_worker_that_takes_a_deletion_over_knows_the_message(ledger: Ledger, rows: Rows):
    grid = await ledger.posted()
    await ledger.store.pictures.delete(press(ledger, grid, "Delete"), with_tiles=False)
    assert await ledger.queue.cards_due() == []
    ledger.clock.advance(timedelta(seconds=1))
    assert await ledger.queue.take_over()
    (due,) = await ledger.queue.cards_due()
    assert (due.id, due.card_id, due.state) == (grid.id, grid.message_id, State.POSTED)
    await ledger.queue.card_done([due.id], deleted=True)
    assert await ledger.queue.cards_due() == []


async def test_a_deletion_outlives_the_removal_of_a_card_that_was_under_way(ledger: Ledger):
    called = await ledger.called()
    assert await ledger.queue.keep_result(called.id, RESULT)
    assert await ledger.queue.posted(called.id, Delivered(99, "grid.png"))
    (card,) = await ledger.queue.cards_due()
    click = press(ledger, called, "Delete")
    await ledger.store.pictures.delete(click, with_tiles=False)
    await ledger.queue.card_done([card.id])
    ledger.clock.advance(timedelta(seconds=1))
    assert await ledger.queue.take_over()
    assert [due.card_id for due in await ledger.queue.cards_due()] == [99]


async def test_nothing_is_made_of_what_was_deleted(ledger: Ledger, rows: Rows):
    pictures = ledger.store.pictures
    grid = await ledger.posted()
    await pictures.delete(press(ledger, grid, "Delete"), with_tiles=False)
    for attempt in (
        ledger.requests.press(ledger.click(grid, U1)),
        ledger.requests.press(ledger.click(grid, ALL_FOUR)),
        remix(ledger, grid, "other words"),
        pictures.pressed(press(ledger, grid, "Remix")),
        pictures.line(press(ledger, grid, "Details")),
        pictures.deletable(press(ledger, grid, "🗑", **MODERATOR)),
        pictures.delete(press(ledger, grid, "Delete", **MODERATOR), with_tiles=False),
        ledger.store.favourites.toggle(press(ledger, grid, "⭐")),
    ):
        with pytest.raises(WasDeleted):
            await attempt
    assert rows("select count(*) from generations") == [(1,)]
    outcomes = rows("select distinct outcome from clicks order by outcome")
    assert outcomes == [("accepted",), ("refused",)]


async def test_two_who_delete_at_once_delete_once(ledger: Ledger):
    pictures = ledger.store.pictures
    grid = await ledger.posted()
    done = await asyncio.gather(
        *(
            pictures.delete(press(ledger, grid, "Delete", user, **MODERATOR), with_tiles=False)
            for user in (ANN, BOB)
        ),
        return_exceptions=True,
    )
    assert [isinstance(each, WasDeleted) for each in done] == [False, True]
    assert (await ledger.get(grid)).card_id == grid.message_id


async def test_a_deleted_picture_counts_towards_the_day_still(ledger: Ledger, rows: Rows):
    grid = await ledger.posted()
    await ledger.store.pictures.gone([grid.id])
    assert rows("select state, card_due from generations") == [("posted", 0)]
    assert (await ledger.get(grid)).deleted_at


async def test_what_is_made_of_a_tile_outlives_the_grid(ledger: Ledger):
    grid = await ledger.posted()
    tile = await ledger.upscale(grid, U2)
    await ledger.store.pictures.gone([grid.id])
    made = (await remix(ledger, tile, tile.prompt)).generation
    assert made.prompt == tile.prompt != ""


# A press on a result that its worker didn't record.


@pytest.mark.parametrize("label", ["Remix", "Details", "⭐", "🗑"])
async def test_a_press_on_a_result_records_it_as_posted(ledger: Ledger, label: str):
    called = await ledger.called()
    assert await ledger.queue.keep_result(called.id, RESULT)
    click = replace(press(ledger, called, label), message_id=99)
    assert (await ledger.store.pictures.pressed(click)).state is State.POSTED
    posted = await ledger.get(called)
    assert (posted.state, posted.message_id, posted.grid_file) == (State.POSTED, 99, "grid.png")


async def test_a_forged_press_doesn_t_make_anything_posted(ledger: Ledger):
    grid, failed = await ledger.posted(), await ledger.failed()
    called, queued = await ledger.called(BOB), await ledger.queued()
    waiting = (await ledger.requests.press(ledger.click(grid, U1))).generation
    for target in (queued, called, failed, waiting):
        before = await ledger.get(target)
        with pytest.raises(UnknownPicture):
            await ledger.store.pictures.pressed(press(ledger, target, "⭐"))
        assert await ledger.get(target) == before


# Details.


async def test_a_line_leads_to_the_first_picture(ledger: Ledger):
    first = await ledger.posted()
    line = [first]
    for _ in range(12):
        made = await ledger.answered(await remix(ledger, line[-1], f"words {len(line)}"))
        assert await ledger.call() == made.id
        assert await ledger.queue.start_call(made.id, 100)
        line.append(await ledger.finish(made))
    read = await ledger.store.pictures.line(press(ledger, line[-1], "Details"))
    assert [g.id for g in read] == [g.id for g in line]
    links = [f"https://discord.com/channels/1/2/{g.message_id}" for g in read]
    told = words.details(read, links, None)
    assert f"[New grid]({links[0]}) → … 4 more … → " in told
    assert told.count("](") == 8


async def test_a_deleted_ancestor_is_named_and_leads_nowhere(ledger: Ledger):
    grid = await ledger.posted()
    tile = await ledger.upscale(grid, U2)
    await ledger.store.pictures.gone([grid.id])
    line = await ledger.store.pictures.line(
        replace(press(ledger, tile, "Details"), links=TILE_LINKS)
    )
    assert "New grid (deleted)" in words.details(line, ["https://x", None], None)


@pytest.mark.parametrize("prompt", ["a `b` c", "```", "`````` x ```` y", "plain"])
def test_a_copyable_prompt_stays_in_its_block(prompt: str):
    block = words.copyable(prompt)
    assert block.startswith("```\n")
    assert block.endswith("\n```")
    assert "``" not in block[4:-4]
    assert block[4:-4].replace("\u200b", "") == prompt


@pytest.mark.parametrize("error", [WasDeleted(), NotDeletable()])
def test_each_refusal_has_a_sentence_of_its_own(error: Refused):
    assert text.refusal(error) != text.refusal(Refused())
