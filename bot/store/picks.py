"""Messages whose pictures somebody picked in the Apps menu: the menu brings the message, the modal
that follows doesn't, and comes after a restart too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import sqlalchemy as sa
from pydantic import TypeAdapter

from bot.domain import Pick, PickedPicture, snowflake_at
from bot.errors import NoConsent, OthersPicturesOff, PickGone
from bot.store.consent import others_may_vary
from bot.store.database import Database
from bot.store.rows import get
from bot.store.tables import picked_messages

LIFETIME = timedelta(days=1)
"""How long a pick is kept: Discord's links of its pictures live for about a day."""

_p = picked_messages.c
_PICTURES = TypeAdapter(tuple[PickedPicture, ...])
_BY_ID = sa.select(_p.user_id, _p.owner_id, _p.origin, _p.private, _p.pictures).where(
    _p.id == sa.bindparam("pick")
)


class Picks:
    """Each method is a transaction. They raise :class:`bot.errors.StoreUnavailable`."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    async def use(self, pick: Pick, shown: int | None, *, keep: bool, others: bool = True) -> None:
        """Check that somebody may use the pictures of a message, and ``keep`` them for a modal.

        The pictures are their author's; those of a result (``shown``) are its asker's. ``others``:
        the server lets members use each other's.

        Raises:
            NoConsent, OthersPicturesOff
        """
        expired = snowflake_at(self._clock() - LIFETIME)

        def use(connection: sa.Connection) -> None:
            owned = pick
            if shown is not None and (found := get(connection, [shown])):
                owned = replace(pick, owner_id=found[shown].user_id)
            if not others and owned.owner_id != owned.user_id:
                raise OthersPicturesOff
            _check_consent(connection, owned)
            if not keep:
                return
            # Ids tell the time, so the primary key finds what has expired.
            old = sa.or_(_p.id < expired, _p.id == pick.id)  # Discord may tell of one twice.
            connection.execute(picked_messages.delete().where(old))
            row = {
                "id": owned.id,
                "user_id": owned.user_id,
                "owner_id": owned.owner_id,
                "origin": owned.origin,
                "private": owned.private,
                "pictures": _PICTURES.dump_python(owned.pictures, mode="json"),
            }
            connection.execute(picked_messages.insert(), [row])

        await self._database.write(use, urgent=True)

    async def get(self, pick_id: int, user_id: int) -> Pick:
        """Return what a member picked.

        Raises:
            PickGone: it has expired, or is another member's.
            NoConsent: its owner has decided otherwise since.
        """

        def read(connection: sa.Connection) -> Pick:
            row = connection.execute(_BY_ID, {"pick": pick_id}).one_or_none()
            if row is None or row.user_id != user_id:
                raise PickGone
            pictures = _PICTURES.validate_python(row.pictures)
            pick = Pick(pick_id, user_id, row.owner_id, row.origin, pictures, row.private)
            _check_consent(connection, pick)
            return pick

        return await self._database.read(read, urgent=True)


def _check_consent(connection: sa.Connection, pick: Pick) -> None:
    """Refuse pictures of a member who lets nobody else use them."""
    if pick.owner_id != pick.user_id and not others_may_vary(connection, pick.owner_id):
        raise NoConsent
