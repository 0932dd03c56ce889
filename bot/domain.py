"""What the bot is about, in plain data and pure rules. Standard library only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, StrEnum

UPLOAD_BYTES = 25 * 1024 * 1024
"""Bytes of a member's upload at most."""

TOKEN_LIFETIME = timedelta(minutes=15)
"""How long an interaction token edits and follows up (Discord's interactions reference)."""

LONG_WAIT = timedelta(minutes=1)
"""How long somebody looks at a card; after that they are called."""
ALL_FOUR = -1
"""The option of the button that asks for all tiles of a grid; the API returns none for it."""
NOBODY = 0
"""The user of a row whose member has deleted their data: only what is counted is left of it."""

GRID, SOURCE, TILE = "grid", "source", "tile-{}"
"""How a result's attachments are named, before the suffix."""

_DISCORD_EPOCH = datetime(2015, 1, 1, tzinfo=UTC)
_UPLOAD_TYPES = {"image/png", "image/jpeg", "image/webp", "image/gif"}
_UPLOAD_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif")


class Kind(StrEnum):
    """What was asked for."""

    VARY = "vary"
    REROLL = "reroll"
    VARIATION = "variation"
    REMIX = "remix"
    UPSCALE = "upscale"
    DESCRIBE = "describe"

    @property
    def calls_api(self) -> bool:
        """Whether such work needs a call of the API, and so has limits and a place in the queue."""
        return self is not Kind.UPSCALE

    @property
    def fills_answer(self) -> bool:
        """Whether the result takes the place of the interaction's deferred answer; else it is a
        message of its own, and a card shows the progress."""
        return self is Kind.UPSCALE


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


class LogEvent(StrEnum):
    """What a line of a server's log tells of."""

    GENERATION = "generation"
    DELETION = "deletion"
    SETTINGS = "settings"


class ShowcaseState(StrEnum):
    """Where a result stands in a showcase."""

    DUE = "due"
    """It is to be shown."""
    SHOWN = "shown"
    OUTDATED = "outdated"
    """Its original is deleted, so it is to be taken away."""
    GONE = "gone"
    """It was taken away, or could never be shown; it isn't shown again."""


class ErrorCode(StrEnum):
    """Why a generation failed, as the ledger keeps it."""

    UNFORESEEN = "error"
    STORE = "store"
    BAD_REQUEST = "bad_request"
    UNAUTHORIZED = "unauthorized"
    BUSY = "busy"
    API_FAILURE = "api_failure"
    TIMEOUT = "timeout"
    NOT_SENT = "not_sent"
    UNREACHABLE = "unreachable"
    NONSENSE = "nonsense"
    REQUEST_TOO_LARGE = "request_too_large"
    PICTURE_GONE = "picture_gone"
    PICTURE_UNREACHABLE = "picture_unreachable"
    PICTURE_TOO_LARGE = "picture_too_large"
    NOT_A_PICTURE = "not_a_picture"
    HOST_NOT_ALLOWED = "host_not_allowed"
    SOURCE_GONE = "source_picture_gone"
    SOURCE_UNREACHABLE = "source_picture_unreachable"
    SOURCE_TOO_LARGE = "source_picture_too_large"
    SOURCE_NOT_A_PICTURE = "source_not_a_picture"
    SOURCE_HOST_NOT_ALLOWED = "source_host_not_allowed"
    UNDELIVERED = "undelivered"
    NO_CARD = "no_card"
    BLOCKED = "blocked"
    MAYBE_POSTED = "maybe_posted"

    @classmethod
    def _missing_(cls, value: object) -> ErrorCode:
        """Read what another version of the bot wrote."""
        return cls.UNFORESEEN

    @property
    def final(self) -> bool:
        """Whether asking again for the very same thing can't help."""
        return self in _FINAL

    @property
    def maybe_charged(self) -> bool:
        """Whether the API may have charged for it, though nothing came back."""
        return self in {ErrorCode.TIMEOUT, ErrorCode.UNREACHABLE, ErrorCode.NONSENSE}


_FINAL = {
    ErrorCode.BAD_REQUEST,
    ErrorCode.REQUEST_TOO_LARGE,
    ErrorCode.PICTURE_GONE,
    ErrorCode.SOURCE_GONE,
    ErrorCode.SOURCE_TOO_LARGE,
    ErrorCode.SOURCE_NOT_A_PICTURE,
    ErrorCode.BLOCKED,
}


class Permission(Enum):
    """What the bot needs to post a result: bits of a permission set (Discord's documentation,
    "Permissions")."""

    VIEW_CHANNEL = 1 << 10
    SEND_MESSAGES = 1 << 11
    ATTACH_FILES = 1 << 15
    SEND_MESSAGES_IN_THREADS = 1 << 38


_ADMINISTRATOR, _MANAGE_SERVER, _MANAGE_MESSAGES = 1 << 3, 1 << 5, 1 << 13


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
    """What the API answered: where the grid is, its options, and the ids that came with them.

    ``size`` is the picture's (width, height) in pixels, ``None`` where the API doesn't say.
    ``descriptions`` are those of a picture, ready to be prompts; such a result has no grid.
    """

    image_urls: tuple[str, ...]
    options: tuple[Option, ...]
    api_id: str | None = None
    api_hash: str | None = None
    flags: int | None = None
    task_id: str | None = None
    size: tuple[int, int] | None = None
    descriptions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asked, and through which interaction.

    ``token`` is the interaction's, good for :data:`TOKEN_LIFETIME`. ``upload_limit`` is in bytes
    and counts the asker's own subscription, which the bot's messages don't have.
    ``app_permissions`` is Discord's bit set of what the bot may do there, ``permissions`` of what
    the asker may, ``role_ids`` the asker's roles. A thread has a ``parent_channel_id``;
    ``age_restricted`` says that of the channel.

    ``answer_only``: the bot is no member there, so answers to the interaction are all that it can
    post. ``on_direct_message``: what was pressed is an ordinary message of the bot's direct
    messages with the asker, which nobody else sees and which stays.
    """

    interaction_id: int
    user_id: int
    guild_id: int | None
    channel_id: int
    token: str
    upload_limit: int
    app_permissions: int
    in_thread: bool = False
    answer_only: bool = False
    on_direct_message: bool = False
    parent_channel_id: int | None = None
    age_restricted: bool = False
    permissions: int = 0
    role_ids: frozenset[int] = frozenset()

    def has_role(self, role_id: int) -> bool:
        """Tell whether the asker has a role; everyone's has the server's id."""
        return role_id in self.role_ids or role_id == self.guild_id

    @property
    def manages_server(self) -> bool:
        """Whether Discord says that the asker has the permission Manage Server."""
        return bool(self.permissions & (_ADMINISTRATOR | _MANAGE_SERVER))

    @property
    def moderates(self) -> bool:
        """Whether Discord says that the asker has the permission Manage Messages in a server."""
        may = self.permissions & (_ADMINISTRATOR | _MANAGE_MESSAGES)
        return self.guild_id is not None and bool(may)

    def may_end(self, generation: Generation) -> bool:
        """Tell whether the asker may cancel, discard or delete a generation: their own, and
        anybody's of a server in which they moderate."""
        is_here = self.guild_id == generation.guild_id
        return self.user_id == generation.user_id or (is_here and self.moderates)

    @property
    def missing_permissions(self) -> tuple[Permission, ...]:
        """What the bot lacks to post a message with files there.

        Always empty in direct messages, of which ``app_permissions`` says nothing (Discord's
        documentation, "Interaction Structure"), and where it posts nothing but answers.
        """
        if self.guild_id is None or self.answer_only or self.app_permissions & _ADMINISTRATOR:
            return ()
        send = Permission.SEND_MESSAGES_IN_THREADS if self.in_thread else Permission.SEND_MESSAGES
        needed = (Permission.VIEW_CHANNEL, send, Permission.ATTACH_FILES)
        return tuple(p for p in needed if not self.app_permissions & p.value)


@dataclass(frozen=True, slots=True)
class NewGeneration:
    """One asked-for image result, before it is in the ledger.

    Its id is that of the interaction that asked: a press is stored once, and an id never changes
    its meaning, not even where the database is lost. ``private``: nobody but the asker sees what
    comes of it. ``origin`` links to the message that its picture was taken from.
    """

    asker: Asker
    kind: Kind
    prompt: str = ""
    source_url: str | None = None
    parent_id: int | None = None
    tile: int = 0
    retry_of: int | None = None
    result: Result | None = None
    private: bool = False
    origin: str | None = None

    @property
    def answer_only(self) -> bool:
        """Whether only answers to the interaction carry its card and its result: the bot is no
        member there, or nobody but the asker is to see them."""
        return self.asker.answer_only or (self.private and not self.asker.on_direct_message)


@dataclass(frozen=True, slots=True)
class Generation:
    """A row of the ledger. Times are aware and UTC; ``upload_limit`` is in bytes.

    ``tile`` is 1 to 4 where it is about one tile of its parent's grid, else 0. What is made from a
    tile's own message has that tile as its parent, and no number.

    ``grid_file`` and ``source_file`` name the attachments of the message ``message_id``;
    ``card_id`` is the message that shows the progress (or, where the result fills the answer, the
    deferred answer). ``interaction_id`` is the interaction whose answer the card is: the one that
    asked, or a later one that fetched the result. ``attempts`` counts tries that ended
    without a result: failed preparations, failed deliveries, workers that died.
    ``discarded``: the asker doesn't want the result posted; it is kept to be fetched.
    Of a result that was deleted (``deleted_at``) only what accounting needs is kept.

    ``private`` and ``origin`` are as in :class:`NewGeneration`. ``answer_only``: only answers to
    the interaction reach its asker in ``channel_id``. ``direct_id``: the channel of the direct
    messages that hold its card or its result instead, once the interaction's token is void. A
    ``spoiler`` is hidden until somebody clicks on it.
    """

    id: int
    kind: Kind
    state: State
    user_id: int
    guild_id: int | None
    channel_id: int
    interaction_id: int
    prompt: str
    created_at: datetime
    upload_limit: int
    app_permissions: int = 0
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
    attempts: int = 0
    discarded: bool = False
    started_at: datetime | None = None
    called_at: datetime | None = None
    finished_at: datetime | None = None
    error: ErrorCode | None = None
    result: Result | None = None
    deleted_at: datetime | None = None
    private: bool = False
    answer_only: bool = False
    direct_id: int | None = None
    origin: str | None = None
    spoiler: bool = False

    @property
    def ephemeral(self) -> bool:
        """Whether its answer is shown to its asker alone."""
        return self.private and self.answer_only

    @property
    def is_fleeting(self) -> bool:
        """Whether its message can't be fetched, linked or edited once the token is void."""
        return self.answer_only and self.direct_id is None

    @property
    def needs_call(self) -> bool:
        """Whether it still needs a call of the API."""
        return self.kind.calls_api and self.result is None

    @property
    def file_stem(self) -> str:
        """The name, without its suffix, of the attachment that is the result."""
        return TILE.format(self.tile or 1) if self.kind.fills_answer else GRID

    @property
    def starts_from_tile(self) -> bool:
        """Whether the source of its call is a tile of the parent's grid."""
        return self.kind.calls_api and self.tile > 0

    @property
    def retryable(self) -> bool:
        """Whether it failed, but asking again for the very same thing makes sense."""
        failed = self.state in {State.FAILED, State.INTERRUPTED}
        return failed and not (self.error and self.error.final)

    @property
    def failed_late(self) -> bool:
        """Whether there is no result to show, and its asker has waited for it so long that they
        may look elsewhere by now."""
        if self.state is State.CANCELLED or self.discarded or self.finished_at is None:
            return False
        return self.finished_at - self.created_at > LONG_WAIT

    @property
    def message_place(self) -> tuple[int | None, int]:
        """The server and the channel in which its messages stand."""
        return (
            (self.guild_id, self.channel_id) if self.direct_id is None else (None, self.direct_id)
        )

    def is_at(self, asker: Asker) -> bool:
        """Tell whether its messages stand where somebody asks.

        What only answers carried may have come as a direct message later.
        """
        if asker.on_direct_message and self.answer_only and asker.user_id == self.user_id:
            return True
        places = {(self.guild_id, self.channel_id), self.message_place}
        return (asker.guild_id, asker.channel_id) in places

    def usable_token(self, now: datetime) -> str | None:
        """Return the interaction token if Discord still takes it at ``now``."""
        fresh = self.token_at is not None and now < self.token_at + TOKEN_LIFETIME
        return self.token if fresh else None

    def posted_since(self) -> datetime:
        """Return the earliest time, by Discord's clock, at which its result can have been posted.

        This machine's clock only says how long after it was asked for the API was called.
        """
        asked = snowflake_time(self.interaction_id)
        if self.called_at is None or self.interaction_id != self.id:
            return asked
        return asked + max(self.called_at - self.created_at, timedelta(0))


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded picture: its bytes, the suffix that fits them (``.png``), and its size in pixels.

    The size is the one stored: it says nothing of how EXIF turns the picture.
    """

    data: bytes
    suffix: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class HostedTile:
    """A tile that is attached to a card: its link, and what an edit of the card refers to.

    ``direct_id`` is the channel of the direct messages that hold the card, if they do.
    """

    card_id: int
    file: str
    attachment_id: int
    link: str
    direct_id: int | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a generation is: how many are ``ahead`` of it in the queue, and whether it waits
    there for another with the ``same_prompt``; or since when it runs, how long such work usually
    takes and the tile it starts from; or (``delayed``) that its result is there and can't be
    delivered yet. While it waits, all work may be ``paused``."""

    ahead: int | None = None
    same_prompt: bool = False
    paused: bool = False
    since: datetime | None = None
    usual: timedelta | None = None
    now: datetime | None = None
    tile: HostedTile | None = None
    delayed: bool = False


@dataclass(frozen=True, slots=True)
class PickedPicture:
    """A picture of a message: its name for people, and its link on a host of Discord's."""

    name: str
    link: str


@dataclass(frozen=True, slots=True)
class Pick:
    """A message that a member chose in the Apps menu.

    ``id`` is the interaction's, ``owner_id`` whose pictures they are; ``origin`` links to the
    message. ``private``: nobody but the member sees it.
    """

    id: int
    user_id: int
    owner_id: int
    origin: str
    pictures: tuple[PickedPicture, ...]
    private: bool = False


@dataclass(frozen=True, slots=True)
class Delivered:
    """The message that holds a result, and the names of its attachments. A description has no
    grid. ``direct_id`` is the channel of the direct messages that hold it, if they do."""

    message_id: int
    grid_file: str | None
    source_file: str | None = None
    direct_id: int | None = None


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of a server's log: who asked, or who changed or deleted something (if that is known),
    the generation as it is now, and the state in which it ended or the name of what was changed."""

    event: LogEvent
    user_id: int | None
    generation: Generation | None
    detail: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class LogBatch:
    """Lines that are posted together in ``channel_id``; they stay the same until that is done."""

    id: int
    guild_id: int
    channel_id: int
    lines: tuple[LogLine, ...]


@dataclass(frozen=True, slots=True)
class Showing:
    """A result that is to be shown in a showcase, or taken away from there (``message_id``)."""

    generation_id: int
    channel_id: int
    message_id: int | None
    generation: Generation | None


@dataclass(frozen=True, slots=True)
class Click:
    """One press of a button by one user.

    ``generation_id`` is 0 for a button that is about none. ``option`` is the position of the
    option among the generation's, or :data:`ALL_FOUR`; ``None`` for any other button that the API
    didn't return. ``links`` are fresh links of the pressed message's attachments by file name.
    """

    asker: Asker
    message_id: int
    generation_id: int
    option: int | None
    label: str
    links: Mapping[str, str]


def count_ahead(place: int, running: int, concurrency: int) -> int:
    """Return how many come before whoever has a ``place`` (from 1) in the queue for the API, where
    so many are ``running``; 0 where the API has room for it at once."""
    return 0 if place + running <= concurrency else place - 1 + running


@dataclass(frozen=True, slots=True)
class AccountInfo:
    """What the API says of the account behind it, in its own words; ``None`` where it doesn't.

    ``fast_hours`` is read from ``fast_time``: the hours of fast time that are left.
    """

    subscription: str | None = None
    job_mode: str | None = None
    visibility: str | None = None
    fast_time: str | None = None
    fast_hours: float | None = None
    lifetime_usage: str | None = None
    relaxed_usage: str | None = None
    queued_fast: str | None = None
    queued_relaxed: str | None = None
    running: str | None = None


def snowflake_time(snowflake: int) -> datetime:
    """Return when an id of Discord's was made (Discord's reference, "Snowflakes")."""
    return _DISCORD_EPOCH + timedelta(milliseconds=snowflake >> 22)


def snowflake_at(time: datetime) -> int:
    """Return the least id that Discord makes at a time."""
    return max((time - _DISCORD_EPOCH) // timedelta(milliseconds=1), 0) << 22


def file_named(stem: str, names: Iterable[str]) -> str | None:
    """Return the first of some file names that is ``stem`` and a suffix."""
    return next((name for name in names if name.rpartition(".")[0] == stem), None)


def is_supported_upload(filename: str, content_type: str | None) -> bool:
    """Tell whether an upload says, by type and by name, that it is PNG, JPEG, WebP or GIF.

    Discord leaves the type out where it doesn't know one; the name alone decides then.
    """
    declared = (content_type or "").split(";")[0].strip().lower()
    return declared in {"", *_UPLOAD_TYPES} and filename.lower().endswith(_UPLOAD_SUFFIXES)
