"""Turns that processes take one after the other."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from bot.store import Store
from tests.conftest import MakeSettings
from tests.unit.ledger import Clock, Ledger


async def test_a_turn_is_one_s_until_it_is_over(ledger: Ledger):
    turns = ledger.store.turns
    assert await turns.take("identify/0", 5) == 0
    assert await turns.take("identify/0", 5) == 5
    ledger.clock.advance(timedelta(seconds=3))
    assert await turns.take("identify/0", 5) == 2
    ledger.clock.advance(timedelta(seconds=2))
    assert await turns.take("identify/0", 5) == 0


async def test_turns_of_other_names_are_free(ledger: Ledger):
    assert await ledger.store.turns.take("identify/0", 5) == 0
    assert await ledger.store.turns.take("identify/1", 5) == 0


async def test_a_turn_of_a_clock_that_was_set_back_is_over(ledger: Ledger):
    assert await ledger.store.turns.take("identify/0", 5) == 0
    ledger.clock.advance(-timedelta(hours=1))
    assert await ledger.store.turns.take("identify/0", 5) == 0


@pytest.mark.parametrize("first", [True, False])
async def test_of_many_processes_one_takes_the_turn(make_settings: MakeSettings, first: bool):
    clock = Clock()
    async with (
        Store(make_settings(), clock=clock) as one,
        Store(make_settings(), clock=clock) as two,
    ):
        if not first:
            assert await one.turns.take("identify/0", 5) == 0
            clock.advance(timedelta(seconds=6))
        takes = [store.turns.take("identify/0", 5) for store in (one, two) for _ in range(5)]
        waits = await asyncio.gather(*takes)
        assert sorted(waits) == [0, *[5] * 9]
