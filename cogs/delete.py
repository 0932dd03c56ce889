"""🗑 on grids and tiles: a picture is deleted for everyone, after a question."""

from __future__ import annotations

from discord import ui
from discord.ext import commands

from bot.app import Interaction, VaryBot
from bot.text import pictures as words
from bot.ui.buttons import DELETE, DELETE_NOW
from bot.ui.deletion import ask_to_delete
from bot.ui.layouts import Layout
from bot.ui.replies import NO_MENTIONS, click_of


class Delete(commands.Cog):
    """Deletes pictures, for whoever asked for them and for members with Manage Messages."""

    def __init__(self, bot: VaryBot) -> None:
        self.bot = bot
        bot.add_button(DELETE, self.ask, governed=False)
        bot.add_button(DELETE_NOW, self.delete, governed=False)

    async def ask(self, interaction: Interaction, generation_id: int) -> None:
        """Ask whether a picture shall be deleted."""
        await ask_to_delete(interaction, self.bot.store, generation_id, words.BIN)

    async def delete(self, interaction: Interaction, generation_id: int, with_tiles: int) -> None:
        """Delete a picture; a worker removes its message."""
        label = words.DELETE_WITH_TILES if with_tiles else words.DELETE
        deleted = await self.bot.store.pictures.delete(
            click_of(interaction, generation_id, label),
            with_tiles=bool(with_tiles),
        )
        # What only an answer carries can't be deleted once its token is forgotten.
        stays = any(generation.is_fleeting for generation in deleted)
        sentence = words.FORGOTTEN if stays else words.DELETED
        await interaction.response.edit_message(
            view=Layout(ui.TextDisplay(sentence)), allowed_mentions=NO_MENTIONS
        )


async def setup(bot: VaryBot) -> None:
    """Add the cog; called by discord.py when the extension is loaded."""
    await bot.add_cog(Delete(bot))
