"""The loopback Discord enforces what Discord enforces."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import discord
import pytest
import pytest_asyncio
import yarl

from sandbox.discord_model import EPHEMERAL, LOADING, Fault, Upload, label_of
from sandbox.loopback_discord import LoopbackDiscord
from sandbox.pictures import draw
from tests.sandbox.tiny_bot import TinyBot

V2 = 1 << 15
COMMAND = {"name": "show", "description": "x", "options": []}


def row(*ids: str) -> dict[str, Any]:
    buttons = [{"type": 2, "style": 2, "label": name, "custom_id": name} for name in ids]
    return {"type": 1, "components": buttons}


def texts(count: int, length: int = 1) -> list[dict[str, Any]]:
    return [{"type": 10, "content": "x" * length} for _ in range(count)]


class Client:
    """Sends REST requests with the bot's token; ``code`` is that of the last error."""

    def __init__(self, loopback: LoopbackDiscord, session: aiohttp.ClientSession) -> None:
        self.loopback, self.session = loopback, session
        self.code = self.status = 0

    async def send(
        self, method: str, path: str, body: Any = None, files: tuple[bytes, ...] = ()
    ) -> Any:
        form = aiohttp.FormData({"payload_json": json.dumps(body)}) if files else None
        for number, data in enumerate(files):
            form.add_field(f"files[{number}]", data, filename=f"{number}.png")
        arguments = {"data": form} if files else {"json": body}
        headers = {"Authorization": f"Bot {self.loopback.token}"}
        url = self.loopback.api_url + path
        async with self.session.request(method, url, headers=headers, **arguments) as response:
            self.status = response.status
            found = None if response.status == 204 else await response.json()
            self.code = found.get("code", 0) if isinstance(found, dict) else 0
            return found

    async def post(self, body: Any, files: tuple[bytes, ...] = ()) -> Any:
        path = f"/channels/{self.loopback.channel_id}/messages"
        return await self.send("POST", path, body, files)

    async def put_command(self) -> None:
        await self.send("PUT", f"/applications/{self.loopback.application_id}/commands", [COMMAND])

    async def callback(self, interaction: Any, body: Any) -> Any:
        path = f"/interactions/{interaction.id}/{interaction.token}/callback"
        return await self.send("POST", path, body)

    async def fetch(self, url: str) -> int:
        async with self.session.get(url) as response:
            return response.status


@pytest_asyncio.fixture
async def client() -> AsyncIterator[Client]:
    async with LoopbackDiscord() as loopback, aiohttp.ClientSession() as session:
        yield Client(loopback, session)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"content": "hello"}, 0),
        ({}, 50006),
        ({"content": "x" * 2001}, 50035),
        ({"components": texts(1)}, 50035),
        ({"flags": V2, "components": texts(40)}, 0),
        ({"flags": V2, "components": texts(41)}, 50035),
        ({"flags": V2, "components": texts(2, 2001)}, 50035),
        ({"flags": V2, "components": texts(1), "content": "x"}, 50035),
        ({"flags": V2, "components": [{"type": 11}]}, 50035),
        ({"content": "x", "components": [row("a", "b", "c", "d", "e")]}, 0),
        ({"content": "x", "components": [row("a", "b", "c", "d", "e", "f")]}, 50035),
        ({"content": "x", "components": [row("a"), row("a")]}, 50035),
        ({"content": "x", "components": [row("a" * 80)]}, 0),
        ({"content": "x", "components": [row("a" * 81)]}, 50035),
        ({"content": "x", "components": [row("")]}, 50035),
        ({"content": "x", "nonce": "n" * 26}, 50035),
        ({"content": "x", "attachments": [{"id": 3}]}, 50035),
        ({"flags": V2, "components": [{"type": 13, "file": {"url": "attachment://x"}}]}, 50035),
    ],
)
async def test_a_message_must_keep_discords_limits(client: Client, body: Any, code: int) -> None:
    await client.post(body)
    assert client.code == code
    assert len(client.loopback.messages) == (code == 0)


async def test_a_request_needs_the_token_and_a_known_place(client: Client) -> None:
    await client.send("POST", "/channels/1/messages", {"content": "x"})
    assert (client.status, client.code) == (404, 10003)
    await client.send("GET", f"/channels/{client.loopback.channel_id}/messages/1")
    assert (client.status, client.code) == (404, 10008)
    client.loopback.token = "changed"
    await client.send("GET", "/users/@me")
    client.loopback.token = "loopback-bot-token"
    assert client.status == 200


async def test_edits_keep_or_drop_attachments_and_links_die_with_them(client: Client) -> None:
    picture = draw((40, 30))
    gallery = {"type": 12, "items": [{"media": {"url": "attachment://0.png"}}]}
    body = {"flags": V2, "components": [gallery], "attachments": [{"id": 0, "description": "alt"}]}
    made = await client.post(body, (picture, picture))
    media = made["components"][0]["items"][0]["media"]
    assert (media["width"], media["height"], media["content_type"]) == (40, 30, "image/png")
    first, second = made["attachments"]
    assert first["description"] == "alt"
    assert media["attachment_id"] == first["id"]
    path = f"/channels/{made['channel_id']}/messages/{made['id']}"
    assert len((await client.send("PATCH", path, {"components": [gallery]}))["attachments"]) == 2
    await client.send("PATCH", path, {"attachments": [{"id": second["id"]}]})
    assert client.code == 50035, "the gallery still shows the first"
    await client.send("PATCH", path, {"attachments": [{"id": first["id"]}]})
    assert await client.fetch(first["url"]) == 200
    assert await client.fetch(first["url"].replace("hm=", "hm=0")) == 404
    assert await client.fetch(second["url"]) == 404
    await client.send("PATCH", path, {"flags": 0, "content": "x", "components": []})
    assert client.code == 50035, "the flag stays"
    client.loopback.advance(24 * 3600 + 1)
    assert await client.fetch(first["url"]) == 404
    fresh = (await client.send("GET", path))["attachments"][0]["url"]
    assert await client.fetch(fresh) == 200
    await client.send("DELETE", path)
    assert await client.fetch(fresh) == 404


async def test_a_file_over_the_limit_is_refused(client: Client) -> None:
    client.loopback.attachment_size_limit = 100
    await client.post({"content": "x"}, (bytes(101),))
    assert (client.status, client.code) == (413, 40005)


async def test_an_enforced_nonce_posts_once(client: Client) -> None:
    body = {"content": "x", "nonce": "n", "enforce_nonce": True}
    assert (await client.post(body))["id"] == (await client.post(body))["id"]
    client.loopback.advance(600)
    await client.post(body)
    assert len(client.loopback.messages) == 2


async def test_pings_follow_allowed_mentions(client: Client) -> None:
    alice = client.loopback.alice.id
    text = f"@everyone <@{alice}> <@&77>"
    made = [
        await client.post({"content": text}),
        await client.post({"content": text, "allowed_mentions": {"parse": []}}),
        await client.post({"content": text, "allowed_mentions": {"users": [str(alice)]}}),
        await client.post({"content": "x"}),
    ]
    path = f"/channels/{client.loopback.channel_id}/messages/{made[3]['id']}"
    await client.send("PATCH", path, {"content": text})
    pings = [client.loopback.messages[int(one["id"])].pings for one in made]
    assert pings == [["everyone", "role:77", str(alice)], [], [str(alice)], []]


async def test_an_answer_must_come_in_3_s_and_once(client: Client) -> None:
    await client.put_command()
    late = await client.loopback.slash(client.loopback.alice, "show")
    client.loopback.advance(3.1)
    await client.callback(late, {"type": 5})
    assert (client.status, client.code) == (404, 10062)
    prompt = await client.loopback.slash(client.loopback.alice, "show")
    await client.callback(prompt, {"type": 4, "data": {"content": "x", "flags": EPHEMERAL}})
    assert client.status == 204
    await client.callback(prompt, {"type": 4, "data": {"content": "y"}})
    assert (client.status, client.code) == (400, 40060)
    assert prompt.ephemeral
    path = f"/channels/{client.loopback.channel_id}/messages/{prompt.message.id}"
    await client.send("PATCH", path, {"content": "y"})
    assert client.code == 10008, "an ephemeral message is reached by its token only"


async def test_an_interactions_token_lives_for_15_minutes(client: Client) -> None:
    await client.put_command()
    found = await client.loopback.slash(client.loopback.alice, "show")
    path = f"/webhooks/{client.loopback.application_id}/{found.token}"
    await client.send("PATCH", f"{path}/messages/@original", {"content": "x"})
    assert client.code == 10015, "there is no answer yet"
    await client.callback(found, {"type": 5})
    assert found.message.flags & LOADING
    await client.send("PATCH", f"{path}/messages/@original", {"content": "x"})
    assert (found.message.flags & LOADING, found.message.content) == (0, "x")
    await client.send("POST", path, {"content": "more"})
    assert [message.content for message in found.followups] == ["more"]
    client.loopback.advance(15 * 60)
    await client.send("PATCH", f"{path}/messages/@original", {"content": "y"})
    assert (client.status, client.code) == (401, 50027)


async def test_faults_are_met_as_often_as_asked(client: Client) -> None:
    loopback = client.loopback
    loopback.fail("POST", "/channels/*/messages", Fault(403, 50013, "Missing Permissions"))
    loopback.fail("POST", "/channels/*/messages", Fault(drop="after"))
    await client.post({"content": "x"})
    assert (client.status, client.code) == (403, 50013)
    with pytest.raises(aiohttp.ClientError):
        await client.post({"content": "x"})
    assert len(loopback.messages) == 1
    await client.post({"content": "x"})
    assert [request.status for request in loopback.requests] == [403, 0, 200]


async def test_discord_py_runs_against_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async with LoopbackDiscord() as loopback:
        monkeypatch.setattr(discord.http.Route, "BASE", loopback.api_url)
        gateway = yarl.URL(loopback.gateway_url)
        monkeypatch.setattr(discord.gateway.DiscordWebSocket, "DEFAULT_GATEWAY", gateway)
        async with TinyBot() as bot:
            task = asyncio.create_task(bot.start(loopback.token))
            await loopback.connected()
            with pytest.raises(ValueError, match="text"):
                await loopback.slash(loopback.alice, "show", {"text": "x" * 21})
            picture = draw((64, 64))
            options = {"text": "alt", "image": Upload("my file.png", picture)}
            shown = await loopback.slash(loopback.alice, "show", options)
            assert (await shown.answered())["type"] == 4
            direct = await loopback.slash(loopback.bob, "show", options, guild_id=None)
            await direct.answered()
            in_direct = direct.channel_id
            await loopback.wait_for(lambda m: m.channel_id == in_direct and direct.message.deleted)
            posted = await loopback.wait_for(lambda m: bool(loopback.images_of(m)))
            assert posted.attachments[0].data == picture
            assert posted.attachments[0].description == "alt"
            assert posted.pings == []
            assert "picture 1" in loopback.text_of(posted)
            loopback.fail("PATCH", "/webhooks/*", Fault(429, retry_after=0.1))
            await loopback.drop_gateway()
            pressed = await loopback.press(loopback.bob, posted, label="Again 1")
            await pressed.answered(10)
            again = await loopback.wait_for(lambda m: m is pressed.message and m.content == "")
            await loopback.wait_for(lambda m: m is again and not m.flags & LOADING)
            assert [label_of(button) for button in loopback.buttons_of(again)] == ["Again 2"]
            assert (loopback.gateway.identifies, loopback.gateway.resumes) == (1, 1)
            with pytest.raises(LookupError):
                await loopback.press(loopback.bob, again, label="Nothing")
            await loopback.invalidate_session(False)
            await loopback.connected(2)
            partial = bot.get_partial_messageable(loopback.channel_id)
            loopback.attachment_size_limit = 10
            with pytest.raises(discord.HTTPException, match="40005"):
                await partial.send(file=discord.File(io.BytesIO(picture), "x.png"))
            messages = [message.id async for message in partial.history()]
            assert messages == [again.id, posted.id]
        await asyncio.gather(task, return_exceptions=True)
