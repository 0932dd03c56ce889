"""``/describe``: four descriptions of a picture, and new pictures in their words."""

from __future__ import annotations

import discord
from discord import app_commands
from discord.ext import commands

from bot.app import Interaction, VaryBot
from bot.domain import (
    SOURCE,
    UPLOAD_BYTES,
    Kind,
    NewGeneration,
    file_named,
    is_supported_upload,
)
from bot.errors import UnknownPicture, UnsupportedUpload, UploadTooLarge
from bot.text import describe as words
from bot.ui.describe import DESCRIPTION, SENT, prompt_modal
from bot.ui.media import links
from bot.ui.modals import typed_prompt
from bot.ui.replies import asker_of, click_of, respond


class Describe(commands.Cog):
    """The command, the buttons 1 to 4 below its result, and the modal that they open."""

    def __init__(self, bot: VaryBot) -> None:
        self.bot = bot
        bot.add_button(DESCRIPTION, self.press)
        bot.add_modal(SENT, self.sent)

    @app_commands.command(description=words.COMMAND)
    @app_commands.describe(image=words.IMAGE)
    async def describe(self, interaction: Interaction, image: discord.Attachment) -> None:
        if not is_supported_upload(image.filename, image.content_type):
            raise UnsupportedUpload
        if image.size > UPLOAD_BYTES:
            raise UploadTooLarge(UPLOAD_BYTES)
        new = NewGeneration(asker_of(interaction), Kind.DESCRIBE, source_url=image.url)
        await respond(interaction, self.bot.store, await self.bot.store.requests.enqueue(new))

    async def press(self, interaction: Interaction, generation_id: int, number: int) -> None:
        """Open the modal that is filled with a description."""
        described = await self.bot.store.pictures.pressed(
            click_of(interaction, generation_id, str(number))
        )
        descriptions = described.result.descriptions if described.result else ()
        if not 1 <= number <= len(descriptions):
            raise UnknownPicture
        await interaction.response.send_modal(prompt_modal(described, descriptions[number - 1]))

    async def sent(self, interaction: Interaction, generation_id: int) -> None:
        """Ask for new pictures in the words that were sent, made from the described picture."""
        shown = links(interaction.message) if interaction.message else {}
        fresh = shown.get(file_named(SOURCE, shown) or "")
        new = NewGeneration(
            asker_of(interaction),
            Kind.VARY,
            prompt=self.bot.prompt_rules.check(typed_prompt(interaction), fresh or ""),
            source_url=fresh,
            parent_id=generation_id,
        )
        await respond(interaction, self.bot.store, await self.bot.store.requests.enqueue(new))


async def setup(bot: VaryBot) -> None:
    """Add the cog; called by discord.py when the extension is loaded."""
    await bot.add_cog(Describe(bot))
