"""``/queue``: what waits and runs, with Cancel."""

from __future__ import annotations

from discord import app_commands
from discord.ext import commands

from bot import text
from bot.app import Interaction, VaryBot
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
        moderator = _is_moderator(interaction)
        works = await self.bot.store.live.work(asker_of(interaction), moderator=moderator)
        await interaction.response.send_message(
            view=work_page(works, 0, moderator=moderator),
            ephemeral=True,
            allowed_mentions=NO_MENTIONS,
        )

    async def cancel(self, interaction: Interaction, generation_id: int, page: int) -> None:
        """Take something out of the queue, and show what is left."""
        moderator = _is_moderator(interaction)
        click = click_of(interaction, generation_id, text.CANCEL)
        works = await self.bot.store.live.cancel(click, moderator=moderator)
        await interaction.response.edit_message(
            view=work_page(works, page, moderator=moderator), allowed_mentions=NO_MENTIONS
        )

    async def page(self, interaction: Interaction, page: int, _: int) -> None:
        """Show another page, as things stand now."""
        moderator = _is_moderator(interaction)
        await self.bot.store.requests.note(
            click_of(interaction, 0, pressed_label(interaction) or "")
        )
        works = await self.bot.store.live.work(asker_of(interaction), moderator=moderator)
        await interaction.response.edit_message(
            view=work_page(works, page, moderator=moderator), allowed_mentions=NO_MENTIONS
        )


def _is_moderator(interaction: Interaction) -> bool:
    return interaction.guild_id is not None and interaction.permissions.manage_messages


async def setup(bot: VaryBot) -> None:
    """Add the cog; called by discord.py when the extension is loaded."""
    await bot.add_cog(Queue(bot))
