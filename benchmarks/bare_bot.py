"""A bare bot: plain discord.py, answers at once, commits nothing. It imports nothing of ``bot``.

It does what a bot of one file does: ``/vary`` sends a card, calls the API, downloads the grid and
posts it with nine buttons; a press on U1 to U4 is answered by a deferred reply, then by the tile.
Every other press is answered by a card. ``BARE_ANSWERS_ONLY=1`` leaves out what follows the
answer to a press: that is the floor that a press is compared with.

    python -m benchmarks.bare_bot    # settings from the environment, the same names as the bot's
"""

from __future__ import annotations

import asyncio
import io
import os
from typing import TYPE_CHECKING, Any, Self

import aiohttp
import discord
from discord import app_commands, ui
from discord.ext import commands
from discord.http import Route
from PIL import Image

if TYPE_CHECKING:
    import re

LABELS = ("U1", "U2", "U3", "U4", "🔄", "V1", "V2", "V3", "V4")
ROWS = ((0, 5), (5, 9))
NOBODY = discord.AllowedMentions.none()
ANSWERS_ONLY = os.environ.get("BARE_ANSWERS_ONLY") == "1"


def crop(grid: bytes, number: int) -> bytes:
    """Return the PNG of tile ``number`` (1 2 over 3 4) of an encoded grid, with Pillow alone."""
    with Image.open(io.BytesIO(grid)) as image:
        width, height = image.width // 2, image.height // 2
        left, top = (number - 1) % 2 * width, (number - 1) // 2 * height
        tile = image.crop((left, top, left + width, top + height))
    buffer = io.BytesIO()
    tile.save(buffer, "PNG")
    return buffer.getvalue()


class Parts(ui.LayoutView):
    """A layout without a time limit."""

    def __init__(self, *parts: ui.Item[Any]) -> None:
        super().__init__(timeout=None)
        for part in parts:
            self.add_item(part)


class Option(ui.DynamicItem[ui.Button[Any]], template=r"bare:(?P<option>[0-8])"):
    """One of the nine buttons of a grid."""

    def __init__(self, option: int) -> None:
        super().__init__(ui.Button(label=LABELS[option], custom_id=f"bare:{option}"))
        self.option = option

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: ui.Item[Any], match: re.Match[str]
    ) -> Self:
        return cls(int(match["option"]))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        if self.option > 3:
            await send_card(interaction, LABELS[self.option])
            return
        await interaction.response.defer(thinking=True)
        if not ANSWERS_ONLY:
            await send_tile(interaction, self.option + 1)


def row_of(first: int, end: int) -> ui.ActionRow[Any]:
    """Return a row of the buttons ``first`` to ``end - 1``."""
    row: ui.ActionRow[Any] = ui.ActionRow()
    for option in range(first, end):
        row.add_item(Option(option))
    return row


async def send_card(interaction: discord.Interaction[Any], words: str) -> None:
    """Answer with a card: text and a button."""
    row: ui.ActionRow[Any] = ui.ActionRow(ui.Button(label="Cancel", custom_id="bare:cancel"))
    card = Parts(ui.Container(ui.TextDisplay(f"{words}\nStarting…"), row))
    await interaction.response.send_message(view=card, allowed_mentions=NOBODY)
    card.stop()


async def send_tile(interaction: discord.Interaction[BareBot], number: int) -> None:
    """Cut a tile out of the grid of the pressed message, and put it in the reply's place."""
    assert interaction.message is not None  # noqa: S101
    view = ui.LayoutView.from_message(interaction.message)
    gallery = next(item for item in view.walk_children() if isinstance(item, ui.MediaGallery))
    async with interaction.client.session.get(gallery.items[0].media.url) as response:
        grid = await response.read()
    tile = await asyncio.to_thread(crop, grid, number)
    media = ui.MediaGallery[Any](discord.MediaGalleryItem("attachment://tile.png"))
    file = discord.File(io.BytesIO(tile), "tile.png")
    await interaction.edit_original_response(view=Parts(media), attachments=[file])


@app_commands.command(description="Make a grid")
async def vary(
    interaction: discord.Interaction[BareBot], prompt: str, image: discord.Attachment
) -> None:
    await send_card(interaction, prompt)
    bot = interaction.client
    grid = await bot.make_grid(prompt, image.url)
    rows = [row_of(first, end) for first, end in ROWS]
    media = ui.MediaGallery[Any](discord.MediaGalleryItem("attachment://grid.png"))
    channel = bot.get_partial_messageable(interaction.channel_id or 0)
    await channel.send(
        view=Parts(ui.TextDisplay(prompt), media, *rows),
        file=discord.File(io.BytesIO(grid), "grid.png"),
        allowed_mentions=NOBODY,
    )
    await interaction.delete_original_response()


class BareBot(commands.AutoShardedBot):
    """The bot and the session that it calls the API with. It has no queue: it calls at once."""

    def __init__(self) -> None:
        super().__init__(
            commands.when_mentioned,
            intents=discord.Intents.none(),
            help_command=None,
            max_messages=None,
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
        )

    async def setup_hook(self) -> None:
        self.session = aiohttp.ClientSession()
        self.add_dynamic_items(Option)
        self.tree.add_command(vary)
        await self.tree.sync()

    async def close(self) -> None:
        await self.session.close()
        await super().close()

    async def make_grid(self, prompt: str, link: str) -> bytes:
        """Call the API and return the bytes of the grid that it made."""
        headers = {
            "Authorization": f"Bearer {os.environ['GENART_API_KEY']}",
            "server_id": os.environ["GENART_SERVER_ID"],
            "channel_id": os.environ["GENART_CHANNEL_ID"],
            "discord_token": os.environ["GENART_DISCORD_TOKEN"],
            "Content-Type": "application/json",
        }
        url = f"{os.environ['GENART_API_URL']}/imageToImage"
        params = {"prompt": prompt, "imageUrl": link}
        async with self.session.post(url, params=params, headers=headers) as response:
            answer = await response.json()
        async with self.session.get(answer["uri"]) as response:
            return await response.read()


def main() -> None:
    """Run the bare bot until it is told to stop."""
    discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
    Route.BASE = os.environ["DISCORD_API_URL"]
    BareBot().run(os.environ["DISCORD_TOKEN"], log_handler=None)


if __name__ == "__main__":
    main()
