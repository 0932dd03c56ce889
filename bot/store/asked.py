"""What a front asks of the store, and what a press asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from bot.domain import ALL_FOUR, Asker, Click, Generation, Kind, NewGeneration
from bot.errors import UnknownPicture


@dataclass(frozen=True, slots=True)
class EnqueueResult:
    """What became of a request: the new generation and how many are ``ahead`` of it in the queue
    (``None`` where it needs no call), or (``repeated``) the one that there is already."""

    generation: Generation
    ahead: int | None = None
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Retry:
    """Somebody asks again for a generation that failed. With a ``label`` it is a press of the
    button that shows it, and recorded as a click."""

    asker: Asker
    generation_id: int
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Cancel:
    """Somebody takes a generation out of the queue. ``label`` is as with :class:`Retry`."""

    asker: Asker
    generation_id: int
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Remix:
    """Somebody asks for a new grid with the words ``prompt``, from the source of a grid, from its
    ``tile`` 1 to 4, or from a tile on its own. Unchanged words mean a reroll or a variation.

    ``click`` says who and where; it is no press, so it isn't recorded.
    """

    click: Click
    prompt: str
    tile: int


@dataclass(frozen=True, slots=True)
class Fetch:
    """A user asks for their oldest undelivered result, here."""

    asker: Asker


@dataclass(frozen=True, slots=True)
class Remake:
    """A click was answered with a link to ``repeated``, whose message has been deleted since."""

    click: Click
    repeated: int


@dataclass(frozen=True, slots=True)
class Act:
    """Somebody presses a button that is no option of the API's. ``act`` does what it stands for,
    in the transaction that records the click; where it raises a :class:`Refused`, it has written
    nothing. ``anywhere``: the button also stands on messages in other places than its result.
    ``posted``: the button stands on the result itself, which so is posted."""

    click: Click
    act: Callable[[sa.Connection, Generation], Any]
    anywhere: bool = False
    posted: bool = False


@dataclass(frozen=True, slots=True)
class Note:
    """Somebody presses a button that only shows something; whatever it is about, it is recorded."""

    click: Click


@dataclass(frozen=True, slots=True)
class Answered:
    """The asker sees the card ``card_id``, or (``None``) doesn't see any answer."""

    generation_id: int
    card_id: int | None


Request = NewGeneration | Click | Remix | Act | Note | Retry | Cancel | Fetch | Remake | Answered


def from_click(
    click: Click, parent: Generation, kind: Kind, tile: int, prompt: str
) -> NewGeneration:
    """Say what is asked for: tiles are cut from the grid; a new grid starts from a tile, which may
    stand on its own, or from its parent's source."""
    from_result = bool(tile) or Kind.UPSCALE in {kind, parent.kind}
    file = parent.grid_file if from_result else parent.source_file
    fresh = click.links.get(file or "")
    return NewGeneration(
        asker=click.asker,
        kind=kind,
        prompt=prompt,
        source_url=fresh or (None if from_result else parent.source_url),
        parent_id=parent.id,
        tile=tile,
        private=parent.private,
        origin=None if from_result else parent.origin,
    )


def kind_and_tile(click: Click, parent: Generation) -> tuple[Kind, int]:
    """Return what kind of work the pressed button asks for, and of which tile.

    Raises:
        UnknownPicture: there is no such button.
    """
    if click.option == ALL_FOUR and parent.kind.calls_api:
        return Kind.UPSCALE, 0
    options = parent.result.options if parent.result else ()
    if click.option is None or not 0 <= click.option < len(options):
        raise UnknownPicture
    option = options[click.option]
    return option.kind, option.tile


def who_asks(request: Request) -> Asker | None:
    """Return who may ask for a new generation by a request."""
    match request:
        case NewGeneration() | Retry() | Click():
            return request.asker
        case Remix() | Remake():
            return request.click.asker
        case _:
            return None
