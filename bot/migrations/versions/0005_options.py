"""Private results, results that only answers carry, and messages that a picture is taken from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    for name in ("private", "answer_only"):
        column = sa.Column(name, sa.Boolean, nullable=False, server_default=sa.false())
        op.add_column("generations", column)
    op.add_column("generations", sa.Column("direct_id", sa.BigInteger))
    op.add_column("generations", sa.Column("origin", sa.Text))
    op.create_table(
        "picked_messages",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("owner_id", sa.BigInteger, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("private", sa.Boolean, nullable=False),
        sa.Column("pictures", sa.JSON, nullable=False),
    )
