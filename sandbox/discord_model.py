"""What the loopback Discord is made of, and how each thing reads on the wire."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from PIL import Image, UnidentifiedImageError

Json = dict[str, Any]

EPHEMERAL, LOADING, COMPONENTS_V2 = 1 << 6, 1 << 7, 1 << 15
MANAGE_MESSAGES = 1 << 13
MEMBER = 0x1_8000_C464_0640  # view, send, embed, attach, read history, mention, commands


class ApiError(Exception):
    """An answer of Discord's that is no success: HTTP status, JSON code and message."""

    def __init__(self, status: int, code: int, message: str, errors: Json | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body: Json = {"message": message, "code": code}
        if errors:
            self.body["errors"] = errors


def invalid(where: str, code: str, message: str) -> ApiError:
    """Return 50035, which names the field (``a.b.c``) at fault."""
    errors: Json = {"_errors": [{"code": code, "message": message}]}
    for key in reversed(where.split(".")):
        errors = {key: errors}
    return ApiError(400, 50035, "Invalid Form Body", errors)


@dataclass(frozen=True)
class User:
    """A member (``permissions``: Discord's bit set) or the bot itself."""

    id: int
    name: str
    permissions: int = MEMBER
    bot: bool = False

    def payload(self) -> Json:
        return {
            "id": str(self.id),
            "username": self.name,
            "global_name": self.name.title(),
            "discriminator": "0",
            "avatar": None,
            "public_flags": 0,
            "flags": 0,
            "bot": self.bot,
            "primary_guild": None,
        }

    def member(self) -> Json:
        return {
            "user": self.payload(),
            "roles": [],
            "joined_at": "2024-01-01T00:00:00+00:00",
            "premium_since": None,
            "deaf": False,
            "mute": False,
            "pending": False,
            "flags": 0,
            "avatar": None,
            "nick": None,
            "permissions": str(self.permissions),
        }


def safe_name(filename: str) -> str:
    """Return a file's name as Discord keeps it."""
    return re.sub(r"[^\w.-]+", "_", filename, flags=re.ASCII)


@dataclass(frozen=True)
class Upload:
    """A file on its way in: ``data`` is its bytes."""

    filename: str
    data: bytes
    content_type: str = "image/png"


@dataclass
class Attachment:
    """A stored file; ``sign`` makes its link, good for a day from now."""

    id: int
    filename: str
    data: bytes = field(repr=False)
    content_type: str
    folder: str
    sign: Callable[[Attachment], str] = field(repr=False)
    description: str | None = None

    @property
    def url(self) -> str:
        return self.sign(self)

    def payload(self) -> Json:
        url = self.url
        found: Json = {
            "id": str(self.id),
            "filename": self.filename,
            "size": len(self.data),
            "url": url,
            "proxy_url": url,
            "content_type": self.content_type,
        }
        if self.description is not None:
            found["description"] = self.description
        if self.folder.startswith("ephemeral"):
            found["ephemeral"] = True
        try:
            with Image.open(io.BytesIO(self.data)) as image:
                found |= {"width": image.width, "height": image.height}
        except (UnidentifiedImageError, Image.DecompressionBombError, OSError):
            pass
        return found


@dataclass
class Message:
    """A message; its ``components`` keep ``attachment://`` names, ``payload`` resolves them."""

    id: int
    channel_id: int
    guild_id: int | None
    author: User
    created: float
    content: str = ""
    embeds: list[Json] = field(default_factory=list[Json])
    components: list[Json] = field(default_factory=list[Json])
    attachments: list[Attachment] = field(default_factory=list[Attachment])
    flags: int = 0
    type: int = 0
    edited: float | None = None
    deleted: bool = False
    pings: list[str] = field(default_factory=list[str])
    mentions: list[User] = field(default_factory=list[User])
    nonce: str | int | None = None
    reply_to: int | None = None
    interaction: Interaction | None = None

    @property
    def ephemeral(self) -> bool:
        return bool(self.flags & EPHEMERAL)

    @property
    def payload(self) -> Json:
        """The message as Discord returns it now, every link fresh."""
        files = {a.filename: a.payload() for a in self.attachments}
        found: Json = {
            "id": str(self.id),
            "type": self.type,
            "channel_id": str(self.channel_id),
            "author": self.author.payload(),
            "content": self.content,
            "embeds": self.embeds,
            "components": [_resolved(c, files) for c in self.components],
            "attachments": list(files.values()),
            "flags": self.flags,
            "timestamp": _stamp(self.created),
            "edited_timestamp": None if self.edited is None else _stamp(self.edited),
            "mentions": [user.payload() for user in self.mentions],
            "mention_roles": [p.removeprefix("role:") for p in self.pings if p[:5] == "role:"],
            "mention_everyone": "everyone" in self.pings,
            "pinned": False,
            "tts": False,
        }
        if self.nonce is not None:
            found["nonce"] = self.nonce
        if self.reply_to:
            found["message_reference"] = {
                "type": 0,
                "message_id": str(self.reply_to),
                "channel_id": str(self.channel_id),
            }
        if self.interaction:
            found["application_id"] = found["webhook_id"] = self.interaction.application_id
            found["interaction_metadata"] = {
                "id": str(self.interaction.id),
                "type": self.interaction.type,
                "user": self.interaction.user.payload(),
                "authorizing_integration_owners": {},
            }
        return found


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _resolved(component: Json, files: dict[str, Json]) -> Json:
    found = dict(component)
    for key in ("media", "file"):
        if key in found:
            found[key] = _media(found[key]["url"], files)
    for key in ("components", "items"):
        if key in found:
            found[key] = [_resolved(child, files) for child in found[key]]
    if "accessory" in found:
        found["accessory"] = _resolved(found["accessory"], files)
    return found


def _media(url: str, files: dict[str, Json]) -> Json:
    if not url.startswith("attachment://"):
        return {"url": url, "proxy_url": url, "loading_state": 0, "placeholder": ""}
    file = files[safe_name(url.removeprefix("attachment://"))]
    keys = ("url", "proxy_url", "width", "height", "content_type")
    media = {key: file[key] for key in keys if key in file}
    return media | {"attachment_id": file["id"], "loading_state": 2, "placeholder": ""}


def walk(components: list[Json]) -> Iterator[Json]:
    """Yield every component in order, nested ones included."""
    for component in components:
        yield component
        yield from walk(component.get("components", []))
        if "accessory" in component:
            yield from walk([component["accessory"]])


def text_of(message: Message) -> str:
    """Return the content and every text display, joined by line ends."""
    texts = [c["content"] for c in walk(message.components) if c["type"] == 10]
    return "\n".join([message.content, *texts]).strip()


def buttons_of(message: Message) -> list[Json]:
    """Return the buttons' component objects in the order shown."""
    return [c for c in walk(message.components) if c["type"] == 2]


def images_of(message: Message) -> list[Attachment]:
    """Return the attachments that are images."""
    return [a for a in message.attachments if a.content_type.startswith("image/")]


def label_of(button: Json) -> str:
    """Return what a button shows: its label, or else its emoji."""
    emoji: Json = button.get("emoji") or {}
    return button.get("label") or emoji.get("name") or ""


@dataclass
class Interaction:
    """A command or a press that the bot was told of. Times in unix seconds."""

    id: int
    token: str
    type: int
    user: User
    channel_id: int
    guild_id: int | None
    application_id: str
    created: float
    wait: Callable[[Interaction, float], Any] = field(repr=False)
    source: Message | None = None
    name: str = ""
    answer: Json | None = None
    message: Message | None = None
    latency: float | None = None
    ephemeral: bool = False
    followups: list[Message] = field(default_factory=list[Message])

    async def answered(self, timeout: float = 3.0) -> Json:  # noqa: ASYNC109
        """Return the callback's payload; ``TimeoutError`` when none comes in so many seconds."""
        await self.wait(self, timeout)
        assert self.answer is not None  # noqa: S101
        return self.answer


@dataclass
class Request:
    """A REST request as received; ``status`` is what it was answered (0: the line was cut)."""

    method: str
    path: str
    json: Any = None
    files: list[tuple[str, bytes, str]] = field(default_factory=list[tuple[str, bytes, str]])
    status: int = 0
    at: float = 0.0


@dataclass(frozen=True)
class Fault:
    """A failure instead of an answer.

    ``retry_after`` (seconds) makes a 429; ``drop`` cuts the connection before or after the effect;
    ``delay`` (seconds) comes first, and with status 200 the request is then carried out.
    """

    status: int = 200
    code: int = 0
    message: str = "Fault"
    retry_after: float | None = None
    everywhere: bool = False
    drop: Literal["before", "after"] | None = None
    delay: float = 0.0
