"""Composition root and command line: ``python -m bot``.

Opens every resource, each one inside those that it needs, and closes them in reverse.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys

import aiohttp
import discord
from discord.backoff import ExponentialBackoff
from discord.http import Route

from bot import __version__
from bot.app import VaryBot
from bot.check import check
from bot.config import BadSettings, Settings, load_settings
from bot.delivery import DiscordPublisher
from bot.errors import DatabaseUnusable
from bot.genart import GenArt
from bot.images import Images
from bot.logs import set_up_logging
from bot.store import Store
from bot.worker import Worker

log = logging.getLogger("bot")

_AUTHENTICATION_FAILED = 4004
_UNREACHABLE = (aiohttp.ClientError, OSError, discord.HTTPException, discord.GatewayNotFound)


def main() -> int:
    """Run the bot until it is told to stop; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m bot",
        description="Vary, a Discord bot that turns pictures into grids of new ones. "
        "Its settings come from the environment and .env; .env.example explains each.",
    )
    parser.add_argument(
        "command",
        nargs="?",
        choices=["check"],
        help="try the settings: Discord, the API, the database and the hosts of pictures",
    )
    parser.add_argument("--version", action="version", version=f"Vary {__version__}")
    arguments = parser.parse_args()
    try:
        settings = load_settings()
    except BadSettings as error:
        print(*error.sentences, sep="\n", file=sys.stderr)
        return os.EX_CONFIG
    Route.BASE = settings.discord_api_url
    if arguments.command == "check":
        set_up_logging("CRITICAL", "text", settings.secrets())
        return os.EX_OK if asyncio.run(check(settings)) else os.EX_UNAVAILABLE
    set_up_logging(settings.log_level, settings.log_format, settings.secrets())
    try:
        asyncio.run(run(settings))
    except asyncio.CancelledError:
        log.info("Stopped.")
    except (discord.LoginFailure, discord.ConnectionClosed) as error:
        if isinstance(error, discord.ConnectionClosed) and error.code != _AUTHENTICATION_FAILED:
            raise
        print("DISCORD_TOKEN is refused by Discord: set the bot's token.", file=sys.stderr)
        return os.EX_CONFIG
    except DatabaseUnusable as error:
        print(f"The database can't be used: {error.reason}. Check DATABASE_URL.", file=sys.stderr)
        return os.EX_IOERR
    return os.EX_OK


async def run(settings: Settings) -> None:
    """Serve until cancelled, which SIGINT and SIGTERM do.

    Raises:
        asyncio.CancelledError: it was told to stop, and has closed everything.
        DatabaseUnusable, discord.LoginFailure: it can't start.
    """
    task = asyncio.current_task()
    assert task is not None  # noqa: S101
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    async with Store(settings) as store, GenArt(settings) as genart, Images() as images:
        backoff: ExponentialBackoff[bool] = ExponentialBackoff()
        while True:
            try:
                await _serve(settings, store, genart, images)
            except (
                aiohttp.ClientError,
                OSError,
                discord.HTTPException,
                discord.GatewayNotFound,
            ) as e:
                delay = backoff.delay()
                log.warning("Discord can't be reached (%s); trying again in %.0f s.", e, delay)
                await asyncio.sleep(delay)


async def _serve(settings: Settings, store: Store, genart: GenArt, images: Images) -> None:
    work = asyncio.Event()
    async with VaryBot(store, work) as bot:
        await bot.login(settings.discord_token.get_secret_value())
        publisher = DiscordPublisher(bot)
        async with Worker(settings, store, genart, images, publisher, work) as worker:
            connected = asyncio.create_task(bot.connect())
            ended = asyncio.create_task(worker.ended())
            try:
                await asyncio.wait({connected, ended}, return_when=asyncio.FIRST_COMPLETED)
                for task in (ended, connected):
                    if task.done():
                        task.result()
            finally:
                connected.cancel()
                ended.cancel()


if __name__ == "__main__":
    sys.exit(main())
