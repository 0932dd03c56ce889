"""When the API is not called; the clock is handed in."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.worker.breaker import FIRST_PAUSE, LONGEST_PAUSE, CircuitBreaker
from tests.unit.ledger import Ledger


async def loaded(ledger: Ledger) -> CircuitBreaker:
    """Return a worker's breaker as it is after its start."""
    breaker = CircuitBreaker(3, ledger.store.values, ledger.clock)
    await breaker.load()
    return breaker


@pytest.fixture
async def breaker(ledger: Ledger) -> CircuitBreaker:
    """Return a breaker that nothing has happened to yet."""
    return await loaded(ledger)


def wait(ledger: Ledger, seconds: float) -> None:
    """Let time pass."""
    ledger.clock.advance(timedelta(seconds=seconds))


async def test_all_places_are_free_at_first_once_it_is_known_what_others_learned(ledger: Ledger):
    breaker = CircuitBreaker(3, ledger.store.values, ledger.clock)
    assert breaker.places == 0
    await breaker.load()
    assert breaker.places == 3


async def test_a_busy_api_is_left_alone_for_as_long_as_it_asks(
    breaker: CircuitBreaker, ledger: Ledger
):
    await breaker.busy(30)
    wait(ledger, 29.9)
    assert breaker.places == 0
    wait(ledger, 0.1)
    assert breaker.places == 3


async def test_a_shorter_wait_does_not_end_a_longer_one(breaker: CircuitBreaker, ledger: Ledger):
    await breaker.busy(30)
    await breaker.busy(1)
    wait(ledger, 29)
    assert breaker.places == 0


async def test_a_refused_key_is_tried_by_one_call_at_a_time_ever_more_rarely(
    breaker: CircuitBreaker, ledger: Ledger
):
    pause = FIRST_PAUSE
    for _ in range(12):
        await breaker.refused()
        wait(ledger, pause - 0.1)
        assert breaker.places == 0
        wait(ledger, 0.1)
        assert breaker.places == 1
        pause = min(pause * 2, LONGEST_PAUSE)
    assert pause == LONGEST_PAUSE


async def test_a_key_that_works_again_frees_all_places(breaker: CircuitBreaker, ledger: Ledger):
    for _ in range(3):
        await breaker.refused()
        wait(ledger, LONGEST_PAUSE)
    await breaker.succeeded()
    assert breaker.places == 3
    await breaker.refused()
    wait(ledger, FIRST_PAUSE)
    assert breaker.places == 1, "the pauses begin anew"


async def test_refusals_of_calls_that_were_under_way_together_count_once(
    breaker: CircuitBreaker, ledger: Ledger
):
    assert [await breaker.refused() for _ in range(3)] == [True, False, False]
    wait(ledger, FIRST_PAUSE)
    assert breaker.places == 1


async def test_a_success_of_a_call_that_was_under_way_does_not_close_an_open_breaker(
    breaker: CircuitBreaker,
):
    await breaker.refused()
    await breaker.succeeded()
    assert breaker.places == 0


async def test_what_an_older_version_kept_is_read(ledger: Ledger):
    old = '{"open_until": 0, "refused_until": 0, "pause": 5.0, "next_alert": 12.5}'
    await ledger.store.values.change("breaker", lambda _: old)
    breaker = CircuitBreaker(3, ledger.store.values, ledger.clock)
    await breaker.load()
    assert breaker.places == 3


async def test_a_key_that_is_refused_while_the_api_is_busy_is_in_doubt_all_the_same(
    breaker: CircuitBreaker, ledger: Ledger
):
    await breaker.busy(30)
    assert await breaker.refused()
    wait(ledger, 30)
    assert breaker.places == 1


async def test_all_workers_share_what_one_has_learned(breaker: CircuitBreaker, ledger: Ledger):
    other = await loaded(ledger)
    assert [await breaker.refused(), await other.refused()] == [True, False], "one alert for all"
    wait(ledger, FIRST_PAUSE)
    await other.load()
    assert (breaker.places, other.places) == (1, 1)
    await other.succeeded()
    await other.busy(60)
    await breaker.load()
    assert breaker.places == 0
    wait(ledger, 60)
    assert breaker.places == 3


async def test_it_begins_anew_where_the_bot_is_started_again(
    breaker: CircuitBreaker, ledger: Ledger
):
    for _ in range(3):
        await breaker.refused()
        wait(ledger, LONGEST_PAUSE)
    await breaker.busy(600)
    again = await loaded(ledger)
    assert again.places == 0
    await again.reset()
    assert again.places == 3
    assert await again.refused()


async def test_a_clock_that_is_set_back_does_not_make_a_pause_longer(
    breaker: CircuitBreaker, ledger: Ledger
):
    await breaker.refused()
    await breaker.busy(3_600)
    wait(ledger, -86_400)
    assert breaker.places == 1
    assert await breaker.refused()
