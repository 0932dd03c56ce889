"""Indexes by which a member's pictures are found, however many there are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

SHOWN = (
    "message_id IS NOT NULL AND grid_file IS NOT NULL "
    "AND (answer_only = {false} OR direct_id IS NOT NULL)"
)
INDEXES = {
    "ix_gallery": ["user_id", "id"],
    "ix_gallery_server": ["user_id", "guild_id", "id"],
    "ix_gallery_channel": ["user_id", "channel_id", "id"],
    "ix_gallery_kind": ["user_id", "kind", "id"],
}


def upgrade() -> None:
    for name, columns in INDEXES.items():
        op.create_index(
            name,
            "generations",
            columns,
            sqlite_where=sa.text(SHOWN.format(false="0")),
            postgresql_where=sa.text(SHOWN.format(false="false")),
        )
