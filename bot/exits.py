"""How the process ends, on every system: exit statuses and the signals that stop it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

# The numbers of sysexits.h, which Python's os has on POSIX alone.
EX_OK, EX_USAGE, EX_DATAERR, EX_UNAVAILABLE = 0, 64, 65, 69
EX_CANTCREAT, EX_IOERR, EX_TEMPFAIL, EX_CONFIG = 73, 74, 75, 78


def call_at_stop(callback: Callable[[], object]) -> None:
    """Call ``callback`` in the running event loop at each SIGINT and SIGTERM."""
    loop = asyncio.get_running_loop()

    def handle(_: int, __: object) -> None:
        loop.call_soon_threadsafe(callback)

    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, callback)
        except NotImplementedError:  # Windows
            signal.signal(number, handle)
