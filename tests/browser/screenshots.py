"""``python -m tests.browser.screenshots``: makes the pictures in ``docs/`` anew.

``channel.webp`` is a still, ``tour.webp`` ten seconds of what a member does. Both are taken from
the sandbox: the real bot, with pictures that are drawn by code.
"""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw
from playwright.async_api import Browser, Locator

from sandbox.discord import Upload
from sandbox.page.server import PageServer
from sandbox.pictures import draw
from tests.browser.chromium import Channel, chromium

DOCS = Path(__file__).parents[2] / "docs"
STILL, MOVING = {"width": 1360, "height": 860}, {"width": 960, "height": 640}
LENGTH, LIMIT = 10_000, 2_000_000  # milliseconds, bytes
PROMPT = "a paper lantern city at dusk, watercolour"


def button(place: Any, name: str) -> Locator:
    """Return a button by its label."""
    return place.get_by_role("button", name=name, exact=True)


def grids(channel: Channel) -> Locator:
    """Return the messages that hold a grid with its buttons."""
    return channel.page.locator("article").filter(has=button(channel.page, "V4"))


async def look(browser: Browser, server: PageServer, viewport: Any, who: str = "Alice") -> Channel:
    """Open the page as somebody."""
    context = await browser.new_context(viewport=viewport, color_scheme="dark")
    channel = Channel(await context.new_page())
    await channel.open(server.address)
    await channel.switch("user", who)
    return channel


async def settle(channel: Channel) -> None:
    """Wait until every picture is there."""
    await channel.page.wait_for_function("[...document.images].every((one) => one.complete)")
    await channel.page.wait_for_timeout(500)


class Film:
    """Frames, each with the milliseconds for which it is shown."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.frames: list[tuple[Image.Image, int]] = []

    async def shoot(self, milliseconds: int, at: Locator | None = None) -> None:
        """Take a frame; ``at`` is what the pointer is on."""
        box = await at.bounding_box() if at else None
        png = await self.channel.page.screenshot()
        with Image.open(io.BytesIO(png)) as image:
            frame = image.convert("RGB")
        if box:
            x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
            ring = (x - 14, y - 14, x + 14, y + 14)
            ImageDraw.Draw(frame).ellipse(ring, outline="#ffffff", width=3)
        self.frames.append((frame, milliseconds))

    def save(self, name: str) -> None:
        """Write an animated WebP of ``LENGTH``; AssertionError if it is larger than ``LIMIT``."""
        total = sum(milliseconds for _, milliseconds in self.frames)
        durations = [round(ms * LENGTH / total) for _, ms in self.frames]
        path = DOCS / f"{name}.webp"
        first, *others = [frame for frame, _ in self.frames]
        first.save(
            path, save_all=True, append_images=others, duration=durations, loop=0,
            quality=72, method=5, minimize_size=True,
        )  # fmt: skip
        assert path.stat().st_size < LIMIT, f"{path} has {path.stat().st_size} bytes"


async def tour(browser: Browser, server: PageServer) -> None:
    """Film a member: a command, its grid, a tile, a grid of four more like one of them."""
    alice = await look(browser, server, MOVING)
    film, page = Film(alice), alice.page
    await film.shoot(700, page.locator("#box"))
    for text in ("/", "/va"):
        await page.locator("#box").fill(text)
        await film.shoot(350)
    await page.keyboard.press("Escape")
    await page.locator("#box").fill("")
    await page.locator("#sample").evaluate("button => button.click()")
    prompt = page.get_by_role("textbox", name="prompt")
    await prompt.wait_for()
    for end in (0, 15, 28, len(PROMPT)):
        await prompt.fill(PROMPT[:end])
        await film.shoot(280)
    send = button(page, "Send")
    await film.shoot(350, send)
    await send.click()
    while not await grids(alice).count():
        await film.shoot(320)
        await page.wait_for_timeout(700)
    await settle(alice)
    await film.shoot(1500)
    for label, count in (("U2", 2), ("V3", 3)):
        pressed = button(grids(alice).first, label)
        await pressed.evaluate("button => button.scrollIntoView({block: 'end'})")
        await page.wait_for_timeout(200)
        await film.shoot(500, pressed)
        await pressed.evaluate("button => button.click()")
        await page.wait_for_timeout(60)
        await film.shoot(250)
        await page.locator("article", has=page.get_by_role("img")).nth(count - 1).wait_for()
        while label == "V3" and await grids(alice).count() < 2:
            await page.wait_for_timeout(300)
        await settle(alice)
        await page.locator("#scroller").evaluate("box => { box.scrollTop = box.scrollHeight; }")
        await page.wait_for_timeout(300)
        await film.shoot(1500)
    film.save("tour")


async def still(browser: Browser, server: PageServer) -> None:
    """Take the channel as another member sees it, with what is behind the scenes."""
    bob = await look(browser, server, STILL, "Bob")
    await button(grids(bob).first, "U1").click()
    await bob.page.locator("#clicks").get_by_text("Bob").wait_for()
    await settle(bob)
    await bob.page.locator("#scroller").evaluate("box => { box.scrollTop = 0; }")
    await grids(bob).first.evaluate("grid => grid.scrollIntoView({block: 'end'})")
    await bob.page.mouse.move(0, 0)
    await settle(bob)
    png = await bob.page.screenshot()
    with Image.open(io.BytesIO(png)) as image:
        image.save(DOCS / "channel.webp", quality=85, method=6)


async def greet(server: PageServer) -> None:
    """Let the bot say what it says to a server's first member, out of sight."""
    discord = server.discord
    await discord.connected()
    options = {"prompt": PROMPT, "image": Upload("hills.png", draw((90, 70)))}
    await discord.slash(discord.moderator, "vary", options)
    await discord.wait_for(lambda message: len(discord.buttons_of(message)) > 8, 60)
    await asyncio.sleep(1)
    discord.messages.clear()
    discord.interactions.clear()


async def main() -> None:
    """Play a short scene, and take what it looks like."""
    DOCS.mkdir(exist_ok=True)
    async with PageServer(delay=2.5, tile=1024) as server, chromium() as browser:
        await greet(server)
        await tour(browser, server)
        await still(browser, server)


if __name__ == "__main__":
    asyncio.run(main())
