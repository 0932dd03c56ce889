"""Messages whose pictures were picked: kept for a day, for one member."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.domain import Pick, PickedPicture, snowflake_at, snowflake_time
from bot.errors import NoConsent, PickGone
from bot.store.picks import LIFETIME
from tests.conftest import MakeSettings
from tests.unit.ledger import ANN, BOB, Ledger, opened


@pytest.fixture
async def ledger(make_settings: MakeSettings) -> AsyncIterator[Ledger]:
    async with opened(make_settings) as ready:
        yield ready


def pick(ledger: Ledger, number: int = 0) -> Pick:
    """Return what Ann picks now in a message of Bob's."""
    pictures = (PickedPicture("one.png", "https://a/1"), PickedPicture("two.png", "https://a/2"))
    return Pick(snowflake_at(ledger.clock()) + number, ANN, BOB, "https://m/1", pictures, True)


async def test_a_pick_is_kept_as_it_was_told(ledger: Ledger):
    picked = pick(ledger)
    for _ in range(2):  # Discord may tell of one twice.
        await ledger.store.picks.use(picked, None, keep=True)
    assert await ledger.store.picks.get(picked.id, ANN) == picked
    with pytest.raises(PickGone):
        await ledger.store.picks.get(picked.id, BOB)


async def test_what_needs_no_modal_is_not_kept(ledger: Ledger):
    picked = pick(ledger)
    await ledger.store.picks.use(picked, None, keep=False)
    with pytest.raises(PickGone):
        await ledger.store.picks.get(picked.id, ANN)


async def test_a_pick_is_gone_after_a_day(ledger: Ledger):
    old = pick(ledger)
    await ledger.store.picks.use(old, None, keep=True)
    ledger.clock.advance(LIFETIME - timedelta(minutes=1))
    await ledger.store.picks.use(pick(ledger), None, keep=True)
    await ledger.store.picks.get(old.id, ANN)
    ledger.clock.advance(timedelta(minutes=2))
    await ledger.store.picks.use(pick(ledger), None, keep=True)
    with pytest.raises(PickGone):
        await ledger.store.picks.get(old.id, ANN)


async def test_a_result_s_pictures_are_its_asker_s(ledger: Ledger):
    grid = await ledger.posted(BOB)
    picked = replace(pick(ledger), owner_id=99)
    await ledger.store.picks.use(picked, grid.id, keep=True)
    assert (await ledger.store.picks.get(picked.id, ANN)).owner_id == BOB


def test_ids_tell_the_time_both_ways(make_settings: MakeSettings):
    at = snowflake_time(snowflake_at(snowflake_time(1 << 60)))
    assert at == snowflake_time(1 << 60)


async def test_a_member_may_keep_their_pictures_to_themselves(ledger: Ledger):
    kept, picked = pick(ledger), pick(ledger, 1)
    await ledger.store.picks.use(kept, None, keep=True)
    await ledger.store.consent.decide(BOB, others_may_vary=False)
    with pytest.raises(NoConsent):
        await ledger.store.picks.use(picked, None, keep=True)
    with pytest.raises(NoConsent):
        await ledger.store.picks.get(kept.id, ANN)
    await ledger.store.picks.use(replace(picked, owner_id=ANN), None, keep=True)
    grid = await ledger.posted(BOB)
    with pytest.raises(NoConsent):
        await ledger.store.picks.use(replace(picked, owner_id=99), grid.id, keep=True)
    await ledger.store.consent.decide(BOB, others_may_vary=True)
    await ledger.store.picks.get(kept.id, ANN)
