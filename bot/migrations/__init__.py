"""Alembic's migrations, run at start by :meth:`bot.store.Store.migrate`."""
