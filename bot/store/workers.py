"""The workers that are alive: a row each, renewed by a heartbeat. The database's clock alone
decides, so that machines whose clocks differ agree."""

from __future__ import annotations

import hashlib
import os
import platform
import uuid
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from bot.store.database import Database
from bot.store.tables import workers

LEASE = timedelta(seconds=10)
"""A worker silent this long counts as dead."""

w = workers.c
REGISTERED = sa.select(w.name)
_OLDEST = (
    sa.select(w.name).where(w.alive_until >= sa.bindparam("now")).order_by(w.since, w.name).limit(1)
)


class Workers:
    """One worker's row among the others. What takes a connection belongs to a transaction of the
    queue's."""

    def __init__(self, database: Database, name: str | None = None) -> None:
        self._database = database
        self.name = name or _worker_name()
        self.leads = False
        """Whether this worker does what is done once over all: it is the oldest that lives."""
        self.joined = False
        """Whether it has been known once, and didn't leave since."""
        self._mine = w.name == self.name
        self._until = sa.select(w.alive_until).where(self._mine).with_for_update()
        self._renew = workers.update().where(self._mine).values(alive_until=sa.bindparam("until"))
        self._late: datetime | None = None

    async def heartbeat(self) -> None:
        """Record that this worker is alive, and see whether it leads."""

        def beat(connection: sa.Connection) -> bool:
            now = self.renew(connection)
            return connection.execute(_OLDEST, {"now": now}).scalar_one() == self.name

        self.leads = await self._database.write(beat, lock=None, durable=False)
        self.joined = True

    async def leave(self) -> None:
        """Record that this worker ends: what it left behind is anybody's at once."""
        self.leads = self.joined = False
        query = workers.delete().where(self._mine)
        await self._database.write(lambda connection: connection.execute(query), lock=None)

    async def are_others(self) -> bool:
        """Tell whether any other worker may be alive."""
        now = self._database.now

        def others(connection: sa.Connection) -> Sequence[str]:
            living = w.alive_until >= now(connection)
            query = REGISTERED.where(living, w.name != self.name)
            return connection.execute(query).scalars().all()

        found = await self._database.read(others)
        return not all(self._has_ended(name) for name in found)

    def attend(self, connection: sa.Connection) -> None:
        """See to it that this worker is known before it is given something."""
        if connection.execute(REGISTERED.where(self._mine)).first() is None:
            self._join(connection, self._database.now(connection))

    def renew(self, connection: sa.Connection) -> datetime:
        """Record that this worker is alive, for a lease from now on; return the time."""
        now = self._database.now(connection)
        until = connection.execute(self._until).scalar_one_or_none()
        if until is None:
            self._join(connection, now)
            return now
        if until < now:
            self._late = now
        connection.execute(self._renew, {"until": now + LEASE})
        return now

    def bury(self, connection: sa.Connection) -> datetime:
        """Remove the workers that are dead; return the time.

        A worker that was itself late, by an outage of the database say, gives the others time to
        come back: nobody could renew anything meanwhile.
        """
        now = self._database.now(connection)
        names = connection.execute(REGISTERED).scalars().all()
        ended = [name for name in names if self._has_ended(name)]
        dead: list[sa.ColumnElement[bool]] = [w.name.in_(ended)] if ended else []
        if self._late is None or now - self._late >= LEASE:
            dead.append(w.alive_until < now)
        if dead:
            connection.execute(workers.delete().where(w.name != self.name, sa.or_(*dead)))
        return now

    def _join(self, connection: sa.Connection, now: datetime) -> None:
        row = {"name": self.name, "since": now, "alive_until": now + LEASE}
        try:
            with connection.begin_nested():
                connection.execute(workers.insert().values(row))
        except IntegrityError:
            return  # Another transaction of this worker was faster.

    def _has_ended(self, name: str) -> bool:
        """Tell whether a worker was a process of this machine that isn't there any more.

        One on another machine or in another container, or whose process id was given away anew, is
        told by its heartbeat. So is every one on Windows, where to ask for a process is to send it
        a signal.
        """
        processes, pid, _ = name.rsplit("/", 2)
        if name == self.name or processes != self.name.rsplit("/", 2)[0] or os.name == "nt":
            return False
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return int(pid) == os.getpid()


def _worker_name() -> str:
    """Name this process's worker as processes/process id/unique: see :meth:`Workers._has_ended`."""
    return f"{processes_of(platform.node(), _marks())}/{os.getpid()}/{uuid.uuid4().hex[:12]}"


def _marks() -> list[str]:
    """Return the machine's id, its boot's, and the namespace of its process ids, where they can be
    read."""
    marks: list[str] = []
    for path in ("/etc/machine-id", "/proc/sys/kernel/random/boot_id"):
        with suppress(OSError):
            marks.append(Path(path).read_text())
    with suppress(OSError):
        marks.append(str(Path("/proc/self/ns/pid").stat().st_ino))
    return marks


def processes_of(node: str, marks: Sequence[str]) -> str:
    """Return a name, at most 33 characters long, for the processes among which an id is unique.

    Machines may share the name ``node``, and in a container nearly every process has the id 1, so
    ``marks`` tell them apart.
    """
    digest = hashlib.blake2b("|".join([node, *marks]).encode(), digest_size=8).hexdigest()
    return f"{node[:16]}-{digest}"
