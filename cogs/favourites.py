"""⭐ on grids and tiles: a member's favourites."""

from __future__ import annotations

from discord.ext import commands

from bot.app import Interaction, VaryBot
from bot.text import pictures as words
from bot.ui.buttons import STAR
from bot.ui.replies import click_of, say


class Favourites(commands.Cog):
    """Turns favourites on and off. Only the member who presses is told: no message is edited."""

    def __init__(self, bot: VaryBot) -> None:
        self.bot = bot
        bot.add_button(STAR, self.toggle)

    async def toggle(self, interaction: Interaction, generation_id: int) -> None:
        """Make a picture a favourite of that member's, or no favourite any more."""
        click = click_of(interaction, generation_id, words.STAR)
        is_favourite = await self.bot.store.favourites.toggle(click)
        await say(interaction, words.FAVOURITE if is_favourite else words.NO_FAVOURITE)


async def setup(bot: VaryBot) -> None:
    """Add the cog; called by discord.py when the extension is loaded."""
    await bot.add_cog(Favourites(bot))
