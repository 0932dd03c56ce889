"""A client that sends raw requests to a loopback Discord, and Discord's own description."""

from __future__ import annotations

import io
import json
import os
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from sandbox.discord import Interaction, LoopbackDiscord
from tests.openapi import OpenApi, description_path

V2 = 1 << 15
COMMANDS: list[Any] = [
    {"name": "show", "description": "x", "options": []},
    {"name": "Look", "type": 3},
    {"name": "Who", "type": 2},
]


def row(*ids: str) -> dict[str, Any]:
    buttons = [{"type": 2, "style": 2, "label": name, "custom_id": name} for name in ids]
    return {"type": 1, "components": buttons}


def texts(count: int, length: int = 1) -> list[dict[str, Any]]:
    return [{"type": 10, "content": "x" * length} for _ in range(count)]


class Client:
    """Sends REST requests with the bot's token; ``code`` is that of the last error."""

    def __init__(self, loopback: LoopbackDiscord, session: aiohttp.ClientSession) -> None:
        self.loopback, self.session = loopback, session
        self.token = loopback.token
        self.code = self.status = 0

    async def send(
        self, method: str, path: str, body: Any = None, files: tuple[bytes, ...] = ()
    ) -> Any:
        form = aiohttp.FormData({"payload_json": json.dumps(body)}) if files else None
        for number, data in enumerate(files):
            form.add_field(f"files[{number}]", io.BytesIO(data), filename=f"{number}.png")
        arguments = {"data": form} if files else {"json": body}
        headers = {"Authorization": f"Bot {self.token}"}
        url = self.loopback.api_url + path
        async with self.session.request(method, url, headers=headers, **arguments) as response:
            self.status, self.headers = response.status, response.headers
            found = None if response.status == 204 else await response.json()
            self.code = found.get("code", 0) if isinstance(found, dict) else 0
            return found

    async def post(self, body: Any, files: tuple[bytes, ...] = ()) -> Any:
        path = f"/channels/{self.loopback.channel_id}/messages"
        return await self.send("POST", path, body, files)

    async def put(self, commands: list[Any] = COMMANDS) -> Any:
        path = f"/applications/{self.loopback.application_id}/commands"
        return await self.send("PUT", path, commands)

    async def show(self, **more: Any) -> Interaction:
        """Let Alice send a command, registered before."""
        await self.put()
        return await self.loopback.slash(self.loopback.alice, "show", **more)

    async def callback(
        self, interaction: Interaction, kind: int, data: Any = None, files: tuple[bytes, ...] = ()
    ) -> Any:
        path = f"/interactions/{interaction.id}/{interaction.token}/callback?with_response=true"
        return await self.send("POST", path, {"type": kind, "data": data or {}}, files)

    async def original(
        self, interaction: Interaction, method: str, body: Any = None, files: tuple[bytes, ...] = ()
    ) -> Any:
        """Get, edit or delete the answer to an interaction."""
        path = f"/webhooks/{self.loopback.application_id}/{interaction.token}/messages/@original"
        return await self.send(method, path, body, files)

    async def follow_up(
        self, interaction: Interaction, body: Any, files: tuple[bytes, ...] = ()
    ) -> Any:
        path = f"/webhooks/{self.loopback.application_id}/{interaction.token}"
        return await self.send("POST", path, body, files)

    async def edit(self, message: Any, body: Any, files: tuple[bytes, ...] = ()) -> Any:
        path = f"/channels/{message['channel_id']}/messages/{message['id']}"
        return await self.send("PATCH", path, body, files)

    async def get(self, message: Any) -> Any:
        return await self.send("GET", f"/channels/{message['channel_id']}/messages/{message['id']}")

    async def fetch(self, url: str) -> int:
        async with self.session.get(url) as response:
            return response.status


@pytest.fixture(scope="session")
def openapi() -> OpenApi | None:
    """Return Discord's description; in CI it must be there."""
    path = description_path()
    if not path.exists():
        assert not os.environ.get("CI"), f"{path} is missing: set DISCORD_OPENAPI"
        return None
    return OpenApi(path)


@pytest_asyncio.fixture
async def client(openapi: OpenApi | None) -> AsyncIterator[Client]:
    """A client of a loopback without rate limits; every answer is held against the description."""
    async with LoopbackDiscord(rate_limits=False) as loopback, aiohttp.ClientSession() as session:
        yield Client(loopback, session)
        if openapi is not None:
            answers = [e for r in loopback.requests for e in openapi.check_response(r)]
            assert answers + [e for one in loopback.events for e in openapi.check_event(one)] == []


@pytest_asyncio.fixture
async def limited() -> AsyncIterator[Client]:
    """A client of a loopback that counts requests."""
    async with LoopbackDiscord() as loopback, aiohttp.ClientSession() as session:
        yield Client(loopback, session)
