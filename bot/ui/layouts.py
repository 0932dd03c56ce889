"""Cards and results as discord.py layouts (Components V2)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import discord
from discord import ui

from bot import text
from bot.domain import ErrorCode, Generation, Kind, Option, Progress, State
from bot.text import options
from bot.text import pictures as words
from bot.ui.buttons import (
    ALL_FOUR,
    CANCEL,
    DELETE,
    DETAILS,
    DISCARD,
    OPTION,
    REMIX,
    RETRY,
    STAR,
    VARY_TILE,
    button,
)

_ROW = 5
_WAITING, _RUNNING, _HELD_UP, _FAILED = 0x80848E, 0x5865F2, 0xF0B232, 0xDA373C
"""The accent colours of cards; each state has its words as well."""

Used = tuple[Kind, int]
"""What was made from a grid already: a kind, and the tile or 0."""


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
        return _card(generation, text.DELAYED, _HELD_UP, tile)
    if progress.since is None or progress.now is None:
        cancel = button(CANCEL.custom_id(generation.id), text.CANCEL)
        shown = cancel if generation.result is None else None
        status = text.waiting(
            progress.ahead, same_prompt=progress.same_prompt, paused=progress.paused
        )
        return _card(
            generation, _with_delivery(generation, status, progress), _WAITING, tile, shown
        )
    status = text.running(progress.since, progress.usual, progress.now)
    discard = button(DISCARD.custom_id(generation.id), text.DISCARD)
    return _card(generation, _with_delivery(generation, status, progress), _RUNNING, tile, discard)


def _with_delivery(generation: Generation, status: str, progress: Progress) -> str:
    """Add where the result comes, if that isn't simply the channel."""
    note = options.delivery(generation, progress.now)
    return f"{status}\n{note}" if note else status


def end_card(
    generation: Generation, detail: str | None = None, retried: str | None = None
) -> Layout:
    """Build the card of a generation without a result to show; ``detail`` is what the API says,
    ``retried`` a link to what came of trying again."""
    act: ui.Button[Any] | None = None
    if retried:
        act = ui.Button(label=text.TRIED_AGAIN, url=retried)
    elif generation.retryable:
        style = discord.ButtonStyle.primary
        act = button(RETRY.custom_id(generation.id), text.TRY_AGAIN, style)
    colour = _FAILED if generation.state is State.FAILED else _HELD_UP
    if generation.state is State.CANCELLED or generation.discarded:
        colour = _WAITING
    return _card(generation, text.ending(generation, detail), colour, None, act)


def _card(
    generation: Generation,
    status: str,
    colour: int,
    thumbnail: str | None,
    act: ui.Button[Any] | None = None,
) -> Layout:
    lines = [text.heading(generation), text.shown_prompt(generation.prompt), status]
    if generation.error is ErrorCode.BLOCKED:
        del lines[1]  # The prompt may be what Discord blocks.
    elif not generation.prompt:
        del lines[1]
    section = _section("\n".join(lines), thumbnail, spoiler=generation.spoiler)
    parts: list[ui.Item[Any]] = [section]
    if act is not None:
        parts.append(ui.ActionRow(act))
    return Layout(ui.Container(*parts, accent_colour=colour))


def grid_message(
    generation: Generation, grid_file: str, source_file: str | None, used: Collection[Used] = ()
) -> Layout:
    """Build a result: the prompt with its source beside it, the grid, its options, and the bot's
    own buttons.

    What is in ``used`` is blue, the colour of a button that has been used.
    """
    heading = f"{text.heading(generation)}\n{words.prompt_above(generation.prompt)}"
    if generation.origin:
        heading += f"\n{options.origin(generation.origin)}"
    returned = generation.result.options if generation.result else ()
    rows = [
        [_option_button(generation, position, option, used) for position, option in row]
        for row in option_rows(returned)
    ]
    remix = _remix_button(generation)
    if rows and len(rows[-1]) < _ROW:
        rows[-1].append(remix)
    else:
        rows.append([remix])
    rows.append(
        [
            button(
                ALL_FOUR.custom_id(generation.id),
                words.ALL_FOUR,
                _style(used=(Kind.UPSCALE, 0) in used),
            ),
            *_keep_buttons(generation),
            button(DETAILS.custom_id(generation.id), words.DETAILS, emoji=words.INFORMATION),
        ]
    )
    gallery = _gallery(generation, {grid_file: words.grid_alt_text(generation.prompt)})
    section = _section(heading, source_file, spoiler=generation.spoiler)
    return Layout(section, gallery, *(ui.ActionRow[Any](*row) for row in rows))


def tile_message(
    generation: Generation,
    files: Sequence[str],
    source_file: str | None = None,
    grid_link: str | None = None,
) -> Layout:
    """Build the message of a tile on its own, or of all four: what it is and from which source,
    its prompt, the ``files``, and buttons to go on from there."""
    heading = f"{words.tile_heading(generation)}\n{words.prompt_above(generation.prompt)}"
    row = _keep_buttons(generation)
    if generation.tile:
        vary = button(VARY_TILE.custom_id(generation.id), words.VARY)
        row = [vary, _remix_button(generation), *row]
    if grid_link:
        row.append(ui.Button(label=words.TO_ITS_GRID, url=grid_link))
    gallery = _gallery(
        generation,
        {
            file: words.tile_alt_text(number, generation.prompt)
            for number, file in enumerate(files, generation.tile or 1)
        },
    )
    section = _section(heading, source_file, spoiler=generation.spoiler)
    return Layout(section, gallery, ui.ActionRow[Any](*row))


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
    generation: Generation, position: int, option: Option, used: Collection[Used]
) -> ui.Button[Any]:
    is_used = (option.kind, option.tile) in used
    style = _style(used=True) if is_used else discord.ButtonStyle(option.style)
    return button(OPTION.custom_id(generation.id, position), option.label, style)


def _style(*, used: bool) -> discord.ButtonStyle:
    return discord.ButtonStyle.primary if used else discord.ButtonStyle.secondary


def _remix_button(generation: Generation) -> ui.Button[Any]:
    return button(REMIX.custom_id(generation.id), words.REMIX, emoji=words.PENCIL)


def _keep_buttons(generation: Generation) -> list[ui.Button[Any]]:
    return [
        button(STAR.custom_id(generation.id), None, emoji=words.STAR),
        button(DELETE.custom_id(generation.id), None, emoji=words.BIN),
    ]


def _gallery(generation: Generation, files: Mapping[str, str]) -> ui.MediaGallery[Any]:
    """Show some files, each with its alternative text."""
    return ui.MediaGallery(
        *(
            discord.MediaGalleryItem(
                f"attachment://{file}", description=description, spoiler=generation.spoiler
            )
            for file, description in files.items()
        )
    )


def _section(shown: str, thumbnail: str | None, *, spoiler: bool) -> ui.Item[Any]:
    if thumbnail is None:
        return ui.TextDisplay(shown)
    accessory: ui.Thumbnail[Any] = ui.Thumbnail(
        f"attachment://{thumbnail}", description=words.SOURCE, spoiler=spoiler
    )
    return ui.Section(shown, accessory=accessory)
