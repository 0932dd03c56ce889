"""Cards and results as discord.py layouts (Components V2)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import discord
from discord import ui

from bot import text
from bot.domain import ErrorCode, Generation, Kind, Option, Progress
from bot.ui.buttons import CANCEL, OPTION, RETRY, button

_ROW = 5


class Layout(ui.LayoutView):
    """A layout from its parts. It is stopped at once, so discord.py doesn't keep it in memory:
    what its buttons do is found by their custom_ids."""

    def __init__(self, *parts: ui.Item[Any]) -> None:
        super().__init__(timeout=None)
        for part in parts:
            self.add_item(part)
        self.stop()


def progress_card(generation: Generation, progress: Progress) -> Layout:
    """Build the card of a generation that waits or runs."""
    tile = progress.tile.file if progress.tile else None
    if progress.delayed:
        return _card(generation, text.DELAYED, tile)
    if progress.since is None or progress.now is None:
        cancel = button(CANCEL.custom_id(generation.id), text.CANCEL)
        shown = cancel if generation.result is None else None
        return _card(
            generation, text.waiting(progress.place, same_prompt=progress.same_prompt), tile, shown
        )
    return _card(generation, text.running(progress.since, progress.usual, progress.now), tile)


def end_card(generation: Generation, detail: str | None = None) -> Layout:
    """Build the card of a generation that failed; ``detail`` is what the API says."""
    retry = None
    if generation.retryable:
        style = discord.ButtonStyle.primary
        retry = button(RETRY.custom_id(generation.id), text.TRY_AGAIN, style)
    return _card(generation, text.ending(generation, detail), None, retry)


def _card(
    generation: Generation, status: str, thumbnail: str | None, act: ui.Button[Any] | None = None
) -> Layout:
    lines = [text.heading(generation), text.shown_prompt(generation.prompt), status]
    if generation.error is ErrorCode.BLOCKED:
        del lines[1]  # The prompt may be what Discord blocks.
    parts: list[ui.Item[Any]] = [_section("\n".join(lines), thumbnail)]
    if act is not None:
        parts.append(ui.ActionRow(act))
    return Layout(ui.Container(*parts))


def grid_message(
    generation: Generation, grid_file: str, source_file: str | None, used: Collection[int] = ()
) -> Layout:
    """Build a result: the prompt with its source beside it, the grid, and its options.

    The options of tiles in ``used`` are blue, the colour of a button that has been used.
    """
    words = f"{text.heading(generation)}\n{text.shown_prompt(generation.prompt)}"
    options = generation.result.options if generation.result else ()
    rows = [
        ui.ActionRow[Any](
            *(_option_button(generation, position, option, used) for position, option in row)
        )
        for row in option_rows(options)
    ]
    return Layout(_section(words, source_file), _gallery(generation, grid_file), *rows)


def tile_message(generation: Generation, file: str) -> Layout:
    """Build the message of a tile on its own."""
    return Layout(ui.TextDisplay(text.heading(generation)), _gallery(generation, file))


def option_rows(options: Sequence[Option]) -> list[list[tuple[int, Option]]]:
    """Lay the options out as rows of at most five, each with its position in ``options``.

    The API returns them flat; the variations start a row of their own.
    """
    rows: list[list[tuple[int, Option]]] = []
    previous: Kind | None = None
    for position, option in enumerate(options):
        new_group = option.kind is Kind.VARIATION and previous is not Kind.VARIATION
        if not rows or new_group or len(rows[-1]) == _ROW:
            rows.append([])
        rows[-1].append((position, option))
        previous = option.kind
    return rows


def _option_button(
    generation: Generation, position: int, option: Option, used: Collection[int]
) -> ui.Button[Any]:
    is_used = option.kind is Kind.UPSCALE and option.tile in used
    style = discord.ButtonStyle.primary if is_used else discord.ButtonStyle(option.style)
    return button(OPTION.custom_id(generation.id, position), option.label, style)


def _gallery(generation: Generation, file: str) -> ui.MediaGallery[Any]:
    description = text.alt_text(generation.prompt)
    return ui.MediaGallery(
        discord.MediaGalleryItem(f"attachment://{file}", description=description)
    )


def _section(words: str, thumbnail: str | None) -> ui.Item[Any]:
    if thumbnail is None:
        return ui.TextDisplay(words)
    accessory: ui.Thumbnail[Any] = ui.Thumbnail(f"attachment://{thumbnail}")
    return ui.Section(words, accessory=accessory)
