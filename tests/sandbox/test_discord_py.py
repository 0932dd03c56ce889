"""discord.py runs against the loopback Discord."""

from __future__ import annotations

import asyncio
import io

import discord
import pytest
import yarl

from sandbox.discord import LOADING, Fault, LoopbackDiscord, Upload, label_of
from sandbox.pictures import draw
from tests.openapi import OpenApi
from tests.sandbox.tiny_bot import TinyBot


async def test_discord_py_runs_against_it(
    monkeypatch: pytest.MonkeyPatch, openapi: OpenApi | None
) -> None:
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
            loopback.upload_limit = 10
            with pytest.raises(discord.HTTPException, match="40005"):
                await partial.send(file=discord.File(io.BytesIO(picture), "x.png"))
            messages = [message.id async for message in partial.history()]
            assert messages == [again.id, posted.id]
        await asyncio.gather(task, return_exceptions=True)
        if openapi is not None:
            assert openapi.check_all(loopback) == []


async def test_discord_py_keeps_the_limits_that_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async with LoopbackDiscord() as loopback:
        monkeypatch.setattr(discord.http.Route, "BASE", loopback.api_url)
        async with discord.Client(intents=discord.Intents.none()) as bot:
            await bot.login(loopback.token)
            channel = bot.get_partial_messageable(loopback.channel_id)
            first = await channel.send("0")
            await asyncio.gather(*(channel.send(str(n)) for n in range(1, 7)))
            await asyncio.gather(*(first.edit(content=f"edit {n}") for n in range(5)))
        times = [r.at for r in loopback.requests if r.method == "POST"]
        assert [r.path for r in loopback.requests if r.status == 429] == []
        assert len(times) == 7
        assert times[5] - times[0] >= 5
