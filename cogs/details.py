"""``Details`` on grids: all that is known of a picture, for one member alone."""

from __future__ import annotations

from typing import Any

from discord import ui
from discord.ext import commands

from bot.app import Interaction, VaryBot
from bot.text import pictures as words
from bot.ui.buttons import DETAILS
from bot.ui.layouts import Layout
from bot.ui.media import size
from bot.ui.replies import NO_MENTIONS, click_of, link


class Details(commands.Cog):
    """Tells of a picture: its whole prompt, who, when, how long, what it came from, the API's
    ids."""

    def __init__(self, bot: VaryBot) -> None:
        self.bot = bot
        bot.add_button(DETAILS, self.show)

    async def show(self, interaction: Interaction, generation_id: int) -> None:
        """Show the details; a prompt that doesn't fit in with them follows on its own."""
        click = click_of(interaction, generation_id, words.DETAILS)
        line = await self.bot.store.pictures.line(click)
        generation = line[-1]
        shown = size(interaction.message) if interaction.message else None
        result = generation.result
        told = words.details(line, [link(each) for each in line], (result and result.size) or shown)
        prompt: ui.TextDisplay[Any] = ui.TextDisplay(words.copyable(generation.prompt))
        fits = words.fits_with(generation.prompt, told)
        first = Layout(ui.TextDisplay(told), prompt) if fits else Layout(ui.TextDisplay(told))
        await interaction.response.send_message(
            view=first, ephemeral=True, allowed_mentions=NO_MENTIONS
        )
        if not fits:
            await interaction.followup.send(
                view=Layout(prompt), ephemeral=True, allowed_mentions=NO_MENTIONS
            )


async def setup(bot: VaryBot) -> None:
    """Add the cog; called by discord.py when the extension is loaded."""
    await bot.add_cog(Details(bot))
