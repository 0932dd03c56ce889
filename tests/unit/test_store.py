"""The database: its file, its migrations, its indexes, and the values that are kept in it."""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import event

import bot.migrations
from bot.domain import Click, Kind, State
from bot.errors import DatabaseUnusable, PermissionsMissing, StoreUnavailable
from bot.store import Store
from bot.store.commits import after_commit
from bot.store.tables import REVISION, metadata
from tests.conftest import MakeSettings
from tests.unit.ledger import ANN, BOB, RESULT, U1, U2, V3, Ledger, Rows, opened, rows_of

OLD_ROWS = """
    INSERT INTO generations (id, kind, state, user_id, guild_id, channel_id, prompt, tile,
        upload_limit, card_id, card_due, message_id, grid_file, created_at, not_before, started_at,
        finished_at, result)
    VALUES
        (1, 'vary', 'posted', 1, 10, 20, 'a cat', 0, 1000, 5, 0, 6, 'grid.png',
        '2025-12-01 00:00:00.000000', '2015-01-01 00:00:00.000000', '2025-12-01 00:00:01.000000',
        '2025-12-01 00:00:31.000000', '{"image_urls": ["https://cdn.example/grid.png"],
        "options": [{"kind": "upscale", "tile": 1, "label": "U1", "style": 2, "custom": "c"}]}'),
        (2, 'vary', 'queued', 2, NULL, 21, 'a dog', 0, 1000, 7, 0, NULL, NULL,
        '2025-12-01 00:00:00.000000', '2015-01-01 00:00:00.000000', NULL, NULL, NULL),
        (3, 'upscale', 'running', 2, NULL, 21, 'a dog', 3, 1000, 8, 0, NULL, NULL,
        '2025-12-01 00:00:00.000000', '2015-01-01 00:00:00.000000', '2025-12-01 00:00:01.000000',
        NULL, NULL);
    UPDATE generations SET parent_id = 1, worker = 'elsewhere/1/2',
        lease_until = '2025-12-01 00:00:09.000000' WHERE id = 3;
    INSERT INTO clicks VALUES (3, 2, NULL, 1, 'U3', '2025-12-01 00:00:00.000000', 'accepted');
    INSERT INTO facts VALUES ('commands', 'hash');
"""


def make_old(file: Path) -> None:
    """Make a database as the bot's first version left it, with rows."""
    engine = sa.create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(Path(bot.migrations.__file__).parent))
        command.upgrade(config, "0001")
    engine.dispose()
    with closing(sqlite3.connect(file)) as database:
        database.executescript(OLD_ROWS)


def move(file: Path, to: Path, *, leaving_another: bool = False) -> None:
    """Rename a file; in its place is nothing then, or another, empty one."""
    file.replace(to)
    if leaving_another:
        file.touch()


@pytest.fixture
def no_thread_left() -> Iterator[None]:
    """Check that no database's thread is left: it would keep the process from ending."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        if thread.name.startswith("asyncio_"):
            continue  # The event loop's own, which looks up names: the next lookup's as well.
        thread.join(1)
        assert not thread.is_alive(), thread.name


# The file.


async def test_the_ledger_outlives_its_process(make_settings: MakeSettings):
    async with opened(make_settings) as ledger:
        generation = await ledger.posted()
    async with opened(make_settings) as ledger:
        assert await ledger.get(generation) == generation


@pytest.mark.parametrize("mode", [None, 0o644])
async def test_the_file_is_its_owner_s_alone(
    make_settings: MakeSettings, file: Path, mode: int | None
):
    if mode:
        os.close(os.open(file, os.O_CREAT, mode))
    async with opened(make_settings) as ledger:
        await ledger.queued()
        for part in file.parent.glob("vary.db*"):
            assert part.stat().st_mode & 0o777 == 0o600, part.name


async def test_a_locked_database_is_said_to_be_unavailable(ledger: Ledger, file: Path):
    waiting = await ledger.queued()
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable):
            await ledger.queued()
        assert await ledger.queue.waiting() == [await ledger.get(waiting)], "it can be read"
        other.execute("ROLLBACK")
    await ledger.queued()


async def test_a_batch_that_cannot_be_written_is_refused_as_a_whole(ledger: Ledger, file: Path):
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        refused = await asyncio.gather(
            *(ledger.requests.enqueue(ledger.new()) for _ in range(5)), return_exceptions=True
        )
        other.execute("ROLLBACK")
    assert [type(error) for error in refused] == [StoreUnavailable] * 5
    assert await ledger.queue.waiting() == []


@pytest.mark.parametrize("replaced", [False, True])
async def test_nothing_is_written_to_a_file_that_was_deleted(
    ledger: Ledger, file: Path, replaced: bool
):
    await ledger.queued()
    move(file, file.with_name("kept.db"), leaving_another=replaced)
    with pytest.raises(DatabaseUnusable, match="deleted or replaced"):
        await ledger.queued()
    move(file.with_name("kept.db"), file)
    await ledger.queued()


@pytest.mark.usefixtures("no_thread_left")
async def test_a_file_that_is_no_database_is_said_to_be_unusable(
    make_settings: MakeSettings, file: Path
):
    with open(file, "wb") as nonsense:  # noqa: ASYNC230, PTH123
        nonsense.write(b"this is no database" * 100)
    with pytest.raises(DatabaseUnusable, match="not a database"):
        await open_and_close(make_settings)


@pytest.mark.usefixtures("no_thread_left")
async def test_a_database_in_no_place_is_said_to_be_unusable(
    make_settings: MakeSettings, tmp_path: Path
):
    for place in (tmp_path / "nowhere" / "vary.db", tmp_path):
        with pytest.raises(DatabaseUnusable):
            await open_and_close(make_settings, database_url=f"sqlite:///{place}")


@pytest.mark.usefixtures("no_thread_left")
async def test_a_database_of_a_newer_version_is_refused_and_left_as_it_is(
    make_settings: MakeSettings, file: Path, rows: Rows
):
    await open_and_close(make_settings)
    assert rows("select version_num from alembic_version") == [(REVISION,)]
    with closing(sqlite3.connect(file, isolation_level=None)) as newer:
        newer.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(DatabaseUnusable) as refusal:
        await open_and_close(make_settings)
    assert refusal.value.reason == "a newer version of the bot has migrated it"
    assert rows("select version_num from alembic_version") == [("9999",)]


@pytest.mark.usefixtures("no_thread_left")
async def test_a_database_of_something_else_is_refused_and_left_as_it_is(
    make_settings: MakeSettings, file: Path, rows: Rows
):
    with closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE notes (words TEXT)")
    with pytest.raises(DatabaseUnusable):
        await open_and_close(make_settings)
    assert rows("select name from sqlite_master") == [("notes",)]


async def open_and_close(make_settings: MakeSettings, **settings: object) -> None:
    """Open the database and close it again."""
    async with opened(make_settings, **settings):
        pass


# The migrations.


def schema(file: Path) -> tuple[object, object]:
    """Return a database's columns and indexes, as SQLite has them."""
    query = rows_of(f"sqlite:///{file}")
    tables = [name for (name,) in query("select name from sqlite_master where type = 'table'")]
    columns = {
        (table, name, type_, bool(required), key)
        for table in tables
        for _, name, type_, required, _, key in query(f"pragma table_info({table})")
    }
    indexes = {
        (name, " ".join(sql.split()))
        for name, sql in query("select name, sql from sqlite_master where type = 'index'")
        if sql
    }
    return columns, indexes


async def test_a_migrated_database_is_as_a_fresh_one(make_settings: MakeSettings, tmp_path: Path):
    fresh, migrated = tmp_path / "fresh.db", tmp_path / "migrated.db"
    make_old(migrated)
    for path in (fresh, migrated):
        await open_and_close(make_settings, database_url=f"sqlite:///{path}")
        engine = sa.create_engine(f"sqlite:///{path}")
        with engine.connect() as connection:
            context = MigrationContext.configure(connection)
            assert context.get_current_revision() == REVISION
            assert compare_metadata(context, metadata) == []
        engine.dispose()
    assert schema(migrated) == schema(fresh)


async def test_a_migration_keeps_every_row(make_settings: MakeSettings, file: Path, rows: Rows):
    make_old(file)
    old = rows("select id, kind, state, user_id, prompt, created_at, result from generations")
    clicks = rows("select * from clicks")
    async with opened(make_settings) as ledger:
        posted = await ledger.queue.get(1)
        assert posted is not None
        assert (posted.state, posted.message_id, posted.prompt) == (State.POSTED, 6, "a cat")
        assert (posted.interaction_id, posted.app_permissions, posted.attempts) == (1, 0, 0)
        assert posted.called_at == posted.started_at
        assert posted.result is not None
        assert posted.result.image_urls == RESULT.image_urls
        assert [g.id for g in await ledger.queue.waiting()] == [2]
        assert await ledger.call() == 2
        await ledger.queue.take_over()
        assert await ledger.others() == [3]
        assert await ledger.store.values.get("commands") == "hash"
        assert not (await ledger.requests.press(ledger.click(posted, U1, guild_id=10))).repeated
    kept = "select id, kind, state, user_id, prompt, created_at, result from generations"
    changed = {2: "running"}
    assert rows(f"{kept} where id < 1000") == [
        (id_, kind, changed.get(id_, state), *rest) for id_, kind, state, *rest in old
    ]
    assert set(clicks) < set(rows("select * from clicks"))


@pytest.mark.usefixtures("no_thread_left")
async def test_a_migration_that_breaks_off_changes_nothing(
    make_settings: MakeSettings, file: Path, rows: Rows
):
    """A migration is one transaction: whatever happens, the old version can go on."""
    make_old(file)
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("CREATE TABLE key_values (name TEXT)")
    before = rows("select sql from sqlite_master order by name")
    with pytest.raises(DatabaseUnusable, match="key_values"):
        await open_and_close(make_settings)
    assert rows("select sql from sqlite_master order by name") == before
    assert rows("select version_num from alembic_version") == [("0001",)]


# The values.


async def test_values_are_kept_by_name(ledger: Ledger, make_settings: MakeSettings):
    values = ledger.store.values
    assert await values.get("commands") is None
    await values.change("commands", lambda _: "one")
    await values.change("other", lambda _: "")
    assert await values.change("commands", lambda old: f"{old} and two") == "one and two"
    async with Store(make_settings()) as store:
        assert await store.values.get("commands") == "one and two"
        assert await store.values.get("other") == ""


async def test_what_is_rolled_back_is_neither_logged_nor_counted(ledger: Ledger):
    said: list[str] = []

    def broken(connection: sa.Connection) -> None:
        after_commit(connection, lambda: said.append("rolled back"))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await ledger.store.database.write(broken)
    await ledger.store.database.write(
        lambda connection: after_commit(connection, lambda: said.append("committed"))
    )
    assert said == ["committed"]


# The indexes.


Statements = list[tuple[str, Any]]


@contextmanager
def statements(store: Store) -> Iterator[Statements]:
    """Collect the statements that are executed meanwhile."""
    seen: Statements = []

    def note(_c: object, _cursor: object, statement: str, values: Any, _x: object, many: bool):
        seen.append((statement, values[0] if many else values))

    connections: Any = (store.database._reader, store.database._writer)  # pyright: ignore
    for connection in connections:
        event.listen(connection._engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        for connection in connections:
            event.remove(connection._engine, "before_cursor_execute", note)


async def claim_call(ledger: Ledger) -> None:
    assert await ledger.call() is not None


async def start_call(ledger: Ledger) -> None:
    await ledger.queue.start_call(await ledger.call() or 0, 9)


async def claim_others(ledger: Ledger) -> None:
    assert await ledger.queue.claim_others([77], 9)


async def press_batch(ledger: Ledger) -> None:
    grid = await ledger.queue.get(1000)
    assert grid is not None
    pressed = [ledger.click(grid, V3, BOB), ledger.click(grid, U1, BOB)]
    await asyncio.gather(*map(ledger.requests.press, pressed))


async def enqueue(ledger: Ledger) -> None:
    await ledger.requests.enqueue(ledger.new())


async def enqueue_without_permissions(ledger: Ledger) -> None:
    with suppress(PermissionsMissing):
        await ledger.requests.enqueue(ledger.new(app_permissions=0))


async def retry(ledger: Ledger) -> None:
    failed = await ledger.failed(9)
    await ledger.requests.retry(ledger.asker(), failed.id)


async def fetch(ledger: Ledger) -> None:
    await ledger.failed(9, State.UNDELIVERED)
    await ledger.requests.fetch_undelivered(ledger.asker(9))


async def answer(ledger: Ledger) -> None:
    await ledger.answered(await ledger.requests.enqueue(ledger.new()))
    await ledger.requests.unanswered(77)


async def finish(ledger: Ledger) -> None:
    await ledger.finish(await ledger.called(9))
    await ledger.queue.keep_result(77, RESULT)


async def waiting(ledger: Ledger) -> None:
    assert await ledger.queue.waiting()


async def held_up(ledger: Ledger) -> None:
    await ledger.queue.held_up()


async def postponed(ledger: Ledger) -> None:
    await ledger.queue.postponed()


async def cards_due(ledger: Ledger) -> None:
    await ledger.queue.cards_due()


async def typical_duration(ledger: Ledger) -> None:
    assert await ledger.queue.typical_duration() is not None


async def used(ledger: Ledger) -> None:
    assert await ledger.queue.used(1000) == {(Kind.UPSCALE, 2)}


async def press_on(ledger: Ledger, generation_id: int) -> Click:
    """Return a press of a button of the bot's own on a result."""
    generation = await ledger.queue.get(generation_id)
    assert generation is not None
    return replace(ledger.click(generation, U1, 9), option=None)


async def remix(ledger: Ledger) -> None:
    for prompt in ("other words", "prompt 1000"):
        await ledger.requests.remix(await press_on(ledger, 1000), prompt, 3)


async def line(ledger: Ledger) -> None:
    found = await ledger.store.pictures.line(await press_on(ledger, 1001))
    assert [generation.id for generation in found] == [1000, 1001]


async def delete(ledger: Ledger) -> None:
    pictures = ledger.store.pictures
    assert await pictures.deletable(await press_on(ledger, 1000)) == 1
    click = await press_on(ledger, 1000)
    assert len(await pictures.delete(click, with_tiles=True)) == 2


async def favourite(ledger: Ledger) -> None:
    assert await ledger.store.favourites.toggle(await press_on(ledger, 1000))


async def maintain(ledger: Ledger) -> None:
    await ledger.store.workers.heartbeat()
    await ledger.queue.owned(1000)
    await ledger.queue.take_over()
    await ledger.queue.release()
    await ledger.queue.forget_tokens()


SLOW_PATHS = [
    claim_call,
    start_call,
    claim_others,
    press_batch,
    enqueue,
    enqueue_without_permissions,
    answer,
    waiting,
    held_up,
    postponed,
    cards_due,
    typical_duration,
    used,
    remix,
    line,
    delete,
    favourite,
    maintain,
]
"""What would be slow without an index."""


@pytest.mark.parametrize("act", SLOW_PATHS)
async def test_what_is_done_often_costs_the_same_however_long_the_ledger_is(
    make_settings: MakeSettings, file: Path, act: Callable[[Ledger], Awaitable[None]]
):
    """Every statement finds its rows by an index, never by going through the table."""
    async with opened(make_settings, user_queue_limit=50, daily_limit=50) as ledger:
        grid = await ledger.posted(9)
        assert grid.id == 1000
        await ledger.upscale(grid, U2, 9)
        for user in (ANN, BOB):
            await ledger.queued(user)
            await ledger.answered(await ledger.requests.press(ledger.click(grid, V3, user)))
        await ledger.answered(await ledger.requests.press(ledger.click(grid, U1, ANN)))
        with statements(ledger.store) as seen:
            await act(ledger)
        check_plans(file, seen)


async def test_recent_durations_are_read_in_the_order_of_their_index(
    make_settings: MakeSettings, file: Path
):
    async with opened(make_settings) as ledger:
        await ledger.posted(9)
        with statements(ledger.store) as seen:
            await typical_duration(ledger)
    with closing(sqlite3.connect(file)) as connection:
        statement, values = next(s for s in seen if "generations" in s[0])
        plan = [
            detail for *_, detail in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)
        ]
    assert len(plan) == 1, "everything that is posted would be sorted first"
    assert "ix_generations_call_finished" in plan[0]


@pytest.mark.parametrize("act", [retry, fetch, finish])
async def test_what_needs_other_work_first_costs_the_same_however_long_the_ledger_is(
    make_settings: MakeSettings, file: Path, act: Callable[[Ledger], Awaitable[None]]
):
    async with opened(make_settings) as ledger:
        with statements(ledger.store) as seen:
            await act(ledger)
        check_plans(file, seen)


def check_plans(file: Path, seen: Statements) -> None:
    """Check that SQLite goes through neither ``generations`` nor ``clicks`` for any statement.

    The index of the cards that are due holds no others, so it may be gone through.
    """
    plans: dict[str, list[str]] = {}
    with closing(sqlite3.connect(file)) as connection:
        for statement, values in seen:
            if "generations" in statement or "clicks" in statement:
                steps = connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)
                plans[statement] = [detail for *_, detail in steps]
    assert any("INDEX" in detail for plan in plans.values() for detail in plan), plans
    table = re.compile(r"SCAN (generations|clicks|grid|retry)\b(?!.* ix_generations_card_due)")
    for statement, plan in plans.items():
        assert [step for step in plan if table.match(step)] == [], (statement, plan)
