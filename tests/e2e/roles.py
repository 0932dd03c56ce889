"""The bot as several processes: fronts and workers over one database."""

from __future__ import annotations

import re
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from sandbox.bot_process import BotProcess, environment
from sandbox.discord import LoopbackDiscord
from sandbox.genart import LoopbackGenArt
from tests.e2e.conftest import World

STARTED = {
    "gateway": r"Ready as user",
    "endpoint": r"Listening for interactions on 127\.0\.0\.1:(\d+)",
    "worker": r"The worker claims",
}


class Company:
    """A Discord, an API, and any number of processes of one bot."""

    def __init__(
        self, discord: LoopbackDiscord, genart: LoopbackGenArt, database: Path, **settings: str
    ) -> None:
        self.discord = discord
        self.genart = genart
        self.world = World(discord, genart, database, **settings)
        self.processes: list[BotProcess] = []
        self._settings = {"DISCORD_PUBLIC_KEY": discord.public_key, "PORT": "0", **settings}
        self._database = database

    async def launch(self, role: str, **settings: str) -> BotProcess:
        """Start a process of a role, and return it without waiting for it."""
        given = environment(self.discord, self.genart, self._database)
        arguments = ("-m", "bot", role)
        process = BotProcess(self.discord, given | self._settings | settings, arguments)
        self.processes.append(process)
        await process.launch()
        return process

    async def start(self, role: str, **settings: str) -> BotProcess:
        """Start a process of a role, and return it once it works; Discord uses an endpoint from
        then on, beside those that it uses already."""
        process = await self.launch(role, **settings)
        await process.says(STARTED[role])
        if role == "endpoint":
            if self.discord.interactions_endpoint_url is None:
                await self.discord.endpoint.save(url_of(process))
            else:
                self.discord.endpoint.others.append(url_of(process))
        return process

    async def kill(self, process: BotProcess) -> None:
        """Kill a process; Discord sends nothing to it any more, as a load balancer would not."""
        await process.kill()
        client, first = self.discord.endpoint, self.discord.interactions_endpoint_url
        if first is not None and "endpoint" in process.arguments:
            urls = [url for url in (first, *client.others) if url != url_of(process)]
            self.discord.interactions_endpoint_url, *client.others = urls


def url_of(endpoint: BotProcess) -> str:
    """Return the address that a started endpoint listens on."""
    found = re.search(STARTED["endpoint"], endpoint.log)
    assert found is not None
    return f"http://127.0.0.1:{found[1]}/interactions"


def free_port() -> str:
    """Return a port that nothing listens on now, on any of this machine's addresses."""
    with socket.create_server(("", 0)) as server:
        return str(server.getsockname()[1])


@asynccontextmanager
async def company(tmp_path: Path, **settings: str) -> AsyncIterator[Company]:
    """Run a Discord and an API; end every process that is started between them."""
    async with AsyncExitStack() as stack:
        discord = await stack.enter_async_context(LoopbackDiscord(rate_limits=False))
        genart = await stack.enter_async_context(LoopbackGenArt(tile=64))
        ready = Company(discord, genart, tmp_path / "vary.db", **settings)
        try:
            yield ready
        finally:
            for process in ready.processes:
                await process.kill()
                print(process.arguments, process.log)
