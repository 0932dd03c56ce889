"""What the bot is about, in plain data and pure rules. Standard library only."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

PROMPT_LENGTH = 1_800
"""Characters of a prompt at most."""

UPLOAD_BYTES = 25 * 1024 * 1024
"""Bytes of a member's upload at most."""

DEFAULT_UPLOAD_LIMIT = 10 * 1024 * 1024
"""Bytes of a file that Discord takes in a server without boosts."""

TOKEN_LIFETIME = timedelta(minutes=15)
"""How long an interaction token edits and follows up (Discord's interactions reference)."""

_FINAL_ERRORS = {
    "bad_request",
    "source_picture_gone",
    "source_picture_too_large",
    "source_not_a_picture",
}
_UPLOAD_TYPES = {"image/png", "image/jpeg", "image/webp", "image/gif"}
_UPLOAD_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif")


class Kind(StrEnum):
    """What was asked for."""

    VARY = "vary"
    REROLL = "reroll"
    VARIATION = "variation"
    UPSCALE = "upscale"


class State(StrEnum):
    """Where a generation stands."""

    QUEUED = "queued"
    RUNNING = "running"
    POSTED = "posted"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    UNDELIVERED = "undelivered"


class Outcome(StrEnum):
    """What came of a click."""

    ACCEPTED = "accepted"
    REPEATED = "repeated"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Option:
    """A button that the API returned: ``tile`` is 1 to 4, or 0 where it is about the whole grid."""

    kind: Kind
    tile: int
    label: str
    style: int
    custom: str


@dataclass(frozen=True, slots=True)
class Result:
    """What the API answered: where the grid is, its options, and the ids that came with them."""

    image_urls: tuple[str, ...]
    options: tuple[Option, ...]
    api_id: str | None = None
    api_hash: str | None = None
    flags: int | None = None
    task_id: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One asked-for image result, before it is in the ledger.

    ``id`` is the id of the interaction that asked: one press can thus never be stored twice, and
    an id names the same generation for good, whatever becomes of the database.
    """

    id: int
    kind: Kind
    user_id: int
    guild_id: int | None
    channel_id: int
    token: str
    upload_limit: int
    prompt: str = ""
    source_url: str | None = None
    parent_id: int | None = None
    tile: int = 0
    retry_of: int | None = None


@dataclass(frozen=True, slots=True)
class Generation:
    """A row of the ledger. Times are aware and UTC; ``upload_limit`` is in bytes.

    ``grid_file`` and ``source_file`` name the attachments of the message ``message_id``;
    ``card_id`` is the message that shows the progress (or, for an upscale, the deferred reply).
    """

    id: int
    kind: Kind
    state: State
    user_id: int
    guild_id: int | None
    channel_id: int
    prompt: str
    created_at: datetime
    upload_limit: int
    parent_id: int | None = None
    retry_of: int | None = None
    tile: int = 0
    source_url: str | None = None
    token: str | None = None
    token_at: datetime | None = None
    card_id: int | None = None
    message_id: int | None = None
    grid_file: str | None = None
    source_file: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    error: str | None = None
    result: Result | None = None

    @property
    def retryable(self) -> bool:
        """Whether it came to nothing, but asking again for the very same thing makes sense."""
        failed = self.state in {State.FAILED, State.INTERRUPTED}
        return failed and self.error not in _FINAL_ERRORS

    def usable_token(self, now: datetime) -> str | None:
        """Return the interaction token if Discord still takes it at ``now``."""
        fresh = self.token_at is not None and now < self.token_at + TOKEN_LIFETIME
        return self.token if fresh else None


@dataclass(frozen=True, slots=True)
class Click:
    """One press of an option by one user. ``id`` and ``token`` are the interaction's.

    ``links`` are fresh links of the pressed message's attachments by file name. ``gone`` names the
    generation that the click was said to repeat, though its message has been deleted since.
    """

    id: int
    user_id: int
    guild_id: int | None
    channel_id: int
    message_id: int
    generation_id: int
    option: int
    label: str
    token: str
    upload_limit: int
    links: Mapping[str, str]
    gone: int | None = None


_CUSTOM = re.compile(r"MJ::JOB::(upsample|variation|reroll)::([0-9]+)(?:::.*)?", re.DOTALL)
_LABEL = re.compile(r"([UV])([1-4])")
_KINDS = {"upsample": Kind.UPSCALE, "variation": Kind.VARIATION, "reroll": Kind.REROLL}
_LETTERS = {Kind.UPSCALE: "U", Kind.VARIATION: "V"}
_REROLL_LABEL = "🔄"
_LABEL_LENGTH = 80
GREY, BLUE = 2, 1

GRID, SOURCE = "grid", "source"
"""How a result's attachments are named, before the suffix."""


def read_option(custom: str, label: str | None, style: int | None) -> Option | None:
    """Read one option of an API answer; ``None`` if it is of a kind that is not shown.

    ``custom`` decides; a label decides only where ``custom`` is of no form that we know.
    """
    kind: Kind | None = None
    tile = 0
    if match := _CUSTOM.fullmatch(custom):
        kind = _KINDS[match[1]]
        tile = 0 if kind is Kind.REROLL else int(match[2][:2])
    elif not custom.startswith("MJ::") and label is not None:
        if match := _LABEL.fullmatch(label):
            kind = Kind.UPSCALE if match[1] == "U" else Kind.VARIATION
            tile = int(match[2])
        elif label == _REROLL_LABEL:
            kind = Kind.REROLL
    if kind is None or (kind is not Kind.REROLL and tile not in range(1, 5)):
        return None
    fallback = _REROLL_LABEL if kind is Kind.REROLL else f"{_LETTERS[kind]}{tile}"
    shown = (label or "").strip()[:_LABEL_LENGTH] or fallback
    if style is None or not 1 <= style <= 4:
        style = GREY
    return Option(kind, tile, shown, style, custom)


def unique_options(options: Sequence[Option]) -> tuple[Option, ...]:
    """Keep the first option of each kind and tile: nine at most, whatever the API sent."""
    kept: dict[tuple[Kind, int], Option] = {}
    for option in options:
        kept.setdefault((option.kind, option.tile), option)
    return tuple(kept.values())


def option_rows(options: Sequence[Option]) -> list[list[tuple[int, Option]]]:
    """Lay the options out as rows of at most five, each with its position in ``options``.

    The API returns them flat; the variations start a row of their own.
    """
    rows: list[list[tuple[int, Option]]] = []
    previous: Kind | None = None
    for position, option in enumerate(options):
        new_group = option.kind is Kind.VARIATION and previous is not Kind.VARIATION
        if not rows or new_group or len(rows[-1]) == 5:
            rows.append([])
        rows[-1].append((position, option))
        previous = option.kind
    return rows


def file_named(stem: str, names: Iterable[str]) -> str | None:
    """Return the first of some file names that is ``stem`` and a suffix."""
    return next((name for name in names if name.rpartition(".")[0] == stem), None)


def clean_prompt(prompt: str) -> str:
    """Return the prompt as it is sent: trimmed, without control characters and lone surrogates.

    An empty string means that nothing visible is left.
    """
    kept = "".join(c for c in prompt if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cs"})
    visible = any(unicodedata.category(c)[0] not in "ZC" for c in kept)
    return kept.strip() if visible else ""


def is_supported_upload(filename: str, content_type: str | None) -> bool:
    """Tell whether an upload says, by type and by name, that it is PNG, JPEG, WebP or GIF.

    Discord leaves the type out where it doesn't know one; the name alone decides then.
    """
    declared = (content_type or "").split(";")[0].strip().lower()
    return declared in {"", *_UPLOAD_TYPES} and filename.lower().endswith(_UPLOAD_SUFFIXES)
