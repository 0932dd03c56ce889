"""The loopback Discord's interactions over HTTP, against an endpoint of its own."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from sandbox.discord import LoopbackDiscord
from sandbox.serving import serve
from tests.sandbox.conftest import Client


class Endpoint:
    """An endpoint as the documentation describes it; ``checks``: whether it looks at signatures."""

    def __init__(self, discord: LoopbackDiscord) -> None:
        self.discord = discord
        self.checks = True
        self.received: list[dict[str, object]] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        body, headers = await request.read(), request.headers
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.discord.public_key))
        try:
            signature = bytes.fromhex(headers["X-Signature-Ed25519"])
            key.verify(signature, headers["X-Signature-Timestamp"].encode() + body)
        except InvalidSignature:
            if self.checks:
                return web.Response(status=401)
        data = json.loads(body)
        if data["type"] == 1:
            return web.json_response({"type": 1})
        self.received.append(data)
        return web.Response(status=202)


@pytest.fixture
async def endpoint(client: Client) -> AsyncIterator[Endpoint]:
    async with AsyncExitStack() as stack:
        found = Endpoint(client.loopback)
        app = web.Application()
        app.router.add_post("/", found.handle)
        found.url = f"http://{await serve(stack, app)}/"
        yield found


async def test_an_endpoint_that_checks_signatures_gets_what_the_gateway_does_not(
    client: Client, endpoint: Endpoint
):
    await client.loopback.endpoint.save(endpoint.url)
    shown = await client.show()
    await client.loopback.signal.until(lambda: endpoint.received, 5)
    assert [data["id"] for data in endpoint.received] == [str(shown.id)]
    await client.callback(shown, 4, {"content": "Here."})
    assert client.status == 200
    assert client.loopback.endpoint.replies[-1].status == 202


async def test_an_endpoint_that_is_not_there_is_passed_over(client: Client, endpoint: Endpoint):
    await client.loopback.endpoint.save(endpoint.url)
    client.loopback.endpoint.others.append("http://127.0.0.1:9/")
    for number in range(4):
        await client.show()
        await client.loopback.signal.until(lambda n=number: len(endpoint.received) > n, 5)


async def test_one_that_does_not_check_is_refused(endpoint: Endpoint):
    endpoint.checks = False
    with pytest.raises(ValueError, match="could not be verified"):
        await endpoint.discord.endpoint.save(endpoint.url)
    assert endpoint.discord.interactions_endpoint_url is None


async def test_nothing_is_sent_elsewhere_than_to_this_machine(client: Client):
    client.loopback.interactions_endpoint_url = "https://bot.example/"
    await client.show()
    await client.loopback.signal.until(lambda: client.loopback.endpoint.replies, 5)
    assert client.loopback.endpoint.replies[0].status == 0
