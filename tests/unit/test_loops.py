"""The worker's loops: again and again, and soon again where they fail."""

from __future__ import annotations

import asyncio

import pytest

from bot.errors import DatabaseUnusable, StoreUnavailable
from bot.worker.worker import repeat

A_DAY = 24 * 3_600.0


@pytest.mark.parametrize("error", [StoreUnavailable(), ValueError("a bug")])
async def test_what_fails_is_done_again_soon_however_rare_it_is(error: Exception):
    done: list[bool] = []

    async def work() -> None:
        done.append(True)
        if len(done) < 3:
            raise error
        if len(done) == 4:
            raise DatabaseUnusable("the test is over")

    wake = asyncio.Event()
    looping = asyncio.create_task(repeat(A_DAY, work, wake, retry_after=0.01))
    await asyncio.sleep(0.2)
    assert len(done) == 3, "what succeeded waits for its time"
    wake.set()
    with pytest.raises(DatabaseUnusable):
        await looping


async def test_a_wake_up_during_the_work_is_kept():
    wake = asyncio.Event()
    done: list[bool] = []

    async def work() -> None:
        done.append(True)
        if len(done) == 1:
            wake.set()
        else:
            raise DatabaseUnusable("the test is over")

    with pytest.raises(DatabaseUnusable):
        async with asyncio.timeout(2):
            await repeat(A_DAY, work, wake)
