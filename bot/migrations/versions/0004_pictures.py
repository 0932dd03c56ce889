"""Favourites, deleted pictures, and an index of what was made from what."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

TIME = sa.DateTime(timezone=True)
CHILD = "kind != 'upscale' AND message_id IS NOT NULL AND parent_id IS NOT NULL"


def upgrade() -> None:
    op.add_column("generations", sa.Column("deleted_at", TIME))
    op.create_table(
        "favourites",
        sa.Column("user_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("generation_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("created_at", TIME, nullable=False),
    )
    op.create_index("ix_favourites_generation", "favourites", ["generation_id"])
    op.create_index(
        "ix_generations_call_parent",
        "generations",
        ["parent_id", "kind", "tile"],
        sqlite_where=sa.text(CHILD),
        postgresql_where=sa.text(CHILD),
    )
