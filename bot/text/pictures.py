"""What is said of posted pictures and on their buttons."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from discord.utils import format_dt

from bot.domain import Generation, Kind
from bot.text.markdown import copyable, cut, inert, units
from bot.text.sentences import ALT_TEXT_LENGTH

REMIX = "Remix"
VARY = "Vary"
ALL_FOUR = "All four"
DETAILS = "Details"
DELETE = "Delete"
DELETE_WITH_TILES = "Delete with its tiles"
TO_ITS_GRID = "Its grid"

PENCIL, INFORMATION, STAR, BIN = "✏️", "ℹ️", "⭐", "🗑"
"""The emoji of buttons; ⭐ and 🗑 stand alone, so they are their labels in the ledger too."""

REMIX_TITLE = "New pictures in other words"
VARY_TITLE = "New pictures from this one"
START = "What to start from"
ORIGINAL = "The original picture"
SOURCE = "The picture it was made from"
"""The alternative text of a source."""

FAVOURITE = "⭐ It's one of your favourites now. Press ⭐ again to take it off."
NO_FAVOURITE = "It isn't one of your favourites any more."

DELETE_FOR_EVERYONE = "**Delete for everyone?** The picture and its prompt can't be brought back."
DELETED = "Deleted."
FORGOTTEN = (
    "I have forgotten it, and its buttons do nothing any more. I can't take its message away: "
    "dismiss or delete it in Discord."
)

_PROMPT_LENGTH = 300
_ID_LENGTH = 100
_LINE = 8
_KINDS = {
    Kind.VARY: "New grid",
    Kind.REROLL: "🔄 Reroll",
    Kind.VARIATION: "Variation",
    Kind.REMIX: "Remix",
    Kind.UPSCALE: "Tile",
    Kind.DESCRIBE: "Description",
}


def prompt_above(prompt: str) -> str:
    """Return a prompt as it stands above a picture: on one line, cut at about 300 characters."""
    return "> " + inert(cut(" ".join(prompt.split()), _PROMPT_LENGTH))


def tile_name(tile: int) -> str:
    """Name a tile: in the modal's choice and above the tile."""
    return f"Picture {tile} of 4"


def tile_heading(generation: Generation) -> str:
    """Say which tile of a grid this is, or that these are all, and who asked for it."""
    what = tile_name(generation.tile) if generation.tile else "All four pictures"
    return f"**{what}** for <@{generation.user_id}>"


def grid_alt_text(prompt: str) -> str:
    """Return the alternative text of a grid."""
    return cut(f"Four pictures: {prompt}", ALT_TEXT_LENGTH)


def tile_alt_text(tile: int, prompt: str) -> str:
    """Return the alternative text of a tile."""
    return cut(f"{tile_name(tile)}: {prompt}", ALT_TEXT_LENGTH)


def details(
    line: Sequence[Generation], links: Sequence[str | None], size: tuple[int, int] | None
) -> str:
    """Tell all about the last of a ``line`` of generations but its prompt. ``links`` lead to their
    messages; ``size`` is in pixels."""
    generation = line[-1]
    rows = [
        ("By", f"<@{generation.user_id}>"),
        ("When", format_dt(generation.created_at, "f")),
    ]
    if generation.started_at and generation.finished_at:
        rows.append(("Took", _seconds(generation.finished_at - generation.started_at)))
    if size:
        rows.append(("Size", f"{size[0]} x {size[1]} pixels"))
    if len(line) > 1:
        rows.append(("Came from", _lineage(line[:-1], links)))
    if result := generation.result:
        found = (("API id", result.api_id), ("Flags", result.flags), ("Hash", result.api_hash))
        rows += [(name, _foreign(value)) for name, value in found if value is not None]
    return "\n".join(f"**{name}:** {value}" for name, value in rows)


def fits_with(prompt: str, told: str) -> bool:
    """Tell whether a copyable prompt fits the message that holds its details."""
    return units(copyable(prompt)) + units(told) <= 4_000


def _lineage(line: Sequence[Generation], links: Sequence[str | None]) -> str:
    """Name what a picture came from, the first one first; of a long line, what is in between is
    counted."""
    steps = [_step(generation, link) for generation, link in zip(line, links, strict=False)]
    if len(steps) > _LINE:
        left_out = len(steps) - _LINE
        steps = [steps[0], f"… {left_out} more …", *steps[left_out + 1 :]]
    return " → ".join(steps)


def _step(generation: Generation, link: str | None) -> str:
    name = _KINDS[generation.kind]
    if generation.deleted_at:
        return f"{name} (deleted)"
    return f"[{name}]({link})" if link else name


def _foreign(value: object) -> str:
    return inert(cut(str(value), _ID_LENGTH))


def _seconds(time: timedelta) -> str:
    minutes, seconds = divmod(round(time.total_seconds()), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
