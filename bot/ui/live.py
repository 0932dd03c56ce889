"""A page of what waits and runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from discord import ui

from bot import text
from bot.store.live import Work
from bot.text import live as words
from bot.ui.buttons import Template, button
from bot.ui.layouts import Layout

CANCEL = Template("qc", 2)
"""Cancel: a generation, and the number of the page."""

PAGE = Template("qp", 2, about_generation=False)
"""◀ and ▶: the number of the page to show (from 0), and that of the page it is shown from, so
that no two buttons of a message are alike."""

_EACH = 10


def work_page(works: Sequence[Work], number: int, *, moderator: bool) -> Layout:
    """Build page ``number`` (from 0, or the last one if there are fewer) of some work; what can
    be cancelled has a button."""
    if not works:
        return Layout(ui.TextDisplay(words.NOTHING_HERE if moderator else words.NOTHING))
    last = (len(works) - 1) // _EACH
    number = min(number, last)
    shown = works[number * _EACH : (number + 1) * _EACH]
    parts: list[ui.Item[Any]] = [ui.TextDisplay(words.TITLE_HERE if moderator else words.TITLE)]
    parts += [_line(work, number) for work in shown]
    if last:
        parts.append(ui.TextDisplay(words.more(len(shown), len(works))))
        buttons: list[ui.Button[Any]] = []
        if number:
            buttons.append(button(PAGE.custom_id(number - 1, number), words.NEWER))
        if number < last:
            buttons.append(button(PAGE.custom_id(number + 1, number), words.OLDER))
        parts.append(ui.ActionRow[Any](*buttons))
    return Layout(*parts)


def _line(work: Work, number: int) -> ui.Item[Any]:
    if not work.cancellable:
        return ui.TextDisplay(words.line(work))
    cancel = button(CANCEL.custom_id(work.generation.id, number), text.CANCEL)
    return ui.Section(words.line(work), accessory=cancel)
