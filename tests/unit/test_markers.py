from __future__ import annotations

from datetime import timedelta

import pytest

from bot.worker.markers import ALONE_TIME, Markers
from tests.unit.ledger import Ledger

PROMPT = "a cat"


@pytest.fixture
def markers(ledger: Ledger) -> Markers:
    return Markers(ledger.store.values, ledger.clock)


async def answers(markers: Markers, *contents: str | None) -> bool:
    """Let some answers come; return whether equal prompts may run at once then."""
    for content in contents:
        await markers.answered(content, PROMPT)
    return markers.equal_prompts


@pytest.mark.parametrize(
    ("contents", "at_once"),
    [
        ((), False),
        (("[1] a cat",), False),
        (("[1] a cat", "[2] a cat"), True),
        (("<#1#> a cat", "<#2#> a cat"), True),
        (("[1] a cat", "[1] a cat"), False),
        (("[1] a cat", "[2] a cat", "[2] a cat"), False),
        (("[1] a cat", "[2] a cat", "a cat"), False),
        (("[1] a cat", None, "[2] a cat", None), True),
        (("[1] a cat", "a cat", "[2] a cat"), False),
        (("a cat", "a cat"), False),
    ],
)
async def test_equal_prompts_run_at_once_where_markers_differ_from_answer_to_answer(
    markers: Markers, contents: tuple[str | None, ...], at_once: bool
):
    assert await answers(markers, *contents) is at_once


async def test_what_looks_like_a_marker_and_was_typed_is_none(markers: Markers):
    for prompt in ("[1] a cat", "[2] a cat"):
        await markers.answered(prompt, prompt)
    assert not markers.equal_prompts


async def test_what_was_learned_is_there_after_a_restart_and_for_other_workers(
    markers: Markers, ledger: Ledger
):
    assert await answers(markers, "[1] a cat", "[2] a cat")
    other = Markers(ledger.store.values, ledger.clock)
    assert not other.equal_prompts
    await other.load()
    assert other.equal_prompts
    await other.mixed_up()
    await markers.load()
    assert not markers.equal_prompts


async def test_a_mix_up_brings_the_rule_back_for_a_day(markers: Markers, ledger: Ledger):
    assert await answers(markers, "[1] a cat", "[2] a cat")
    await markers.mixed_up()
    assert not await answers(markers, "[3] a cat", "[4] a cat")
    ledger.clock.advance(ALONE_TIME - timedelta(seconds=1))
    assert not markers.equal_prompts
    ledger.clock.advance(timedelta(seconds=1))
    assert markers.equal_prompts


async def test_a_clock_that_is_set_back_does_not_make_that_day_longer(
    markers: Markers, ledger: Ledger
):
    assert await answers(markers, "[1] a cat", "[2] a cat")
    await markers.mixed_up()
    ledger.clock.advance(-timedelta(days=300))
    assert markers.equal_prompts


async def test_another_worker_s_mix_up_is_not_forgotten_by_what_this_one_learns(
    markers: Markers, ledger: Ledger
):
    other = Markers(ledger.store.values, ledger.clock)
    await other.mixed_up()
    assert not await answers(markers, "[1] a cat", "[2] a cat")
