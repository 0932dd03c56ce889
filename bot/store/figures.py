"""How the queue and the account behind the API are, over all processes."""

from __future__ import annotations

import sqlalchemy as sa

from bot.domain import State
from bot.metrics import QueueFigures
from bot.store.account import Alert
from bot.store.database import Database
from bot.store.rows import LIVE, QUEUED, g
from bot.store.tables import key_values, workers

_ALIVE = sa.select(sa.func.count()).where(workers.c.alive_until >= sa.bindparam("now"))
_LIVE = sa.select(g.state, sa.func.count().label("number")).where(LIVE).group_by(g.state)
_OLDEST = sa.select(sa.func.min(g.created_at)).where(QUEUED)
_TOLD = sa.select(key_values.c.name).where(key_values.c.name.in_(list(Alert)))


class Figures:
    """What is read for whoever watches the bot."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self) -> QueueFigures:
        """Return how the queue is now.

        Raises:
            StoreUnavailable
        """

        def read(connection: sa.Connection) -> QueueFigures:
            now = self._database.now(connection)
            live = {row.state: row.number for row in connection.execute(_LIVE)}
            told = set(connection.execute(_TOLD).scalars())
            oldest = connection.execute(_OLDEST).scalar()
            return QueueFigures(
                waiting=live.get(State.QUEUED, 0),
                running=live.get(State.RUNNING, 0),
                oldest=max((now - oldest).total_seconds(), 0.0) if oldest else 0.0,
                workers=connection.execute(_ALIVE, {"now": now}).scalar_one(),
                fast_time_low=Alert.FAST_TIME_LOW in told,
                key_refused=Alert.KEY_REFUSED in told,
            )

        return await self._database.read(read)
