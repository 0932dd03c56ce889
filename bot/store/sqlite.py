"""A SQLite file as the database."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Self, TypeVar

import aiosqlite
import sqlalchemy as sa
import sqlalchemy.event
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError

from bot import metrics
from bot.errors import DatabaseUnusable, StoreUnavailable
from bot.store.commits import begun, committed
from bot.store.database import Database, Lock, driver_error, reason

log = logging.getLogger(__name__)
T = TypeVar("T")

_BUSY_TIMEOUT_MS = 500
"""Short: a member who presses is told within 3 seconds that it can't be saved."""

_PATIENCE = 3.0
"""Seconds that what no member waits for is tried again while other processes write."""

_OPEN_TIME = 10.0
"""Seconds that a start waits for other processes that start as well."""

_PRAGMAS = (f"busy_timeout={_BUSY_TIMEOUT_MS}", "synchronous=FULL", "foreign_keys=ON")
_ERRORS = (DBAPIError, sqlite3.Error, OSError)
_BUGS = (IntegrityError, ProgrammingError, DataError)
"""What is wrong with a statement or its values, not with the database."""


class _Connection(aiosqlite.Connection):
    """A connection of aiosqlite's whose thread runs whole transactions.

    aiosqlite hands each call to its thread and waits for it, about four times for one statement
    of SQLAlchemy's. A transaction that is handed over whole costs one such hop.
    """

    def __init__(self, path: str, begin: str) -> None:
        super().__init__(lambda: sqlite3.connect(path, isolation_level=None), 64)
        self._engine = sa.create_engine(
            "sqlite://",
            creator=lambda: self._conn,
            poolclass=sa.StaticPool,
            pool_reset_on_return=None,
            hide_parameters=True,
        )

        def on_begin(connection: sa.Connection) -> None:
            connection.exec_driver_sql(begin)

        sqlalchemy.event.listen(self._engine, "begin", on_begin)

    async def set(self, pragma: str) -> None:
        """Set a pragma, as ``name=value``."""
        async with self.execute(f"PRAGMA {pragma}"):
            pass

    def end(self) -> list[asyncio.Future[object]]:
        """Have the thread close the connection and end once it has done what it was given; return
        what is done then: nothing, where it never began."""
        ended: asyncio.Future[object] | None = self.stop() if self._connection else None  # pyright: ignore
        return [ended] if ended else []

    async def run(self, work: Callable[[sa.Connection], T]) -> T:
        """Run ``work`` in one transaction: committed if it returns, rolled back if it raises."""
        return await self._execute(self._transaction, work)  # pyright: ignore[reportUnknownMemberType]

    def _transaction(self, work: Callable[[sa.Connection], T]) -> T:
        with self._engine.connect() as connection:
            begun(connection)
            with connection.begin():
                result = work(connection)
            committed(connection)
            return result


class SqliteDatabase(Database):
    """One connection writes and one reads, so a reader never waits for a writer.

    A writing transaction begins with the file's write lock, whichever ``lock`` it asks for: what it
    checks still holds when it commits. Other processes of the same machine may use the file too;
    their workers find what is new when they poll.
    """

    def __init__(
        self,
        url: str,
        clock: Callable[[], datetime] | None = None,
        prepare: Callable[[sa.Connection], None] | None = None,
    ) -> None:
        super().__init__(clock, prepare)
        self._path = str(path_of(url))
        self._writer = _Connection(self._path, "BEGIN IMMEDIATE")
        self._reader = _Connection(self._path, "BEGIN")
        self._others = asyncio.Lock()
        self._file: tuple[int, int] | None = None

    async def __aenter__(self) -> Self:
        try:
            await asyncio.to_thread(_create, self._path)
            for connection in (self._writer, self._reader):
                await connection
                for pragma in _PRAGMAS:
                    await connection.set(pragma)
            await self._writer.set(f"busy_timeout={_OPEN_TIME * 1000:.0f}")
            await self._writer.run(self._prepare)
            await self._writer.set(f"busy_timeout={_BUSY_TIMEOUT_MS}")
        except _ERRORS as error:
            await self._close()
            raise DatabaseUnusable(reason(error)) from error
        except BaseException:
            await self._close()
            raise
        self._file = self._look()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()

    async def _close(self) -> None:
        # Both are told first: a thread that a cancellation left would hold the process.
        await asyncio.gather(*self._reader.end(), *self._writer.end())

    async def read(self, work: Callable[[sa.Connection], T], *, urgent: bool = False) -> T:
        try:
            with metrics.transaction("read"):
                return await self._reader.run(work)
        except _BUGS:
            raise
        except _ERRORS as error:
            log.error("The database could not be read: %s", reason(error))
            raise StoreUnavailable from error

    async def write(
        self,
        work: Callable[[sa.Connection], T],
        *,
        urgent: bool = False,
        lock: Lock | None = Lock.LEDGER,
        shared: bool = False,
        wake: bool = False,
        durable: bool = True,
    ) -> T:
        self._check_file()
        until = time.monotonic() + (0 if urgent else _PATIENCE)
        while True:
            try:
                # At most one other transaction comes before an urgent one.
                with metrics.transaction("write"):
                    async with nullcontext() if urgent else self._others:
                        return await self._writer.run(work)
            except _BUGS:
                raise
            except _ERRORS as error:
                if _is_busy(error) and time.monotonic() < until:
                    continue
                log.error("The database could not be written: %s", reason(error))
                raise StoreUnavailable from error

    def _check_file(self) -> None:
        """Check that the file is the one that was opened.

        SQLite goes on writing to a file that was deleted, and all of that would be lost.
        """
        if self._look() != self._file:
            raise DatabaseUnusable("its file was deleted or replaced while the bot was running")

    def _look(self) -> tuple[int, int] | None:
        """Return what identifies the database's file, if the address names one plainly."""
        try:
            status = os.stat(self._path)  # noqa: PTH116
        except OSError:
            return None
        return status.st_dev, status.st_ino


def _is_busy(error: BaseException) -> bool:
    """Tell whether another process held the file's lock: nothing was done."""
    return getattr(driver_error(error), "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY


def path_of(url: str) -> Path:
    """Return the file that an address names."""
    return Path(str(sa.make_url(url).database))


def _create(path: str) -> None:
    """Create the file if need be, for its owner alone: it holds interaction tokens.

    aiosqlite's thread reports a failure to open to an event loop that may be closed by then, so
    what can't be opened is found out here. The journal's kind is the file's, and to change it
    SQLite waits for no other process.
    """
    until = time.monotonic() + _OPEN_TIME
    with closing(sqlite3.connect(path)) as connection:
        while True:
            try:
                connection.execute("PRAGMA journal_mode=WAL")
                break
            except sqlite3.OperationalError as error:
                if not _is_busy(error) or time.monotonic() > until:
                    raise
                time.sleep(0.05)
    Path(path).chmod(0o600)
