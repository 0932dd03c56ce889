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

from sandbox.page_server import PageServer
from tests.browser.chromium import CHROMIUM, DESKTOP, Channel, chromium

OUT = Path("test-output")


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium; in CI it must be there."""
    if shutil.which(CHROMIUM) is None:
        assert not os.environ.get("CI"), f"{CHROMIUM} is missing: set CHROMIUM"
        pytest.skip(f"{CHROMIUM} is absent: set CHROMIUM")
    async with chromium() as running:
        yield running


@pytest.fixture
async def server() -> AsyncIterator[PageServer]:
    """A sandbox of the test's own, quick and with one call at a time."""
    async with PageServer(delay=0.3, tile=96, GENART_CONCURRENCY="1", GENART_TIMEOUT="3") as ready:
        yield ready
        print(ready.bot.log)


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
