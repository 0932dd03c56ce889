"""The bot in the test's own process, to see what it keeps."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path

import psutil
import pytest
from discord import ui
from discord.http import Route

from bot.app import VaryBot
from bot.delivery import DiscordPublisher
from bot.genart import GenArt
from bot.images import Images
from bot.store import Store
from bot.worker.worker import Worker
from sandbox.discord import LoopbackDiscord
from sandbox.genart import LoopbackGenArt
from tests.conftest import MakeSettings
from tests.e2e.conftest import World

SERVERS = 20_000
MEGABYTE = 1_000_000


async def test_servers_cost_no_memory(tmp_path: Path):
    async def memory(servers: int) -> int:
        """Return the bytes of a bot in so many servers, one of which then asks for a picture."""
        async with LoopbackDiscord(rate_limits=False) as discord, LoopbackGenArt(tile=16) as genart:
            discord.guild_ids += [number << 22 | 1 for number in range(1, servers)]
            world = World(discord, genart, tmp_path / f"{servers}.db")
            await world.bot.start()
            try:
                await world.bot.says("Ready as user")
                await asyncio.sleep(1)
                found: int = psutil.Process(world.bot.pid).memory_info().rss
                channel_id = discord.add_channel(discord.guild_ids[-1], "pictures")
                await world.grid(channel_id=channel_id)
            finally:
                await world.bot.kill()
            return found

    assert await memory(SERVERS) - await memory(1) < 5 * MEGABYTE


async def test_nothing_is_kept_of_what_was_delivered(
    make_settings: MakeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with LoopbackDiscord(rate_limits=False) as discord, LoopbackGenArt(tile=16) as genart:
        world = World(discord, genart, tmp_path / "vary.db")
        settings = make_settings(**{k.lower(): v for k, v in world.bot.settings.items()})
        monkeypatch.setattr(Route, "BASE", settings.discord_api_url)
        async with (
            Store(settings) as store,
            GenArt(settings) as api,
            Images() as images,
            VaryBot(store, settings.prompt_rules()) as bot,
        ):
            await bot.login(discord.token)
            async with Worker(settings, store, api, images, DiscordPublisher(bot)):
                connected = asyncio.create_task(bot.connect())
                await discord.connected()
                for _ in range(3):
                    grid = await world.grid()
                    await world.tile(await world.press(grid, "U1"))
                    await world.result(await world.press(grid, "V1"))
                await world.settled()
                kept = bot._connection._view_store  # pyright: ignore
                assert (kept._views, kept._synced_message_views) == ({}, {})  # pyright: ignore
                assert not bot.persistent_views
                assert not bot.cached_messages
                assert not bot.guilds
                gc.collect()
                views = [v for v in gc.get_objects() if isinstance(v, ui.LayoutView)]
                assert len(views) <= 1
            connected.cancel()
