"""What servers' owners choose, kept; and the limits that a transaction goes by."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.domain import Generation, Kind, NewGeneration, State
from bot.errors import (
    BlockedMember,
    BlockedWord,
    DailyLimitReached,
    LimitRule,
    NotYourButtons,
    PausedHere,
    Refused,
    StoreUnavailable,
)
from bot.policy import NO_POLICY, Policy, Pressers, Spoilers
from bot.store.admission import DAY, Admission
from tests.conftest import MakeSettings
from tests.unit.ledger import ANN, BOB, GUILD, REROLL, U1, V3, Ledger, opened

ELSEWHERE = 77
HOUR = timedelta(hours=1)


async def choose(ledger: Ledger, **values: Any) -> Policy:
    """Choose settings for the server of the tests."""
    return await ledger.store.guild_settings.change(
        ledger.asker(), "test", lambda policy: replace(policy, **values)
    )


async def refusal(work: Awaitable[Any]) -> Refused:
    """Return why something is refused."""
    with pytest.raises(Refused) as refused:
        await work
    return refused.value


async def limit_of(work: Awaitable[Any]) -> tuple[LimitRule, int]:
    """Return which limit something is refused by."""
    error = await refusal(work)
    assert isinstance(error, DailyLimitReached)
    return error.rule, error.limit


@asynccontextmanager
async def processes(
    make_settings: MakeSettings, number: int, **settings: Any
) -> AsyncIterator[Any]:
    """Open one database as several processes do."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(opened(make_settings, **settings))
        ledgers = [first]
        for _ in range(number - 1):
            other = await stack.enter_async_context(opened(make_settings, **settings))
            other.ids, other.clock = first.ids, first.clock
            ledgers.append(other)
        yield ledgers


# Limits.


async def test_each_limit_is_told_with_its_rule_and_the_time_of_the_next(
    make_settings: MakeSettings,
):
    async with opened(
        make_settings, daily_limit=6, server_daily_limit=8, total_daily_limit=9, user_queue_limit=50
    ) as ledger:
        start = ledger.clock.now
        await choose(ledger, member_daily=2, role_daily={31: 4})
        for _ in range(2):
            await ledger.queued()
            ledger.clock.advance(timedelta(hours=1))
        error = await refusal(ledger.requests.enqueue(ledger.new()))
        assert isinstance(error, DailyLimitReached)
        assert (error.rule, error.limit) == (LimitRule.MEMBER, 2)
        assert error.free_at == start + DAY
        rich = {"role_ids": frozenset({31})}
        for _ in range(2):
            await ledger.queued(**rich)
        assert await limit_of(ledger.requests.enqueue(ledger.new(**rich))) == (LimitRule.ROLE, 4)
        for _ in range(2):
            await ledger.queued(guild_id=ELSEWHERE)
        everywhere = ledger.requests.enqueue(ledger.new(guild_id=ELSEWHERE))
        assert await limit_of(everywhere) == (LimitRule.USER, 6)
        await choose(ledger, member_daily=0, role_daily={}, server_daily=6)
        for user in (50, 51):
            await ledger.queued(user)
        error = await refusal(ledger.requests.enqueue(ledger.new(52)))
        assert isinstance(error, DailyLimitReached)
        assert (error.rule, error.limit) == (LimitRule.SERVER, 6)
        assert error.free_at == start + DAY
        await choose(ledger, server_daily=100)
        await ledger.queued(53)
        assert await limit_of(ledger.requests.enqueue(ledger.new(54))) == (LimitRule.TOTAL, 9)
        ledger.clock.advance(DAY)
        await ledger.queued(54)


async def test_the_server_s_own_limit_is_never_above_the_operator_s(make_settings: MakeSettings):
    async with opened(make_settings, server_daily_limit=2, user_queue_limit=50) as ledger:
        await choose(ledger, server_daily=5)
        await ledger.queued()
        await ledger.queued(BOB)
        assert await limit_of(ledger.requests.enqueue(ledger.new())) == (LimitRule.SERVER, 2)


async def test_what_failed_and_what_was_cut_counts_against_no_limit(make_settings: MakeSettings):
    async with opened(make_settings, server_daily_limit=2, total_daily_limit=2) as ledger:
        await ledger.failed()
        grid = await ledger.posted()
        await ledger.upscale(grid, U1)
        await ledger.queued()
        assert await limit_of(ledger.requests.enqueue(ledger.new())) == (LimitRule.SERVER, 2)
        other = ledger.requests.enqueue(ledger.new(guild_id=ELSEWHERE))
        assert await limit_of(other) == (LimitRule.TOTAL, 2)


async def test_what_each_rule_leaves_is_told_beforehand(make_settings: MakeSettings):
    limits = {"daily_limit": 9, "server_daily_limit": 8, "total_daily_limit": 7}
    async with opened(make_settings, user_queue_limit=50, **limits) as ledger:
        start = ledger.clock.now
        policy = await choose(ledger, role_daily={31: 2})
        asker = ledger.asker(role_ids=frozenset({31}))

        async def uses() -> list[tuple[LimitRule, int, int, int]]:
            now = ledger.clock.now
            found = await ledger.store.database.read(
                lambda connection: Admission(
                    connection,
                    ledger.store.limits,
                    {asker.guild_id or 0: policy},
                    [asker.user_id],
                    now,
                ).uses(asker)
            )
            return [(u.rule, u.limit, u.used, (u.free_at - start) // HOUR) for u in found]

        assert await uses() == [
            (LimitRule.USER, 9, 0, 0),
            (LimitRule.ROLE, 2, 0, 0),
            (LimitRule.SERVER, 8, 0, 0),
            (LimitRule.TOTAL, 7, 0, 0),
        ]
        await ledger.queued(BOB)
        ledger.clock.advance(HOUR)
        await ledger.queued(guild_id=ELSEWHERE)
        ledger.clock.advance(HOUR)
        await ledger.queued()
        assert await uses() == [
            (LimitRule.USER, 9, 2, 25),
            (LimitRule.ROLE, 2, 1, 26),
            (LimitRule.SERVER, 8, 2, 24),
            (LimitRule.TOTAL, 7, 3, 24),
        ]


async def test_an_exempt_role_has_no_limit_of_the_server_but_the_operator_s(
    make_settings: MakeSettings,
):
    async with opened(make_settings, daily_limit=3, user_queue_limit=50) as ledger:
        await choose(ledger, member_daily=1, exempt_roles=frozenset({31}))
        for _ in range(3):
            await ledger.queued(role_ids=frozenset({31}))
        exempt = ledger.requests.enqueue(ledger.new(role_ids=frozenset({31})))
        assert await limit_of(exempt) == (LimitRule.USER, 3)


@pytest.mark.parametrize("rule", list(LimitRule))
async def test_ten_processes_pressing_at_once_never_pass_three(
    make_settings: MakeSettings, rule: LimitRule
):
    operator: dict[str, Any] = {"user_queue_limit": 50}
    chosen: dict[str, Any] = {}
    more: dict[str, Any] = {}
    match rule:
        case LimitRule.USER:
            operator["daily_limit"] = 3
        case LimitRule.MEMBER:
            chosen["member_daily"] = 3
        case LimitRule.ROLE:
            chosen |= {"member_daily": 1, "role_daily": {31: 3}}
            more["role_ids"] = frozenset({31})
        case LimitRule.SERVER:
            chosen["server_daily"] = 3
        case LimitRule.TOTAL:
            operator["total_daily_limit"] = 3
    async with processes(make_settings, 10, **operator) as ledgers:
        await choose(ledgers[0], **chosen)
        for ledger in ledgers:
            await ledger.store.guild_settings.refresh()
        asked = [ledger.requests.enqueue(ledger.new(**more)) for ledger in ledgers]
        results: Sequence[Any] = await asyncio.gather(*asked, return_exceptions=True)
        refused = [r for r in results if isinstance(r, DailyLimitReached)]
        # A machine that is busy may not take all of them in time.
        late = [r for r in results if isinstance(r, StoreUnavailable)]
        accepted = len(results) - len(refused) - len(late)
        assert accepted == 3 or (accepted < 3 and late), results
        first = ledgers[0].clock.now + DAY
        for error in refused:
            assert (error.rule, error.limit, error.free_at) == (rule, 3, first)


# What is read, and when.


async def test_another_process_goes_by_a_change_within_a_second(make_settings: MakeSettings):
    async with processes(make_settings, 2) as (one, other):
        assert await other.store.guild_settings.get(GUILD) == NO_POLICY
        await choose(one, blocked=frozenset({ANN}))
        async with asyncio.timeout(1):
            while not (await other.store.guild_settings.get(GUILD)).blocked:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert isinstance(await refusal(other.requests.enqueue(other.new())), BlockedMember)
        await choose(one, blocked=frozenset())
        await other.requests.enqueue(other.new())  # Decided by the row, not by the cache.


async def test_settings_outlive_the_process(make_settings: MakeSettings):
    async with opened(make_settings) as ledger:
        chosen = await choose(ledger, paused=True, words=("blood*",))
    async with opened(make_settings) as ledger:
        assert await ledger.store.guild_settings.get(GUILD) == chosen


async def test_a_change_that_is_refused_changes_nothing(ledger: Ledger):
    def refuse(_: Policy) -> Policy:
        raise PausedHere

    work = ledger.store.guild_settings.change(ledger.asker(), "test", refuse)
    assert isinstance(await refusal(work), PausedHere)
    assert await ledger.store.guild_settings.get(GUILD) == NO_POLICY


# What they decide.


async def test_two_owners_who_change_things_at_once_lose_neither_change(ledger: Ledger):
    await asyncio.gather(choose(ledger, paused=True), choose(ledger, member_daily=3))
    policy = await ledger.store.guild_settings.get(GUILD)
    assert (policy.paused, policy.member_daily) == (True, 3)


async def test_a_pause_lets_nothing_new_begin_and_ends_what_waits_if_chosen(ledger: Ledger):
    grid = await ledger.posted()
    running = await ledger.called()
    waiting = await ledger.queued()
    elsewhere = await ledger.queued(guild_id=ELSEWHERE)
    await choose(ledger, paused=True)
    for work in (
        ledger.requests.enqueue(ledger.new()),
        ledger.requests.press(ledger.click(grid, V3)),
        ledger.requests.press(ledger.click(grid, U1)),
    ):
        assert isinstance(await refusal(work), PausedHere)
    await ledger.requests.enqueue(ledger.new(guild_id=ELSEWHERE))
    assert await ledger.states(waiting) == [State.QUEUED]
    await ledger.store.guild_settings.change(
        ledger.asker(), "pause", lambda policy: policy, cancel_queued=True
    )
    states = await ledger.states(waiting, elsewhere, running)
    assert states == [State.CANCELLED, State.QUEUED, State.RUNNING]


async def test_blocked_words_hold_for_every_new_call(ledger: Ledger):
    grid = await ledger.finish(await called(ledger, "a bloody cat"))
    await choose(ledger, words=("blood*",))
    remix = NewGeneration(ledger.asker(), Kind.REMIX, "more BLOOD", parent_id=grid.id, tile=1)
    for work in (
        ledger.requests.enqueue(ledger.new(prompt="a dog --no blood")),
        ledger.requests.enqueue(remix),
        ledger.requests.press(ledger.click(grid, REROLL)),
    ):
        error = await refusal(work)
        assert isinstance(error, BlockedWord)
        assert error.word == "blood*"
    await ledger.requests.press(ledger.click(grid, U1))


async def called(ledger: Ledger, prompt: str) -> Generation:
    generation = await ledger.queued(prompt=prompt)
    assert await ledger.call() == generation.id
    assert await ledger.queue.start_call(generation.id, 100)
    return await ledger.get(generation)


async def test_who_may_press_is_decided_by_whose_grid_it_is(ledger: Ledger):
    grid = await ledger.posted(ANN)
    await choose(ledger, pressers=Pressers.ASKER)
    remix = NewGeneration(ledger.asker(BOB), Kind.REMIX, "other words", parent_id=grid.id)
    for work in (
        ledger.requests.press(ledger.click(grid, V3, BOB)),
        ledger.requests.press(ledger.click(grid, U1, BOB)),
        ledger.requests.enqueue(remix),
    ):
        assert isinstance(await refusal(work), NotYourButtons)
    await ledger.requests.press(ledger.click(grid, V3, ANN))
    await choose(ledger, pressers=Pressers.ROLE, presser_role=31)
    await ledger.requests.press(ledger.click(grid, V3, BOB, role_ids=frozenset({31})))


async def test_a_spoiler_is_decided_when_it_is_asked_for(ledger: Ledger):
    await choose(ledger, spoilers=Spoilers.UNLESS_RESTRICTED)
    hidden = await ledger.queued()
    shown = await ledger.queued(age_restricted=True)
    assert (await ledger.get(hidden)).spoiler
    assert not (await ledger.get(shown)).spoiler
