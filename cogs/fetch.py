"""``/fetch``: a result that couldn't be delivered is posted here."""

from __future__ import annotations

import discord
from discord import app_commands
from discord.ext import commands

from bot import text
from bot.app import VaryBot
from bot.views import respond


class Fetch(commands.Cog):
    """Nothing that was paid for is lost."""

    def __init__(self, bot: VaryBot) -> None:
        self.bot = bot

    @app_commands.command(description=text.FETCH_DESCRIPTION)
    @app_commands.guild_only()
    async def fetch(self, interaction: discord.Interaction[VaryBot]) -> None:
        answer = await self.bot.store.fetch_undelivered(
            interaction.user.id,
            interaction.guild_id,
            interaction.channel_id or 0,
            interaction.token,
        )
        await respond(interaction, answer, unknown=text.NOTHING_TO_FETCH)


async def setup(bot: VaryBot) -> None:
    """Add the cog; called by discord.py when the extension is loaded."""
    await bot.add_cog(Fetch(bot))
