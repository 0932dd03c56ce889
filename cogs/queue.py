"""``/queue``: what waits and runs, with Cancel."""

from __future__ import annotations

from collections.abc import Sequence

from discord import app_commands
from discord.ext import commands

from bot import text
from bot.app import Interaction, VaryBot
from bot.domain import Asker
from bot.store.live import Work
from bot.text import live as words
from bot.ui.buttons import pressed_label
from bot.ui.live import CANCEL, PAGE, work_page
from bot.ui.replies import NO_MENTIONS, asker_of, click_of


class Queue(commands.Cog):
    """The command and its buttons. Moderators see everybody's of their server."""

    def __init__(self, bot: VaryBot) -> None:
        self.bot = bot
        bot.add_button(CANCEL, self.cancel, governed=False)
        bot.add_button(PAGE, self.page)

    @app_commands.command(description=words.COMMAND)
    async def queue(self, interaction: Interaction) -> None:
        asker = asker_of(interaction)
        works = await self.bot.store.live.work(asker)
        await interaction.response.send_message(
            view=work_page(works, 0, moderator=asker.moderates),
            ephemeral=True,
            allowed_mentions=NO_MENTIONS,
        )

    async def cancel(self, interaction: Interaction, generation_id: int, page: int) -> None:
        """Take something out of the queue, and show what is left."""
        click = click_of(interaction, generation_id, text.CANCEL)
        works = await self.bot.store.live.cancel(click)
        await self._show(interaction, click.asker, works, page)

    async def page(self, interaction: Interaction, page: int, _: int) -> None:
        """Show another page, as things stand now."""
        click = click_of(interaction, 0, pressed_label(interaction) or "")
        await self.bot.store.requests.note(click)
        works = await self.bot.store.live.work(click.asker)
        await self._show(interaction, click.asker, works, page)

    async def _show(
        self, interaction: Interaction, asker: Asker, works: Sequence[Work], page: int
    ) -> None:
        await interaction.response.edit_message(
            view=work_page(works, page, moderator=asker.moderates), allowed_mentions=NO_MENTIONS
        )


async def setup(bot: VaryBot) -> None:
    """Add the cog; called by discord.py when the extension is loaded."""
    await bot.add_cog(Queue(bot))
