"""The question that stands before a picture is deleted for everyone."""

from __future__ import annotations

import discord
from discord import ui

from bot.store import Store
from bot.text import pictures as words
from bot.ui.buttons import DELETE_NOW, button
from bot.ui.layouts import Layout
from bot.ui.replies import NO_MENTIONS, Interaction, click_of


async def ask_to_delete(
    interaction: Interaction, store: Store, generation_id: int, label: str
) -> None:
    """Ask one member whether a picture shall be deleted, if they may delete it; ``label`` is what
    they pressed or chose.

    Raises:
        Refused, StoreUnavailable
    """
    click = click_of(interaction, generation_id, label)
    tiles = await store.pictures.deletable(click)
    await interaction.response.send_message(
        view=_question(generation_id, tiles), ephemeral=True, allowed_mentions=NO_MENTIONS
    )


def _question(generation_id: int, tiles: int) -> Layout:
    choices = {words.DELETE: 0} | ({words.DELETE_WITH_TILES: 1} if tiles else {})
    danger = discord.ButtonStyle.danger
    row = (
        button(DELETE_NOW.custom_id(generation_id, with_tiles), label, danger)
        for label, with_tiles in choices.items()
    )
    return Layout(ui.TextDisplay(words.DELETE_FOR_EVERYONE), ui.ActionRow(*row))
