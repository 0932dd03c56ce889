"""The baseline of :mod:`benchmarks.burst`: answers each command with a card and does no more."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import discord
from discord import app_commands
from discord.ext import commands
from discord.http import Route

sys.path.insert(0, str(Path(__file__).parents[1]))

from bot.domain import Generation, Kind, State
from bot.views import NOBODY, progress_card
from bot.worker import Progress


@app_commands.command(description="Answers")
async def vary(interaction: discord.Interaction, prompt: str, image: discord.Attachment) -> None:
    generation = Generation(
        id=interaction.id,
        kind=Kind.VARY,
        state=State.QUEUED,
        user_id=interaction.user.id,
        guild_id=interaction.guild_id,
        channel_id=interaction.channel_id or 0,
        prompt=prompt,
        created_at=datetime.now(UTC),
        upload_limit=image.size,
    )
    card = progress_card(generation, Progress(place=1))
    await interaction.response.send_message(view=card, allowed_mentions=NOBODY)


class AnsweringBot(commands.AutoShardedBot):
    async def setup_hook(self) -> None:
        self.tree.add_command(vary)
        await self.tree.sync()


if __name__ == "__main__":
    Route.BASE = os.environ["DISCORD_API_URL"]
    bot = AnsweringBot(commands.when_mentioned, intents=discord.Intents.none())
    bot.run(os.environ["DISCORD_TOKEN"], log_handler=None)
