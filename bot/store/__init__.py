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

from bot.config import Settings
from bot.store.database import Database
from bot.store.queue import Queue
from bot.store.requests import Requests
from bot.store.values import Values


class Store:
    """The ledger in a database. An async context manager: opens and migrates on entry.

    ``changed`` is set whenever there may be something to do in the queue.

    Raises:
        DatabaseUnusable: on entry.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        worker: str | None = None,
    ) -> None:
        self.changed = asyncio.Event()
        self.database = Database(settings.database_url)
        self.requests = Requests(self.database, settings, clock, self.changed.set)
        self.queue = Queue(self.database, settings, clock, worker)
        self.values = Values(self.database)

    async def __aenter__(self) -> Self:
        await self.database.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.database.__aexit__(*error)
