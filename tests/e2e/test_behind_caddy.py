"""Endpoints behind a real Caddy, by the configuration in ``deploy/``."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sandbox.bot_process import BotProcess
from tests.e2e.roles import Company, company, free_port

CADDYFILE = Path(__file__).parents[2] / "deploy" / "Caddyfile"
CADDY = shutil.which("caddy", path=str(Path(sys.executable).parent))
HOSTS = {"endpoint-1": "127.0.0.2", "endpoint-2": "127.0.0.3"}

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or CADDY is None, reason="needs Caddy, and loopback addresses beside .1"
)


class Proxied:
    """Two endpoints on addresses of their own, and Caddy before them."""

    def __init__(self, ready: Company, folder: Path) -> None:
        self.ready = ready
        self.url = f"http://127.0.0.1:{free_port()}"
        self.port, self.health = free_port(), free_port()
        self.folder = folder
        self.endpoints: dict[str, BotProcess] = {}

    async def start(self, name: str) -> None:
        """Start the endpoint that the configuration calls ``name``, and wait until it listens."""
        host = HOSTS[name]
        endpoint = await self.ready.launch(
            "endpoint",
            HTTP_HOST=host,
            PORT=self.port,
            HEALTH_HOST=host,
            HEALTH_PORT=self.health,
        )
        await endpoint.says("Listening for interactions on")
        self.endpoints[name] = endpoint

    def configuration(self) -> Path:
        """Write Caddy's configuration with this test's addresses in place of the names."""
        text = CADDYFILE.read_text()
        for name, host in HOSTS.items():
            assert f"{name}:8080" in text
            text = text.replace(f"{name}:8080", f"{host}:{self.port}")
        assert "health_port 9090" in text
        text = text.replace("health_port 9090", f"health_port {self.health}")
        file = self.folder / "Caddyfile"
        file.write_text("{\n\tadmin off\n\tpersist_config off\n}\n" + text)
        return file

    async def takes(self, name: str) -> None:
        """Wait until Caddy may send to an endpoint again: it asks every second."""
        async with asyncio.timeout(20), aiohttp.ClientSession() as session:
            url = f"http://{HOSTS[name]}:{self.health}/readyz"
            while True:
                async with session.get(url) as answer:
                    if answer.status == 200:
                        break
                await asyncio.sleep(0.05)
        await asyncio.sleep(1.5)


@asynccontextmanager
async def proxied(tmp_path: Path) -> AsyncIterator[Proxied]:
    """Run two endpoints behind Caddy, which Discord knows as the endpoint."""
    async with company(tmp_path, USER_QUEUE_LIMIT="1000", QUEUE_LIMIT="1000") as ready:
        found = Proxied(ready, tmp_path)
        for name in HOSTS:
            await found.start(name)
        assert CADDY is not None
        caddy = await asyncio.create_subprocess_exec(
            *(CADDY, "run", "--adapter", "caddyfile", "--config", str(found.configuration())),
            env={"DOMAIN": found.url, "HOME": str(tmp_path), "PATH": os.environ["PATH"]},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            for name in HOSTS:
                await found.takes(name)
            await ready.discord.endpoint.save(f"{found.url}/interactions")
            yield found
        finally:
            caddy.terminate()
            await caddy.wait()


async def test_no_interaction_is_lost_when_endpoints_are_replaced_or_killed(tmp_path):
    async with proxied(tmp_path) as found:
        ready, asked = found.ready, list[Any]()

        async def ask() -> None:
            while True:
                options = {"prompt": f"{len(asked)}", "image": ready.world.upload()}
                asked.append(await ready.discord.slash(ready.discord.alice, "vary", options))
                await asyncio.sleep(0.05)

        asking = asyncio.create_task(ask())
        first, second = HOSTS
        await found.endpoints[first].stop()
        await found.start(first)
        await found.takes(first)
        killed = time.time()
        await found.endpoints[second].kill()
        await found.start(second)
        await found.takes(second)
        asking.cancel()
        await asyncio.sleep(1)
        replies = Counter(reply.status for reply in ready.discord.endpoint.replies)
        assert set(replies) == {202}
        # What an endpoint has taken and not yet answered is lost with it, and nothing else.
        unanswered = [interaction.created for interaction in asked if not interaction.answer]
        assert [at for at in unanswered if not killed - 1 < at <= killed + 0.1] == []
        assert len(asked) - len(unanswered) > 50
        logs = "".join(process.log for process in ready.processes)
        assert "Traceback" not in logs
