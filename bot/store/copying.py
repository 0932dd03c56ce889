"""Copies a ledger, whole, from one database into another, and compares the two.

Rows go by the primary key in batches, so memory doesn't grow with the ledger, and each batch is
one transaction: a copy that was cut off goes on where it was. Until all is there and compared, the
second database has a stamp with which no bot starts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError

from bot.errors import (
    CantOpen,
    DatabaseUnusable,
    HoldsOther,
    NoLedger,
    NotEqual,
    RowsRefused,
    Side,
    WorkersAlive,
)
from bot.store.database import COPYING, Database, migrate, reason
from bot.store.tables import REVISION, alembic_version, metadata
from bot.store.workers import Workers

BATCH = 1000
_KEYS = 50_000
"""Rows that are counted at once."""

TABLES = tuple(table for table in metadata.sorted_tables if table is not alembic_version)
"""What is copied. Both databases get the same version by themselves."""

_CHECKSUM_BYTES = 16

Rows = Sequence[sa.Row[Any]]
Key = tuple[Any, ...]


class Step(StrEnum):
    """What a copy does."""

    LOOK = "Looking at what is there"
    COPY = "Copying"
    COMPARE = "Comparing"


class Progress(Protocol):
    """Who is told how far a copy is, in rows."""

    def begin(self, step: Step, rows: int) -> None: ...

    def advance(self, rows: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Sum:
    """What a table holds: its number of rows, and the sum of their checksums, which no order
    changes: the databases sort text differently."""

    rows: int = 0
    checksum: int = 0

    def plus(self, rows: Rows) -> Sum:
        """Return the sum of these rows too."""
        total = self.checksum + sum(map(_checksum, rows))
        return Sum(self.rows + len(rows), total % (1 << 8 * _CHECKSUM_BYTES))

    def __str__(self) -> str:
        return f"{self.rows} rows, checksum {self.checksum:0{2 * _CHECKSUM_BYTES}x}"


def prepare_source(connection: sa.Connection) -> None:
    """Migrate a ledger that is to be copied.

    Raises:
        NoLedger
    """
    if not sa.inspect(connection).has_table(alembic_version.name):
        raise NoLedger
    migrate(connection)


def prepare_target(connection: sa.Connection) -> None:
    """Make the tables in an empty database, and stamp it; migrate a ledger.

    Raises:
        DatabaseUnusable
    """
    names = sa.inspect(connection).get_table_names()
    if not names:
        migrate(connection)
        _stamp(connection, COPYING)
        return
    if alembic_version.name not in names:
        raise DatabaseUnusable("it holds tables that are not the bot's; use an empty database")
    version = connection.execute(_VERSION).scalar_one()
    if version == COPYING:
        return
    if version.startswith(COPYING.split()[0]):
        raise DatabaseUnusable("another version of the bot began to copy into it")
    migrate(connection)


class Copying:
    """A copy of the ledger in ``source`` into ``target``: databases that are not open yet, made
    with :func:`prepare_source` and :func:`prepare_target`. ``batch`` is the number of rows that one
    transaction copies."""

    def __init__(
        self, source: Database, target: Database, progress: Progress, batch: int = BATCH
    ) -> None:
        self._source = source
        self._target = target
        self._progress = progress
        self._batch = batch

    async def run(self) -> Mapping[str, Sum]:
        """Copy what isn't there yet, and compare everything; return what each table holds.

        Raises:
            CopyFailed: run again, it goes on where it was.
            StoreUnavailable: the same.
        """
        async with _opened(self._source, Side.FROM), _opened(self._target, Side.TO):
            there = await _count(self._target)
            version = await self._target.read(lambda c: c.execute(_VERSION).scalar_one())
            is_whole = version == REVISION and any(there.values())
            if not is_whole:
                await self._target.write(lambda c: _stamp(c, COPYING))
                await self._look(there)
                await self._copy(there)
            try:
                sums = await self._compare()
            except NotEqual as error:
                raise HoldsOther(error.table) if is_whole else error from error
            await self._target.write(self._finish)
            return sums

    async def _look(self, there: Mapping[str, int]) -> None:
        """Check that the rows that an earlier run has copied are still the source's."""
        if not any(there.values()):
            return
        self._progress.begin(Step.LOOK, sum(there.values()))
        for table in TABLES:
            async for rows in _batches(self._target, table, self._batch):
                if await self._same(self._source, table, rows) != {_key(table, r) for r in rows}:
                    raise HoldsOther(table.name)
                self._progress.advance(len(rows))

    async def _copy(self, there: Mapping[str, int]) -> None:
        self._progress.begin(Step.COPY, sum((await _count(self._source)).values()))
        for table in TABLES:
            async for rows in _batches(self._source, table, self._batch):
                new = rows
                if there[table.name]:
                    done = await self._same(self._target, table, rows)
                    new = [row for row in rows if _key(table, row) not in done]
                await self._insert(table, new)
                self._progress.advance(len(rows))

    async def _same(self, database: Database, table: sa.Table, rows: Rows) -> set[Key]:
        """Return the keys of these rows of one database that another has just so."""
        condition = _among(table, [_key(table, row) for row in rows])
        query = sa.select(table).where(condition)
        found = await database.read(lambda connection: connection.execute(query).all())
        others = {_key(table, row): tuple(row) for row in found}
        keys = ((_key(table, row), tuple(row)) for row in rows)
        return {key for key, row in keys if others.get(key) == row}

    async def _insert(self, table: sa.Table, rows: Rows) -> None:
        if not rows:
            return
        values = [dict(zip(table.columns.keys(), row, strict=True)) for row in rows]
        try:
            await self._target.write(lambda c: c.execute(table.insert(), values))
        except IntegrityError as error:
            raise HoldsOther(table.name) from error
        except DBAPIError as error:
            raise RowsRefused(table.name, reason(error)) from error

    async def _compare(self) -> Mapping[str, Sum]:
        old, new = await _count(self._source), await _count(self._target)
        self._progress.begin(Step.COMPARE, sum(old.values()) + sum(new.values()))
        sums: dict[str, Sum] = {}
        for table in TABLES:
            if old[table.name] != new[table.name]:
                raise NotEqual(table.name)
            sums[table.name] = await self._sum(self._target, table)
            if sums[table.name] != await self._sum(self._source, table):
                raise NotEqual(table.name)
        return sums

    async def _sum(self, database: Database, table: sa.Table) -> Sum:
        total = Sum()
        async for rows in _batches(database, table, self._batch):
            total = total.plus(rows)
            self._progress.advance(len(rows))
        return total

    def _finish(self, connection: sa.Connection) -> None:
        self._target.set_counters(connection)
        _stamp(connection, REVISION)


_VERSION = sa.select(alembic_version.c.version_num)


def _stamp(connection: sa.Connection, version: str) -> None:
    connection.execute(alembic_version.update().values(version_num=version))


@asynccontextmanager
async def _opened(database: Database, side: Side) -> AsyncGenerator[None]:
    """Open a database that no worker uses."""
    try:
        await database.__aenter__()
    except DatabaseUnusable as error:
        raise CantOpen(side, error.reason) from error
    try:
        if await Workers(database).are_others():
            raise WorkersAlive(side)
        yield
    finally:
        await database.__aexit__()


async def _count(database: Database) -> dict[str, int]:
    """Return how many rows each table has. A large one isn't counted within one transaction's
    seconds, so that goes by batches of keys."""
    counts = {table.name: 0 for table in TABLES}
    for table in TABLES:
        async for keys in _batches(database, table, _KEYS, _key_columns(table)):
            counts[table.name] += len(keys)
    return counts


async def _batches(
    database: Database, table: sa.Table, size: int, columns: Sequence[sa.Column[Any]] = ()
) -> AsyncIterator[Rows]:
    """Read a table by its primary key: all of its columns, or some, the key among them."""
    query = sa.select(*(columns or table.columns)).order_by(*_key_columns(table)).limit(size)
    rows: Rows = await database.read(lambda connection: connection.execute(query).all())
    while rows:
        yield rows
        more = query.where(_after(table, _key(table, rows[-1])))
        rows = await database.read(lambda connection, more=more: connection.execute(more).all())


def _key_columns(table: sa.Table) -> list[sa.Column[Any]]:
    return [column for column in table.columns if column.primary_key]


def _key(table: sa.Table, row: sa.Row[Any]) -> Key:
    return tuple(getattr(row, column.name) for column in _key_columns(table))


def _after(table: sa.Table, key: Key) -> sa.ColumnElement[bool]:
    columns = _key_columns(table)
    if len(columns) == 1:
        return columns[0] > key[0]
    last = (sa.literal(value, column.type) for column, value in zip(columns, key, strict=True))
    return sa.tuple_(*columns) > sa.tuple_(*last)


def _among(table: sa.Table, keys: Sequence[Key]) -> sa.ColumnElement[bool]:
    columns = _key_columns(table)
    if len(columns) == 1:
        return columns[0].in_([value for (value,) in keys])
    return sa.tuple_(*columns).in_(keys)


def _checksum(row: sa.Row[Any]) -> int:
    """Return a row's checksum: the same for the same values, whichever database they are from."""
    plain = json.dumps(tuple(row), default=_plain).encode()
    return int.from_bytes(hashlib.blake2b(plain, digest_size=_CHECKSUM_BYTES).digest())


def _plain(value: datetime) -> str:
    return value.astimezone(UTC).isoformat()
