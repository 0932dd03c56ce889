"""Favourites: which member likes which posted picture best."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import sqlalchemy as sa

from bot.domain import Click, Generation
from bot.store.requests import Requests
from bot.store.tables import favourites

_f = favourites.c


class Favourites:
    """The table of favourites, a row for each member and picture.

    A tile that was posted on its own is a generation too, so it can be a favourite by itself.
    """

    def __init__(self, requests: Requests, clock: Callable[[], datetime]) -> None:
        self._requests = requests
        self._clock = clock

    async def toggle(self, click: Click) -> bool:
        """Record a press of ⭐ and turn it on or off for that member; return whether it is on.

        Raises:
            Refused, StoreUnavailable
        """
        user_id, now = click.asker.user_id, self._clock()

        def turn(connection: sa.Connection, generation: Generation) -> bool:
            mine = sa.and_(_f.user_id == user_id, _f.generation_id == generation.id)
            if connection.execute(favourites.delete().where(mine)).rowcount:
                return False
            row = {"user_id": user_id, "generation_id": generation.id, "created_at": now}
            connection.execute(favourites.insert().values(row))
            return True

        return await self._requests.act(click, turn, posted=True)
