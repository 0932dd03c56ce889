"""A member's rows: all of them exported, all of them deleted, whatever table they are in."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from bot.domain import NOBODY, State
from bot.errors import DailyLimitReached, UnknownPicture
from bot.store.tables import UtcDateTime, generations, metadata
from tests.conftest import MakeSettings
from tests.unit.ledger import BOB, RESULT, U1, V3, Ledger, opened

MEMBER = 424242424242
WORDS = "my very own words"


@pytest.fixture
async def ledger(make_settings: MakeSettings) -> AsyncIterator[Ledger]:
    """A ledger that lets a member have a lot under way."""
    async with opened(make_settings, user_queue_limit=50) as ready:
        yield ready


COUNTED = {"id", "kind", "state", "guild_id", "tile", "created_at", "not_before", "attempts"}
COUNTED |= {"started_at", "called_at", "finished_at", "error", "worker", "lease_until", "spent_by"}
COUNTED |= {"deleted_at"}
"""The columns of a generation that say nothing of its member."""


async def fill(ledger: Ledger, user_id: int) -> None:
    """Put a row of a member's into every table that has members, and one of each state into the
    ledger, no column empty."""
    grid = await ledger.posted(user_id)
    await ledger.upscale(grid, U1, user_id)
    for state in (State.FAILED, State.INTERRUPTED, State.UNDELIVERED):
        await ledger.failed(user_id, state)
    called = await ledger.called(user_id)
    assert called.state is State.RUNNING
    delivering = await ledger.called(user_id)
    assert await ledger.queue.keep_result(delivering.id, RESULT)
    await ledger.running(user_id)
    await ledger.queued(user_id, WORDS)
    others = await ledger.posted(BOB)
    await ledger.requests.press(ledger.click(others, V3, user_id))

    def more(connection: sa.Connection) -> None:
        own = generations.update().where(generations.c.user_id == user_id)
        for column in generations.c:
            if column.nullable and column.name not in COUNTED and column.name != "result":
                connection.execute(own.where(column.is_(None)).values({column: sample(column)}))
        for table in metadata.sorted_tables:
            if "user_id" in table.c and table.name not in ("generations", "clicks", "erasures"):
                row = {c.name: sample(c) for c in table.c if not c.nullable}
                connection.execute(table.insert(), [row | {"user_id": user_id}])

    await ledger.store.database.write(more)


def sample(column: sa.Column[Any]) -> Any:
    """Return a value that a column takes."""
    if isinstance(column.type, UtcDateTime):
        return datetime(2025, 1, 1, tzinfo=UTC)
    return "of a member" if isinstance(column.type, sa.String) else 1


async def everything(ledger: Ledger) -> dict[str, list[dict[str, Any]]]:
    """Return every row of every table."""

    def read(connection: sa.Connection) -> dict[str, list[dict[str, Any]]]:
        return {
            table.name: [dict(row) for row in connection.execute(sa.select(table)).mappings()]
            for table in metadata.sorted_tables
        }

    return await ledger.store.database.read(read)


async def erase(ledger: Ledger, *, pictures: bool) -> None:
    """Delete the member's data to the end."""
    done = await ledger.store.privacy.delete(MEMBER, pictures=pictures)
    while not done and await ledger.store.privacy.go_on():
        pass


@pytest.mark.parametrize("pictures", [False, True])
async def test_after_deletion_no_table_holds_anything_of_the_member(ledger: Ledger, pictures: bool):
    await fill(ledger, MEMBER)
    before = await everything(ledger)
    own = [row for row in before["generations"] if row["user_id"] == MEMBER]
    others = {row["prompt"] for row in before["generations"] if row["user_id"] != MEMBER}
    traces = {str(MEMBER), WORDS, *(row["prompt"] for row in own)} - others
    traces |= {row["token"] for row in own if row["token"]}
    assert all(trace in str(before) for trace in traces)
    await erase(ledger, pictures=pictures)
    after = await everything(ledger)
    assert [trace for trace in traces if trace in str(after)] == []
    nameless = [row for row in after["generations"] if row["user_id"] == NOBODY]
    assert len(nameless) == len(own)
    for row in nameless:
        assert {name for name, value in row.items() if value} <= COUNTED
    assert [row for row in after["generations"] if row["user_id"] == BOB]


async def test_deleting_ones_data_gives_nobody_another_day_of_pictures(
    make_settings: MakeSettings,
):
    async with opened(make_settings, daily_limit=3) as ledger:
        called = await ledger.called(MEMBER)
        for _ in range(2):
            await ledger.posted(MEMBER)
        await ledger.failed(BOB)
        await erase(ledger, pictures=False)
        await ledger.store.privacy.drop(called.id)
        with pytest.raises(DailyLimitReached) as refusal:
            await ledger.requests.enqueue(ledger.new(MEMBER))
        assert refusal.value.free_at == ledger.clock() + timedelta(days=1)
        await ledger.queued(BOB)
        assert str(await everything(ledger)).count("'spent_by': None") == 2
        ledger.clock.advance(timedelta(days=1))
        await ledger.store.privacy.forget()
        assert "'spent_by': '" not in str(await everything(ledger))
        await ledger.queued(MEMBER)


async def test_what_waits_is_cancelled_and_what_is_asked_of_the_api_keeps_its_place(
    ledger: Ledger,
):
    called, running = await ledger.called(MEMBER), await ledger.running(MEMBER)
    waiting = await ledger.queued(MEMBER)
    await ledger.store.privacy.delete(MEMBER, pictures=False)
    assert await ledger.states(called, running, waiting) == [
        State.RUNNING,
        State.CANCELLED,
        State.CANCELLED,
    ]
    other = await ledger.running(BOB)
    assert not await ledger.queue.start_call(other.id, 1)
    assert await ledger.store.privacy.is_nameless(called.id)
    await ledger.queue.keep_result(called.id, RESULT)
    await ledger.store.privacy.drop(called.id, 20, 77)
    found: set[int] = set()
    while removal := await ledger.store.privacy.claim_removal():
        found.add(removal.message_id)
    assert 77 in found
    ended = await ledger.get(called)
    assert (ended.state, ended.result) == (State.CANCELLED, None)
    assert await ledger.queue.start_call(other.id, 1)


async def test_buttons_of_a_deleted_picture_find_nothing(ledger: Ledger):
    grid, failed = await ledger.posted(MEMBER), await ledger.failed(MEMBER)
    await erase(ledger, pictures=False)
    with pytest.raises(UnknownPicture):
        await ledger.requests.press(ledger.click(grid, V3, BOB))
    with pytest.raises(UnknownPicture):
        await ledger.requests.retry(ledger.asker(BOB), failed.id)


async def test_messages_are_removed_where_that_is_wished_and_cards_of_what_waits_always(
    ledger: Ledger,
):
    for user, pictures in ((MEMBER, False), (BOB, True)):
        grid, failed = await ledger.posted(user), await ledger.failed(user)
        waiting = await ledger.queued(user)
        await ledger.store.privacy.delete(user, pictures=pictures)
        found: set[int] = set()
        while removal := await ledger.store.privacy.claim_removal():
            found.add(removal.message_id)
            await ledger.store.privacy.removed(removal.message_id)
        shown = {grid.id + 2, failed.id + 1} if pictures else set()
        assert found == {waiting.id + 1} | shown


async def test_a_message_that_is_being_removed_is_one_workers_until_its_time_is_over(
    ledger: Ledger,
):
    await ledger.queued(MEMBER)
    privacy = ledger.store.privacy
    await privacy.delete(MEMBER, pictures=True)
    first = await privacy.claim_removal()
    assert first is not None
    assert await privacy.claim_removal() is None
    ledger.clock.advance(timedelta(seconds=21))
    assert await privacy.claim_removal() == first
    await privacy.put_off(first, 100)
    ledger.clock.advance(timedelta(seconds=99))
    assert await privacy.claim_removal() is None
    ledger.clock.advance(timedelta(seconds=2))
    again = await privacy.claim_removal()
    assert again is not None
    assert again.attempts == 1


async def test_a_large_deletion_goes_in_small_steps_and_on_after_a_restart(
    ledger: Ledger, make_settings: MakeSettings
):
    await ledger.posted(MEMBER)

    def copy(connection: sa.Connection) -> None:
        first = dict(connection.execute(sa.select(generations).limit(1)).mappings().one())
        made = [first | {"id": 100_000 + n, "message_id": 200_000 + n} for n in range(300)]
        connection.execute(generations.insert(), made)

    await ledger.store.database.write(copy)
    assert not await ledger.store.privacy.delete(MEMBER, pictures=True)
    ledger.clock.advance(timedelta(seconds=1))
    later = await ledger.posted(MEMBER)
    async with opened(make_settings) as other:
        other.clock.now = ledger.clock.now
        steps = 0
        while await other.store.privacy.go_on():
            steps += 1
        assert steps >= 3
    after = await everything(ledger)
    assert after["erasures"] == []
    assert [row["id"] for row in after["generations"] if row["user_id"] == MEMBER] == [later.id]
    assert len(after["removals"]) == 301


async def test_an_export_holds_the_members_rows_of_every_table_and_nobody_elses(ledger: Ledger):
    await fill(ledger, MEMBER)
    exported = json.loads(json.dumps(await ledger.store.privacy.export(MEMBER)))
    rows = await everything(ledger)
    for table in metadata.sorted_tables:
        own = [row for row in rows[table.name] if row.get("user_id") == MEMBER]
        if "user_id" in table.c and table.name != "erasures":
            assert own, table.name
            assert len(exported[table.name]) == len(own)
            assert {row["user_id"] for row in exported[table.name]} == {str(MEMBER)}
    first = exported["generations"][0]
    assert first["created_at"] == "2026-01-01T00:00:00+00:00"
    assert "token" not in first


async def test_others_may_vary_pictures_until_their_member_says_no(ledger: Ledger):
    consent = ledger.store.consent
    assert await consent.allows(MEMBER)
    await consent.decide(MEMBER, others_may_vary=False)
    assert not await consent.allows(MEMBER)
    assert await consent.allows(BOB)
    await consent.decide(MEMBER, others_may_vary=True)
    assert await consent.allows(MEMBER)
