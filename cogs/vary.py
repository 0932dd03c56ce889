"""``/vary``: a prompt and a picture become a grid of new ones."""

from __future__ import annotations

import discord
from discord import app_commands
from discord.ext import commands

from bot import text
from bot.app import Interaction, VaryBot
from bot.domain import UPLOAD_BYTES, Kind, NewGeneration, is_supported_upload
from bot.errors import UnsupportedUpload, UploadTooLarge
from bot.prompts import ASPECTS, AVOID_LENGTH, PROMPT_LENGTH, STRENGTH, Choices
from bot.text import options as words
from bot.ui.replies import asker_of, respond


class Vary(commands.Cog):
    """The command that everything starts with."""

    def __init__(self, bot: VaryBot) -> None:
        self.bot = bot

    @app_commands.command(description=text.VARY_DESCRIPTION)
    @app_commands.describe(
        prompt=text.PROMPT_DESCRIPTION,
        image=text.IMAGE_DESCRIPTION,
        aspect=words.ASPECT,
        strength=words.STRENGTH,
        avoid=words.AVOID,
        private=words.PRIVATE,
    )
    @app_commands.choices(
        aspect=[app_commands.Choice(name=aspect, value=aspect) for aspect in ASPECTS]
    )
    async def vary(
        self,
        interaction: Interaction,
        prompt: app_commands.Range[str, 1, PROMPT_LENGTH],
        image: discord.Attachment,
        aspect: str | None = None,
        strength: app_commands.Range[float, STRENGTH[0], STRENGTH[1]] | None = None,
        avoid: app_commands.Range[str, 1, AVOID_LENGTH] | None = None,
        private: bool = False,
    ) -> None:
        choices = Choices(aspect, strength, avoid)
        checked = self.bot.prompt_rules.check(prompt, image.url, choices)
        if not is_supported_upload(image.filename, image.content_type):
            raise UnsupportedUpload
        if image.size > UPLOAD_BYTES:
            raise UploadTooLarge(UPLOAD_BYTES)
        new = NewGeneration(
            asker_of(interaction),
            Kind.VARY,
            prompt=checked,
            source_url=image.url,
            private=private,
        )
        await respond(interaction, self.bot.store, await self.bot.store.requests.enqueue(new))


async def setup(bot: VaryBot) -> None:
    """Add the cog; called by discord.py when the extension is loaded."""
    await bot.add_cog(Vary(bot))
