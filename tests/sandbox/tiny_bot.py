"""The smallest bot that uses what the sandbox stands in for; a program, and a class for tests."""

from __future__ import annotations

import asyncio
import io
import os
import signal
from typing import Any

import discord
from discord import app_commands, ui
from discord.ext import commands


class Again(ui.DynamicItem[ui.Button[Any]], template=r"again:(?P<n>\d+)"):
    """A button that survives restarts."""

    def __init__(self, n: int) -> None:
        super().__init__(ui.Button(label=f"Again {n}", custom_id=f"again:{n}"))
        self.n = n

    @classmethod
    async def from_custom_id(cls, _: Any, __: Any, match: Any) -> Again:
        return cls(int(match["n"]))

    async def callback(self, interaction: Any) -> None:
        await interaction.response.defer(thinking=True)
        await interaction.edit_original_response(view=picture_view(self.n + 1))


def picture_view(n: int, name: str | None = None) -> ui.LayoutView:
    view = ui.LayoutView(timeout=None)
    view.add_item(ui.TextDisplay(f"picture {n} @everyone"))
    if name:
        view.add_item(ui.MediaGallery(discord.MediaGalleryItem(f"attachment://{name}")))
    view.add_item(ui.ActionRow(Again(n)))
    return view


class TinyBot(commands.AutoShardedBot):
    def __init__(self) -> None:
        quiet = discord.AllowedMentions.none()
        super().__init__("!", intents=discord.Intents.none(), allowed_mentions=quiet)
        self.tree.add_command(app_commands.Command(name="show", description="x", callback=show))

    async def setup_hook(self) -> None:
        self.add_dynamic_items(Again)
        await self.tree.sync()


async def show(interaction: Any, text: app_commands.Range[str, 1, 20], image: discord.Attachment):
    await interaction.response.send_message(view=picture_view(0))
    file = discord.File(io.BytesIO(await image.read()), "grid.png", description=text)
    channel = interaction.client.get_partial_messageable(interaction.channel_id)
    await channel.send(view=picture_view(1, "grid.png"), file=file, nonce=str(interaction.id))
    await interaction.delete_original_response()


async def main() -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)
    discord.utils.setup_logging()
    async with TinyBot() as bot:
        await bot.start(os.environ["DISCORD_TOKEN"])


if __name__ == "__main__":
    discord.http.Route.BASE = os.environ["DISCORD_API_URL"]
    try:
        asyncio.run(main())
    except asyncio.CancelledError:
        print("stopped")
