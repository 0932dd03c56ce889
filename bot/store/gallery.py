"""Members' pictures, a page at a time. Pages are found by ids, never by counting rows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import sqlalchemy as sa

from bot.domain import Generation, Kind
from bot.store.database import Database
from bot.store.rows import COLUMNS, fetch, g
from bot.store.tables import SHOWN, favourites

PAGE = 9
"""Pictures of a page."""


class Selection(IntEnum):
    """Which pictures of a member's: the numbers stand in custom_ids, and keep their meaning."""

    ALL = 0
    FAVOURITES = 1
    """Those that the member marked, whoever made them."""
    SERVER = 2
    TILES = 3
    CHANNEL = 4


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whose pictures, which of them, and where that is asked."""

    user_id: int
    selection: Selection
    guild_id: int | None
    channel_id: int


@dataclass(frozen=True, slots=True)
class Page:
    """A page, newest first; ``older`` is the id that the next page begins with, if there is one;
    ``newer`` says whether there are newer ones."""

    pictures: tuple[Generation, ...]
    older: int | None
    newer: bool


class Gallery:
    """Transactions about members' pictures. Each raises :class:`bot.errors.StoreUnavailable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, wanted: Wanted, start: int | None = None) -> Page:
        """Return the page that begins with the id ``start``, or the first one."""
        return await self._database.read(
            lambda connection: _page(connection, wanted, start), urgent=True
        )

    async def page_before(self, wanted: Wanted, first: int) -> Page:
        """Return the page before the one that begins with the id ``first``."""
        query, key = _select(wanted)

        def read(connection: sa.Connection) -> Page:
            newer = query.where(key > first).order_by(key).limit(PAGE)
            found = fetch(connection, newer)
            full = len(found) == PAGE
            return _page(connection, wanted, found[-1].id if full else None)

        return await self._database.read(read, urgent=True)


def _page(connection: sa.Connection, wanted: Wanted, start: int | None) -> Page:
    query, key = _select(wanted)
    rest = query if start is None else query.where(key <= start)
    found = fetch(connection, rest.order_by(key.desc()).limit(PAGE + 1))
    if start is not None and not found:
        return _page(connection, wanted, None)  # What was on it has been deleted since.
    newer = False
    if start is not None:
        one = query.where(key > found[0].id).order_by(key).limit(1)
        newer = bool(fetch(connection, one))
    older = found[PAGE].id if len(found) > PAGE else None
    return Page(tuple(found[:PAGE]), older, newer)


def _select(wanted: Wanted) -> tuple[sa.Select[Any], sa.ColumnElement[int]]:
    """Return the statement of all that is wanted, and the column that it is ordered by.

    Each has an index that begins with the member and ends with the id.
    """
    mine = g.user_id == wanted.user_id
    query = sa.select(*COLUMNS)
    match wanted.selection:
        case Selection.FAVOURITES:
            marked = favourites.c.generation_id
            joined = query.join(favourites, marked == g.id)
            # Others' of this server alone: who has left a server sees no more of it.
            near = sa.or_(mine, g.guild_id.is_not_distinct_from(wanted.guild_id))
            return joined.where(favourites.c.user_id == wanted.user_id, near, SHOWN), marked
        case Selection.SERVER:
            here = g.guild_id == wanted.guild_id if wanted.guild_id else g.guild_id.is_(None)
            return query.where(mine, here, SHOWN), g.id
        case Selection.CHANNEL:
            here = g.channel_id == wanted.channel_id
            public = sa.and_(g.private == sa.false(), g.direct_id.is_(None))
            return query.where(mine, here, public, SHOWN), g.id
        case Selection.TILES:
            return query.where(mine, g.kind == Kind.UPSCALE, SHOWN), g.id
        case Selection.ALL:
            return query.where(mine, SHOWN), g.id
