"""What is stored of a member: shown, exported, deleted.

Deleting goes in small transactions, so that nobody's press waits for it. A row of ``erasures``
says how far it is meant to go until the last of them: whatever stops the process, a worker goes on.

Of a generation a row without its member stays, and counts: when, in which server, which kind, what
became of it. Every other row of a member's goes, in every table that has a column ``user_id``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bot.domain import NOBODY, State
from bot.store.database import Database
from bot.store.outbox import end_shows
from bot.store.rows import CALLED, COUNTED_STATES, LIVE, g
from bot.store.spent import forget_spent, has_spent, spent_by
from bot.store.tables import (
    IS_CALL,
    clicks,
    erasures,
    generations,
    metadata,
    picked_messages,
    removals,
)

_CHUNK = 100
"""Rows of a table that one transaction changes at most."""

_PAGE = 2_000
"""Rows that one reading transaction exports at most."""

_LEASE = timedelta(seconds=20)
"""How long a message that is being deleted belongs to the worker that claimed it."""

_DAY = timedelta(days=1)
_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=10), timedelta(hours=1)
_ATTEMPTS = 100
"""About four days."""

_SECRET = {"token", "worker", "lease_until"}
"""What isn't exported: it is the bot's own, and says nothing of the member."""

_CANCELLED = sa.and_(LIVE, sa.not_(CALLED))

_NAMELESS: dict[str, Any] = {
    "user_id": NOBODY,
    "channel_id": 0,
    "interaction_id": 0,
    "prompt": "",
    "source_url": None,
    "token": None,
    "token_at": None,
    "card_id": None,
    "card_due": False,
    "message_id": None,
    "grid_file": None,
    "source_file": None,
    "parent_id": None,
    "retry_of": None,
    "upload_limit": 0,
    "app_permissions": 0,
    "result": None,
    "private": False,
    "answer_only": False,
    "direct_id": None,
    "origin": None,
}
"""What a generation's row holds once its member has deleted their data. A column that is added to
the table and says something of a member belongs here."""

_OTHER_TABLES = [
    table
    for table in metadata.sorted_tables
    if "user_id" in table.c and table not in (generations, clicks, erasures)
]


@dataclass(frozen=True, slots=True)
class Stored:
    """How much is stored of a member, and since when."""

    generations: int
    clicks: int
    others: int
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Removal:
    """A message of the bot's that is to be deleted; ``attempts`` counts those that failed."""

    message_id: int
    channel_id: int
    guild_id: int | None
    attempts: int


class Privacy:
    """A member's rows. Each method raises :class:`bot.errors.StoreUnavailable`."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    async def stored(self, user_id: int) -> Stored:
        """Count what is stored of a member."""

        def read(connection: sa.Connection) -> Stored:
            def number(table: sa.Table) -> int:
                query = sa.select(sa.func.count()).where(table.c.user_id == user_id)
                return connection.execute(query).scalar_one()

            first = sa.select(g.created_at).where(g.user_id == user_id)
            since = connection.execute(first.order_by(g.created_at).limit(1)).scalar_one_or_none()
            others = sum(map(number, _OTHER_TABLES))
            return Stored(number(generations), number(clicks), others, since)

        return await self._database.read(read)

    async def export(self, user_id: int) -> dict[str, list[dict[str, Any]]]:
        """Return a member's rows by table, as JSON has them: times in ISO 8601, ids as text."""
        tables = [generations, clicks, *_OTHER_TABLES]
        return {table.name: await self._rows(table, user_id) for table in tables}

    async def _rows(self, table: sa.Table, user_id: int) -> list[dict[str, Any]]:
        """Read a member's rows of a table, page by page in the order of its primary key."""
        key = sa.tuple_(*table.primary_key.columns)
        columns = [column for column in table.c if column.name not in _SECRET]
        query = sa.select(*columns).where(table.c.user_id == user_id)
        query = query.order_by(*table.primary_key.columns).limit(_PAGE)
        found: list[dict[str, Any]] = []
        page: Sequence[sa.RowMapping] = []
        while not found or len(page) == _PAGE:
            after = query
            if page:
                last = [page[-1][column.name] for column in table.primary_key.columns]
                after = query.where(key > sa.tuple_(*last))
            page = await self._database.read(
                lambda connection, after=after: connection.execute(after).mappings().all()
            )
            found += [
                {column.name: _plain(column, row[column.name]) for column in columns}
                for row in page
            ]
            if not page:
                break
        return found

    async def delete(self, user_id: int, *, pictures: bool) -> bool:
        """Delete what is stored of a member, and with ``pictures`` the messages that show theirs;
        return whether it is done already. A worker does the rest.

        What waits is cancelled. What is being asked of the API goes on without its member, and
        what comes of it is dropped.
        """
        now = self._clock()

        def begin(connection: sa.Connection) -> bool:
            of_member = erasures.c.user_id == user_id
            earlier = sa.select(erasures.c.pictures).where(of_member)
            wanted = pictures or bool(connection.execute(earlier).scalar_one_or_none())
            connection.execute(erasures.delete().where(of_member))
            row = {"user_id": user_id, "pictures": wanted, "asked_at": now}
            connection.execute(erasures.insert(), [row])
            live = sa.select(g.id).where(LIVE, g.user_id == user_id)
            self._erase(connection, user_id, connection.execute(live).scalars().all(), wanted)
            return self._go_on(connection, user_id, wanted, now)

        return await self._database.write(begin, urgent=True)

    async def go_on(self) -> bool:
        """Delete some more of what members asked for; return whether there was anything."""

        def work(connection: sa.Connection) -> bool:
            next_one = sa.select(erasures).order_by(erasures.c.asked_at).limit(1)
            found = connection.execute(next_one.with_for_update()).one_or_none()
            if found is None:
                return False
            self._go_on(connection, found.user_id, found.pictures, found.asked_at)
            return True

        waiting = sa.select(erasures.c.user_id).limit(1)
        if not await self._database.read(lambda c: c.execute(waiting).scalars().all()):
            return False
        return await self._database.write(work)

    def _go_on(
        self, connection: sa.Connection, user_id: int, pictures: bool, asked_at: datetime
    ) -> bool:
        """Delete a chunk of a member's rows; return whether none is left."""
        mine = sa.select(g.id).where(g.user_id == user_id, g.created_at <= asked_at).limit(_CHUNK)
        ids = connection.execute(mine).scalars().all()
        self._erase(connection, user_id, ids, pictures)
        c = clicks.c
        pressed = sa.select(c.id).where(c.user_id == user_id, c.clicked_at <= asked_at)
        click_ids = connection.execute(pressed.limit(_CHUNK)).scalars().all()
        connection.execute(clicks.delete().where(c.id.in_(click_ids)))
        if len(ids) == _CHUNK or len(click_ids) == _CHUNK:
            return False
        for table in (*_OTHER_TABLES, erasures):
            connection.execute(table.delete().where(table.c.user_id == user_id))
        theirs = picked_messages.c.owner_id == user_id
        connection.execute(picked_messages.delete().where(theirs))
        return True

    def _erase(
        self, connection: sa.Connection, user_id: int, ids: Iterable[int], pictures: bool
    ) -> None:
        """Take the member out of some generations; have their messages deleted in Discord: cards
        of what is cancelled, and with ``pictures`` all."""
        which = g.id.in_(list(ids))
        in_direct = g.direct_id.is_not(None)
        columns = (
            g.id,
            sa.case((in_direct, None), else_=g.guild_id).label("guild_id"),
            sa.case((in_direct, g.direct_id), else_=g.channel_id).label("channel_id"),
            *(g.message_id, g.card_id, g.state),
        )
        # What only an answer shows can't be deleted by the bot's token.
        which_shown = sa.and_(which, sa.or_(g.answer_only == sa.false(), in_direct))
        shown = connection.execute(sa.select(*columns).where(which_shown)).mappings().all()
        messages: dict[int, Mapping[Any, Any]] = {}
        for row in shown:
            if pictures and row["message_id"]:
                messages[row["message_id"]] = row
            # A card that is left shows what was asked for; one of a posted result is gone.
            is_live = row["state"] in (State.QUEUED, State.RUNNING)
            if row["card_id"] and (is_live or (pictures and row["state"] != State.POSTED)):
                messages[row["card_id"]] = row
        self._remove(connection, messages)
        if pictures:
            end_shows(connection, [row["id"] for row in shown])
        over = {"state": State.CANCELLED, "finished_at": self._clock(), "worker": None}
        connection.execute(generations.update().where(which, _CANCELLED).values(**over))
        counts = sa.and_(g.created_at > self._clock() - _DAY, g.state.in_(COUNTED_STATES))
        marked = generations.update().where(which, counts, IS_CALL)
        connection.execute(marked.values(spent_by=spent_by(connection, user_id)))
        connection.execute(generations.update().where(which).values(**_NAMELESS))

    def _remove(self, connection: sa.Connection, messages: Mapping[int, Mapping[Any, Any]]) -> None:
        known = sa.select(removals.c.message_id).where(removals.c.message_id.in_(list(messages)))
        seen = set(connection.execute(known).scalars())
        rows = [
            {
                "message_id": message_id,
                "channel_id": row["channel_id"],
                "guild_id": row["guild_id"],
                "not_before": self._clock(),
                "attempts": 0,
            }
            for message_id, row in messages.items()
            if message_id not in seen
        ]
        if rows:
            connection.execute(removals.insert(), rows)

    # What a worker asks.

    async def forget(self) -> None:
        """Forget whose the nameless generations were that no limit counts any more."""
        before = self._clock() - _DAY
        if await self._database.read(lambda connection: has_spent(connection, before)):
            await self._database.write(lambda connection: forget_spent(connection, before))

    async def is_nameless(self, generation_id: int) -> bool:
        """Tell whether the member of a generation has deleted their data."""
        query = sa.select(g.user_id).where(g.id == generation_id)
        return await self._database.read(lambda c: c.execute(query).scalar_one_or_none() == NOBODY)

    async def drop(
        self, generation_id: int, channel_id: int = 0, message_id: int | None = None
    ) -> None:
        """End a generation without a member, forget what came of it since, and have the message
        deleted that was posted of it, if one was."""
        which = sa.and_(g.id == generation_id, g.user_id == NOBODY)
        over = {"state": State.CANCELLED, "finished_at": self._clock(), "worker": None}

        def write(connection: sa.Connection) -> None:
            connection.execute(generations.update().where(which).values(**_NAMELESS, **over))
            if message_id is not None:
                query = sa.select(g.guild_id).where(which)
                guild_id = connection.execute(query).scalar_one_or_none()
                place = {"channel_id": channel_id, "guild_id": guild_id}
                self._remove(connection, {message_id: place})

        await self._database.write(write)

    async def claim_removal(self) -> Removal | None:
        """Return a message that is to be deleted now; for some seconds it is nobody else's."""
        now = self._clock()
        c = removals.c
        due = sa.select(c.message_id, c.channel_id, c.guild_id, c.attempts).where(
            c.not_before <= now
        )
        due = due.order_by(c.not_before).limit(1)

        def claim(connection: sa.Connection) -> Removal | None:
            found = connection.execute(due.with_for_update(skip_locked=True)).one_or_none()
            if found is None:
                return None
            lease = removals.update().where(c.message_id == found.message_id)
            connection.execute(lease.values(not_before=now + _LEASE))
            return Removal(found.message_id, found.channel_id, found.guild_id, found.attempts)

        if not await self._database.read(lambda connection: connection.execute(due).all()):
            return None
        return await self._database.write(claim)

    async def removed(self, message_id: int) -> None:
        """Record that a message is gone, or can't be deleted."""
        query = removals.delete().where(removals.c.message_id == message_id)
        await self._database.write(lambda connection: connection.execute(query))

    async def put_off(self, removal: Removal, retry_after: float) -> None:
        """Try to delete a message again later, in ``retry_after`` seconds at the earliest."""
        attempts = removal.attempts + 1
        if attempts >= _ATTEMPTS:
            await self.removed(removal.message_id)
            return
        wait = min(_FIRST_WAIT * 2 ** min(attempts, 20), _LONGEST_WAIT)
        later = self._clock() + max(wait, timedelta(seconds=retry_after))
        query = removals.update().where(removals.c.message_id == removal.message_id)
        query = query.values(attempts=attempts, not_before=later)
        await self._database.write(lambda connection: connection.execute(query))


def _plain(column: sa.Column[Any], value: Any) -> Any:
    """Return a value as JSON has it. Ids are text: JSON's readers round large numbers."""
    if isinstance(value, datetime):
        return value.isoformat()
    is_id = isinstance(column.type, sa.BigInteger) and isinstance(value, int)
    return str(value) if is_id and column.name != "upload_limit" else value
