"""A ledger that is copied into another database: every table, every kind of value."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

import bot.migrations
from bot.errors import CantOpen, DatabaseUnusable, HoldsOther, NoLedger, NotEqual, WorkersAlive
from bot.store import Store, database_at
from bot.store.copying import (
    COPYING,
    TABLES,
    Copying,
    Step,
    Sum,
    prepare_source,
    prepare_target,
)
from bot.store.database import Database
from bot.store.tables import REVISION, alembic_version, generations, key_values, log_lines
from tests import postgres
from tests.conftest import MakeSettings

NewDatabase = Callable[[str], str]
WAYS = [("sqlite", "postgres"), ("postgres", "sqlite"), ("postgres", "postgres")]
_MOMENT = datetime(2026, 3, 29, 1, 59, 59, 999999, UTC)
_BATCH = 10
_LARGEST = 2**63 - 1
_TEXT = "\U0001f504 'quoted\" \\ é\n%s ?"


@pytest.fixture
def new_database(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[NewDatabase]:
    """Return a maker of addresses of empty databases of a kind."""
    made: list[str] = []
    numbers = itertools.count()

    def make(kind: str) -> str:
        if kind == "sqlite":
            return f"sqlite:///{tmp_path / f'{next(numbers)}.db'}"
        server: postgres.Server = request.getfixturevalue("postgres_server")
        made.append(server.database())
        return made[-1].replace("postgres://", "postgresql://")

    yield make
    for url in made:
        request.getfixturevalue("postgres_server").drop(url)


class CutOff(Exception):
    """What ends a copy in its middle."""


class Told:
    """Remembers what steps it was told of, and how many rows of how many; ends a copy there."""

    def __init__(self, stop: Callable[[Step, int], bool] = lambda *_: False) -> None:
        self.steps: dict[Step, list[int]] = {}
        self._stop = stop

    def begin(self, step: Step, rows: int) -> None:
        self.step = step
        self.steps[step] = [0, rows]

    def advance(self, rows: int) -> None:
        self.steps[self.step][0] += rows
        if self._stop(self.step, self.steps[self.step][0]):
            raise CutOff


async def copy(source: str, target: str, told: Told | None = None) -> Mapping[str, Sum]:
    """Copy one database into another."""
    databases = (
        database_at(source, prepare=prepare_source),
        database_at(target, prepare=prepare_target),
    )
    return await Copying(*databases, told or Told(), _BATCH).run()


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator[Database]:
    """Open a database as the bot does."""
    async with database_at(url) as database:
        yield database


def values(table: sa.Table, number: int) -> dict[str, Any]:
    """Return a row with the most difficult values of each column's type; every second row has
    nothing wherever it may."""
    return {column.name: _value(column, number) for column in table.columns}


def _value(column: sa.Column[Any], number: int) -> object:
    if column.nullable and number % 2:
        return None
    match column.type:
        case sa.BigInteger():
            return _LARGEST - number if column.primary_key else -_LARGEST + number
        case sa.Integer():
            return number + 1 if column.primary_key else 2**31 - 1
        case sa.Boolean():
            return number % 3 == 0
        case sa.JSON():
            return {_TEXT: [1, 2.5, None, True, {"z": "", "a": 2**60}], "b": "\u0000"}
        case sa.Text():
            return f"{_TEXT}{number}"
        case sa.String():
            return f"{number:é>{column.type.length}}"
        case _:
            return _MOMENT + timedelta(microseconds=number)


async def fill(url: str, rows: int = 4) -> None:
    """Put rows into every table of a new ledger."""

    def write(connection: sa.Connection) -> None:
        for table in TABLES:
            new = [values(table, number) for number in range(rows)]
            if table.name == "workers":
                new = [row | {"name": f"elsewhere/{n}/1"} for n, row in enumerate(new)]
            if table is log_lines:
                new = [row | {"id": n + 7} for n, row in enumerate(new)]
            connection.execute(table.insert(), new)

    async with opened(url) as database:
        await database.write(write)


async def everything(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table, the stamp's too."""

    def read(connection: sa.Connection) -> dict[str, list[tuple[Any, ...]]]:
        tables = (*TABLES, alembic_version)
        return {
            table.name: sorted(
                (tuple(row) for row in connection.execute(sa.select(table))), key=str
            )
            for table in tables
        }

    async with opened(url) as database:
        return await database.read(read)


async def run_sql(url: str, statement: sa.Executable) -> None:
    """Change a database, whatever its stamp."""
    async with database_at(url, prepare=lambda _: None) as database:
        await database.write(lambda connection: connection.execute(statement))


async def stamp_of(url: str) -> str:
    """Return a database's stamp."""
    query = sa.select(alembic_version.c.version_num)
    async with database_at(url, prepare=lambda _: None) as database:
        return await database.read(lambda connection: connection.execute(query).scalar_one())


@pytest.mark.parametrize("way", WAYS, ids=" to ".join)
async def test_every_row_of_every_table_arrives_as_it_was(
    way: tuple[str, str], new_database: NewDatabase
):
    source, target = map(new_database, way)
    await fill(source)
    before = await everything(source)
    told = Told()
    sums = await copy(source, target, told)
    assert await everything(target) == before == await everything(source)
    assert set(sums) == set(before) - {"alembic_version"}
    assert {held.rows for held in sums.values()} == {4}
    assert list(told.steps) == [Step.COPY, Step.COMPARE]
    assert all(done == total > 0 for done, total in told.steps.values())


async def test_there_and_back_again_is_the_same_ledger(new_database: NewDatabase):
    first, second, third = map(new_database, ("sqlite", "postgres", "sqlite"))
    await fill(first)
    assert await copy(first, second) == await copy(second, third)
    assert await everything(first) == await everything(third)


async def test_tables_of_many_batches_arrive_whole(new_database: NewDatabase):
    source, target = map(new_database, ("sqlite", "postgres"))
    await fill(source, 2 * _BATCH + 1)
    sums = await copy(source, target)
    assert {held.rows for held in sums.values()} == {2 * _BATCH + 1}


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_ids_go_on_after_those_that_were_copied(kind: str, new_database: NewDatabase):
    source, target, empty = map(new_database, ("sqlite", kind, kind))
    await fill(source)
    row = values(log_lines, 0)
    del row["id"]
    await copy(source, target)
    await run_sql(target, log_lines.insert().values(row))
    last = max(line[0] for line in (await everything(target))["log_lines"])
    assert last == 11
    nothing = new_database("sqlite")
    async with opened(nothing):
        pass
    await copy(nothing, empty)
    await run_sql(empty, log_lines.insert().values(row))
    assert (await everything(empty))["log_lines"][0][0] == 1


@pytest.mark.parametrize("way", WAYS[:2], ids=" to ".join)
@pytest.mark.parametrize("step", [Step.COPY, Step.COMPARE])
async def test_a_copy_that_was_cut_off_goes_on_where_it_was(
    way: tuple[str, str], step: Step, new_database: NewDatabase
):
    source, target = map(new_database, way)
    await fill(source, _BATCH + 1)
    with pytest.raises(CutOff):
        await copy(source, target, Told(lambda now, rows: now is step and rows > 2 * _BATCH))
    assert await stamp_of(target) == COPYING
    with pytest.raises(DatabaseUnusable, match="copy-database"):
        async with opened(target):
            pass
    told = Told()
    await copy(source, target, told)
    assert told.steps[Step.LOOK][0] > _BATCH
    assert await everything(target) == await everything(source)
    again = Told()
    await copy(source, target, again)
    assert list(again.steps) == [Step.COMPARE], "it finds it complete"


async def test_a_ledger_that_holds_something_else_is_left_as_it_is(new_database: NewDatabase):
    source, target = map(new_database, ("sqlite", "postgres"))
    await fill(source)
    await fill(target, 3)
    before = await everything(target)
    with pytest.raises(HoldsOther):
        await copy(source, target)
    assert await everything(target) == before
    assert await stamp_of(target) == REVISION


async def test_another_ledger_is_not_copied_into_a_part_of_one(new_database: NewDatabase):
    first, other, target = map(new_database, ("sqlite", "sqlite", "postgres"))
    await fill(first)
    await fill(other)
    await run_sql(other, generations.update().values(prompt="another"))
    with pytest.raises(CutOff):
        await copy(first, target, Told(lambda step, _: step is Step.COMPARE))
    with pytest.raises(HoldsOther, match="generations"):
        await copy(other, target)
    await copy(first, target)


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize(
    "change",
    [
        generations.update().where(generations.c.tile > 0).values(prompt="changed"),
        generations.update().values(created_at=_MOMENT),
        generations.delete().where(generations.c.id == _LARGEST),
        key_values.insert().values(name="new", value=""),
    ],
    ids=["words", "microseconds", "one missing", "one more"],
)
async def test_a_change_of_either_side_meanwhile_is_noticed(
    change: sa.Executable, side: int, new_database: NewDatabase
):
    urls = new_database("sqlite"), new_database("sqlite")
    await fill(urls[0])

    def meddle(step: Step, rows: int) -> bool:
        if step is Step.COPY and rows == len(TABLES) * 4:
            engine = sa.create_engine(urls[side])
            with engine.begin() as connection:
                connection.execute(change)
            engine.dispose()
        return False

    with pytest.raises(NotEqual):
        await copy(*urls, Told(meddle))
    assert await stamp_of(urls[1]) == COPYING


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_a_running_worker_is_in_the_way(
    kind: str, side: int, new_database: NewDatabase, make_settings: MakeSettings
):
    urls = [new_database(kind), new_database(kind)]
    for url in urls:
        async with opened(url):
            pass
    async with Store(make_settings(database_url=urls[side]), worker="elsewhere/1/2") as store:
        await store.workers.heartbeat()
        with pytest.raises(WorkersAlive) as refusal:
            await copy(urls[0], urls[1])
        assert refusal.value.side == ("FROM", "TO")[side]
        await store.workers.leave()
    await copy(urls[0], urls[1])


async def test_an_older_ledger_is_migrated_before_it_is_copied(new_database: NewDatabase):
    source, target = map(new_database, ("sqlite", "postgres"))
    config = Config()
    config.set_main_option("script_location", str(Path(bot.migrations.__file__).parent))

    def make(connection: sa.Connection) -> None:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        connection.execute(key_values.insert().values(name="name", value="value"))

    async with database_at(source, prepare=make):
        pass
    await copy(source, target)
    assert (await everything(target))["key_values"] == [("name", "value")]
    assert await stamp_of(target) == REVISION


async def test_a_newer_ledger_is_not_copied(new_database: NewDatabase):
    source, target = map(new_database, ("sqlite", "postgres"))
    await fill(source)
    await run_sql(source, alembic_version.update().values(version_num="9999"))
    with pytest.raises(CantOpen, match="newer version"):
        await copy(source, target)


async def test_what_holds_no_ledger_is_not_copied(new_database: NewDatabase, tmp_path: Path):
    source, target = map(new_database, ("postgres", "sqlite"))
    with pytest.raises(NoLedger):
        await copy(source, target)
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_tables_of_another_program_are_left_alone(kind: str, new_database: NewDatabase):
    source, target = map(new_database, ("sqlite", kind))
    await fill(source)
    async with database_at(target, prepare=lambda c: c.execute(sa.text("create table x (y int)"))):
        pass
    with pytest.raises(CantOpen, match="not the bot's"):
        await copy(source, target)


async def test_two_copies_at_once_don_t_mix(new_database: NewDatabase):
    source, target = map(new_database, ("sqlite", "postgres"))
    await fill(source, _BATCH + 1)
    ends = await asyncio.gather(copy(source, target), copy(source, target), return_exceptions=True)
    assert all(isinstance(end, HoldsOther | dict) for end in ends), ends
    await copy(source, target)
    assert await everything(target) == await everything(source)
