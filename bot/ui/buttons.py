"""What a button's custom_id says: which button it is, and the ids that it is about.

Every id names rows of the ledger, so a button works on every message ever posted and after any
restart. What a button does is in the cog that it belongs to (:meth:`bot.app.VaryBot.add_button`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import discord
from discord import ui

_LARGEST = 2**63 - 1
"""The largest number that the ledger holds."""


@dataclass(frozen=True, slots=True)
class Template:
    """How the custom_ids of one kind of button or modal read: ``<prefix>:<number>:…``. The first
    number is a generation, unless it is not ``about_generation``."""

    prefix: str
    numbers: int = 1
    about_generation: bool = True

    def custom_id(self, *numbers: int) -> str:
        """Return the custom_id that is about ``numbers``."""
        return ":".join((self.prefix, *map(str, numbers)))

    def match(self, custom_id: str) -> tuple[int, ...] | None:
        """Return the numbers that a custom_id is about; ``None`` if it is of another template."""
        prefix, *numbers = custom_id.split(":")
        if prefix != self.prefix or len(numbers) != self.numbers:
            return None
        if not all(re.fullmatch("[0-9]{1,19}", number) for number in numbers):
            return None
        values = tuple(map(int, numbers))
        return values if max(values, default=0) <= _LARGEST else None


OPTION = Template("v", 2)
"""U1-U4, 🔄, V1-V4: a generation, and the position of the option among its result's."""

CANCEL = Template("c")
RETRY = Template("r")
DISCARD = Template("discard")

# On results, each about the generation whose result it stands on.
REMIX = Template("remix")
VARY_TILE = Template("vary-tile")
ALL_FOUR = Template("all-four")
STAR = Template("star")
DELETE = Template("delete")
DETAILS = Template("details")

DELETE_NOW = Template("delete-now", 2)
"""Deletes a generation's result after all: with its tiles (1) or without (0)."""


def button(
    custom_id: str,
    label: str | None,
    style: discord.ButtonStyle = discord.ButtonStyle.secondary,
    emoji: str | None = None,
) -> ui.Button[Any]:
    """Build a button that acts."""
    return ui.Button(label=label, style=style, custom_id=custom_id, emoji=emoji)


def pressed_label(interaction: discord.Interaction[Any]) -> str | None:
    """Return what the pressed component shows; ``None`` if its message has no such component."""
    custom_id = (interaction.data or {}).get("custom_id")
    for component in _walk(interaction.message.components if interaction.message else ()):
        if getattr(component, "custom_id", None) == custom_id:
            emoji = getattr(component, "emoji", None)
            return getattr(component, "label", None) or str(emoji or "")
    return None


def shown_generation(message: discord.Message) -> int | None:
    """Return the generation whose result a message is, by the buttons that only results have."""
    for custom_id in custom_ids(message):
        for template in (OPTION, DELETE):
            if numbers := template.match(custom_id):
                return numbers[0]
    return None


def custom_ids(message: discord.Message) -> list[str]:
    """Return the custom_ids of a message's components."""
    found = (getattr(component, "custom_id", None) for component in _walk(message.components))
    return [custom_id for custom_id in found if custom_id]


def _walk(components: Iterable[Any]) -> Iterator[Any]:
    for component in components:
        yield component
        yield from _walk(getattr(component, "children", ()))
        if accessory := getattr(component, "accessory", None):
            yield accessory
