"""What members decide about their data, messages that are to be deleted, and indexes by time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

TIME = sa.DateTime(timezone=True)
INDEXES = [
    ("ix_generations_guild_created", "generations", ["guild_id", "created_at"]),
    ("ix_generations_created", "generations", ["created_at"]),
    ("ix_clicks_guild", "clicks", ["guild_id", "clicked_at"]),
    ("ix_clicks_clicked", "clicks", ["clicked_at"]),
    ("ix_removals_due", "removals", ["not_before"]),
]


def upgrade() -> None:
    op.create_table(
        "consents",
        sa.Column("user_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("others_may_vary", sa.Boolean, nullable=False),
    )
    op.create_table(
        "erasures",
        sa.Column("user_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("pictures", sa.Boolean, nullable=False),
        sa.Column("asked_at", TIME, nullable=False),
    )
    op.create_table(
        "removals",
        sa.Column("message_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("channel_id", sa.BigInteger, nullable=False),
        sa.Column("guild_id", sa.BigInteger),
        sa.Column("not_before", TIME, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
    )
    op.add_column("generations", sa.Column("spent_by", sa.String(64)))
    spent = sa.text("spent_by IS NOT NULL")
    op.create_index(
        "ix_generations_spent",
        "generations",
        ["created_at"],
        sqlite_where=spent,
        postgresql_where=spent,
    )
    for name, table, columns in INDEXES:
        op.create_index(name, table, columns)
