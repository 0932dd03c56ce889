"""An index of what each member had in a day, without the tiles."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

COLUMNS = ["user_id", "created_at", "state", "kind", "guild_id"]


def upgrade() -> None:
    where = sa.text("kind != 'upscale'")
    name = "ix_generations_user_day"
    op.create_index(name, "generations", COLUMNS, sqlite_where=where, postgresql_where=where)
