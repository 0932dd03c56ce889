"""The database's tables and indexes; :mod:`bot.migrations` builds them."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa


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
    sa.Column("prompt", sa.Text, nullable=False),
    sa.Column("tile", sa.Integer, nullable=False),
    sa.Column("source_url", sa.Text),
    sa.Column("upload_limit", sa.BigInteger, nullable=False),
    sa.Column("token", sa.Text),
    sa.Column("token_at", UtcDateTime),
    sa.Column("card_id", sa.BigInteger),
    sa.Column("card_due", sa.Boolean, nullable=False, default=False),
    sa.Column("message_id", sa.BigInteger),
    sa.Column("grid_file", sa.Text),
    sa.Column("source_file", sa.Text),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("not_before", UtcDateTime, nullable=False),
    sa.Column("started_at", UtcDateTime),
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
facts = sa.Table(
    "facts",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

sa.Index("ix_generations_state", generations.c.state, generations.c.user_id, generations.c.id)
sa.Index("ix_generations_finished", generations.c.state, generations.c.finished_at)
sa.Index("ix_generations_user_started", generations.c.user_id, generations.c.started_at)
sa.Index("ix_generations_user_created", generations.c.user_id, generations.c.created_at)
sa.Index("ix_generations_card_due", generations.c.card_due)
sa.Index("ix_generations_retry", generations.c.retry_of)
sa.Index("ix_generations_parent", generations.c.parent_id, generations.c.kind, generations.c.tile)
sa.Index("ix_clicks_user", clicks.c.user_id, clicks.c.clicked_at)
sa.Index("ix_clicks_generation", clicks.c.generation_id)
