"""What members have had today and then deleted: limits of a day hold all the same.

A generation that lost its member keeps for a day a number made from the member's id and a secret
of this database. It says nothing by itself, and goes when no limit counts it any more.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Collection, Iterator
from datetime import datetime

import sqlalchemy as sa

from bot.store.rows import g
from bot.store.tables import SPENT, generations, key_values

_SECRET = "privacy.secret"  # noqa: S105
_RECENT = (
    sa.select(g.spent_by, g.guild_id, g.created_at)
    .where(SPENT, g.created_at > sa.bindparam("since"))
    .order_by(g.created_at)
)


def spent_by(connection: sa.Connection, user_id: int) -> str:
    """Return what stands for a member in rows that count without them."""
    return _pseudonym(_secret(connection), user_id)


def spent(
    connection: sa.Connection, users: Collection[int], since: datetime
) -> Iterator[tuple[int, int | None, datetime]]:
    """Return for some members what they have had since a time and then deleted: the member, the
    server and the time, in order. What was being asked of the API counts, although it is dropped:
    it was paid for."""
    rows = connection.execute(_RECENT, {"since": since}).all()
    if rows:
        secret = _secret(connection)
        names = {_pseudonym(secret, user_id): user_id for user_id in users}
        for name, guild_id, at in rows:
            if name in names:
                yield names[name], guild_id, at


def forget_spent(connection: sa.Connection, before: datetime) -> None:
    """Forget whose those were that no limit counts any more."""
    old = generations.update().where(SPENT, g.created_at <= before)
    connection.execute(old.values(spent_by=None))


def has_spent(connection: sa.Connection, before: datetime) -> bool:
    """Tell whether there is anything to forget."""
    query = sa.select(g.id).where(SPENT, g.created_at <= before).limit(1)
    return connection.execute(query).scalar_one_or_none() is not None


def _pseudonym(secret: str, user_id: int) -> str:
    return hmac.digest(secret.encode(), str(user_id).encode(), "sha256").hex()


def _secret(connection: sa.Connection) -> str:
    """Return the database's secret, made with the first member who deletes their data."""
    query = sa.select(key_values.c.value).where(key_values.c.name == _SECRET)
    found = connection.execute(query).scalar_one_or_none()
    if found is None:
        found = secrets.token_hex(32)
        connection.execute(key_values.insert().values(name=_SECRET, value=found))
    return found
