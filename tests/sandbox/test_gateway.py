"""The gateway: READY, intents, resuming, and rate limits on the way to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest_asyncio

from sandbox.discord.gateway import RESUME_LIFE
from sandbox.discord.rates import LIMITS
from tests.sandbox.conftest import Client

IDENTIFY, RESUME, INVALID = 2, 6, 9
NONE, GUILDS, MESSAGES, CONTENT = 0, 1, 1 << 9, 1 << 15


class Gateway:
    """A connection to the gateway."""

    def __init__(self, client: Client, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.client, self.ws = client, ws

    async def send(self, operation: int, data: Any, *, binary: bool = False) -> None:
        text = json.dumps({"op": operation, "d": data})
        await (self.ws.send_bytes(text.encode()) if binary else self.ws.send_str(text))

    async def receive(self) -> Any:
        """Return the next payload, or the close code."""
        frame = await self.ws.receive(timeout=3)
        return (
            json.loads(frame.data) if frame.type == aiohttp.WSMsgType.TEXT else self.ws.close_code
        )

    async def events(self, count: int) -> list[str]:
        return [(await self.receive())["t"] for _ in range(count)]

    async def identify(self, intents: int = NONE, **more: Any) -> Any:
        body = {"token": self.client.loopback.token, "intents": intents, "properties": {}, **more}
        await self.send(IDENTIFY, body)
        return await self.receive()

    async def resume(self, session: str, sequence: int) -> None:
        token = self.client.loopback.token
        await self.send(RESUME, {"token": token, "session_id": session, "seq": sequence})


class Open:
    """Opens connections, each past its HELLO."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def __call__(self) -> Gateway:
        ws = await self.client.session.ws_connect(self.client.loopback.gateway_url)
        gateway = Gateway(self.client, ws)
        assert (await gateway.receive())["op"] == 10
        return gateway


@pytest_asyncio.fixture
async def connect(client: Client) -> AsyncIterator[Open]:
    yield Open(client)


async def test_ready_holds_a_stub_of_every_server_of_the_shard(connect: Open) -> None:
    loopback = connect.client.loopback
    loopback.guild_ids += [n << 22 for n in range(2500)]
    ready = await (await connect()).identify()
    assert (ready["t"], ready["s"]) == ("READY", 1)
    assert len(ready["d"]["guilds"]) == 2502
    assert all(guild["unavailable"] for guild in ready["d"]["guilds"])
    second = await (await connect()).identify(shard=[1, 4])
    assert {(int(g["id"]) >> 22) % 4 for g in second["d"]["guilds"]} == {1}


async def test_events_come_to_whom_asked_for_them(connect: Open) -> None:
    client, loopback = connect.client, connect.client.loopback
    none = await connect()
    await none.identify()
    await client.post({"content": "x"})
    await client.show()
    assert await none.events(1) == ["INTERACTION_CREATE"]
    asked = await connect()
    await asked.identify(GUILDS | MESSAGES)
    assert await asked.events(2) == ["GUILD_CREATE", "GUILD_CREATE"]
    made = await client.post({"content": "mine"})
    await client.edit(made, {"content": "still mine"})
    await client.send("DELETE", f"/channels/{made['channel_id']}/messages/{made['id']}")
    seen = [await asked.receive() for _ in range(3)]
    assert [one["t"] for one in seen] == ["MESSAGE_CREATE", "MESSAGE_UPDATE", "MESSAGE_DELETE"]
    assert seen[1]["d"]["content"] == "still mine"
    await loopback.say(loopback.alice, "secret")
    assert (await asked.receive())["d"]["content"] == "", "without the intent for content"
    shown = await client.show()
    await asked.receive()
    await client.callback(shown, 4, {"content": "x", "flags": 64})
    await loopback.say(loopback.alice, "next")
    assert (await asked.receive())["d"]["author"]["username"] == "alice", (
        "ephemeral ones are not told"
    )


async def test_a_resume_brings_what_was_missed_unless_it_is_too_old(connect: Open) -> None:
    client, loopback = connect.client, connect.client.loopback
    first = await connect()
    ready = await first.identify()
    session = ready["d"]["session_id"]
    await first.ws.close(code=4000)
    await loopback.signal.until(lambda: not loopback.gateway.connected, 3)
    await client.show()
    await client.show()
    again = await connect()
    await again.resume(session, 1)
    assert await again.events(3) == ["INTERACTION_CREATE", "INTERACTION_CREATE", "RESUMED"]
    await client.show()
    assert (await again.receive())["s"] == 5
    await loopback.drop_gateway()
    loopback.advance(RESUME_LIFE + 1)
    late = await connect()
    await late.resume(session, 5)
    refused = await late.receive()
    assert (refused["op"], refused["d"]) == (INVALID, False)
    assert (loopback.gateway.identifies, loopback.gateway.resumes) == (1, 1)


async def test_a_session_ends_with_its_goodbye_and_knows_its_sequence(connect: Open) -> None:
    first = await connect()
    ready = await first.identify()
    other = await connect()
    await other.resume(ready["d"]["session_id"], 7)
    assert (await other.receive())["op"] == INVALID, "it never sent that event"
    ready = await (last := await connect()).identify()
    await last.ws.close(code=1000)
    loopback = connect.client.loopback
    await loopback.signal.until(lambda: not loopback.gateway.connected, 3)
    await other.resume(ready["d"]["session_id"], 1)
    assert (await other.receive())["op"] == INVALID


async def test_what_discord_closes_a_connection_for(connect: Open) -> None:
    codes = []
    for operation, data in (
        (IDENTIFY, {"token": "x", "intents": 0}),
        (IDENTIFY, {"token": connect.client.loopback.token, "intents": -1}),
        (IDENTIFY, {"token": connect.client.loopback.token, "intents": 0, "shard": [2, 2]}),
        (3, {}),
    ):
        gateway = await connect()
        await gateway.send(operation, data, binary=True)
        codes.append(await gateway.receive())
    gateway = await connect()
    await gateway.ws.send_str("{")
    codes.append(await gateway.receive())
    assert codes == [4004, 4013, 4010, 4003, 4002]


async def test_with_an_interactions_endpoint_the_gateway_hears_nothing(connect: Open) -> None:
    gateway = await connect()
    await gateway.identify()
    connect.client.loopback.interactions_endpoint_url = "https://bot.example/"
    await connect.client.show()
    connect.client.loopback.interactions_endpoint_url = None
    second = await connect.client.show()
    assert (await gateway.receive())["d"]["id"] == str(second.id)


async def test_rate_limits_are_told_and_kept_for_each_channel(limited: Client) -> None:
    loopback = limited.loopback
    post = LIMITS["POST /channels/{channel}/messages"]
    remaining = []
    for _ in range(post.count):
        await limited.post({"content": "x"})
        remaining.append(limited.headers["X-RateLimit-Remaining"])
    assert remaining == ["4", "3", "2", "1", "0"]
    assert limited.headers["X-RateLimit-Limit"] == "5"
    assert limited.headers["X-RateLimit-Bucket"] == post.bucket
    body = await limited.post({"content": "x"})
    assert (limited.status, body["global"]) == (429, False)
    assert 0 < body["retry_after"] <= post.per
    assert limited.headers["X-RateLimit-Scope"] == "user"
    assert int(limited.headers["Retry-After"]) >= body["retry_after"]
    assert float(limited.headers["X-RateLimit-Reset"]) > loopback.now()
    await limited.send("POST", f"/channels/{loopback.other_channel_id}/messages", {"content": "x"})
    assert limited.status == 200
    loopback.advance(post.per)
    await limited.post({"content": "x"})
    assert limited.status == 200


async def test_a_token_has_50_requests_a_second_but_for_interactions(limited: Client) -> None:
    shown = await limited.show()
    loopback = limited.loopback
    loopback.advance(1.5)
    await asyncio.gather(*(limited.send("GET", "/users/@me") for _ in range(51)))
    assert sorted(r.status for r in loopback.requests)[-2:] == [200, 429]
    refused = next(r for r in loopback.requests if r.status == 429)
    assert json.loads(refused.answer)["global"]
    shown = await loopback.slash(loopback.alice, "show")
    await limited.callback(shown, 4, {"content": "x"})
    assert limited.status == 200
    assert "X-RateLimit-Bucket" not in limited.headers


async def test_a_modal_opened_before_a_restart_can_still_be_submitted(connect: Open) -> None:
    client, loopback = connect.client, connect.client.loopback
    first = await connect()
    await first.identify()
    shown = await client.show()
    field = {"type": 4, "custom_id": "text", "style": 1}
    label = {"type": 18, "label": "x", "component": field}
    body = {"title": "x", "custom_id": "remix:1", "components": [label]}
    await client.callback(shown, 9, body)
    await first.ws.close(code=1000)
    await loopback.signal.until(lambda: not loopback.gateway.connected, 3)
    second = await connect()
    await second.identify()
    submitted = await loopback.submit(shown, {"text": "hello"})
    told = await second.receive()
    assert (told["d"]["id"], told["d"]["type"]) == (str(submitted.id), 5)
    assert told["d"]["data"]["components"][0]["component"]["value"] == "hello"
