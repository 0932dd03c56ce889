"""Modals: how they are built, and what somebody wrote or chose in one.

A modal is found by its custom_id when it is sent (:meth:`bot.app.VaryBot.add_modal`), so it is
processed after a restart too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import discord
from discord import ui

PROMPT = "prompt"
"""The custom_id of the field in which a prompt is typed. What stands in it is given back where it
is refused (:meth:`bot.app.VaryBot.report`)."""


class Modal(ui.Modal):
    """A modal from its parts. It is stopped at once, so discord.py doesn't keep it in memory."""

    def __init__(self, title: str, custom_id: str, *parts: ui.Item[Any]) -> None:
        super().__init__(title=title, custom_id=custom_id, timeout=None)
        for part in parts:
            self.add_item(part)
        self.stop()


def fields(interaction: discord.Interaction[Any]) -> dict[str, list[str]]:
    """Return what a modal's fields hold, by their custom_ids: a text alone, what was selected, the
    ids of what was uploaded. A field that was left empty has an empty list."""
    data: Any = interaction.data or {}
    return dict(_fields(data.get("components", ())))


def typed_prompt(interaction: discord.Interaction[Any]) -> str:
    """Return the prompt that was typed in a modal; an empty string where there is none."""
    return "".join(fields(interaction).get(PROMPT, ()))


def _fields(components: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, list[str]]]:
    for component in components:
        if inner := component.get("component"):
            yield from _fields([inner])
        yield from _fields(component.get("components", ()))
        if custom_id := component.get("custom_id"):
            values = component.get("values")
            if values is None:
                value = component.get("value")
                values = [] if value is None or value == "" else [value]
            yield custom_id, [str(value) for value in values]
