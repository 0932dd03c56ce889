"""What is private, and what only answers carry, in the ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from bot.domain import Asker, Generation, State
from bot.errors import Elsewhere, PermissionsMissing, UnknownPicture
from tests.conftest import MakeSettings
from tests.unit.ledger import (
    ANN,
    BOB,
    CHANNEL,
    GUILD,
    MODERATOR,
    REROLL,
    RESULT,
    U1,
    V3,
    Ledger,
    opened,
)

DIRECT = 77


@pytest.fixture
async def ledger(make_settings: MakeSettings) -> AsyncIterator[Ledger]:
    async with opened(make_settings, user_queue_limit=50) as ready:
        yield ready


async def posted(ledger: Ledger, direct_id: int | None = None, **asker: object) -> Generation:
    """Return a private generation whose result is posted."""
    new = replace(ledger.new(**asker), private=True)
    made = await ledger.answered(await ledger.requests.enqueue(new))
    assert await ledger.call() == made.id
    assert await ledger.queue.start_call(made.id, 100)
    done = await ledger.finish(made)
    if direct_id:
        await ledger.queue.card_moved(made.id, made.id + 3, direct_id)
    return await ledger.get(done)


async def press(ledger: Ledger, grid: Generation, option: int, **asker: object) -> Generation:
    """Press an option and return what came of it."""
    click = ledger.click(grid, option, **asker)  # pyright: ignore[reportArgumentType]
    return (await ledger.requests.press(click)).generation


async def test_what_is_made_of_a_private_result_is_private(ledger: Ledger):
    grid = await posted(ledger)
    assert (grid.private, grid.answer_only, grid.ephemeral) == (True, True, True)
    for option in (U1, V3, REROLL):
        made = await press(ledger, grid, option)
        assert (made.private, made.ephemeral) == (True, True)
    failed = await ledger.requests.enqueue(replace(ledger.new(), private=True))
    await ledger.answered(failed)
    assert await ledger.call() is not None
    public = await ledger.queued()
    assert not (await ledger.get(public)).private


async def test_only_its_asker_presses_what_is_private(ledger: Ledger):
    grid = await posted(ledger)
    with pytest.raises(UnknownPicture):
        await ledger.requests.press(ledger.click(grid, U1, BOB))
    with pytest.raises(UnknownPicture):
        await ledger.requests.act(ledger.click(grid, 0, BOB))
    waiting = await ledger.queued()
    hidden = (await ledger.requests.enqueue(replace(ledger.new(), private=True))).generation
    with pytest.raises(UnknownPicture):
        await ledger.requests.cancel(ledger.asker(BOB, **MODERATOR), hidden.id)
    await ledger.requests.cancel(ledger.asker(BOB, **MODERATOR), waiting.id)


async def test_a_direct_message_s_buttons_work_there_and_stay_private(ledger: Ledger):
    grid = await posted(ledger, DIRECT)
    assert grid.message_place == (None, DIRECT)
    there = {"guild_id": None, "channel_id": DIRECT, "on_direct_message": True}
    made = await press(ledger, grid, V3, **there)
    assert (made.private, made.answer_only, made.guild_id) == (True, False, None)
    assert made.channel_id == DIRECT
    for other in (there | {"on_direct_message": False, "channel_id": 78}, there | {"user_id": BOB}):
        with pytest.raises((Elsewhere, UnknownPicture)):
            await press(ledger, grid, U1, **other)


async def test_a_press_in_direct_messages_shows_where_a_result_went(ledger: Ledger):
    """The worker died before it could record that."""
    new = replace(ledger.new(), private=True)
    made = await ledger.answered(await ledger.requests.enqueue(new))
    await ledger.call()
    await ledger.queue.start_call(made.id, 100)
    running = await ledger.get(made)
    assert await ledger.queue.keep_result(made.id, RESULT)
    there = {"guild_id": None, "channel_id": DIRECT, "on_direct_message": True}
    await press(ledger, replace(running, message_id=5), U1, **there)
    found = await ledger.get(made)
    assert (found.state, found.message_id, found.direct_id) == (State.POSTED, 5, DIRECT)


async def test_an_ephemeral_tile_is_cut_anew_a_direct_message_s_is_not(ledger: Ledger):
    for direct_id, repeated in ((None, False), (DIRECT, True)):
        grid = await posted(ledger)
        tile = await ledger.upscale(grid, U1)
        if direct_id:
            await ledger.queue.card_moved(tile.id, tile.id + 3, direct_id)
        again = await ledger.requests.press(ledger.click(grid, U1))
        assert again.repeated is repeated


async def test_a_fetched_result_stays_private(ledger: Ledger):
    new = replace(ledger.new(), private=True)
    made = await ledger.answered(await ledger.requests.enqueue(new))
    await ledger.call()
    await ledger.queue.start_call(made.id, 100)
    await ledger.queue.keep_result(made.id, RESULT)
    await ledger.queue.failed(made.id, State.UNDELIVERED, None)  # pyright: ignore
    fetched = (await ledger.requests.fetch_undelivered(ledger.asker())).generation
    assert (fetched.id, fetched.ephemeral, fetched.direct_id) == (made.id, True, None)


async def test_only_what_is_posted_needs_permission_to(make_settings: MakeSettings):
    async with opened(make_settings, genart_timeout=900) as ledger:
        with pytest.raises(PermissionsMissing):
            await ledger.queued(app_permissions=0)
        await ledger.queued(app_permissions=0, answer_only=True)
        secret = replace(ledger.new(app_permissions=0), private=True)
        await ledger.requests.enqueue(secret)


def test_who_asks_where_is_told_apart():
    here = Asker(1, ANN, GUILD, CHANNEL, "token", 1, 0)
    shown = Generation(
        1,
        "vary",
        "posted",
        ANN,
        GUILD,
        CHANNEL,
        1,
        "x",
        None,
        1,
        answer_only=True,  # pyright: ignore
    )
    assert shown.is_at(here)
    direct = replace(here, guild_id=None, channel_id=DIRECT, on_direct_message=True)
    assert shown.is_at(direct)
    assert not shown.is_at(replace(direct, user_id=BOB))
    assert not replace(shown, answer_only=False).is_at(direct)
    assert not shown.is_at(replace(here, channel_id=CHANNEL + 1))
