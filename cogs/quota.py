"""``/quota``: how much a member may still ask for."""

from __future__ import annotations

from discord import app_commands
from discord.ext import commands

from bot.app import Interaction, VaryBot
from bot.text import quotas as words
from bot.ui.replies import asker_of, say


class Quota(commands.Cog):
    """What the limits leave, by which rule."""

    def __init__(self, bot: VaryBot) -> None:
        self.bot = bot

    @app_commands.command(description=words.COMMAND)
    async def quota(self, interaction: Interaction) -> None:
        allowances = await self.bot.store.quotas.allowances(asker_of(interaction))
        lines = (f"- {words.allowance(each)}" for each in allowances)
        await say(interaction, "\n".join((words.TITLE, *lines)))


async def setup(bot: VaryBot) -> None:
    """Add the cog; called by discord.py when the extension is loaded."""
    await bot.add_cog(Quota(bot))
