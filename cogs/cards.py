"""The buttons of a card: Cancel, Discard, Try again."""

from __future__ import annotations

from discord.ext import commands

from bot import text
from bot.app import Interaction, VaryBot
from bot.ui.buttons import CANCEL, DISCARD, RETRY
from bot.ui.layouts import end_card
from bot.ui.replies import asker_of, click_of, respond


class Cards(commands.Cog):
    """What a card's buttons do."""

    def __init__(self, bot: VaryBot) -> None:
        self.bot = bot
        bot.add_button(CANCEL, self.cancel, governed=False)
        bot.add_button(RETRY, self.retry)
        bot.add_button(DISCARD, self.discard, governed=False)

    async def cancel(self, interaction: Interaction, generation_id: int) -> None:
        """Take a generation out of the queue; for the asker and for moderators."""
        cancelled = await self.bot.store.requests.cancel(
            asker_of(interaction), generation_id, label=text.CANCEL
        )
        await interaction.response.edit_message(view=end_card(cancelled), attachments=[])
        await self.bot.store.requests.shown_end(cancelled.id)

    async def discard(self, interaction: Interaction, generation_id: int) -> None:
        """Have a result kept instead of posted; for the asker and for moderators."""
        click = click_of(interaction, generation_id)
        discarded = await self.bot.store.requests.discard(click)
        # A tile that is attached stays: the API may be fetching it.
        await interaction.response.edit_message(view=end_card(discarded))

    async def retry(self, interaction: Interaction, generation_id: int) -> None:
        """Ask again for what failed."""
        result = await self.bot.store.requests.retry(
            asker_of(interaction), generation_id, label=text.TRY_AGAIN
        )
        await respond(interaction, self.bot.store, result)


async def setup(bot: VaryBot) -> None:
    """Add the cog; called by discord.py when the extension is loaded."""
    await bot.add_cog(Cards(bot))
