"""How a process ends where something hangs."""

from __future__ import annotations

import subprocess
import sys
import time

from bot.exits import EX_SOFTWARE

HANGS = """
import threading, time
from bot.exits import end_within
threading.Thread(target=time.sleep, args=[60]).start()
end_within({seconds})
"""


def test_what_hangs_is_not_waited_for():
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", HANGS.format(seconds=0.2)], capture_output=True, text=True
    )
    assert done.returncode == EX_SOFTWARE
    assert "Something hangs" in done.stderr
    assert time.monotonic() - began < 20


def test_a_process_that_ends_in_time_is_left_alone():
    program = "from bot.exits import end_within; end_within(60)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
