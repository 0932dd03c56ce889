"""``python -m tests.browser.screenshots``: makes the pictures in ``docs/`` anew."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import Any

from PIL import Image

from sandbox.page.server import PageServer
from tests.browser.chromium import Channel, chromium

DOCS = Path(__file__).parents[2] / "docs"
SIZE = {"width": 1280, "height": 800}


def save(name: str, png: bytes) -> None:
    """Write a screenshot as WebP."""
    DOCS.mkdir(exist_ok=True)
    with Image.open(io.BytesIO(png)) as image:
        image.save(DOCS / f"{name}.webp", quality=85, method=6)


async def settled(channel: Channel) -> bytes:
    """Return a screenshot once every picture is there."""
    await channel.page.wait_for_function("[...document.images].every((one) => one.complete)")
    await channel.page.mouse.move(0, 0)
    await channel.page.wait_for_timeout(700)
    return await channel.page.screenshot()


async def main() -> None:
    """Play a short scene, and take what it looks like."""
    async with PageServer(delay=1.0, tile=512) as server, chromium() as browser:

        async def look(**options: Any) -> Channel:
            context = await browser.new_context(color_scheme="dark", **options)
            channel = Channel(await context.new_page())
            await channel.open(server.address)
            return channel

        alice = await look(viewport=SIZE)
        await alice.page.locator("#sample").click()
        await alice.page.get_by_role("button", name="Send").click()
        grid = alice.grid("New grid")
        await grid.get_by_role("button", name="U2", exact=True).click()
        await alice.message("Tile 2").get_by_role("img").wait_for()
        bob = await look(viewport=SIZE)
        await bob.switch("user", "Bob")
        await bob.grid("New grid").get_by_role("button", name="V3", exact=True).click()
        await bob.grid("Variations of tile 3").wait_for()
        await alice.grid("Variations of tile 3").wait_for()
        await bob.page.locator("#clicks").get_by_text("Bob").wait_for()
        save("channel", await settled(bob))


if __name__ == "__main__":
    asyncio.run(main())
