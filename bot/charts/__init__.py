"""Draws charts in a process of its own, which lives only while somebody wants charts.

Matplotlib takes some seconds and about 100 MB: the bot imports none of it. The process gets no
secret, neither by its arguments nor by its environment.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bot.errors import ChartFailed

log = logging.getLogger(__name__)

IDLE = 60.0
"""Seconds after which a process that draws nothing is ended."""

_TIMEOUT = 45.0
"""Seconds for one chart; the very first one looks through the fonts of the machine."""

_LARGEST = 8 * 1024 * 1024
"""Bytes of a chart at most."""

_ENVIRONMENT = ("PATH", "HOME", "LANG", "TMPDIR", "TEMP", "SYSTEMROOT", "XDG_CACHE_HOME")
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Bars:
    """A chart of bars: a label and a value for each, upright or lying."""

    title: str
    labels: Sequence[str]
    values: Sequence[int]
    lying: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture for a phone: a title, some large numbers with what they are, charts below."""

    title: str
    numbers: Sequence[tuple[str, str]]
    bars: Sequence[Bars]


class Charts:
    """Draws one chart at a time. :meth:`close` it at the end."""

    def __init__(self, idle: float = IDLE) -> None:
        self._idle = idle
        self._lock = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[int] | None = None

    async def draw(self, chart: Chart) -> bytes:
        """Return a chart as the bytes of a PNG.

        Raises:
            ChartFailed
        """
        request = json.dumps(asdict(chart)).encode()
        async with self._lock:
            if self._timer:
                self._timer.cancel()
            try:
                async with asyncio.timeout(_TIMEOUT):
                    return await self._ask(request)
            except BaseException as error:
                # Where it stands in its answer is unknown: the next chart has a new process.
                await self._end()
                if isinstance(error, TimeoutError | OSError | EOFError | ValueError):
                    raise ChartFailed from error
                raise
            finally:
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(self._idle, self._stop)

    async def _ask(self, request: bytes) -> bytes:
        process = self._process
        if process is None or process.returncode is not None:
            process = self._process = await self._start()
        assert process.stdin is not None  # noqa: S101
        assert process.stdout is not None  # noqa: S101
        process.stdin.write(len(request).to_bytes(4) + request)
        await process.stdin.drain()
        length = int.from_bytes(await process.stdout.readexactly(4))
        if not 0 < length <= _LARGEST:
            raise ValueError("the process could not draw it")
        return await process.stdout.readexactly(length)

    async def _start(self) -> asyncio.subprocess.Process:
        given = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            __name__,
            cwd=_ROOT,
            env=given | {"MPLBACKEND": "agg", "OPENBLAS_NUM_THREADS": "1"},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )

    def _stop(self) -> None:
        """Let the process end: it does once there is nothing more to read."""
        process, self._process = self._process, None
        if process and process.stdin:
            process.stdin.close()
            self._ending = asyncio.create_task(process.wait())

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process and process.returncode is None:
            process.kill()
            await process.wait()

    async def close(self) -> None:
        """End the process, if there is one."""
        if self._timer:
            self._timer.cancel()
        await self._end()
        if self._ending:
            await self._ending
