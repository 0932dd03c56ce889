"""Favourites: each member's own, turned on and off by one button."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.errors import Elsewhere, UnknownPicture
from tests.conftest import MakeSettings
from tests.unit.ledger import ANN, BOB, U1, Ledger, Rows, opened


async def test_a_press_turns_a_favourite_on_and_the_next_one_off(ledger: Ledger, rows: Rows):
    grid = await ledger.posted()
    tile = await ledger.upscale(grid, U1)
    favourites = ledger.store.favourites
    star = replace(ledger.click(grid, U1), option=None, label="⭐")
    assert await favourites.toggle(star)
    again = replace(star, asker=ledger.asker(BOB))
    assert await favourites.toggle(again)
    assert await favourites.toggle(replace(star, asker=ledger.asker(), generation_id=tile.id))
    assert not await favourites.toggle(replace(star, asker=ledger.asker()))
    assert rows("select user_id, generation_id from favourites order by user_id") == [
        (ANN, tile.id),
        (BOB, grid.id),
    ]
    pressed = rows("select generation_id, label, outcome from clicks order by id")
    assert pressed[0] == (grid.id, "U1", "accepted")
    assert sorted(pressed[1:]) == [(grid.id, "⭐", "accepted")] * 3 + [(tile.id, "⭐", "accepted")]


async def test_a_favourite_is_of_a_picture_that_is_known_here(ledger: Ledger, rows: Rows):
    grid = await ledger.posted()
    star = replace(ledger.click(grid, U1), option=None, label="⭐")
    with pytest.raises(UnknownPicture):
        await ledger.store.favourites.toggle(replace(star, generation_id=77))
    elsewhere = ledger.asker(channel_id=99)
    with pytest.raises(Elsewhere):
        await ledger.store.favourites.toggle(replace(star, asker=elsewhere))
    assert rows("select * from favourites") == []


async def test_a_favourite_goes_with_its_picture_s_row(make_settings: MakeSettings, rows: Rows):
    async with opened(make_settings, retention_days=1) as ledger:
        grid = await ledger.posted()
        await ledger.store.favourites.toggle(replace(ledger.click(grid, U1), label="⭐"))
        ledger.clock.advance(timedelta(days=2))
        await ledger.store.retention.purge()
    assert rows("select * from favourites") == []
