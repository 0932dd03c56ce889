"""How the queue is, for whoever watches it."""

from __future__ import annotations

from datetime import timedelta

from bot.metrics import QueueFigures
from bot.store.account import Alert
from tests.unit.ledger import Ledger


async def test_an_empty_queue_has_no_age_and_no_worker(ledger: Ledger):
    assert await ledger.store.figures.read() == QueueFigures(0, 0, 0.0, 0)


async def test_what_waits_runs_and_who_works_is_counted(ledger: Ledger):
    for seconds in (10, 20, 30):
        await ledger.queued()
        ledger.clock.advance(timedelta(seconds=seconds))
    claimed = await ledger.queue.claim_call(3, equal_prompts=True)
    assert claimed is not None
    assert await ledger.store.figures.read() == QueueFigures(2, 1, 50.0, 1)
    ledger.clock.advance(timedelta(minutes=1))
    assert (await ledger.store.figures.read()).workers == 0


async def test_what_the_operator_was_told_of_the_account_is_shown_until_it_is_over(ledger: Ledger):
    account, figures = ledger.store.account, ledger.store.figures
    assert await account.tell(Alert.KEY_REFUSED)
    assert await figures.read() == QueueFigures(0, 0, 0.0, 0, key_refused=True)
    await account.over(Alert.KEY_REFUSED)
    assert await account.tell(Alert.FAST_TIME_LOW)
    assert await figures.read() == QueueFigures(0, 0, 0.0, 0, fast_time_low=True)
