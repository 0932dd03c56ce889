"""Composition root and command line: ``python -m bot``.

Opens every resource, each one inside those that it needs, and closes them in reverse.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable

import aiohttp
import discord
from discord.backoff import ExponentialBackoff
from discord.http import Route

from bot import __version__
from bot.app import VaryBot
from bot.check import check
from bot.config import BadSettings, Settings, load_settings
from bot.delivery import DiscordPublisher
from bot.delivery.requests import LONGEST_RATE_LIMIT
from bot.errors import DatabaseUnusable
from bot.genart import GenArt
from bot.images import Images
from bot.logs import set_up_logging
from bot.store import Store
from bot.worker.worker import Worker

log = logging.getLogger("bot")

_AUTHENTICATION_FAILED = 4004
_UNREACHABLE = (
    aiohttp.ClientError,
    OSError,
    discord.HTTPException,
    discord.GatewayNotFound,
    discord.ConnectionClosed,
)


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
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(run(settings))
    except asyncio.CancelledError:
        log.info("Stopped.")
    except (discord.LoginFailure, discord.ConnectionClosed):
        print("DISCORD_TOKEN is refused by Discord: set the bot's token.", file=sys.stderr)
        return os.EX_CONFIG
    except DatabaseUnusable as error:
        print(f"The database can't be used: {error.reason}. Check DATABASE_URL.", file=sys.stderr)
        return os.EX_IOERR
    return os.EX_OK


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes uvloop's event loop, where there is one (not on Windows)."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


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
    # What was imported stays: the garbage collector needs not go through it during a burst.
    gc.collect()
    gc.freeze()
    async with Store(settings) as store, GenArt(settings) as genart, Images() as images:
        await _retrying(lambda: _serve(settings, store, genart, images))


async def _serve(settings: Settings, store: Store, genart: GenArt, images: Images) -> None:
    """Run the worker and the front, each with a connection of its own to Discord: what happens to
    the gateway's never disturbs a delivery."""
    token = settings.discord_token.get_secret_value()
    limit = LONGEST_RATE_LIMIT
    async with discord.Client(
        intents=discord.Intents.none(), max_ratelimit_timeout=limit
    ) as client:
        await client.login(token)
        async with Worker(settings, store, genart, images, DiscordPublisher(client)) as worker:
            front = asyncio.create_task(_retrying(lambda: _serve_front(settings, store)))
            ended = asyncio.create_task(worker.ended())
            try:
                await asyncio.wait({front, ended}, return_when=asyncio.FIRST_COMPLETED)
                for task in (ended, front):
                    if task.done():
                        task.result()
            finally:
                front.cancel()
                ended.cancel()
                await asyncio.gather(front, ended, return_exceptions=True)


async def _serve_front(settings: Settings, store: Store) -> None:
    async with VaryBot(store, settings.prompt_rules()) as bot:
        await bot.login(settings.discord_token.get_secret_value())
        await bot.connect()


async def _retrying(serve: Callable[[], Awaitable[None]]) -> None:
    """Serve; again after a while where Discord can't be reached, or sent what can't be read.

    Raises:
        discord.LoginFailure, discord.ConnectionClosed: the token is refused.
        DatabaseUnusable
    """
    backoff: ExponentialBackoff[bool] = ExponentialBackoff()
    while True:
        try:
            await serve()
        except (discord.LoginFailure, DatabaseUnusable):
            raise
        except _UNREACHABLE as error:
            if isinstance(error, discord.ConnectionClosed) and error.code == _AUTHENTICATION_FAILED:
                raise
            delay = backoff.delay()
            log.warning("Discord can't be reached (%s); trying again in %.0f s.", error, delay)
        except Exception:
            delay = backoff.delay()
            log.exception("The connection to Discord broke; connecting again in %.0f s.", delay)
        else:
            delay = backoff.delay()
            log.warning("The connection to Discord ended; connecting again in %.0f s.", delay)
        await asyncio.sleep(delay)


if __name__ == "__main__":
    sys.exit(main())
