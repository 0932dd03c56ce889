"""When the API is not called; the clock is handed in."""

from __future__ import annotations

import itertools

import pytest

from bot.worker.breaker import ALERT_PERIOD, FIRST_PAUSE, LONGEST_PAUSE, CircuitBreaker


class Seconds:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Seconds:
    """Return a clock that stands still."""
    return Seconds()


@pytest.fixture
def breaker(clock: Seconds) -> CircuitBreaker:
    """Return a breaker that nothing has happened to yet."""
    return CircuitBreaker(3, clock)


def test_all_places_are_free_at_first(breaker: CircuitBreaker):
    assert breaker.places == 3


def test_a_busy_api_is_left_alone_for_as_long_as_it_asks(breaker: CircuitBreaker, clock: Seconds):
    breaker.busy(30)
    clock.now += 29.9
    assert breaker.places == 0
    clock.now += 0.1
    assert breaker.places == 3


def test_a_shorter_wait_does_not_end_a_longer_one(breaker: CircuitBreaker, clock: Seconds):
    breaker.busy(30)
    breaker.busy(1)
    clock.now += 29
    assert breaker.places == 0


def test_a_refused_key_is_tried_by_one_call_at_a_time_ever_more_rarely(
    breaker: CircuitBreaker, clock: Seconds
):
    pause = FIRST_PAUSE
    for _ in range(12):
        breaker.refused()
        clock.now += pause - 0.1
        assert breaker.places == 0
        clock.now += 0.1
        assert breaker.places == 1
        pause = min(pause * 2, LONGEST_PAUSE)
    assert pause == LONGEST_PAUSE


def test_a_key_that_works_again_frees_all_places(breaker: CircuitBreaker, clock: Seconds):
    for _ in range(3):
        breaker.refused()
        clock.now += LONGEST_PAUSE
    breaker.succeeded()
    assert breaker.places == 3
    breaker.refused()
    clock.now += FIRST_PAUSE
    assert breaker.places == 1, "the pauses begin anew"


def test_refusals_of_calls_that_were_under_way_together_count_once(
    breaker: CircuitBreaker, clock: Seconds
):
    assert [breaker.refused() for _ in range(3)] == [True, False, False]
    clock.now += FIRST_PAUSE
    assert breaker.places == 1


def test_a_success_of_a_call_that_was_under_way_does_not_close_an_open_breaker(
    breaker: CircuitBreaker, clock: Seconds
):
    breaker.refused()
    breaker.succeeded()
    assert breaker.places == 0


def test_the_operator_is_told_once_an_hour(breaker: CircuitBreaker, clock: Seconds):
    told: list[float] = []
    begin = clock.now
    while clock.now < begin + 2.5 * ALERT_PERIOD:
        if breaker.refused():
            told.append(clock.now)
        clock.now += 1
    assert len(told) == 3
    assert all(later - earlier >= ALERT_PERIOD for earlier, later in itertools.pairwise(told))


def test_a_key_that_is_refused_while_the_api_is_busy_is_in_doubt_all_the_same(
    breaker: CircuitBreaker, clock: Seconds
):
    breaker.busy(30)
    assert breaker.refused()
    clock.now += 30
    assert breaker.places == 1
