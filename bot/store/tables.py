"""The tables and indexes. A change here is a new file in ``bot/migrations/versions`` too."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

REVISION = "0002"
"""The newest migration: what an empty database is stamped with."""


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """An aware datetime in UTC, also where the database keeps no zone."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        return value.replace(tzinfo=UTC) if value and value.tzinfo is None else value


metadata = sa.MetaData()
generations = sa.Table(
    "generations",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("parent_id", sa.BigInteger),
    sa.Column("retry_of", sa.BigInteger),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("user_id", sa.BigInteger, nullable=False),
    sa.Column("guild_id", sa.BigInteger),
    sa.Column("channel_id", sa.BigInteger, nullable=False),
    sa.Column("interaction_id", sa.BigInteger, nullable=False),
    sa.Column("prompt", sa.Text, nullable=False),
    sa.Column("tile", sa.Integer, nullable=False),
    sa.Column("source_url", sa.Text),
    sa.Column("upload_limit", sa.BigInteger, nullable=False),
    sa.Column("app_permissions", sa.BigInteger, nullable=False),
    sa.Column("token", sa.Text),
    sa.Column("token_at", UtcDateTime),
    sa.Column("card_id", sa.BigInteger),
    sa.Column("card_due", sa.Boolean, nullable=False, default=False),
    sa.Column("message_id", sa.BigInteger),
    sa.Column("grid_file", sa.Text),
    sa.Column("source_file", sa.Text),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("not_before", UtcDateTime, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("started_at", UtcDateTime),
    sa.Column("called_at", UtcDateTime),
    sa.Column("finished_at", UtcDateTime),
    sa.Column("worker", sa.String(64)),
    sa.Column("lease_until", UtcDateTime),
    sa.Column("error", sa.String(32)),
    sa.Column("result", sa.JSON(none_as_null=True)),
)
clicks = sa.Table(
    "clicks",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("user_id", sa.BigInteger, nullable=False),
    sa.Column("guild_id", sa.BigInteger),
    sa.Column("generation_id", sa.BigInteger, nullable=False),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("clicked_at", UtcDateTime, nullable=False),
    sa.Column("outcome", sa.String(16), nullable=False),
)
key_values = sa.Table(
    "key_values",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
alembic_version = sa.Table(
    "alembic_version",
    metadata,
    sa.Column("version_num", sa.String(32), primary_key=True),
)

_g = generations.c

# A partial index serves only statements that repeat its condition literally, so no parameters.
IS_CALL = _g.kind != sa.literal_column("'upscale'")
"""Whether such work needs a call of the API (:attr:`bot.domain.Kind.calls_api`)."""
# Told by the message: by the state SQLite would take that index, and sort all that is posted.
POSTED_CALL = sa.and_(IS_CALL, _g.message_id.is_not(None))
POSTED_TILE = sa.and_(
    sa.not_(IS_CALL), _g.state == sa.literal_column("'posted'"), _g.message_id.is_not(None)
)


def _index(name: str, *columns: sa.Column[Any], where: sa.ColumnElement[bool] | None) -> None:
    sa.Index(name, *columns, sqlite_where=where)


_index("ix_generations_state", _g.state, _g.user_id, _g.id, where=None)
_index("ix_generations_card_due", _g.worker, where=_g.card_due == sa.true())
_index("ix_generations_call_started", _g.user_id, _g.started_at, where=IS_CALL)
_index("ix_generations_other_started", _g.user_id, _g.started_at, where=sa.not_(IS_CALL))
_index("ix_generations_call_finished", _g.finished_at, where=POSTED_CALL)
_index("ix_generations_tile", _g.parent_id, _g.tile, _g.id, where=POSTED_TILE)
_index("ix_generations_user_created", _g.user_id, _g.created_at, where=None)
_index("ix_generations_retry", _g.retry_of, where=_g.retry_of.is_not(None))
_index("ix_clicks_user", clicks.c.user_id, clicks.c.clicked_at, where=None)
_index("ix_clicks_generation", clicks.c.generation_id, where=None)
