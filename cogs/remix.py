"""Remix: a new grid in other words, from a grid's source, from one of its tiles, or from a tile
that stands on its own."""

from __future__ import annotations

from typing import Any

import discord
from discord import ui
from discord.ext import commands

from bot import text
from bot.app import Interaction, VaryBot
from bot.domain import Generation
from bot.prompts import PROMPT_LENGTH
from bot.text import pictures as words
from bot.text.markdown import units
from bot.ui.buttons import REMIX, VARY_TILE
from bot.ui.modals import PROMPT, Modal, fields, typed_prompt
from bot.ui.replies import click_of, respond

_START = "start"


class Remix(commands.Cog):
    """Two buttons that open a modal with the prompt filled in, and what becomes of it when it is
    sent: then, and not before, limits and rules are checked."""

    def __init__(self, bot: VaryBot) -> None:
        self.bot = bot
        bot.add_button(REMIX, self.remix)
        bot.add_button(VARY_TILE, self.vary)
        bot.add_modal(REMIX, self.submit)

    async def remix(self, interaction: Interaction, generation_id: int) -> None:
        """Open the modal of a grid or a tile."""
        await self._open(interaction, generation_id, words.REMIX, words.REMIX_TITLE)

    async def vary(self, interaction: Interaction, generation_id: int) -> None:
        """Open the modal of a tile."""
        await self._open(interaction, generation_id, words.VARY, words.VARY_TITLE)

    async def _open(
        self, interaction: Interaction, generation_id: int, label: str, title: str
    ) -> None:
        click = click_of(interaction, generation_id, label)
        generation = await self.bot.store.pictures.pressed(click)
        await interaction.response.send_modal(remix_modal(generation, title))

    async def submit(self, interaction: Interaction, generation_id: int) -> None:
        """Ask for the new grid."""
        start = "".join(fields(interaction).get(_START, ())) or "0"
        click = click_of(interaction, generation_id, words.REMIX)
        # All links of a message are about as long as the one that the API will be given.
        longest = max(click.links.values(), key=len, default="")
        checked = self.bot.prompt_rules.check(typed_prompt(interaction), longest)
        tile = int(start) if start in {"1", "2", "3", "4"} else 0
        result = await self.bot.store.requests.remix(click, checked, tile)
        await respond(interaction, self.bot.store, result)


def remix_modal(generation: Generation, title: str) -> Modal:
    """Build the modal about a generation: its prompt, and on a grid what to start from."""
    prompt = generation.prompt
    # Discord takes no text that is longer than its field, by whichever count.
    text_input: ui.TextInput[Any] = ui.TextInput(
        custom_id=PROMPT,
        style=discord.TextStyle.paragraph,
        default=prompt,
        max_length=max(PROMPT_LENGTH, units(prompt)),
    )
    parts: list[ui.Item[Any]] = [ui.Label(text=text.PROMPT_DESCRIPTION, component=text_input)]
    if generation.kind.calls_api:
        options = [discord.SelectOption(label=words.ORIGINAL, value="0", default=True)]
        options += [
            discord.SelectOption(label=words.tile_name(tile), value=str(tile))
            for tile in range(1, 5)
        ]
        start: ui.Select[Any] = ui.Select(custom_id=_START, options=options)
        parts.append(ui.Label(text=words.START, component=start))
    return Modal(title, REMIX.custom_id(generation.id), *parts)


async def setup(bot: VaryBot) -> None:
    """Add the cog; called by discord.py when the extension is loaded."""
    await bot.add_cog(Remix(bot))
