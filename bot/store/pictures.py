"""Posted pictures: what is told of one, what was made from it, and its deletion."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime

import sqlalchemy as sa

from bot.domain import Click, Generation
from bot.errors import NotDeletable, WasDeleted
from bot.store.database import Database
from bot.store.requests import Requests
from bot.store.rows import COLUMNS, fetch, g, mark_deleted
from bot.store.tables import POSTED_TILE, generations

_OLDEST = 100
"""Generations that a line goes back at most."""

_TILES = sa.select(sa.func.count()).where(POSTED_TILE, g.parent_id == sa.bindparam("grid"))


def _line() -> sa.Select[tuple[object, ...]]:
    """Select a generation and those that it came from, the first one first."""
    start = sa.select(g.id, g.parent_id, sa.literal(0).label("back"))
    line = start.where(g.id == sa.bindparam("generation")).cte("line", recursive=True)
    parent = generations.alias("parent")
    older = sa.select(parent.c.id, parent.c.parent_id, line.c.back + 1)
    line = line.union_all(older.where(parent.c.id == line.c.parent_id, line.c.back < _OLDEST))
    return sa.select(*COLUMNS).join(line, line.c.id == g.id).order_by(line.c.back.desc())


_LINE = _line()


class Pictures:
    """Transactions about results that are posted. Those with a click record it; they raise a
    :class:`bot.errors.Refused`, or :class:`bot.errors.StoreUnavailable`."""

    def __init__(
        self, database: Database, requests: Requests, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._requests = requests
        self._clock = clock

    async def pressed(self, click: Click) -> Generation:
        """Record a click on a result and return the generation."""
        return await self._requests.act(click, posted=True)

    async def line(self, click: Click) -> list[Generation]:
        """Return a generation and those that it came from, the first one first."""

        def read(connection: sa.Connection, generation: Generation) -> list[Generation]:
            return fetch(connection, _LINE, generation=generation.id)

        return await self._requests.act(click, read, posted=True)

    async def deletable(self, click: Click) -> int:
        """Return how many messages with tiles of it would be left if a picture is deleted.

        Raises:
            NotDeletable: neither is it theirs, nor do they moderate.
        """

        def check(connection: sa.Connection, generation: Generation) -> int:
            _check_may_delete(click, generation)
            return connection.execute(_TILES, {"grid": generation.id}).scalar_one()

        return await self._requests.act(click, check, posted=True)

    async def delete(self, click: Click, *, with_tiles: bool) -> list[Generation]:
        """Delete a picture, and ``with_tiles`` those that were cut out of it; return their rows.

        The rows keep what accounting needs. A worker removes the messages, and goes on trying
        after a crash. Raises as :meth:`deletable` does.
        """
        now = self._clock()
        # The message is a card that is due to go: the worker that takes it over removes it.
        removal = {"card_id": g.message_id, "card_due": True, "worker": None, "lease_until": now}
        by = click.asker.user_id

        def delete(connection: sa.Connection, generation: Generation) -> list[Generation]:
            _check_may_delete(click, generation)
            which: sa.ColumnElement[bool] = g.id == generation.id
            gone = mark_deleted(connection, now, which, by=by, **removal)
            if not gone:
                raise WasDeleted
            if with_tiles:
                which = sa.and_(POSTED_TILE, g.parent_id == generation.id)
                gone += mark_deleted(connection, now, which, by=by, **removal)
            return gone

        return await self._requests.act(click, delete)

    async def gone(self, ids: Collection[int]) -> None:
        """Record that the messages of some results were found to be deleted in Discord."""
        which, now = g.id.in_(list(ids)), self._clock()
        await self._database.write(lambda connection: mark_deleted(connection, now, which))


def _check_may_delete(click: Click, generation: Generation) -> None:
    if not click.asker.may_end(generation):
        raise NotDeletable
