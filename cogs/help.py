"""``/help``, and the same unasked with the first ``/vary`` of a server."""

from __future__ import annotations

import logging
from typing import Any

from cachetools import LRUCache
from discord import app_commands
from discord.ext import commands

from bot.app import Interaction, VaryBot
from bot.errors import StoreUnavailable
from bot.text import help as words
from bot.ui.help import help_page
from bot.ui.layouts import Layout
from bot.ui.replies import DISCORD_ERRORS, NO_MENTIONS, asker_of

log = logging.getLogger(__name__)

_SERVERS = 10_000
"""Servers that are known to have been welcomed, so that nothing is asked of the store."""


class Help(commands.Cog):
    """What the buttons do, the limits, privacy, and who runs the bot.

    A welcome in the system channel when the bot joins would need the guilds intent, with which
    discord.py keeps every channel, thread and role of every server in memory; and an endpoint
    without a gateway never hears of it. The first member who uses it is shown the page instead.
    """

    def __init__(self, bot: VaryBot) -> None:
        self.bot = bot
        self._welcomed: LRUCache[int, bool] = LRUCache(_SERVERS)

    @app_commands.command(description=words.COMMAND)
    async def help(self, interaction: Interaction) -> None:
        await interaction.response.send_message(
            view=await self._page(interaction), ephemeral=True, allowed_mentions=NO_MENTIONS
        )

    @commands.Cog.listener()
    async def on_app_command_completion(self, interaction: Interaction, command: Any) -> None:
        """Show the page after the first ``/vary`` of a server, once it is answered."""
        guild_id = interaction.guild_id
        if command.name != "vary" or guild_id is None or guild_id in self._welcomed:
            return
        if not interaction.is_guild_integration():
            return
        try:
            self._welcomed[guild_id] = True
            if await self.bot.store.values.claim(f"welcomed:{guild_id}", str(interaction.id)):
                await interaction.followup.send(
                    view=await self._page(interaction, welcome=True),
                    ephemeral=True,
                    allowed_mentions=NO_MENTIONS,
                )
        except StoreUnavailable:
            self._welcomed.pop(guild_id, None)
        except DISCORD_ERRORS as error:
            log.info("Server %s isn't welcomed: %r", guild_id, error)

    async def _page(self, interaction: Interaction, *, welcome: bool = False) -> Layout:
        allowances = await self.bot.store.quotas.allowances(asker_of(interaction))
        return help_page(self.bot.application, allowances, welcome=welcome)


async def setup(bot: VaryBot) -> None:
    """Add the cog; called by discord.py when the extension is loaded."""
    await bot.add_cog(Help(bot))
