"""What deliveries need to be tried again, and indexes that stay fast with a million rows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

TIME = sa.DateTime(timezone=True)
CALL, TILE = "kind != 'upscale'", "kind = 'upscale'"
INDEXES: list[tuple[str, list[str], str]] = [
    ("ix_generations_card_due", ["worker"], "card_due = 1"),
    ("ix_generations_call_started", ["user_id", "started_at"], CALL),
    ("ix_generations_other_started", ["user_id", "started_at"], TILE),
    ("ix_generations_call_finished", ["finished_at"], f"{CALL} AND message_id IS NOT NULL"),
    (
        "ix_generations_tile",
        ["parent_id", "tile", "id"],
        f"{TILE} AND state = 'posted' AND message_id IS NOT NULL",
    ),
    ("ix_generations_retry", ["retry_of"], "retry_of IS NOT NULL"),
]
DROPPED = ("card_due", "user_started", "finished", "parent", "retry")


def upgrade() -> None:
    is_postgresql = op.get_context().dialect.name == "postgresql"
    for name, type_, default in (
        ("interaction_id", sa.BigInteger, "0"),
        ("app_permissions", sa.BigInteger, "0"),
        ("attempts", sa.Integer, "0"),
    ):
        column = sa.Column(name, type_, nullable=False, server_default=default)
        op.add_column("generations", column)
    op.add_column("generations", sa.Column("called_at", TIME))
    op.execute("UPDATE generations SET interaction_id = id, called_at = started_at")
    for name in DROPPED:
        op.drop_index(f"ix_generations_{name}", "generations")
    for name, columns, where in INDEXES:
        condition = sa.text(where.replace("= 1", "= true") if is_postgresql else where)
        op.create_index(
            name, "generations", columns, sqlite_where=condition, postgresql_where=condition
        )
    op.rename_table("facts", "key_values")
    if is_postgresql:
        op.execute("ALTER INDEX facts_pkey RENAME TO key_values_pkey")
