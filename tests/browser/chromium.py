"""Debian's Chromium, and short ways to do on the page what a member does."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Locator, Page, async_playwright

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP, PHONE = {"width": 1360, "height": 900}, {"width": 390, "height": 844}


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Run the browser."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()


class Channel:
    """The page as one member sees it. ``errors`` is what the browser complained of."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._said)

    def _said(self, message: Any) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    async def open(self, address: str) -> None:
        """Open the page and wait for the bot."""
        await self.page.goto(address)
        await self.page.locator("#lamp.online").wait_for()

    @property
    def last(self) -> Locator:
        """The newest message."""
        return self.page.locator("article").last

    def message(self, *texts: str) -> Locator:
        """The messages that hold all of these."""
        found = self.page.locator("article")
        for text in texts:
            found = found.filter(has_text=text)
        return found

    def grid(self, title: str) -> Locator:
        """The newest grid under a heading, once its picture and buttons are there."""
        heading = self.page.locator("strong:not(.reference *)", has_text=title)
        found = self.page.locator("article").filter(has=heading)
        return found.filter(has=self.page.get_by_role("button", name="V4")).last

    async def vary(self, prompt: str, picture: bytes) -> None:
        """Type the command, choose a file, send."""
        await self.page.locator("#box").fill("/vary")
        await self.page.get_by_role("option").filter(has_text="/vary").click()
        await self.page.get_by_role("textbox", name="prompt").fill(prompt)
        file: Any = {"name": "cat.png", "mimeType": "image/png", "buffer": picture}
        await self.page.locator("#fields input[type=file]").set_input_files(file)
        await self.page.get_by_role("button", name="Send").click()
        await self.page.locator("#box").wait_for()

    async def violations(self) -> list[str]:
        """Return what an accessibility engine (axe-core) finds wrong on the page as it is."""
        found = (await Axe().run(self.page)).response["violations"]
        return [f"{one['id']}: {node['html']}" for one in found for node in one["nodes"]]

    async def switch(self, name: str, to: str) -> None:
        """Choose from one of the page's lists: user, locale, theme, api or discord."""
        await self.page.locator(f"#{name}").select_option(to)
