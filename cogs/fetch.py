"""``/fetch``: a result that couldn't be delivered is posted here."""

from __future__ import annotations

from discord import app_commands
from discord.ext import commands

from bot import text
from bot.app import Interaction, VaryBot
from bot.ui.replies import asker_of, respond


class Fetch(commands.Cog):
    """Nothing that was paid for is lost."""

    def __init__(self, bot: VaryBot) -> None:
        self.bot = bot

    @app_commands.command(description=text.FETCH_DESCRIPTION)
    async def fetch(self, interaction: Interaction) -> None:
        requests = self.bot.store.requests
        result = await requests.fetch_undelivered(asker_of(interaction))
        await respond(interaction, self.bot.store, result)


async def setup(bot: VaryBot) -> None:
    """Add the cog; called by discord.py when the extension is loaded."""
    await bot.add_cog(Fetch(bot))
