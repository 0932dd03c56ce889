"""Run the bot, and write how late its event loop was.

A timer in the bot's own loop is due every 5 ms. Each time that it comes more than 5 ms late is
written to the file that ``STALLS_FILE`` names, as JSON ``[[unix time, seconds late], ...]``, when
the process ends. Nothing of the bot is replaced: a signal handler, which Python runs in the main
thread, finds the running loop.

    STALLS_FILE=stalls.json python -m benchmarks.stalls
"""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import runpy
import signal
import sys
import time
from pathlib import Path

PERIOD = 0.005
"""Seconds between two ticks, and how late a tick must be to be written."""

_late: list[tuple[float, float]] = []


def _tick(loop: asyncio.AbstractEventLoop, due: float) -> None:
    late = loop.time() - due
    if late > PERIOD:
        _late.append((time.time(), late))
    due = loop.time() + PERIOD
    loop.call_at(due, _tick, loop, due)


def _attach(*_: object) -> None:
    """Start the timer once a loop runs in this thread; called by a signal until then."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return
    signal.setitimer(signal.ITIMER_REAL, 0)
    loop.call_soon_threadsafe(_tick, loop, loop.time() + PERIOD)


def _write() -> None:
    Path(os.environ["STALLS_FILE"]).write_text(json.dumps(_late))


if __name__ == "__main__":
    atexit.register(_write)
    signal.signal(signal.SIGALRM, _attach)
    signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
    sys.argv = ["bot"]
    runpy.run_module("bot", run_name="__main__", alter_sys=True)
