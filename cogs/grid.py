"""The buttons under a grid: U1-U4, 🔄, V1-V4."""

from __future__ import annotations

import asyncio
import logging

import discord
from discord.ext import commands

from bot import text
from bot.app import Interaction, VaryBot
from bot.domain import Click, Generation
from bot.ui.buttons import OPTION, pressed_label
from bot.ui.media import links
from bot.ui.replies import DISCORD_ERRORS, NO_MENTIONS, asker_of, link, respond, respond_again

log = logging.getLogger(__name__)

_LOOK_TIME = 10.0
"""Seconds within which Discord is asked whether a message is still there."""


class Grid(commands.Cog):
    """What a grid's buttons do. Each press is a row of ``clicks``."""

    def __init__(self, bot: VaryBot) -> None:
        self.bot = bot
        self._checks: dict[int, asyncio.Task[bool]] = {}
        bot.add_button(OPTION, self.press)

    async def press(self, interaction: Interaction, generation_id: int, option: int) -> None:
        """Make what a button stands for, or say where it is already."""
        message = interaction.message
        assert message is not None  # noqa: S101
        click = Click(
            asker=asker_of(interaction),
            message_id=message.id,
            generation_id=generation_id,
            option=option,
            label=pressed_label(interaction) or "",
            links=links(message),
        )
        requests = self.bot.store.requests
        result = await requests.press(click)
        await respond(interaction, self.bot.store, result)
        if result.repeated and await self._is_deleted(result.generation):
            remade = await requests.remake(click, result.generation.id)
            sentence = text.MADE_AGAIN
            if remade.repeated:
                sentence = text.repeated(link(remade.generation))
            else:
                await respond_again(interaction, self.bot.store, remade)
            await interaction.edit_original_response(content=sentence, allowed_mentions=NO_MENTIONS)

    async def _is_deleted(self, generation: Generation) -> bool:
        """Tell whether the message of a posted result has been deleted since.

        However many press at once, Discord is asked once.
        """
        message_id = generation.message_id
        if message_id is None:
            return False
        if message_id not in self._checks:
            check = asyncio.create_task(self._check(generation, message_id))
            check.add_done_callback(lambda _: self._checks.pop(message_id, None))
            self._checks[message_id] = check
        return await asyncio.shield(self._checks[message_id])

    async def _check(self, generation: Generation, message_id: int) -> bool:
        channel = self.bot.get_partial_messageable(
            generation.channel_id, guild_id=generation.guild_id
        )
        try:
            async with asyncio.timeout(_LOOK_TIME):
                await channel.get_partial_message(message_id).fetch()
        except discord.NotFound:
            return True
        except DISCORD_ERRORS:
            log.info("generation %s: its message can't be looked for", generation.id)
        return False


async def setup(bot: VaryBot) -> None:
    """Add the cog; called by discord.py when the extension is loaded."""
    await bot.add_cog(Grid(bot))
