"""``BotProcess``: the bot as a process of its own, as its operator would start it."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from sandbox.discord import LoopbackDiscord
from sandbox.genart import LoopbackGenArt

ROOT = Path(__file__).resolve().parent.parent


def environment(
    discord: LoopbackDiscord, genart: LoopbackGenArt, database: Path, **overrides: str
) -> dict[str, str]:
    """Return every setting of the bot, so that no .env file has a say; ``overrides`` come last."""
    return {
        "DISCORD_TOKEN": discord.token,
        "DISCORD_API_URL": discord.api_url,
        "GENART_API_KEY": genart.api_key,
        "GENART_SERVER_ID": genart.server_id,
        "GENART_CHANNEL_ID": genart.channel_id,
        "GENART_DISCORD_TOKEN": genart.discord_token,
        "GENART_API_URL": genart.api_url,
        "GENART_IMAGE_HOSTS": f"{genart.image_host},{discord.cdn_host}",
        "GENART_CONCURRENCY": "3",
        "GENART_TIMEOUT": "600",
        "SHUTDOWN_GRACE": "25",
        "DATABASE_URL": f"sqlite:///{database}",
        "QUEUE_LIMIT": "500",
        "USER_QUEUE_LIMIT": "5",
        "DAILY_LIMIT": "0",
        "SERVER_DAILY_LIMIT": "0",
        "TOTAL_DAILY_LIMIT": "0",
        "ALLOWED_GUILDS": ",",  # An empty value would leave it to .env.
        "BLOCKED_GUILDS": ",",
        "DM_ALLOWED": "true",
        "RETENTION_DAYS": "0",
        "LOG_LEVEL": "INFO",
        "LOG_FORMAT": "text",
        **overrides,
    }


class BotProcess:
    """``python -m bot`` with exactly the given environment (and PATH), in ``cwd``.

    ``program`` is what runs with the ``arguments``: this Python. With ``grouped`` it has a process
    group of its own, and what it starts gets its signals too.
    """

    def __init__(
        self,
        discord: LoopbackDiscord,
        settings: dict[str, str],
        arguments: Sequence[str] = ("-m", "bot"),
        cwd: Path = ROOT,
        *,
        program: Sequence[str] = (sys.executable, "-u"),
        grouped: bool = False,
    ) -> None:
        self._discord = discord
        self.settings = settings
        self.arguments = arguments
        self._cwd = cwd
        self._program, self._grouped = program, grouped and os.name == "posix"
        self._process: asyncio.subprocess.Process | None = None
        self._lines: list[str] = []
        self._reader: asyncio.Task[None] | None = None

    @property
    def log(self) -> str:
        """What the process has written so far, over all its starts."""
        return "".join(self._lines)

    @property
    def pid(self) -> int:
        """The process id; ``RuntimeError`` if it was never started."""
        return self._running().pid

    @property
    def started(self) -> bool:
        """Whether it was ever started."""
        return self._process is not None

    @property
    def returncode(self) -> int | None:
        """The exit status, or ``None`` while it runs."""
        return self._running().returncode

    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise RuntimeError("the bot was not started")
        return self._process

    async def start(self, timeout: float = 30.0) -> float:  # noqa: ASYNC109
        """Start, wait until the gateway accepted its IDENTIFY, and return the seconds it took.

        Raises ``RuntimeError`` with the log when it dies first or takes longer than ``timeout``.
        """
        before = self._discord.gateway.identifies
        began = time.monotonic()
        await self.launch()
        ready = asyncio.create_task(self._discord.connected(before + 1, timeout))
        died = asyncio.create_task(self._running().wait())
        try:
            await asyncio.wait({ready, died}, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done() or ready.exception():
                await self.kill()
                raise RuntimeError(f"the bot did not start\n{self.log[-4000:]}")
        finally:
            ready.cancel()
            died.cancel()
        return time.monotonic() - began

    async def launch(self) -> None:
        """Start without waiting for the gateway."""
        # Windows opens no socket for a process that lacks SYSTEMROOT.
        kept = {key: os.environ[key] for key in ("PATH", "SYSTEMROOT") if key in os.environ}
        self._process = await asyncio.create_subprocess_exec(
            *self._program,
            *self.arguments,
            cwd=self._cwd,
            env={**kept, **self.settings},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=self._grouped,
        )
        self._reader = asyncio.create_task(self._read(self._process))

    async def says(self, pattern: str, timeout: float = 30.0) -> re.Match[str]:  # noqa: ASYNC109
        """Wait until the log has what a regular expression looks for, and return it."""
        async with asyncio.timeout(timeout):
            while not (found := re.search(pattern, self.log)):
                if self.returncode is not None:
                    raise RuntimeError(f"the bot ended\n{self.log[-4000:]}")
                await asyncio.sleep(0.02)
        return found

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        if process.stdout:
            while line := await process.stdout.readline():
                self._lines.append(line.decode(errors="replace"))

    async def wait(self, timeout: float = 40.0) -> int:  # noqa: ASYNC109
        """Return the exit status once it ended by itself."""
        async with asyncio.timeout(timeout):
            status = await self._running().wait()
            if self._reader:
                await self._reader
        return status

    def signal(self, number: int) -> None:
        """Send a signal."""
        if not self._grouped:
            self._running().send_signal(number)
            return
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    async def stop(self, timeout: float = 40.0) -> int:  # noqa: ASYNC109
        """Send SIGTERM, wait, return the exit status; SIGKILL after ``timeout`` seconds."""
        if self.returncode is None:
            self.signal(signal.SIGTERM)
        try:
            return await self.wait(timeout)
        except TimeoutError:
            return await self.kill()

    async def end(self) -> None:
        """Stop it if it runs."""
        if self._process is not None and self._process.returncode is None:
            await self.stop(10)

    async def kill(self) -> int:
        """Send SIGKILL, wait, return the exit status."""
        if self.returncode is None:
            self.signal(getattr(signal, "SIGKILL", signal.SIGTERM))
        return await self.wait()


def of_command(discord: LoopbackDiscord, command: str) -> BotProcess:
    """Return any bot as a process: ``command`` is a line as it is typed in a shell.

    It inherits the environment, and gets ``DISCORD_TOKEN`` and ``DISCORD_API_URL`` besides.
    """
    told = {"DISCORD_TOKEN": discord.token, "DISCORD_API_URL": discord.api_url}
    program = shlex.split(command, posix=os.name == "posix")
    return BotProcess(
        discord, {**os.environ, **told}, (), Path.cwd(), program=program, grouped=True
    )
