"""What the operator sees: the API's account, the queue, who uses the bot."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from bot.domain import AccountInfo, ErrorCode, State
from bot.errors import ApiNonsense
from bot.genart_format import read_info
from bot.store.account import Alert, Snapshot
from bot.text import account as words
from tests.conftest import MakeSettings
from tests.unit.ledger import ANN, BOB, GUILD, Ledger, opened, other_worker

PERIOD = timedelta(minutes=10)
DOCUMENTED = {
    "subscription": "Standard (Active monthly, renews next on <t:1717212880>)",
    "jobMode": "",
    "visibilityMode": "Public",
    "fastTimeRemaining": "13.47/15.0 hours (89.78%)",
    "lifetimeUsage": "83 images",
    "relaxedUsage": "1 images",
    "queuedJobsFast": "0",
    "queuedJobsRelax": "0",
    "runningJobs": "None",
}


@pytest.fixture
async def ledger(make_settings: MakeSettings) -> AsyncIterator[Ledger]:
    """A ledger of the test's own."""
    async with opened(make_settings, user_queue_limit=50) as ready:
        yield ready


def test_the_documented_answer_is_read():
    info = read_info(json.dumps(DOCUMENTED).encode())
    assert info == AccountInfo(
        subscription="Standard (Active monthly, renews next on <t:1717212880>)",
        visibility="Public",
        fast_time="13.47/15.0 hours (89.78%)",
        fast_hours=13.47,
        lifetime_usage="83 images",
        relaxed_usage="1 images",
        queued_fast="0",
        queued_relaxed="0",
        running="None",
    )


@pytest.mark.parametrize(
    ("said", "hours"),
    [
        ("0/15.0 hours (0%)", 0),
        ("0.5 hours", 0.5),
        (3, 3),
        ("30 minutes", None),
        ("unlimited", None),
        ("", None),
        (["1"], None),
        (None, None),
    ],
)
def test_fast_time_is_read_where_it_says_hours(said: object, hours: float | None):
    assert read_info(json.dumps({"fastTimeRemaining": said}).encode()).fast_hours == hours


def test_what_is_malformed_is_missing_and_what_is_no_object_is_refused():
    assert read_info(b'{"subscription": ["x"], "jobMode": 3, "other": {}}') == AccountInfo(
        job_mode="3"
    )
    for body in (b"", b"[]", b"<html>"):
        with pytest.raises(ApiNonsense):
            read_info(body)


def test_times_of_the_api_are_shown_as_times_and_nothing_else_of_it_is_markup(ledger: Ledger):
    hostile = AccountInfo(
        subscription="<t:1717212880> <t:1:R> <@1> **x** [a](b)", fast_time="x" * 9999
    )
    shown = words.account(hostile, None, ledger.clock())
    assert "<t:1717212880> <t:1:R> \\<\\@1\\> \\*\\*x\\*\\*" in shown
    assert len(shown) < 1_000


async def test_one_worker_asks_where_somebody_wants_to_know_or_it_is_time(
    ledger: Ledger, make_settings: MakeSettings
):
    account = ledger.store.account
    async with other_worker(make_settings, ledger) as other:
        asked = await asyncio.gather(*(a.due(PERIOD) for a in (account, other.store.account)))
        assert set(asked) == {0, None}
        ledger.clock.advance(timedelta(minutes=9))
        assert await account.due(PERIOD) is None
        assert await other.store.account.ask() == 1
        assert await account.due(PERIOD) == 1
        assert await other.store.account.due(PERIOD) is None
        ledger.clock.advance(PERIOD)
        assert await other.store.account.due(PERIOD) == 1
        ledger.clock.advance(-timedelta(days=1))
        assert await account.due(None) is None
        assert await account.due(PERIOD) == 1, "the clock has been set back"


async def test_what_the_api_said_is_kept_with_its_time(ledger: Ledger):
    account = ledger.store.account
    assert await account.snapshot() is None
    info = read_info(json.dumps(DOCUMENTED).encode())
    await account.keep(1, info)
    assert await account.snapshot() == Snapshot(1, ledger.clock(), info, None)
    await account.keep(2, ErrorCode.UNAUTHORIZED)
    assert await account.snapshot() == Snapshot(2, ledger.clock(), None, ErrorCode.UNAUTHORIZED)


async def test_the_operator_is_told_once_until_it_is_over(ledger: Ledger):
    account = ledger.store.account
    assert [await account.tell(Alert.KEY_REFUSED) for _ in range(3)] == [True, False, False]
    assert await account.tell(Alert.FAST_TIME_LOW)
    await account.over(Alert.KEY_REFUSED)
    assert await account.tell(Alert.KEY_REFUSED)
    assert not await account.tell(Alert.FAST_TIME_LOW)


async def test_a_pause_is_kept_for_every_process(ledger: Ledger, make_settings: MakeSettings):
    async with other_worker(make_settings, ledger) as other:
        assert not (await other.queue.look(3)).paused
        await ledger.store.account.pause(True)
        assert (await other.queue.look(3)).paused
        await other.store.account.pause(False)
        assert not (await ledger.queue.look(3)).paused


async def test_the_overview_counts_the_queue_the_last_hour_and_the_last_day(ledger: Ledger):
    account = ledger.store.account
    await ledger.posted(BOB)
    await ledger.failed(BOB)
    ledger.clock.advance(timedelta(hours=2))
    await ledger.failed(ANN)
    await ledger.failed(ANN, State.UNDELIVERED)
    first = await ledger.queued(ANN, guild_id=None)
    await ledger.queued(ANN)
    overview = await account.overview()
    assert (overview.queued, overview.running) == (2, 0)
    assert overview.oldest == first.created_at
    assert overview.failures == {"timeout": 1, "undelivered": 1}
    assert overview.servers == {GUILD: 5, None: 1}
    assert list(overview.members.items()) == [(ANN, 4), (BOB, 2)]
    assert overview.database_bytes > 4096
    ledger.clock.advance(timedelta(hours=23))
    assert dict((await account.overview()).members) == {ANN: 4}
