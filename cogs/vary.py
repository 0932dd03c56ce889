"""``/vary``: a prompt and a picture become a grid of new ones."""

from __future__ import annotations

import discord
from discord import app_commands
from discord.ext import commands

from bot import text
from bot.app import VaryBot
from bot.domain import (
    PROMPT_LENGTH,
    UPLOAD_BYTES,
    Kind,
    Request,
    clean_prompt,
    is_supported_upload,
)
from bot.errors import BlankPrompt, PromptTooLong, UnsupportedUpload, UploadTooLarge
from bot.views import respond


class Vary(commands.Cog):
    """The command that everything starts with."""

    def __init__(self, bot: VaryBot) -> None:
        self.bot = bot

    @app_commands.command(description=text.VARY_DESCRIPTION)
    @app_commands.describe(prompt=text.PROMPT_DESCRIPTION, image=text.IMAGE_DESCRIPTION)
    @app_commands.guild_only()
    async def vary(
        self,
        interaction: discord.Interaction[VaryBot],
        prompt: app_commands.Range[str, 1, PROMPT_LENGTH],
        image: discord.Attachment,
    ) -> None:
        if len(prompt) > PROMPT_LENGTH:  # Discord checks it, but a client could be made not to.
            raise PromptTooLong(PROMPT_LENGTH)
        cleaned = clean_prompt(prompt)
        if not cleaned:
            raise BlankPrompt
        if not is_supported_upload(image.filename, image.content_type):
            raise UnsupportedUpload
        if image.size > UPLOAD_BYTES:
            raise UploadTooLarge(UPLOAD_BYTES)
        request = Request(
            id=interaction.id,
            kind=Kind.VARY,
            user_id=interaction.user.id,
            guild_id=interaction.guild_id,
            channel_id=interaction.channel_id or 0,
            token=interaction.token,
            upload_limit=interaction.filesize_limit,
            prompt=cleaned,
            source_url=image.url,
        )
        await respond(interaction, await self.bot.store.add(request))


async def setup(bot: VaryBot) -> None:
    """Add the cog; called by discord.py when the extension is loaded."""
    await bot.add_cog(Vary(bot))
