"""Whether a member lets others vary their pictures."""

from __future__ import annotations

import sqlalchemy as sa

from bot.store.database import Database
from bot.store.tables import consents


def others_may_vary(connection: sa.Connection, user_id: int) -> bool:
    """Tell whether others may vary a member's pictures."""
    query = sa.select(consents.c.others_may_vary).where(consents.c.user_id == user_id)
    found = connection.execute(query).scalar_one_or_none()
    return True if found is None else bool(found)


class Consent:
    """What members have decided; others may vary the pictures of those who haven't."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def allows(self, user_id: int) -> bool:
        """Tell whether others may vary a member's pictures.

        Raises:
            StoreUnavailable
        """
        return await self._database.read(
            lambda connection: others_may_vary(connection, user_id), urgent=True
        )

    async def decide(self, user_id: int, *, others_may_vary: bool) -> None:
        """Keep what a member has decided.

        Raises:
            StoreUnavailable
        """

        def write(connection: sa.Connection) -> None:
            connection.execute(consents.delete().where(consents.c.user_id == user_id))
            row = {"user_id": user_id, "others_may_vary": others_may_vary}
            connection.execute(consents.insert(), [row])

        await self._database.write(write, urgent=True)
