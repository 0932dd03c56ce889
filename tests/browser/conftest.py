"""The sandbox's page in a real browser."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser

from sandbox.page.server import PageServer
from tests.browser.chromium import CHROMIUM, DESKTOP, Channel, chromium

OUT = Path("test-output")
OVER = {"posted", "failed", "cancelled", "interrupted", "undelivered"}


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium; in CI it must be there."""
    if shutil.which(CHROMIUM) is None:
        assert not os.environ.get("CI"), f"{CHROMIUM} is missing: set CHROMIUM"
        pytest.skip(f"{CHROMIUM} is absent: set CHROMIUM")
    async with chromium() as running:
        yield running


@pytest.fixture(scope="module")
async def sandbox() -> AsyncIterator[PageServer]:
    """A sandbox, quick and with one call at a time, for all tests of a module."""
    async with PageServer(delay=0.3, tile=96, GENART_CONCURRENCY="1", GENART_TIMEOUT="3") as ready:
        await ready.discord.connected()
        yield ready


@pytest.fixture
async def server(sandbox: PageServer) -> AsyncIterator[PageServer]:
    """The module's sandbox as a test expects it, and afterwards as the next one does."""
    logged = len(sandbox.bot.log)
    yield sandbox
    print(sandbox.bot.log[logged:])
    await clear(sandbox)


async def clear(server: PageServer) -> None:
    """Wait until the bot has nothing to do, and forget what a test did to the sandbox.

    A bot that is down, or that met a fault of the API and may therefore wait before its next
    call, is started anew.
    """
    world = server.world
    met_a_fault = world.api_fault not in {"normal", "slow"}
    world.break_api("normal")
    world.discord_fault = "normal"
    if met_a_fault or server.bot.returncode is not None:
        await server.bot.end()
        await server.bot.start()
    await server.discord.signal.until(lambda: is_over(server), 20)
    server.discord.messages.clear()
    server.discord.interactions.clear()


def is_over(server: PageServer) -> bool:
    """Tell whether the page's tables show that nothing waits or runs."""
    return all(row["state"] in OVER for row in server.world.ledger["generations"])


@pytest.fixture
async def look(
    browser: Browser, server: PageServer, request: pytest.FixtureRequest
) -> AsyncIterator[Callable[..., Any]]:
    """Return an opener of the page, each time in a browser of its own; keeps a screenshot."""
    opened: list[Channel] = []

    async def opener(**options: Any) -> Channel:
        context = await browser.new_context(**{"viewport": DESKTOP, **options})
        channel = Channel(await context.new_page())
        opened.append(channel)
        await channel.open(server.address)
        return channel

    yield opener
    name = re.sub(r"\W+", "-", request.node.name).strip("-")
    for number, channel in enumerate(opened):
        await channel.page.screenshot(path=OUT / f"{name}-{number}.png")
        await channel.page.context.close()
    assert [error for channel in opened for error in channel.errors] == []


@pytest.fixture
async def channel(look: Callable[..., Any]) -> Channel:
    """The page as Alice sees it."""
    return await look()
