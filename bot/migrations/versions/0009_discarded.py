"""Results that their askers don't want posted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    column = sa.Column("discarded", sa.Boolean, nullable=False, server_default=sa.false())
    op.add_column("generations", column)
