"""Members' pictures by pages."""

from __future__ import annotations

import itertools

from bot.store.gallery import PAGE, Page, Selection, Wanted
from tests.unit.ledger import ANN, BOB, CHANNEL, GUILD, U1, Ledger

ALL = Wanted(ANN, Selection.ALL, GUILD, CHANNEL)
EVERY = [Wanted(ANN, selection, GUILD, CHANNEL) for selection in Selection]


def ids(page: Page) -> list[int]:
    return [generation.id for generation in page.pictures]


async def test_every_picture_is_on_one_page_there_and_back(ledger: Ledger):
    made = [(await ledger.posted()).id for _ in range(2 * PAGE + 3)]
    made.reverse()
    pages = [await ledger.store.gallery.page(ALL)]
    while (older := pages[-1].older) is not None:
        pages.append(await ledger.store.gallery.page(ALL, older))
    assert [id_ for page in pages for id_ in ids(page)] == made
    assert [page.newer for page in pages] == [False, True, True]
    assert [len(page.pictures) for page in pages] == [PAGE, PAGE, 3]
    for newer, page in itertools.pairwise(pages):
        assert await ledger.store.gallery.page_before(ALL, ids(page)[0]) == newer
    assert await ledger.store.gallery.page_before(ALL, made[2]) == pages[0]


async def test_what_is_not_posted_or_is_deleted_is_on_no_page(ledger: Ledger):
    kept, gone = await ledger.posted(), await ledger.posted()
    await ledger.failed()
    await ledger.queued()
    assert ids(await ledger.store.gallery.page(ALL)) == [gone.id, kept.id]
    await ledger.store.pictures.gone([gone.id])
    assert ids(await ledger.store.gallery.page(ALL)) == [kept.id]
    assert (await ledger.get(gone)).deleted_at is not None
    assert ids(await ledger.store.gallery.page(ALL, kept.id - 1)) == [kept.id]


async def test_each_selection_holds_what_it_says(ledger: Ledger):
    mine = await ledger.posted()
    theirs = await ledger.posted(BOB)
    tile = await ledger.upscale(mine, U1)
    await ledger.store.favourites.toggle(ledger.click(theirs, -1))
    elsewhere = await ledger.queued(guild_id=11, channel_id=21)
    assert await ledger.call() == elsewhere.id
    await ledger.finish(elsewhere)
    found = {wanted.selection: ids(await ledger.store.gallery.page(wanted)) for wanted in EVERY}
    assert found == {
        Selection.ALL: [elsewhere.id, tile.id, mine.id],
        Selection.FAVOURITES: [theirs.id],
        Selection.SERVER: [tile.id, mine.id],
        Selection.TILES: [tile.id],
        Selection.CHANNEL: [tile.id, mine.id],
    }
