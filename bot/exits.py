"""How the process ends, on every system: exit statuses and the signals that stop it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable

log = logging.getLogger("bot")

# The numbers of sysexits.h, which Python's os has on POSIX alone.
EX_OK, EX_USAGE, EX_DATAERR, EX_UNAVAILABLE, EX_SOFTWARE = 0, 64, 65, 69, 70
EX_CANTCREAT, EX_IOERR, EX_TEMPFAIL, EX_CONFIG = 73, 74, 75, 78


def end_within(seconds: float) -> None:
    """Have the process end in so many seconds at most, whatever hangs in it by then."""
    timer = threading.Timer(seconds, _end)
    timer.daemon = True
    timer.start()


def _end() -> None:
    log.critical("Something hangs: the process ends without waiting for it.")
    os._exit(EX_SOFTWARE)


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
