"""The tables and indexes. A change here is a new file in ``bot/migrations/versions`` too."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

REVISION = "0010"
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
    sa.Column("discarded", sa.Boolean, nullable=False, default=False),
    sa.Column("started_at", UtcDateTime),
    sa.Column("called_at", UtcDateTime),
    sa.Column("finished_at", UtcDateTime),
    sa.Column("worker", sa.String(64)),
    sa.Column("lease_until", UtcDateTime),
    sa.Column("error", sa.String(32)),
    sa.Column("spent_by", sa.String(64)),
    sa.Column("result", sa.JSON(none_as_null=True)),
    sa.Column("deleted_at", UtcDateTime),
    sa.Column("private", sa.Boolean, nullable=False, default=False),
    sa.Column("answer_only", sa.Boolean, nullable=False, default=False),
    sa.Column("direct_id", sa.BigInteger),
    sa.Column("origin", sa.Text),
    sa.Column("spoiler", sa.Boolean, nullable=False, default=False),
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
picked_messages = sa.Table(
    "picked_messages",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("user_id", sa.BigInteger, nullable=False),
    sa.Column("owner_id", sa.BigInteger, nullable=False),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("private", sa.Boolean, nullable=False),
    sa.Column("pictures", sa.JSON, nullable=False),
)
favourites = sa.Table(
    "favourites",
    metadata,
    sa.Column("user_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("generation_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
)
key_values = sa.Table(
    "key_values",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
workers = sa.Table(
    "workers",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("since", UtcDateTime, nullable=False),
    sa.Column("alive_until", UtcDateTime, nullable=False),
)
guild_settings = sa.Table(
    "guild_settings",
    metadata,
    sa.Column("guild_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("policy", sa.JSON, nullable=False),
    sa.Column("log_channel_id", sa.BigInteger),
    sa.Column("changed_at", UtcDateTime, nullable=False),
)
log_lines = sa.Table(
    "log_lines",
    metadata,
    # SQLite counts up in a column of this type alone.
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("guild_id", sa.BigInteger, nullable=False),
    sa.Column("event", sa.String(16), nullable=False),
    sa.Column("user_id", sa.BigInteger),
    sa.Column("generation_id", sa.BigInteger),
    sa.Column("detail", sa.Text),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("batch_id", sa.BigInteger),
    sa.Column("lease_until", UtcDateTime),
)
showcase_posts = sa.Table(
    "showcase_posts",
    metadata,
    sa.Column("generation_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("channel_id", sa.BigInteger, nullable=False),
    sa.Column("message_id", sa.BigInteger),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("lease_until", UtcDateTime, nullable=False),
)
consents = sa.Table(
    "consents",
    metadata,
    sa.Column("user_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("others_may_vary", sa.Boolean, nullable=False),
)
erasures = sa.Table(
    "erasures",
    metadata,
    sa.Column("user_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("pictures", sa.Boolean, nullable=False),
    sa.Column("asked_at", UtcDateTime, nullable=False),
)
"""Members whose rows are being deleted; a row goes with the last of them."""
removals = sa.Table(
    "removals",
    metadata,
    sa.Column("message_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("channel_id", sa.BigInteger, nullable=False),
    sa.Column("guild_id", sa.BigInteger),
    sa.Column("not_before", UtcDateTime, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
)
"""Messages of the bot's that are to be deleted in Discord."""
alembic_version = sa.Table(
    "alembic_version",
    metadata,
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
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
POSTED_CHILD = sa.and_(POSTED_CALL, _g.parent_id.is_not(None))
"""What was made from another picture by a call of the API, and is posted."""

# Told by the message for the same reason. A description has no picture of its own, and what only
# an answer shows can't be fetched.
SHOWN = sa.and_(
    _g.message_id.is_not(None),
    _g.grid_file.is_not(None),
    sa.or_(_g.answer_only == sa.false(), _g.direct_id.is_not(None)),
)
"""Whether there is a picture that a gallery can show."""
SPENT = _g.spent_by.is_not(None)
"""Whether its member has deleted their data, and a limit of theirs may count it still."""


def _index(name: str, *columns: sa.Column[Any], where: sa.ColumnElement[bool] | None) -> None:
    sa.Index(name, *columns, sqlite_where=where)


_index("ix_generations_state", _g.state, _g.user_id, _g.id, where=None)
_index("ix_generations_card_due", _g.worker, where=_g.card_due == sa.true())
_index("ix_generations_call_started", _g.user_id, _g.started_at, where=IS_CALL)
_index("ix_generations_other_started", _g.user_id, _g.started_at, where=sa.not_(IS_CALL))
_index("ix_generations_call_finished", _g.finished_at, where=POSTED_CALL)
_index("ix_generations_tile", _g.parent_id, _g.tile, _g.id, where=POSTED_TILE)
_index("ix_generations_call_parent", _g.parent_id, _g.kind, _g.tile, where=POSTED_CHILD)
_index("ix_generations_user_created", _g.user_id, _g.created_at, where=None)
# Limits count what has a state that counts: the index holds it, so no row is looked up.
_index(
    "ix_generations_user_day",
    *(_g.user_id, _g.created_at, _g.state, _g.kind, _g.guild_id),
    where=IS_CALL,
)
_index("ix_generations_guild_day", _g.guild_id, _g.created_at, _g.state, _g.kind, where=IS_CALL)
_index("ix_generations_day", _g.created_at, _g.state, _g.kind, where=IS_CALL)
_index("ix_generations_retry", _g.retry_of, where=_g.retry_of.is_not(None))
_index("ix_gallery", _g.user_id, _g.id, where=SHOWN)
_index("ix_gallery_server", _g.user_id, _g.guild_id, _g.id, where=SHOWN)
_index("ix_gallery_channel", _g.user_id, _g.channel_id, _g.id, where=SHOWN)
_index("ix_gallery_kind", _g.user_id, _g.kind, _g.id, where=SHOWN)
_index("ix_guild_settings_changed", guild_settings.c.changed_at, where=None)
_index("ix_generations_guild_created", _g.guild_id, _g.created_at, where=None)
_index("ix_generations_created", _g.created_at, where=None)
_index("ix_clicks_guild", clicks.c.guild_id, clicks.c.clicked_at, where=None)
_index("ix_clicks_clicked", clicks.c.clicked_at, where=None)
_index("ix_generations_spent", _g.created_at, where=SPENT)
_index("ix_removals_due", removals.c.not_before, where=None)
_index("ix_favourites_created", favourites.c.created_at, where=None)
_index("ix_showcase_posts_state", showcase_posts.c.state, where=None)
_index("ix_clicks_user", clicks.c.user_id, clicks.c.clicked_at, where=None)
_index("ix_clicks_generation", clicks.c.generation_id, where=None)
_index("ix_favourites_generation", favourites.c.generation_id, where=None)
