"""Alembic's entry: migrates over the connection that the store hands in."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from bot.schema import metadata

connection: Connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
