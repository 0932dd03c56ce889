"""A worker without a front: it claims, calls and delivers over REST, beside the bot."""

from __future__ import annotations

import asyncio
import signal

import discord
from discord.http import Route

from bot.__main__ import _retrying  # pyright: ignore[reportPrivateUsage]
from bot.config import Settings, load_settings
from bot.delivery import DiscordPublisher
from bot.genart import GenArt
from bot.images import Images
from bot.logs import set_up_logging
from bot.store import Store
from bot.worker.worker import Worker


async def main() -> None:
    """Work until SIGTERM."""
    settings = load_settings()
    set_up_logging(settings.log_level, settings.log_format, settings.secrets())
    Route.BASE = settings.discord_api_url
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with Store(settings) as store, GenArt(settings) as genart, Images() as images:
        await _retrying(lambda: work(settings, store, genart, images))


async def work(settings: Settings, store: Store, genart: GenArt, images: Images) -> None:
    """Log in and work until the worker can't go on."""
    async with discord.Client(intents=discord.Intents.none()) as client:
        await client.login(settings.discord_token.get_secret_value())
        async with Worker(settings, store, genart, images, DiscordPublisher(client)) as worker:
            await worker.ended()


if __name__ == "__main__":
    asyncio.run(main())
