"""What settings cost a press: statements and how SQLite runs them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from sqlalchemy import event

from bot.policy import NO_POLICY
from tests.conftest import MakeSettings
from tests.unit.ledger import GUILD, Ledger, opened
from tests.unit.test_guild_settings import choose, refusal

DATABASES = ["sqlite"]


@asynccontextmanager
async def statements(ledger: Ledger) -> AsyncIterator[list[tuple[str, Any]]]:
    """Collect the statements that are run meanwhile, with their values."""
    found: list[tuple[str, Any]] = []
    database: Any = ledger.store.database
    engines = [database._writer._engine, database._reader._engine]

    def note(_c: Any, _k: Any, statement: str, values: Any, *_: Any) -> None:
        found.append((statement, values))

    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        for engine in engines:
            event.remove(engine, "before_cursor_execute", note)


async def test_a_server_without_settings_costs_a_press_no_statement(ledger: Ledger):
    async with statements(ledger) as found:
        assert await ledger.store.guild_settings.get(GUILD) is NO_POLICY
        await ledger.requests.enqueue(ledger.new())
    assert not [statement for statement, _ in found if "guild_settings" in statement]


async def test_a_burst_reads_the_settings_once_a_transaction(ledger: Ledger):
    await choose(ledger, member_daily=100)
    async with statements(ledger) as found:
        await asyncio.gather(*(ledger.requests.enqueue(ledger.new(user)) for user in range(40)))
        for _ in range(40):
            await ledger.store.guild_settings.get(GUILD)
    reads = [statement for statement, _ in found if "guild_settings" in statement]
    begun = [statement for statement, _ in found if statement == "BEGIN IMMEDIATE"]
    assert 0 < len(reads) <= len(begun) < 10


async def test_the_counts_of_a_day_are_looked_up_in_an_index(
    make_settings: MakeSettings, tmp_path: Path
):
    limits = {"server_daily_limit": 1, "total_daily_limit": 9, "daily_limit": 9}
    async with opened(make_settings, **limits) as ledger, statements(ledger) as found:
        await ledger.queued()
        await refusal(ledger.requests.enqueue(ledger.new()))
    with closing(sqlite3.connect(tmp_path / "vary.db")) as connection:
        plans = {
            str(step)
            for statement, values in found
            if "generations" in statement
            for step in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)
        }
    for index in (
        "ix_generations_user_day",
        "ix_generations_guild_day",
        "ix_generations_day",
    ):
        assert any(f"COVERING INDEX {index} " in step for step in plans), plans
