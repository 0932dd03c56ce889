"""The ledger: generations, clicks, and what is remembered beside them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "generations",
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
        sa.Column("token_at", TIME),
        sa.Column("card_id", sa.BigInteger),
        sa.Column("card_due", sa.Boolean, nullable=False),
        sa.Column("message_id", sa.BigInteger),
        sa.Column("grid_file", sa.Text),
        sa.Column("source_file", sa.Text),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("not_before", TIME, nullable=False),
        sa.Column("started_at", TIME),
        sa.Column("finished_at", TIME),
        sa.Column("worker", sa.String(64)),
        sa.Column("lease_until", TIME),
        sa.Column("error", sa.String(32)),
        sa.Column("result", sa.JSON),
    )
    for name, columns in {
        "ix_generations_state": ["state", "user_id", "id"],
        "ix_generations_finished": ["state", "finished_at"],
        "ix_generations_user_started": ["user_id", "started_at"],
        "ix_generations_user_created": ["user_id", "created_at"],
        "ix_generations_parent": ["parent_id", "kind", "tile"],
        "ix_generations_retry": ["retry_of"],
        "ix_generations_card_due": ["card_due"],
    }.items():
        op.create_index(name, "generations", columns)
    op.create_table(
        "clicks",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("guild_id", sa.BigInteger),
        sa.Column("generation_id", sa.BigInteger, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("clicked_at", TIME, nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
    )
    op.create_index("ix_clicks_user", "clicks", ["user_id", "clicked_at"])
    op.create_index("ix_clicks_generation", "clicks", ["generation_id"])
    op.create_table(
        "facts",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
