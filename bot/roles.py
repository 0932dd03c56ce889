"""What a process does: everything, or one role of several processes that share a database.

The front receives interactions and answers them, over the gateway or over HTTP; the worker
claims, calls the API and delivers. They share the store and nothing else, so any number of each
may run.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any

import aiohttp
import discord
from discord.backoff import ExponentialBackoff

from bot import metrics
from bot.app import VaryBot
from bot.config import Settings
from bot.errors import AddressUnusable, DatabaseUnusable
from bot.exits import call_at_stop, end_within
from bot.genart import GenArt
from bot.store import Store

if TYPE_CHECKING:
    from bot.health import Checks
    from bot.images import Images

log = logging.getLogger("bot")

_AUTHENTICATION_FAILED = 4004
_UNREACHABLE = (
    aiohttp.ClientError,
    OSError,
    discord.HTTPException,
    discord.GatewayNotFound,
    discord.ConnectionClosed,
)

_LAST_ANSWERS = 3.0
"""Seconds that the last answers get when a front ends: Discord takes none that comes later."""

_UNREACHED_PAUSE, _BROKEN_PAUSE = 30.0, 120.0
"""The longest pause in seconds before connecting again: where Discord wasn't reached, and where a
connection broke. Discord resets the token of who identifies more than 1,000 times a day."""

_LAST_STEPS = 8.0
"""Seconds beyond ``SHUTDOWN_GRACE`` until a process that was told to stop ends whatever hangs."""

_NOTICE = 2.0
"""Seconds within which a proxy notices that an endpoint is about to end."""


class Role(StrEnum):
    """What a process does. The values are the commands; without one a process does ``all``."""

    ALL = "all"
    GATEWAY = "gateway"
    ENDPOINT = "endpoint"
    WORKER = "worker"


_WORK = ("bot.delivery", "bot.images", "bot.worker.worker")
_MODULES: dict[Role, Sequence[str]] = {
    Role.ALL: _WORK,
    Role.GATEWAY: (),
    Role.ENDPOINT: ("bot.endpoint",),
    Role.WORKER: _WORK,
}
"""What only some roles need, and the others don't load."""


async def run(settings: Settings, role: Role) -> None:
    """Serve until cancelled, which SIGINT and SIGTERM do.

    Raises:
        asyncio.CancelledError: it was told to stop, and has closed everything.
        AddressUnusable, DatabaseUnusable, discord.LoginFailure: it can't start.
    """
    task = asyncio.current_task()
    assert task is not None  # noqa: S101
    call_at_stop(partial(_stop, task, settings.shutdown_grace + _LAST_STEPS))
    for module in _MODULES[role]:
        importlib.import_module(module)
    # What was imported stays in memory: the garbage collector needn't look at it again.
    gc.collect()
    gc.freeze()
    checks: Checks = {}
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(Store(settings))
        if settings.health_port is not None:
            from bot.health import Health

            await stack.enter_async_context(Health(settings, store, checks))
        await _together([part(settings, store, checks) for part in _PARTS[role]], checks)


def _stop(task: asyncio.Task[None], seconds: float) -> None:
    """Cancel ``task``, which has so many seconds to end the process."""
    if not task.cancelling():
        end_within(seconds)
    task.cancel()


async def _together(parts: Sequence[Coroutine[Any, Any, None]], checks: Checks) -> None:
    """Run parts until one of them ends; then end all of them."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()
    finally:
        checks["process"] = _stopping
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _starting() -> str:
    return "starting"


def _stopping() -> str:
    return "stopping"


async def _serve_alone(settings: Settings, store: Store, checks: Checks) -> None:
    """Receive interactions over the gateway, as the only process that does."""
    await _serve_gateway(settings, store, checks, shared=False)


async def _serve_shards(settings: Settings, store: Store, checks: Checks) -> None:
    """Receive interactions over the gateway, beside other gateways."""
    await _serve_gateway(settings, store, checks, shared=True)


async def _serve_gateway(settings: Settings, store: Store, checks: Checks, *, shared: bool) -> None:
    checks["gateway"] = _starting

    async def connect() -> None:
        count, ids = settings.shard_count, settings.shard_ids
        rules, places = settings.prompt_rules(), settings.places()
        async with VaryBot(
            store, rules, places, shard_count=count, shard_ids=ids, shared=shared
        ) as bot:
            checks["gateway"] = bot.why_deaf
            await bot.login(settings.discord_token.get_secret_value())
            if bot.application and (url := bot.application.interactions_endpoint_url):
                log.warning("Commands and buttons go to %s; none reach this gateway.", url)
            # discord.py takes a cancellation for its own while it connects anew.
            connecting = asyncio.create_task(bot.connect())
            try:
                await asyncio.shield(connecting)
            except asyncio.CancelledError:
                connecting.cancel()
                await bot.stop_listening()
                await bot.finish_answers(_LAST_ANSWERS)
                raise

    await retrying(connect)


async def _serve_endpoint(settings: Settings, store: Store, checks: Checks) -> None:
    """Receive interactions over HTTP."""
    from bot.endpoint import Endpoint

    checks["endpoint"] = _starting

    async def listen() -> None:
        async with VaryBot(store, settings.prompt_rules(), settings.places()) as bot:
            await bot.login(settings.discord_token.get_secret_value())
            if bot.application and not bot.application.interactions_endpoint_url:
                log.warning(
                    "The application has no Interactions Endpoint URL: set it in the developer "
                    "portal, under General Information, to where this process is reached."
                )
            try:
                async with Endpoint(settings, bot.receive):
                    checks["endpoint"] = lambda: None
                    await _until_told(settings)
            finally:
                await bot.finish_answers(_LAST_ANSWERS)

    await retrying(listen)


async def _until_told(settings: Settings) -> None:
    """Wait until cancelled; then go on for a moment, so that a proxy which asks ``/readyz`` sends
    nothing more when nothing listens any more."""
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        if settings.health_port is not None:
            await asyncio.sleep(_NOTICE)


async def _work(settings: Settings, store: Store, checks: Checks) -> None:
    """Claim, call and deliver."""
    from bot.images import Images

    checks["api"] = _starting
    async with GenArt(settings) as genart, Images() as images:
        await retrying(lambda: _deliver(settings, store, checks, genart, images))


async def _deliver(
    settings: Settings, store: Store, checks: Checks, genart: GenArt, images: Images
) -> None:
    """Run the worker. Its connection to Discord is its own: what happens to the gateway's never
    disturbs a delivery."""
    from bot.delivery import DiscordPublisher
    from bot.delivery.requests import LONGEST_RATE_LIMIT
    from bot.worker.worker import Worker

    async with discord.Client(
        intents=discord.Intents.none(),
        max_ratelimit_timeout=LONGEST_RATE_LIMIT,
        http_trace=metrics.discord_trace(),
    ) as client:
        await client.login(settings.discord_token.get_secret_value())
        async with Worker(settings, store, genart, images, DiscordPublisher(client)) as worker:
            checks["api"] = worker.why_paused
            await worker.ended()


_PARTS: dict[Role, list[Callable[[Settings, Store, Checks], Coroutine[Any, Any, None]]]] = {
    Role.ALL: [_serve_alone, _work],
    Role.GATEWAY: [_serve_shards],
    Role.ENDPOINT: [_serve_endpoint],
    Role.WORKER: [_work],
}


async def retrying(
    serve: Callable[[], Awaitable[None]],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Serve, and again after a while, whatever ended it but a wrong setting.

    Raises:
        discord.LoginFailure, discord.ConnectionClosed: the token is refused.
        AddressUnusable, DatabaseUnusable
    """
    backoff: ExponentialBackoff[bool] = ExponentialBackoff()
    while True:
        try:
            await serve()
        except (discord.LoginFailure, AddressUnusable, DatabaseUnusable):
            raise
        except _UNREACHABLE as error:
            refused = isinstance(error, discord.ConnectionClosed) and (
                error.code == _AUTHENTICATION_FAILED
            )
            if refused or _is_cancelled():
                raise
            delay = min(backoff.delay(), _UNREACHED_PAUSE)
            log.warning("Discord can't be reached (%s); trying again in %.0f s.", error, delay)
        except Exception:
            if _is_cancelled():
                raise
            delay = min(backoff.delay(), _BROKEN_PAUSE)
            log.exception("The connection to Discord broke; connecting again in %.0f s.", delay)
        else:
            delay = min(backoff.delay(), _BROKEN_PAUSE)
            log.warning("The connection to Discord ended; connecting again in %.0f s.", delay)
        await sleep(delay)


def _is_cancelled() -> bool:
    """Tell whether the process is to stop: what breaks while it does so is not begun anew."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
