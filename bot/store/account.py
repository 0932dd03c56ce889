"""What the operator sees and decides: the API's account, how the bot is used, a pause of all work.

What the API says of its account is kept in ``key_values``: a worker asks for it, once over all of
them, and a front shows it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter

from bot.domain import NOBODY, AccountInfo, ErrorCode, State
from bot.store.database import Database
from bot.store.rows import PAUSE, PAUSED, QUEUED, RUNNING, TRUE, g
from bot.store.tables import key_values

_ASKED, _SERVED = "account.asked", "account.served"
_STARTED, _ANSWER = "account.started", "account.answer"
_NONE = "0"

_INFO = TypeAdapter(AccountInfo)
_TOP, _MOST = 10, 100_000
_FAILED = {State.FAILED, State.INTERRUPTED, State.UNDELIVERED}
_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)


class Alert(StrEnum):
    """What the operator is told once, until it is over."""

    FAST_TIME_LOW = "told.fast_time_low"
    KEY_REFUSED = "told.key_refused"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the API said of its account, after the request ``number``: ``error`` where it said
    nothing."""

    number: int
    read_at: datetime
    info: AccountInfo | None
    error: ErrorCode | None


@dataclass(frozen=True, slots=True)
class Overview:
    """What the operator sees of the bot. ``failures`` are those of the last hour by kind of error;
    ``servers`` and ``members`` have the most generations of the last day, ``None`` for direct
    messages. ``database_bytes`` is the size on disk."""

    queued: int
    running: int
    oldest: datetime | None
    failures: Mapping[str, int]
    servers: Mapping[int | None, int]
    members: Mapping[int, int]
    paused: bool
    database_bytes: int


class Account:
    """The operator's transactions. Each raises :class:`bot.errors.StoreUnavailable`."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    # What the API says of its account.

    async def ask(self) -> int:
        """Have a worker ask the API about the account; return the number of the request."""

        def write(connection: sa.Connection) -> int:
            number = int(_get(connection, _ASKED, lock=True).get(_ASKED, 0)) + 1
            _set(connection, _ASKED, str(number))
            return number

        return await self._database.write(write, urgent=True)

    async def due(self, period: timedelta | None) -> int | None:
        """Return the number of the last request where it is this worker's turn to ask: nobody has
        seen to it yet, or the last time is ``period`` ago, if that counts. Numbers, for clocks
        differ."""
        now = self._clock()
        names = (_ASKED, _SERVED, _STARTED)

        def is_due(values: Mapping[str, str]) -> bool:
            if values.get(_ASKED, _NONE) != values.get(_SERVED, _NONE) or _STARTED not in values:
                return True
            last = datetime.fromisoformat(values[_STARTED])
            return period is not None and not now - period < last <= now

        def claim(connection: sa.Connection) -> int | None:
            values = _get(connection, *names, lock=True)
            if not is_due(values):
                return None
            number = values.get(_ASKED, _NONE)
            _set(connection, _SERVED, number)
            _set(connection, _STARTED, now.isoformat())
            return int(number)

        if not is_due(await self._database.read(lambda connection: _get(connection, *names))):
            return None
        return await self._database.write(claim)

    async def keep(self, number: int, answer: AccountInfo | ErrorCode) -> None:
        """Keep what the API said of its account, or why it said nothing, after the request
        ``number``."""
        value: dict[str, Any] = {"number": number, "read_at": self._clock().isoformat()}
        if isinstance(answer, AccountInfo):
            value["info"] = asdict(answer)
        else:
            value["error"] = answer.value
        await self._database.write(lambda c: _set(c, _ANSWER, json.dumps(value)))

    async def snapshot(self) -> Snapshot | None:
        """Return what the API said last, if it has been asked."""
        values = await self._database.read(lambda connection: _get(connection, _ANSWER))
        if _ANSWER not in values:
            return None
        kept = json.loads(values[_ANSWER])
        info, error = kept.get("info"), kept.get("error")
        return Snapshot(
            kept["number"],
            datetime.fromisoformat(kept["read_at"]),
            _INFO.validate_python(info) if info else None,
            ErrorCode(error) if error else None,
        )

    # What is told once.

    async def tell(self, alert: Alert) -> bool:
        """Record that the operator is told; return whether they weren't before."""

        def write(connection: sa.Connection) -> bool:
            if _get(connection, alert, lock=True):
                return False
            _set(connection, alert, self._clock().isoformat())
            return True

        return await self._database.write(write)

    async def over(self, alert: Alert) -> None:
        """Record that what the operator was told of is over: the next time they are told again."""
        if await self._database.read(lambda connection: _get(connection, alert)):
            query = key_values.delete().where(key_values.c.name == alert.value)
            await self._database.write(lambda connection: connection.execute(query))

    async def fast_time_is_low(self) -> bool:
        """Tell whether the operator has been told that little fast time is left."""
        return bool(await self._database.read(lambda c: _get(c, Alert.FAST_TIME_LOW)))

    # The pause.

    async def pause(self, paused: bool) -> None:
        """Let no worker begin anything, or let them go on."""
        value = TRUE if paused else ""
        await self._database.write(
            lambda connection: _set(connection, PAUSE, value), urgent=True, wake=True
        )

    # How the bot is used.

    async def overview(self) -> Overview:
        """Return what the operator sees of the queue and of the last day."""
        now = self._clock()
        day = g.created_at > now - _DAY
        number = sa.func.count()

        # Limited, or SQLite would go through all rows in the order of what they are grouped by.
        is_of_hour = sa.case((g.finished_at > now - _HOUR, 1), else_=0)
        columns = (g.guild_id, g.user_id, g.state, g.error, is_of_hour.label("is_of_hour"))
        recent = sa.select(*columns).where(day).order_by(g.created_at.desc()).limit(_MOST)
        r = recent.subquery().c
        keys = (r.guild_id, r.user_id, r.state, r.error, r.is_of_hour)
        use = sa.select(*keys, number).group_by(*keys)
        # Sorted here: asked for the oldest, SQLite would look for it among all rows by their time.
        waiting = sa.select(g.created_at).where(QUEUED)

        def read(connection: sa.Connection) -> Overview:
            failures, servers, members = Counter[str](), Counter[int | None](), Counter[int]()
            for guild_id, user_id, state, error, of_hour, count in connection.execute(use):
                servers[guild_id] += count
                members[user_id] += count
                if of_hour and state in _FAILED:
                    failures[error or state] += count
            del members[NOBODY]
            queued = connection.execute(waiting).scalars().all()
            return Overview(
                queued=len(queued),
                running=connection.execute(sa.select(number).where(RUNNING)).scalar_one(),
                oldest=min(queued, default=None),
                failures=dict(failures.most_common()),
                servers=dict(servers.most_common(_TOP)),
                members=dict(members.most_common(_TOP)),
                paused=connection.execute(sa.select(PAUSED)).scalar_one(),
                database_bytes=_size(connection),
            )

        return await self._database.read(read)


def _get(connection: sa.Connection, *names: str, lock: bool = False) -> dict[str, str]:
    """Return the values that are kept under some names."""
    query = sa.select(key_values.c.name, key_values.c.value)
    query = query.where(key_values.c.name.in_([str(name) for name in names]))
    rows = connection.execute(query.with_for_update() if lock else query)
    return {row.name: row.value for row in rows}


def _set(connection: sa.Connection, name: str, value: str) -> None:
    changed = key_values.update().where(key_values.c.name == str(name)).values(value=value)
    if connection.execute(changed).rowcount == 0:
        connection.execute(key_values.insert().values(name=str(name), value=value))


def _size(connection: sa.Connection) -> int:
    """Return the bytes that the database takes on disk."""
    if connection.dialect.name == "sqlite":
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        return pages * connection.exec_driver_sql("PRAGMA page_size").scalar_one()
    return connection.execute(
        sa.select(sa.func.pg_database_size(sa.func.current_database()))
    ).scalar_one()
