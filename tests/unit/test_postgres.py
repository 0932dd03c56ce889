"""What is particular to PostgreSQL: waking, outages, addresses, plans, migrations."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import psycopg
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

import bot.migrations
from bot.domain import State
from bot.errors import DatabaseUnusable, StoreUnavailable
from bot.store import Store
from bot.store.tables import REVISION, metadata
from bot.store.workers import LEASE
from tests import postgres
from tests.conftest import MakeSettings
from tests.unit.ledger import ANN, BOB, U1, V3, Ledger, Rows, opened
from tests.unit.test_store import SLOW_PATHS, held_up

DATABASES = ["postgres"]


@pytest.fixture
def server() -> Iterator[postgres.Server]:
    """Return a server of the test's own, to be stopped."""
    with postgres.running() as own:
        yield own


# A commit that takes long.


def stall(url: str, standby: str) -> None:
    """Let every commit wait for a standby that isn't there; or for none any more."""
    postgres.ask(url, f"alter system set synchronous_standby_names = '{standby}'")
    postgres.ask(url, "select pg_reload_conf()")


@pytest.mark.parametrize("needs_call", [True, False])
async def test_a_claim_that_is_committed_late_is_given_back(
    make_settings: MakeSettings, server: postgres.Server, needs_call: bool
):
    url = server.database()
    async with opened(make_settings, database_url=url) as ledger:
        grid = await ledger.posted()
        pressed = await ledger.requests.press(ledger.click(grid, V3 if needs_call else U1))
        generation = await ledger.answered(pressed)
        stall(url, "gone")
        await asyncio.sleep(0.5)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await (ledger.call() if needs_call else ledger.others())
        giving = asyncio.create_task(ledger.queue.give_back(()))
        await asyncio.sleep(0.5)
        assert not giving.done(), "the claim isn't decided yet"
        stall(url, "")
        await giving
        assert await ledger.states(generation) == [State.QUEUED]


# Waking.


async def test_an_answer_wakes_the_workers_of_other_processes(
    make_settings: MakeSettings, ledger: Ledger
):
    async with Store(make_settings(), clock=ledger.clock) as worker:
        await asyncio.sleep(0.3)
        await eventually(worker.changed)
        result = await ledger.requests.enqueue(ledger.new())
        worker.changed.clear()
        began = time.monotonic()
        await ledger.answered(result)
        await eventually(worker.changed)
        assert time.monotonic() - began < 1, "it doesn't wait to be polled"


async def eventually(event: asyncio.Event) -> None:
    """Wait until an event is set."""
    async with asyncio.timeout(5):
        await event.wait()


async def test_a_worker_is_woken_again_after_its_connection_was_cut(
    make_settings: MakeSettings, ledger: Ledger, rows: Rows
):
    async with Store(make_settings(), clock=ledger.clock) as worker:
        await eventually(worker.changed)
        worker.changed.clear()
        cut_all(rows)
        await eventually(worker.changed)
        worker.changed.clear()
        await ledger.queued()
        await eventually(worker.changed)


# Outages.


def cut_all(rows: Rows) -> None:
    """Cut every connection to the test's database, as an administrator does."""
    rows(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()"
    )


async def test_connections_that_were_cut_are_replaced_unnoticed(ledger: Ledger, rows: Rows):
    for _ in range(3):
        generation = await ledger.queued()
        cut_all(rows)
        assert (await ledger.get(generation)).state is State.QUEUED
        cut_all(rows)
        assert await ledger.call() == generation.id


async def test_a_connection_that_is_cut_in_the_middle_of_a_transaction_harms_nobody(
    ledger: Ledger, rows: Rows
):
    """The statement fails, everything is done once more over another connection."""
    cut: list[int] = []

    def work(connection: sa.Connection) -> int:
        mine = connection.execute(sa.select(sa.func.pg_backend_pid())).scalar_one()
        if not cut:
            cut.append(mine)
            rows(f"select pg_terminate_backend({mine})")
        return connection.execute(sa.select(sa.func.pg_backend_pid())).scalar_one()

    assert await ledger.store.database.write(work) not in {*cut, 0}
    assert cut


async def test_a_server_that_is_away_is_unavailable_and_heals_by_itself(
    make_settings: MakeSettings, server: postgres.Server
):
    async with opened(make_settings, database_url=server.database()) as ledger:
        generation = await ledger.queued()
        server.stop()
        began = time.monotonic()
        refused = await asyncio.gather(
            *(ledger.requests.enqueue(ledger.new(user)) for user in range(5)),
            return_exceptions=True,
        )
        assert [type(error) for error in refused] == [StoreUnavailable] * 5
        assert time.monotonic() - began < 2.8
        with pytest.raises(StoreUnavailable):
            await ledger.queue.waiting()
        with pytest.raises(StoreUnavailable):
            await ledger.store.workers.heartbeat()
        server.start()
        assert [g.id for g in await ledger.queue.waiting()] == [generation.id]
        assert await ledger.call() == generation.id


class Proxy:
    """Passes on what a database and its client say, until it drops an answer to a COMMIT."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.drops_after = b""
        """The next COMMIT over a connection that has seen this statement isn't answered."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        server, forth = await asyncio.open_connection("127.0.0.1", self._port)
        answering = asyncio.create_task(self._pass_on(server, back))
        seen = b""
        try:
            while data := await client.read(65_536):
                seen += data
                if self.drops_after and self.drops_after in seen and b"COMMIT" in data:
                    self.drops_after = b""
                    answering.cancel()
                    forth.write(data)
                    await server.read(65_536)
                    break
                forth.write(data)
        finally:
            answering.cancel()
            for writer in (forth, back):
                writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)


async def test_a_press_of_which_nobody_knows_whether_it_was_committed_is_taken_back(
    make_settings: MakeSettings, database_url: str, rows: Rows
):
    """Its member is told that it couldn't be saved; the next press is theirs to count on."""
    port = urlsplit(database_url).port or 5432
    async with (
        Proxy(port) as proxy,
        opened(
            make_settings, database_url=database_url.replace(f":{port}/", f":{proxy.port}/")
        ) as ledger,
    ):
        grid = await ledger.posted()
        lost = ledger.click(grid, V3)
        proxy.drops_after = b"INSERT INTO clicks"
        with pytest.raises(StoreUnavailable):
            await ledger.requests.press(lost)
        query = f"select state from generations where id = {lost.asker.interaction_id}"  # noqa: S608
        assert rows(query) == [("queued",)], "it was committed"
        again = await ledger.requests.press(ledger.click(grid, V3))
        assert not again.repeated
        assert rows(query) == [("cancelled",)]


async def test_it_is_closed_in_time_though_the_server_hangs(
    make_settings: MakeSettings, server: postgres.Server
):
    url = server.database()
    store = await Store(make_settings(database_url=url)).__aenter__()
    mine = "select pid from pg_stat_activity where datname = current_database()"
    backends = [pid for (pid,) in postgres.ask(url, f"{mine} and pid <> pg_backend_pid()")]
    assert backends
    for pid in backends:
        os.kill(pid, signal.SIGSTOP)
    try:
        async with asyncio.timeout(3):
            await store.__aexit__()
    finally:
        for pid in backends:
            os.kill(pid, signal.SIGCONT)


async def test_what_is_cancelled_while_it_commits_ends(ledger: Ledger, rows: Rows):
    rows(
        "create function wait() returns trigger language plpgsql as"
        " $$ begin perform pg_sleep(2); return null; end $$"
    )
    rows(
        "create constraint trigger wait after insert or update on workers"
        " deferrable initially deferred for each row execute function wait()"
    )
    beating = asyncio.create_task(ledger.store.workers.heartbeat())
    committing = "select 1 from pg_stat_activity where query = 'COMMIT' and state = 'active'"
    async with asyncio.timeout(5):
        while not rows(committing):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    beating.cancel()
    with pytest.raises(asyncio.CancelledError):
        await beating


async def test_a_server_that_hangs_is_unavailable_in_time(
    make_settings: MakeSettings, rows: Rows, database_url: str
):
    async with opened(make_settings) as ledger:
        await ledger.queued()
        with psycopg.connect(database_url) as other:
            other.execute("lock table generations")
            began = time.monotonic()
            with pytest.raises(StoreUnavailable):
                await ledger.requests.enqueue(ledger.new())
            assert time.monotonic() - began < 2.8
        await ledger.queued()
    assert len(rows("select 1 from generations")) == 2


async def test_a_transaction_that_stands_still_gives_its_locks_up(
    make_settings: MakeSettings, ledger: Ledger
):
    """A process that is stopped in the middle of one would hold up all others else."""
    database: Any = ledger.store.database
    connection = await database._connect()
    try:
        await connection.execute("BEGIN; SELECT pg_advisory_xact_lock(1986097785, 1)")
        with pytest.raises(StoreUnavailable):
            await ledger.requests.enqueue(ledger.new())
        await asyncio.sleep(3)
        await ledger.queued()
    finally:
        connection.terminate()


async def test_a_wrong_address_is_said_to_be_unusable_without_its_password(
    make_settings: MakeSettings, database_url: str
):
    wrong = {
        f"{database_url}-none": "does not exist",
        database_url.replace(postgres.PASSWORD, "wrong-password"): "authentication failed",
    }
    for url, says in wrong.items():
        with pytest.raises(DatabaseUnusable, match=says) as refusal:
            await open_and_close(make_settings, url)
        assert "-password" not in refusal.value.reason


async def test_an_address_as_hosts_hand_it_out_is_understood(
    make_settings: MakeSettings, database_url: str
):
    query = "?sslmode=prefer&channel_binding=prefer&connect_timeout=5&application_name=x"
    for scheme in ("postgres", "postgresql", "postgresql+asyncpg"):
        url = database_url.replace("postgres://", f"{scheme}://") + query
        async with opened(make_settings, database_url=url) as ledger:
            assert await ledger.queue.waiting() == []


async def test_a_server_that_is_starting_is_waited_for(
    make_settings: MakeSettings, server: postgres.Server
):
    url = server.database()
    server.stop()
    opening = asyncio.create_task(open_and_close(make_settings, url))
    await asyncio.sleep(0.5)
    server.start()
    await opening


async def open_and_close(make_settings: MakeSettings, url: str) -> None:
    """Open a database and close it again."""
    async with opened(make_settings, database_url=url):
        pass


async def test_the_database_s_clock_decides_who_is_alive(make_settings: MakeSettings, rows: Rows):
    async with Store(make_settings()) as store:
        await store.workers.heartbeat()
        ((until, now),) = rows("select alive_until, clock_timestamp() from workers")
    assert timedelta(0) <= now + LEASE - until < timedelta(seconds=2)


# The migrations.


async def test_a_migrated_database_is_as_a_fresh_one(
    make_settings: MakeSettings, postgres_server: postgres.Server, database_url: str
):
    migrated, fresh = database_url, postgres_server.database()
    engine = sa.create_engine(migrated.replace("postgres://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(Path(bot.migrations.__file__).parent))
        command.upgrade(config, "0002")
    await asyncio.gather(*(open_and_close(make_settings, migrated) for _ in range(3)))
    await open_and_close(make_settings, fresh)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert context.get_current_revision() == REVISION
        assert compare_metadata(context, metadata) == []
    engine.dispose()
    indexes = "select indexname, indexdef from pg_indexes where schemaname = 'public' order by 1"
    columns = (
        "select table_name, column_name, data_type, is_nullable, character_maximum_length"
        " from information_schema.columns where table_schema = 'public' order by 1, 2"
    )
    for query in (indexes, columns):
        assert postgres.ask(migrated, query) == postgres.ask(fresh, query)


async def test_a_migration_that_breaks_off_changes_nothing(
    make_settings: MakeSettings, database_url: str, rows: Rows
):
    await open_and_close(make_settings, database_url)
    rows("update alembic_version set version_num = '0002'")
    before = rows("select table_name, column_name from information_schema.columns order by 1, 2")
    with pytest.raises(DatabaseUnusable, match="already exists"):
        await open_and_close(make_settings, database_url)
    assert rows("select version_num from alembic_version") == [("0002",)]
    after = rows("select table_name, column_name from information_schema.columns order by 1, 2")
    assert after == before


# The plans.


@pytest.mark.parametrize("act", SLOW_PATHS)
async def test_what_is_done_often_finds_its_rows_by_an_index(
    make_settings: MakeSettings, database_url: str, act: Callable[[Ledger], Awaitable[None]]
):
    async with opened(make_settings, user_queue_limit=50, daily_limit=50) as ledger:
        grid = await ledger.posted(9)
        await ledger.upscale(grid, 1, 9)
        for user in (ANN, BOB):
            await ledger.queued(user)
            await ledger.answered(await ledger.requests.press(ledger.click(grid, V3, user)))
        await ledger.answered(await ledger.requests.press(ledger.click(grid, U1, ANN)))
        async with explained(ledger) as plans:
            await act(ledger)
    assert plans
    for statement, plan in plans.items():
        assert not re.search(r"Seq Scan on (generations|clicks)", plan), (statement, plan)
        if act is not held_up:  # It compares with what runs, which is never much.
            assert "Join Filter" not in plan, "each row would be compared with each"


@asynccontextmanager
async def explained(ledger: Ledger) -> AsyncIterator[dict[str, str]]:
    """Collect the plan of each statement that is executed meanwhile, where an index is used
    wherever there is one that can be."""
    plans: dict[str, str] = {}
    engine = ledger.store.database._engine.sync_engine  # pyright: ignore

    def explain(connection: Any, _: object, statement: str, values: Any, __: Any, many: bool):
        if statement.startswith(("EXPLAIN", "INSERT", "SAVEPOINT", "RELEASE")):
            return
        cursor = connection.connection.cursor()
        cursor.execute("SET LOCAL enable_seqscan = off", ())
        cursor.execute(f"EXPLAIN {statement}", values[0] if many else values)
        plans[statement] = "\n".join(line for (line,) in cursor.fetchall())

    sa.event.listen(engine, "before_cursor_execute", explain)
    try:
        yield plans
    finally:
        sa.event.remove(engine, "before_cursor_execute", explain)
