"""The modals of a message's Apps menu: which picture of it, and what the new ones should show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import discord
from discord import ui

from bot import text
from bot.domain import Pick, PickedPicture
from bot.errors import PickGone
from bot.prompts import PROMPT_LENGTH
from bot.text import menus as words
from bot.text.markdown import cut
from bot.ui.buttons import Template
from bot.ui.modals import PROMPT, Modal

VARY = Template("pick-vary", about_generation=False)
DESCRIBE = Template("pick-describe", about_generation=False)
"""The modals: the interaction that opened them."""

PICTURE = "picture"
"""The custom_id of the field that chooses."""

_OPTION_LENGTH = 100


def vary_modal(pick: Pick) -> Modal:
    """Build the modal that asks for a prompt, and where there are several, for the picture."""
    field: ui.TextInput[Any] = ui.TextInput(
        style=discord.TextStyle.paragraph, custom_id=PROMPT, min_length=1, max_length=PROMPT_LENGTH
    )
    prompt: ui.Label[Any] = ui.Label(text=text.PROMPT_DESCRIPTION, component=field)
    return Modal(words.VARY, VARY.custom_id(pick.id), *_choice(pick.pictures), prompt)


def describe_modal(pick: Pick) -> Modal:
    """Build the modal that asks for one of several pictures."""
    return Modal(words.DESCRIBE, DESCRIBE.custom_id(pick.id), *_choice(pick.pictures))


def chosen(pick: Pick, fields: Mapping[str, Sequence[str]]) -> PickedPicture:
    """Return the picture that was chosen in a modal: the only one if there was no choice.

    Raises:
        PickGone: a client sent what it wasn't offered.
    """
    value = next(iter(fields.get(PICTURE, ())), "0")
    if not (value.isdecimal() and int(value) < len(pick.pictures)):
        raise PickGone
    return pick.pictures[int(value)]


def _choice(pictures: Sequence[PickedPicture]) -> list[ui.Label[Any]]:
    if len(pictures) == 1:
        return []
    options = [
        discord.SelectOption(label=_label(number, picture), value=str(number - 1))
        for number, picture in enumerate(pictures, 1)
    ]
    options[0].default = True
    select: ui.Select[Any] = ui.Select(custom_id=PICTURE, options=options)
    return [ui.Label(text=words.PICTURE, component=select)]


def _label(number: int, picture: PickedPicture) -> str:
    return cut(f"{number}. {' '.join(picture.name.split())}".rstrip(), _OPTION_LENGTH)
