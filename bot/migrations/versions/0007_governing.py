"""What a server's owners choose, the lines of its log, and what is shown in its showcase."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

TIME = sa.DateTime(timezone=True)
CALL = "kind != 'upscale'"


def upgrade() -> None:
    op.add_column(
        "generations",
        sa.Column("spoiler", sa.Boolean, nullable=False, server_default=sa.false()),
    )
    op.create_table(
        "guild_settings",
        sa.Column("guild_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("policy", sa.JSON, nullable=False),
        sa.Column("log_channel_id", sa.BigInteger),
        sa.Column("changed_at", TIME, nullable=False),
    )
    op.create_index("ix_guild_settings_changed", "guild_settings", ["changed_at"])
    op.create_table(
        "log_lines",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("guild_id", sa.BigInteger, nullable=False),
        sa.Column("event", sa.String(16), nullable=False),
        sa.Column("user_id", sa.BigInteger),
        sa.Column("generation_id", sa.BigInteger),
        sa.Column("detail", sa.Text),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("batch_id", sa.BigInteger),
        sa.Column("lease_until", TIME),
    )
    op.create_table(
        "showcase_posts",
        sa.Column("generation_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("channel_id", sa.BigInteger, nullable=False),
        sa.Column("message_id", sa.BigInteger),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("lease_until", TIME, nullable=False),
    )
    op.create_index("ix_showcase_posts_state", "showcase_posts", ["state"])
    op.create_index("ix_favourites_created", "favourites", ["created_at"])
    for name, columns in {
        "ix_generations_guild_day": ["guild_id", "created_at", "state", "kind"],
        "ix_generations_day": ["created_at", "state", "kind"],
    }.items():
        where = sa.text(CALL)
        op.create_index(name, "generations", columns, sqlite_where=where, postgresql_where=where)
