"""PostgreSQL as the database, for any number of processes on any machines."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    nullcontext,
    suppress,
)
from datetime import datetime
from typing import Any, Self, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit

import asyncpg  # pyright: ignore[reportMissingTypeStubs]
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, DisconnectionError, InvalidatePoolError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from bot import metrics
from bot.errors import DatabaseUnusable, StoreUnavailable
from bot.store.commits import begun, committed
from bot.store.database import Database, Lock, driver_error, reason
from bot.store.tables import metadata

log = logging.getLogger(__name__)
T = TypeVar("T")

CHANNEL = "vary"
"""What workers listen to (LISTEN, NOTIFY)."""

_LOCKS = 0x76617279
"""The first half of the advisory locks' keys, so that other programs' are others."""

_URGENT_TIME, _READ_TIME, _WRITE_TIME = 2.0, 5.0, 6.0
"""Seconds that a transaction takes at most, the wait for its turn among them: a member is told
within 3 seconds, and a worker's heartbeat comes again within its lease."""
_CONNECT_TIME, _OPEN_TIME, _MIGRATION_TIME = 2.0, 30.0, 60.0
_PATIENCE, _AGAIN = 1.5, 0.1
"""Seconds during which a transaction is tried again: a quick failover isn't noticed."""

_LISTEN_CHECK = 30.0

_POOL, _READS, _OTHERS = 5, 2, 2
"""Connections of one process. Reads and what isn't urgent leave one for what is."""

_SESSION = """
SET application_name = 'vary';
SET jit = off;
SET lock_timeout = '5s';
SET idle_in_transaction_session_timeout = '4s';
SET tcp_keepalives_idle = 10;
SET tcp_keepalives_interval = 5;
SET tcp_keepalives_count = 3;
"""
"""A process that is stopped in the middle of a transaction holds its locks no longer than this."""

_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_WRITE = "BEGIN ISOLATION LEVEL READ COMMITTED"
_COMMIT = "COMMIT"
_NOT_DURABLE = "SET LOCAL synchronous_commit = off"
_ERRORS = (
    DBAPIError,
    DisconnectionError,
    PoolTimeout,
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
_LOCKED = "55P03"
"""Another process holds the lock, which at the start means: it migrates."""
_BUGS = ("0A", "21", "22", "23", "42")
"""Classes of SQLSTATE that tell of a wrong statement or value, not of the database."""
_ROLLED_BACK = ("40001", "40P01")
"""A conflict or a deadlock with another transaction: the same may work at once."""
_WRONG_ADDRESS = ("28", "3D", "42")
_NOT_FOR_ASYNCPG = {"channel_binding", "connect_timeout", "pgbouncer", "connection_limit"}
"""Parameters that hosts put into addresses and that asyncpg would take for the server's."""


class _Unsure(Exception):
    """Nobody can tell whether a transaction was committed."""


class PostgresDatabase(Database):
    """A few connections. Each transaction begins and ends by hand, together with its lock and its
    notification: a transaction of one statement costs three round trips.

    Whatever happens to a connection is a :class:`StoreUnavailable`, and the next transaction takes
    another one.
    """

    def __init__(
        self,
        url: str,
        clock: Callable[[], datetime] | None = None,
        wake: Callable[[], None] = lambda: None,
        prepare: Callable[[sa.Connection], None] | None = None,
    ) -> None:
        super().__init__(clock, prepare)
        self._address = _address(url)
        self._wake = wake
        self._sender = uuid.uuid4().hex
        self._engine = _engine(self._connect)
        self._idle: set[Any] = set()
        self._reads = asyncio.Semaphore(_READS)
        self._others = asyncio.Semaphore(_OTHERS)
        self._resources = AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            await self._open()
        except BaseException:
            await self._engine.dispose()
            raise
        listening = asyncio.create_task(self._listen(), name="listen")
        self._resources.push_async_callback(self._engine.dispose)
        # To close one politely would take as long as the server hangs.
        self._resources.callback(self._drop_idle)
        self._resources.push_async_callback(_end, listening)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._resources.aclose()

    async def _open(self) -> None:
        """Migrate, once the server takes connections: it may be starting as well. Another process
        may be migrating."""
        began = time.monotonic()
        while True:
            try:
                async with asyncio.timeout(_MIGRATION_TIME):
                    return await self._transaction(_begin(Lock.LEDGER), _COMMIT, self._prepare)
            except _Unsure as error:
                raise DatabaseUnusable(reason(error.__cause__ or error)) from error
            except _ERRORS as error:
                wrong = (_state(error) or "").startswith(_WRONG_ADDRESS)
                within = _MIGRATION_TIME if _state(error) == _LOCKED else _OPEN_TIME
                if wrong or _is_bug(error) or time.monotonic() - began > within:
                    raise DatabaseUnusable(reason(error)) from error
                log.warning("The database doesn't answer: %s. Trying again.", reason(error))
                await asyncio.sleep(1)

    async def read(self, work: Callable[[sa.Connection], T], *, urgent: bool = False) -> T:
        within = _URGENT_TIME if urgent else _READ_TIME
        with metrics.transaction("read"):
            return await self._retrying(_READ, _COMMIT, work, within, self._reads)

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
        begin = _begin(lock, shared=shared)
        if not durable:
            begin = f"{begin}; {_NOT_DURABLE}"
        end = f"NOTIFY {CHANNEL}, '{self._sender}'; {_COMMIT}" if wake else _COMMIT
        with metrics.transaction("write"):
            if urgent:
                return await self._retrying(begin, end, work, _URGENT_TIME, nullcontext())
            return await self._retrying(begin, end, work, _WRITE_TIME, self._others)

    async def _retrying(
        self,
        begin: str,
        end: str,
        work: Callable[[sa.Connection], T],
        seconds: float,
        turn: AbstractAsyncContextManager[None],
    ) -> T:
        """Run a transaction when it is its ``turn``; again for a while where nothing can have
        been done by it."""
        until = time.monotonic() + _PATIENCE
        try:
            async with asyncio.timeout(seconds), turn:
                while True:
                    try:
                        return await self._transaction(begin, end, work)
                    except _ERRORS as error:
                        if _is_bug(error) or time.monotonic() > until:
                            raise
                        wait = 0 if _state(error) in _ROLLED_BACK else _AGAIN
                    await asyncio.sleep(wait)
        except _Unsure as unsure:
            cause = unsure.__cause__ or unsure
            log.error("The database did not say whether it committed: %s", reason(cause))
            raise StoreUnavailable from unsure
        except _ERRORS as error:
            if _is_bug(error):
                raise
            if isinstance(error, TimeoutError):
                self._drop_idle()
            log.error("The database can't be used now: %s", reason(error))
            raise StoreUnavailable from error

    def _drop_idle(self) -> None:
        """Drop the connections that nothing uses now: what one of them waits for in vain, the
        others may as well. The pool replaces them."""
        for driver in self._idle:
            driver.terminate()
        self._idle.clear()

    async def _transaction(self, begin: str, end: str, work: Callable[[sa.Connection], T]) -> T:
        async with self._engine.connect() as connection:
            driver = await _driver(connection)
            self._idle.discard(driver)
            sync = connection.sync_connection
            assert sync is not None  # noqa: S101
            try:
                await driver.execute(begin)
                begun(sync)
                result = await connection.run_sync(work)
            except BaseException as error:
                await _roll_back(connection, driver, at_once=not isinstance(error, Exception))
                raise
            try:
                said = await driver.execute(end)
            except asyncio.CancelledError:
                await _drop(connection, driver)
                raise  # Who ends a task, or gives it no more time, is not to be kept from it.
            except BaseException as error:
                await _drop(connection, driver)
                raise _Unsure from error
            self._idle.add(driver)
            if said != _COMMIT:
                raise StoreUnavailable
            committed(sync)
            return result

    def set_counters(self, connection: sa.Connection) -> None:
        for table in metadata.tables.values():
            if (column := table.autoincrement_column) is not None:
                sequence = sa.func.pg_get_serial_sequence(table.name, column.name)
                last = sa.func.coalesce(sa.func.max(column), 1)
                is_used = sa.func.max(column).is_not(None)
                connection.execute(sa.select(sa.func.setval(sequence, last, is_used)))

    def now(self, connection: sa.Connection) -> datetime:
        if self._clock:
            return self._clock()
        return connection.execute(_CLOCK).scalar_one()

    async def _connect(self) -> Any:
        connect: Any = asyncpg.connect  # pyright: ignore
        connection = await connect(self._address, timeout=_CONNECT_TIME)
        try:
            await connection.execute(_SESSION, timeout=_CONNECT_TIME)
        except BaseException:
            connection.terminate()
            raise
        return connection

    # Waking.

    async def _listen(self) -> None:
        """Wake this process's worker when another process notifies; listen again when the
        connection is lost. Whatever is missed meanwhile is found by polling."""
        while True:
            try:
                async with self._listening() as (connection, closed):
                    while not closed.is_set():
                        with suppress(TimeoutError):
                            async with asyncio.timeout(_LISTEN_CHECK):
                                await closed.wait()
                        await connection.execute("SELECT 1", timeout=_CONNECT_TIME)
            except _ERRORS as error:
                log.info("Workers are not woken now, they poll: %s", reason(error))
            await asyncio.sleep(1)

    @asynccontextmanager
    async def _listening(self) -> AsyncGenerator[tuple[Any, asyncio.Event]]:
        connection, closed = await self._connect(), asyncio.Event()

        def ended(_: object) -> None:
            closed.set()

        def notified(_: object, __: int, ___: str, sender: str) -> None:
            if sender != self._sender:
                self._wake()

        try:
            connection.add_termination_listener(ended)
            async with asyncio.timeout(_CONNECT_TIME):
                await connection.add_listener(CHANNEL, notified)
            self._wake()
            yield connection, closed
        finally:
            connection.terminate()


_CLOCK = sa.select(sa.func.clock_timestamp(type_=sa.DateTime(timezone=True)))


def _engine(connect: Callable[[], Any]) -> AsyncEngine:
    # The same conditions for partial indexes as in SQLite: here, for they import a dialect.
    for table in metadata.tables.values():
        for index in table.indexes:
            where = index.dialect_options["sqlite"]["where"]
            index.dialect_options["postgresql"]["where"] = where
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        isolation_level="AUTOCOMMIT",  # Begin and commit are this module's.
        pool_size=_POOL,
        max_overflow=0,
        pool_timeout=_CONNECT_TIME,
        hide_parameters=True,
    )

    def check_out(connection: Any, *_: object) -> None:
        if connection.driver_connection.is_closed():
            raise InvalidatePoolError

    event.listen(engine.sync_engine, "checkout", check_out)
    return engine


def _begin(lock: Lock | None, *, shared: bool = False) -> str:
    if lock is None:
        return _WRITE
    take = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
    return f"{_WRITE}; SELECT {take}({_LOCKS}, {lock.value})"


async def _driver(connection: AsyncConnection) -> Any:
    return (await connection.get_raw_connection()).driver_connection


async def _roll_back(connection: AsyncConnection, driver: Any, *, at_once: bool) -> None:
    """End a transaction that failed; drop its connection where that can't be done ``at_once``."""
    if not at_once and not driver.is_closed():
        with suppress(*_ERRORS):
            await driver.execute("ROLLBACK", timeout=_AGAIN)
            return
    await _drop(connection, driver)


async def _drop(connection: AsyncConnection, driver: Any) -> None:
    driver.terminate()
    with suppress(*_ERRORS):
        await connection.invalidate()


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _address(url: str) -> str:
    """Return an address as asyncpg reads it."""
    parts = urlsplit(url)
    query = [(k, v) for k, v in parse_qsl(parts.query) if k not in _NOT_FOR_ASYNCPG]
    return parts._replace(scheme="postgresql", query=urlencode(query)).geturl()


def _state(error: BaseException) -> str | None:
    """Return the SQLSTATE of what the server said."""
    return getattr(driver_error(error), "sqlstate", None)


def _is_bug(error: BaseException) -> bool:
    """Tell whether a statement or its values are wrong, not the database."""
    if state := _state(error):
        return state.startswith(_BUGS)
    # asyncpg's own DataError, before anything is sent.
    return isinstance(driver_error(error), ValueError | TypeError)
