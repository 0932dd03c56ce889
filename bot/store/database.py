"""What a database is to the rest of the store: transactions that are plain functions of a
connection, and the migration that brings its tables up to date."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime
from enum import IntEnum
from typing import Self, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from bot.errors import DatabaseUnusable
from bot.store.tables import REVISION, alembic_version, metadata

log = logging.getLogger(__name__)
T = TypeVar("T")

COPYING = f"copying {REVISION}"
"""What a database is stamped with while a ledger is copied into it: no bot starts on a part."""


class Lock(IntEnum):
    """What writing transactions are decided under, one after the other.

    SQLite has one writer, so every transaction that writes holds every lock. PostgreSQL has a lock
    for each (``pg_advisory_xact_lock``), over all processes, until the transaction ends.
    """

    LEDGER = 1
    """What members ask for: limits, the first of two presses, retries."""
    CLAIMS = 2
    """Which call of the API is next, and whether a place is free for it; and, shared, that
    something is being claimed."""


class Database(ABC):
    """A database. An async context manager: opens and migrates on entry.

    ``clock`` replaces the time by which processes decide about each other. ``prepare`` takes the
    place of :func:`migrate`: what is done in the first transaction.

    Raises:
        DatabaseUnusable: on entry.
    """

    def __init__(
        self,
        clock: Callable[[], datetime] | None = None,
        prepare: Callable[[sa.Connection], None] | None = None,
    ) -> None:
        self._clock = clock
        self._prepare = prepare or migrate

    @abstractmethod
    async def __aenter__(self) -> Self: ...

    @abstractmethod
    async def __aexit__(self, *error: object) -> None: ...

    @abstractmethod
    async def read(self, work: Callable[[sa.Connection], T], *, urgent: bool = False) -> T:
        """Return what ``work`` reads, all of it as of one moment. What a member waits for is
        ``urgent``: it is given up in time to tell them.

        Raises:
            StoreUnavailable
        """

    @abstractmethod
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
        """Run ``work`` in a transaction: committed if it returns, rolled back if it raises.

        What a member waits for is ``urgent``: other work of this process holds it up as little as
        can be. What ``work`` checks under ``lock`` still holds at the commit; with ``shared``,
        others who hold it shared may change it meanwhile; without a lock, ``work`` must decide by
        its own statements alone. ``wake`` tells the workers of other processes that there may be
        something to do. What is not ``durable`` may be lost where the database's machine fails,
        unless something durable was written after it.

        Raises:
            StoreUnavailable: nothing was written, or nobody can tell.
        """

    def set_counters(self, connection: sa.Connection) -> None:
        """Move the counters of ids past the highest id of each table, where the database keeps
        them apart from the rows."""
        return

    def now(self, connection: sa.Connection) -> datetime:
        """Return the time by which all processes that use the database decide."""
        return self._clock() if self._clock else datetime.now(UTC)


def reason(error: BaseException) -> str:
    """Say what the database said, without the statement and its values."""
    said = driver_error(error)
    if isinstance(said, TimeoutError) and not str(said):
        return "it doesn't answer in time"
    return str(said) or type(said).__name__


def driver_error(error: BaseException) -> BaseException:
    """Return the driver's own error, which SQLAlchemy wraps: asyncpg's twice."""
    said = error.orig if isinstance(error, DBAPIError) else error
    return getattr(said, "orig", None) or said or error


def migrate(connection: sa.Connection) -> None:
    """Bring the tables to :data:`REVISION`: an empty database gets them as they are now.

    Alembic takes some megabytes, so it is loaded only where there is something to migrate.
    """
    version = version_of(connection)
    if version is None:
        metadata.create_all(connection, checkfirst=False)
        connection.execute(alembic_version.insert().values(version_num=REVISION))
    elif version < REVISION:
        from bot.migrations import upgrade

        upgrade(connection)


def version_of(connection: sa.Connection) -> str | None:
    """Return what a database is stamped with, if it isn't empty.

    Raises:
        DatabaseUnusable: this version of the bot can't use it.
    """
    if not sa.inspect(connection).get_table_names():
        return None
    version: str = connection.execute(sa.select(alembic_version.c.version_num)).scalar_one()
    if version.startswith("copying"):
        raise DatabaseUnusable(
            "a ledger is being copied into it: run `python -m bot copy-database` to its end"
        )
    if version > REVISION:
        raise DatabaseUnusable("a newer version of the bot has migrated it")
    return version
