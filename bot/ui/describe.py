"""The message of a picture's descriptions, and the modal that makes one of them a prompt."""

from __future__ import annotations

from typing import Any

import discord
from discord import ui

from bot import text
from bot.domain import Generation
from bot.prompts import PROMPT_LENGTH
from bot.text import describe as words
from bot.text import options
from bot.text.markdown import units
from bot.ui.buttons import OPTION, Template, button
from bot.ui.layouts import Layout
from bot.ui.modals import PROMPT, Modal

DESCRIPTION = Template("description", 2)
"""1 to 4: a generation of descriptions, and which of them."""

SENT = Template("description")
"""The modal: the generation whose picture is the source."""


def description_message(generation: Generation, source_file: str | None) -> Layout:
    """Build a result: the picture beside its descriptions, and a button for each."""
    result = generation.result
    descriptions = result.descriptions if result else ()
    origin = f"\n{options.origin(generation.origin)}" if generation.origin else ""
    heading: ui.TextDisplay[Any] = ui.TextDisplay(text.heading(generation) + origin)
    first: ui.Item[Any] = heading
    if source_file is not None:
        picture: ui.Thumbnail[Any] = ui.Thumbnail(
            f"attachment://{source_file}", description=words.SOURCE, spoiler=generation.spoiler
        )
        first = ui.Section(heading, accessory=picture)
    numbers = range(1, len(descriptions) + 1)
    buttons = [button(DESCRIPTION.custom_id(generation.id, n), str(n)) for n in numbers]
    buttons += [
        button(OPTION.custom_id(generation.id, position), option.label)
        for position, option in enumerate(result.options if result else ())
    ]
    return Layout(
        first, ui.TextDisplay(words.descriptions(descriptions)), ui.ActionRow[Any](*buttons)
    )


def prompt_modal(generation: Generation, description: str) -> Modal:
    """Build the modal in which a description can be changed before it is a prompt."""
    field: ui.TextInput[Any] = ui.TextInput(
        style=discord.TextStyle.paragraph,
        custom_id=PROMPT,
        default=description,
        # Discord takes no text that is longer than its field, by whichever count.
        max_length=max(PROMPT_LENGTH, units(description)),
    )
    label: ui.Label[Any] = ui.Label(text=words.PROMPT, component=field)
    return Modal(words.MODAL_TITLE, SENT.custom_id(generation.id), label)
