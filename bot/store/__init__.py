"""Every SQL statement. Domain in, domain out; one method, one transaction.

The ledger is the queue: what waits, runs and is done is a row of ``generations``, and a row's
state changes before the act that depends on it. The front writes :attr:`Store.requests`, a worker
:attr:`Store.queue`; a feature with tables or queries of its own brings a file of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Self

import sqlalchemy as sa

from bot.config import Settings
from bot.errors import DatabaseUnusable, StoreUnavailable
from bot.store.account import Account
from bot.store.admission import Limits
from bot.store.consent import Consent
from bot.store.database import Database
from bot.store.favourites import Favourites
from bot.store.figures import Figures
from bot.store.gallery import Gallery
from bot.store.guild_settings import GuildSettings
from bot.store.live import Live
from bot.store.picks import Picks
from bot.store.pictures import Pictures
from bot.store.privacy import Privacy
from bot.store.queue import Queue
from bot.store.quotas import Quotas
from bot.store.requests import Requests
from bot.store.retention import Retention
from bot.store.server_log import ServerLog
from bot.store.showcase import Showcase
from bot.store.stats import Stats
from bot.store.turns import Turns
from bot.store.values import Values
from bot.store.workers import Workers


class Store:
    """The ledger in a database. An async context manager: opens and migrates on entry.

    ``changed`` is set whenever there may be something to do in the queue. ``clock`` replaces this
    machine's, and the database's.

    Raises:
        DatabaseUnusable: on entry.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], datetime] | None = None,
        worker: str | None = None,
    ) -> None:
        self.changed = asyncio.Event()
        self.database = database_at(settings.database_url, clock, self.changed.set)
        clock = clock or _now
        self.limits = Limits.of(settings)
        """The operator's limits."""
        self.guild_settings = GuildSettings(self.database, clock)
        governed = self.guild_settings.governed
        self.requests = Requests(self.database, self.limits, clock, self.changed.set, governed)
        self.workers = Workers(self.database, worker)
        self.queue = Queue(self.database, clock, self.workers)
        self.values = Values(self.database)
        self.turns = Turns(self.database)
        self.pictures = Pictures(self.database, self.requests, clock)
        self.picks = Picks(self.database, clock)
        self.favourites = Favourites(self.requests, clock)
        self.server_log = ServerLog(self.database, clock)
        self.showcase = Showcase(self.database, clock)
        self.gallery = Gallery(self.database)
        self.live = Live(self.database, self.requests, self.limits, clock)
        self.quotas = Quotas(self.database, self.limits, clock)
        self.account = Account(self.database, clock)
        self.stats = Stats(self.database, clock)
        self.privacy = Privacy(self.database, clock)
        self.consent = Consent(self.database)
        self.retention = Retention(self.database, settings, clock)
        self.figures = Figures(self.database)

    async def __aenter__(self) -> Self:
        await self.database.__aenter__()
        try:
            await self.guild_settings.open()
        except BaseException as error:
            await self.database.__aexit__()
            if isinstance(error, StoreUnavailable):
                raise DatabaseUnusable("it doesn't answer") from error
            raise
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.guild_settings.close()
        await self.database.__aexit__(*error)


def database_at(
    url: str,
    clock: Callable[[], datetime] | None = None,
    wake: Callable[[], None] = lambda: None,
    prepare: Callable[[sa.Connection], None] | None = None,
) -> Database:
    """Return the database behind an address; each is loaded only where it is used."""
    if url.startswith("sqlite"):
        from bot.store.sqlite import SqliteDatabase

        return SqliteDatabase(url, clock, prepare)
    from bot.store.postgres import PostgresDatabase

    return PostgresDatabase(url, clock, wake, prepare)


def _now() -> datetime:
    return datetime.now(UTC)
