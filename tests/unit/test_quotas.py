"""What /quota says is what admission does, for each of its rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.domain import Asker
from bot.errors import DailyLimitReached, LimitRule
from bot.store.quotas import Allowance
from tests.conftest import MakeSettings
from tests.unit.ledger import ANN, BOB, GUILD, Ledger, opened

ROLE = 77
RULES: dict[LimitRule, tuple[dict[str, Any], dict[str, Any]]] = {
    LimitRule.USER: ({"daily_limit": 2}, {}),
    LimitRule.MEMBER: ({}, {"member_daily": 2}),
    LimitRule.ROLE: ({}, {"member_daily": 1, "role_daily": {ROLE: 2}}),
    LimitRule.SERVER: ({"server_daily_limit": 5}, {"server_daily": 2}),
    LimitRule.TOTAL: ({"total_daily_limit": 2}, {}),
}
"""For each rule, settings of the operator's and of a server's that allow two."""


async def choose(ledger: Ledger, **values: Any) -> None:
    """Choose the server's settings."""
    if values:
        await ledger.store.guild_settings.change(
            ledger.asker(), "test", lambda policy: replace(policy, **values)
        )


def asker(ledger: Ledger, user_id: int = ANN) -> Asker:
    return ledger.asker(user_id, role_ids=frozenset({ROLE}))


async def allowance(ledger: Ledger, rule: str) -> Allowance:
    """Return what a rule leaves to Ann."""
    found = await ledger.store.quotas.allowances(asker(ledger))
    (given,) = (each for each in found if each.rule == rule)
    return given


@pytest.mark.parametrize("rule", LimitRule)
async def test_a_rule_leaves_what_admission_lets_through(
    make_settings: MakeSettings, rule: LimitRule
):
    operator, server = RULES[rule]
    async with opened(make_settings, **operator) as ledger:
        await choose(ledger, **server)
        first = ledger.clock.now
        for used in range(2):
            given = await allowance(ledger, rule)
            assert (given.limit, given.used, given.left) == (2, used, 2 - used)
            assert given.free_at == (first + timedelta(days=1) if used else None)
            assert given.role_id == (ROLE if rule is LimitRule.ROLE else None)
            new = replace(ledger.new(), asker=asker(ledger))
            await ledger.answered(await ledger.requests.enqueue(new))
            ledger.clock.advance(timedelta(hours=1))
        given = await allowance(ledger, rule)
        assert given.left == 0
        with pytest.raises(DailyLimitReached) as refusal:
            await ledger.requests.enqueue(replace(ledger.new(), asker=asker(ledger)))
        assert (refusal.value.rule, refusal.value.free_at) == (rule, given.free_at)
        ledger.clock.advance(timedelta(hours=22, seconds=1))
        assert (await allowance(ledger, rule)).left == 1


async def test_what_others_use_counts_where_it_is_shared(make_settings: MakeSettings):
    async with opened(make_settings, daily_limit=5, total_daily_limit=5) as ledger:
        await choose(ledger, server_daily=5)
        await ledger.queued(BOB)
        await ledger.queued(BOB, guild_id=GUILD + 1)
        used = {
            each.rule: each.used for each in await ledger.store.quotas.allowances(asker(ledger))
        }
        assert used == {
            LimitRule.USER: 0,
            LimitRule.SERVER: 1,
            LimitRule.TOTAL: 2,
            None: 0,
        }


async def test_without_limits_what_was_used_is_told(ledger: Ledger):
    await ledger.posted()
    await ledger.failed()
    found = await ledger.store.quotas.allowances(asker(ledger))
    assert [(each.rule, each.used, each.left) for each in found] == [
        (LimitRule.USER, 1, None),
        (None, 0, 50),
    ]


async def test_what_waits_or_runs_counts_until_it_is_over(ledger: Ledger):
    waiting = await ledger.queued()
    assert (await allowance(ledger, None)).left == 49
    await ledger.requests.cancel(asker(ledger), waiting.id)
    assert (await allowance(ledger, None)).left == 50
