"""What is logged and counted once a transaction is committed, not before: one that is rolled back
did nothing, and may be run again."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

_WAITING = "after commit"


def after_commit(connection: sa.Connection, call: Callable[[], object]) -> None:
    """Call something once the transaction that runs is committed."""
    connection.info.setdefault(_WAITING, []).append(call)


def begun(connection: sa.Connection) -> None:
    """Forget what waits for the end of a transaction that was rolled back."""
    connection.info.pop(_WAITING, None)


def committed(connection: sa.Connection) -> None:
    """Call what waits for this."""
    for call in connection.info.pop(_WAITING, ()):
        call()
