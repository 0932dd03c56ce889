"""The buttons under a grid that make something of it at once: U1-U4, 🔄, V1-V4, All four."""

from __future__ import annotations

import asyncio
import logging

import discord
from discord.ext import commands

from bot import text
from bot.app import Interaction, VaryBot
from bot.domain import ALL_FOUR, Click, Generation
from bot.text import pictures as words
from bot.ui import buttons
from bot.ui.buttons import OPTION, pressed_label
from bot.ui.replies import DISCORD_ERRORS, NO_MENTIONS, click_of, link, respond, respond_again

log = logging.getLogger(__name__)

_LOOK_TIME = 10.0
"""Seconds within which Discord is asked whether a message is still there."""


class Grid(commands.Cog):
    """What a grid's buttons do. Each press is a row of ``clicks``."""

    def __init__(self, bot: VaryBot) -> None:
        self.bot = bot
        self._checks: dict[int, asyncio.Task[bool]] = {}
        bot.add_button(OPTION, self.press)
        bot.add_button(buttons.ALL_FOUR, self.all_four)

    async def press(self, interaction: Interaction, generation_id: int, option: int) -> None:
        """Make what one of the API's options stands for, or say where it is already."""
        label = pressed_label(interaction) or ""
        await self._make(interaction, click_of(interaction, generation_id, label, option))

    async def all_four(self, interaction: Interaction, generation_id: int) -> None:
        """Post all four tiles in one message, or say where they are already."""
        click = click_of(interaction, generation_id, words.ALL_FOUR, ALL_FOUR)
        await self._make(interaction, click)

    async def _make(self, interaction: Interaction, click: Click) -> None:
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
        if message_id is None or generation.is_fleeting:
            return False
        if message_id not in self._checks:
            check = asyncio.create_task(self._check(generation, message_id))
            check.add_done_callback(lambda _: self._checks.pop(message_id, None))
            self._checks[message_id] = check
        return await asyncio.shield(self._checks[message_id])

    async def _check(self, generation: Generation, message_id: int) -> bool:
        guild_id, channel_id = generation.message_place
        channel = self.bot.get_partial_messageable(channel_id, guild_id=guild_id)
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
