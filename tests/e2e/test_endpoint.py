"""Interactions over HTTP: signed by Discord, answered as everywhere."""

from __future__ import annotations

import json
import os
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.e2e.conftest import LABELS, labels
from tests.e2e.roles import Company, company, url_of


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Company]:
    """An endpoint that does nothing but listen."""
    async with company(tmp_path_factory.mktemp("endpoint")) as ready:
        await ready.start("endpoint")
        yield ready


async def test_what_a_member_does_is_answered_over_http(tmp_path):
    async with company(tmp_path) as ready:
        endpoint = await ready.start("endpoint")
        worker = await ready.start("worker")
        grid = await ready.world.grid("a cat")
        assert labels(grid) == LABELS
        tile = await ready.world.tile(await ready.world.press(grid, "U2"))
        assert tile.attachments
        await ready.world.result(await ready.world.press(grid, "V1", ready.discord.bob))
        assert {reply.status for reply in ready.discord.endpoint.replies} == {202}
        assert ready.discord.gateway.identifies == 0
        assert [await process.stop() for process in (endpoint, worker)] == [0, 0]


async def test_a_ping_is_answered_inline_whatever_the_path(shared: Company):
    url = url_of(shared.processes[0])
    for path in ("/interactions", "/", "/a/b?c=d"):
        ping = shared.discord.endpoint.ping()
        reply = await shared.discord.endpoint.send(ping, url=url.replace("/interactions", path))
        assert (reply.status, json.loads(reply.body)) == (200, {"type": 1})


@pytest.mark.parametrize(
    "change",
    [
        {"X-Signature-Ed25519": "00" * 64},
        {"X-Signature-Ed25519": "no hexadecimal digits"},
        {"X-Signature-Ed25519": ""},
        {"X-Signature-Timestamp": "1"},
        {"X-Signature-Timestamp": ""},
    ],
)
async def test_what_is_not_signed_is_refused(shared: Company, change: dict[str, str]):
    ping = shared.discord.endpoint.ping()
    headers = shared.discord.endpoint.signed(ping) | change
    headers = {name: value for name, value in headers.items() if value}
    assert (await shared.discord.endpoint.send(ping, headers=headers)).status == 401


async def test_another_key_s_signature_is_refused(shared: Company):
    key = Ed25519PrivateKey.generate()
    assert (
        await shared.discord.endpoint.send(shared.discord.endpoint.ping(), key=key)
    ).status == 401


async def test_another_body_than_the_signed_one_is_refused_unparsed(shared: Company):
    ping = shared.discord.endpoint.ping()
    headers = shared.discord.endpoint.signed(ping)
    for body in (ping.replace(b"1", b"2"), b"{", b"\xff"):
        assert (await shared.discord.endpoint.send(body, headers=headers)).status == 401


@pytest.mark.parametrize("age", [3600, 60, -60])
async def test_a_stale_timestamp_is_refused(shared: Company, age: int):
    ping = shared.discord.endpoint.ping()
    headers = shared.discord.endpoint.signed(ping, str(int(time.time()) - age))
    assert (await shared.discord.endpoint.send(ping, headers=headers)).status == 401


@pytest.mark.parametrize("timestamp", ["", "soon", "1e9", "-1", "²"])
async def test_a_signed_timestamp_that_is_no_number_is_refused(shared: Company, timestamp: str):
    ping = shared.discord.endpoint.ping()
    headers = shared.discord.endpoint.signed(ping, timestamp)
    assert (await shared.discord.endpoint.send(ping, headers=headers)).status == 401


async def test_a_replay_is_refused(shared: Company):
    body = shared.discord.endpoint.ping()
    headers = shared.discord.endpoint.signed(body)
    statuses = [
        (await shared.discord.endpoint.send(body, headers=headers)).status for _ in range(3)
    ]
    assert statuses == [200, 401, 401]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff", b'{"type": 2}'])
async def test_what_is_signed_and_makes_no_sense_breaks_nothing(shared: Company, body: bytes):
    assert (await shared.discord.endpoint.send(body)).status == 400
    assert (await shared.discord.endpoint.send(shared.discord.endpoint.ping())).status == 200


async def test_a_body_is_bounded(shared: Company):
    headers = shared.discord.endpoint.signed(b"")

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 100_000

    url = url_of(shared.processes[0])
    async with aiohttp.ClientSession() as session:
        try:
            async with session.post(url, data=chunks(), headers=headers) as answer:
                assert answer.status == 413
        except aiohttp.ClientError:
            pass  # It closed the connection before everything was sent.


async def test_only_post_is_served(shared: Company):
    url = url_of(shared.processes[0])
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert answer.status == 405


async def test_without_a_public_key_it_does_not_start(tmp_path):
    async with company(tmp_path) as ready:
        process = await ready.launch("endpoint", DISCORD_PUBLIC_KEY="")
        assert await process.wait() == os.EX_CONFIG
        assert process.log.startswith("DISCORD_PUBLIC_KEY is missing")


async def test_a_port_that_is_taken_is_said(shared: Company, tmp_path):
    port = (url_of(shared.processes[0])).split(":")[2].split("/")[0]
    process = await shared.launch("endpoint", PORT=port)
    assert await process.wait() == os.EX_UNAVAILABLE
    assert f"127.0.0.1:{port} can't be listened on" in process.log


async def test_what_arrived_before_sigterm_is_answered(tmp_path):
    async with company(tmp_path) as ready:
        endpoint = await ready.start("endpoint")
        asked = [
            await ready.discord.slash(
                ready.discord.alice, "vary", {"prompt": f"{n}", "image": ready.world.upload()}
            )
            for n in range(5)
        ]
        await ready.discord.signal.until(lambda: len(ready.discord.endpoint.replies) == 5, 5)
        assert await endpoint.stop() == 0
        assert all(interaction.answer for interaction in asked)
