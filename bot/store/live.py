"""What waits and runs: for the member who asked for it, and for moderators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import sqlalchemy as sa

from bot.domain import Asker, Click, Generation, State
from bot.errors import NotYours, TooLate
from bot.store.admission import Limits
from bot.store.database import Database
from bot.store.recording import cancel_rows
from bot.store.requests import Requests
from bot.store.rows import (
    CALL_PLACES,
    COLUMNS,
    LIVE,
    change,
    count_running,
    fetch,
    g,
    typical_duration,
)


@dataclass(frozen=True, slots=True)
class Work:
    """A generation that waits or runs: its place among what waits for the API (from 1), and when
    it is done by estimate, where that can be told."""

    generation: Generation
    place: int | None = None
    done_at: datetime | None = None

    @property
    def cancellable(self) -> bool:
        """Whether it waits, and nothing was paid for it yet."""
        return self.generation.state is State.QUEUED and self.generation.result is None


class Live:
    """Transactions about what waits and runs."""

    def __init__(
        self,
        database: Database,
        requests: Requests,
        limits: Limits,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._requests = requests
        self._limits = limits
        self._clock = clock

    async def work(self, asker: Asker) -> list[Work]:
        """Return what waits and runs of a user's; for who moderates everybody's of the server
        as well. What runs comes first, then what waits for the API in the order of its turn.

        Raises:
            StoreUnavailable
        """
        return await self._database.read(
            lambda connection: self._read(connection, asker), urgent=True
        )

    async def cancel(self, click: Click) -> list[Work]:
        """Record a click, take what it is about out of the queue, and return what is left.

        Who moderates may do so with anybody's of the server.

        Raises:
            NotYours, TooLate, UnknownPicture, StoreUnavailable
        """
        asker, now = click.asker, self._clock()

        def cancel(connection: sa.Connection, generation: Generation) -> list[Work]:
            if not asker.may_end(generation):
                raise NotYours
            if not cancel_rows(connection, now, g.id == generation.id):
                raise TooLate
            # What was pressed isn't the card: a worker shows the end there, and needn't wait.
            change(connection, g.id == generation.id, lease_until=now)
            return self._read(connection, asker)

        return await self._requests.act(click, cancel, anywhere=True)

    def _read(self, connection: sa.Connection, asker: Asker) -> list[Work]:
        whose = g.user_id == asker.user_id
        if asker.moderates:
            whose = sa.or_(whose, g.guild_id == asker.guild_id)
        found = fetch(connection, sa.select(*COLUMNS).where(LIVE, whose).order_by(g.id))
        ids = [generation.id for generation in found]
        places = {row.id: row.place for row in connection.execute(CALL_PLACES, {"ids": ids})}
        running = count_running(connection)
        usual = typical_duration(connection)
        works = [
            self._work(_seen_by(asker, each), places.get(each.id), running, usual) for each in found
        ]
        return sorted(works, key=_order)

    def _work(
        self, generation: Generation, place: int | None, running: int, usual: timedelta | None
    ) -> Work:
        """Estimate when a generation is done: calls begin when a place is free, and take as long
        as others did."""
        now, done_at = self._clock(), None
        if usual is not None and place is not None:
            rounds = (running + place - 1) // self._limits.concurrency
            done_at = now + (rounds + 1) * usual
        elif usual is not None and generation.needs_call and generation.started_at is not None:
            done_at = max(generation.started_at + usual, now)
        return Work(generation, place, done_at)


def _seen_by(asker: Asker, generation: Generation) -> Generation:
    """Return a generation without the words of what is another's and private."""
    hidden = generation.private and generation.user_id != asker.user_id
    return replace(generation, prompt="") if hidden else generation


def _order(work: Work) -> tuple[bool, bool, int]:
    generation = work.generation
    waits = generation.state is State.QUEUED
    return waits, work.place is None, work.place or generation.id
