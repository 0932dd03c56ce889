"""What the loopback Discord is made of, and how each thing reads on the wire."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from PIL import Image, UnidentifiedImageError

from sandbox.discord.components import Json, names_in, resolve, safe_name, walk
from sandbox.discord.permissions import MEMBER, USE_EXTERNAL_APPS

EPHEMERAL, LOADING, COMPONENTS_V2 = 1 << 6, 1 << 7, 1 << 15
SUPPRESS_EMBEDS, SUPPRESS_NOTIFICATIONS = 1 << 2, 1 << 12
TEXT_CHANNEL, DIRECT_CHANNEL, VOICE, GROUP, THREAD = 0, 1, 2, 3, 11


@dataclass(frozen=True)
class Role:
    """A role of a server; ``color`` is 0xRRGGBB, 0 for none."""

    id: int
    name: str
    guild_id: int
    permissions: int = 0
    color: int = 0
    position: int = 1

    def payload(self) -> Json:
        colors: Json = {"primary_color": self.color}
        return {
            "id": str(self.id),
            "name": self.name,
            "permissions": str(self.permissions),
            "position": self.position,
            "color": self.color,
            "colors": colors | {"secondary_color": None, "tertiary_color": None},
            "hoist": False,
            "managed": False,
            "mentionable": False,
            "icon": None,
            "unicode_emoji": None,
            "flags": 0,
        }


@dataclass(frozen=True)
class User:
    """A member (``permissions``: Discord's bit set) or the bot itself.

    ``roles`` are the ids of the member's roles, over all servers.
    """

    id: int
    name: str
    permissions: int = MEMBER
    bot: bool = False
    roles: list[int] = field(default_factory=list[int], compare=False)

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
            "roles": [str(role) for role in self.roles],
            "joined_at": "2024-01-01T00:00:00+00:00",
            "premium_since": None,
            "deaf": False,
            "mute": False,
            "pending": False,
            "flags": 0,
            "avatar": None,
            "banner": None,
            "communication_disabled_until": None,
            "nick": None,
            "permissions": str(self.permissions),
        }


@dataclass
class Channel:
    """A channel, a thread (``parent_id``) or direct messages (``recipients``).

    ``app_permissions`` are the bot's in this channel; ``None``: those that it has everywhere.
    """

    id: int
    guild_id: int | None
    name: str = ""
    type: int = TEXT_CHANNEL
    parent_id: int | None = None
    recipients: tuple[User, ...] = ()
    archived: bool = False
    locked: bool = False
    app_permissions: int | None = None

    def payload(self, permissions: int) -> Json:
        """Return the channel; ``permissions`` are those of whom it is sent to."""
        found: Json = {"id": str(self.id), "type": self.type, "flags": 0, "last_message_id": None}
        if self.guild_id is None:
            found["recipients"] = [user.payload() for user in self.recipients]
            if self.type == GROUP:
                found |= {"name": None, "icon": None, "owner_id": str(self.recipients[0].id)}
            return found
        found |= {
            "guild_id": str(self.guild_id),
            "name": self.name,
            "parent_id": None if self.parent_id is None else str(self.parent_id),
            "rate_limit_per_user": 0,
            "permissions": str(permissions),
        }
        if self.type == THREAD:
            return found | {
                "owner_id": str(self.id),
                "message_count": 0,
                "member_count": 1,
                "total_message_sent": 0,
                "thread_metadata": {
                    "archived": self.archived,
                    "locked": self.locked,
                    "archive_timestamp": "2026-01-01T00:00:00+00:00",
                    "auto_archive_duration": 1440,
                },
            }
        return found | {"position": 0, "nsfw": False, "permission_overwrites": []}


@dataclass(frozen=True)
class Upload:
    """A file on its way in: ``data`` is its bytes."""

    filename: str
    data: bytes
    content_type: str = "image/png"


@dataclass
class Attachment:
    """A stored file; ``sign`` makes its link, good for a day from now.

    ``dies``: when a file that no message holds any more can't be read, in unix seconds.
    """

    id: int
    filename: str
    data: bytes = field(repr=False)
    content_type: str
    folder: str
    sign: Callable[[Attachment], str] = field(repr=False)
    description: str | None = None
    dies: float | None = None

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
        return found | self._size

    @cached_property
    def _size(self) -> Json:
        """The width and height in pixels, if it is an image."""
        try:
            with Image.open(io.BytesIO(self.data)) as image:
                return {"width": image.width, "height": image.height}
        except (UnidentifiedImageError, Image.DecompressionBombError, OSError):
            return {}


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
    mention_roles: list[str] = field(default_factory=list[str])
    mention_everyone: bool = False
    nonce: str | int | None = None
    reply_to: int | None = None
    forwarded: Message | None = None
    interaction: Interaction | None = None
    sign: Callable[[str], str] = field(default=str, repr=False)

    @property
    def ephemeral(self) -> bool:
        return bool(self.flags & EPHEMERAL)

    @property
    def payload(self) -> Json:
        """The message as Discord returns it now, every link fresh.

        What components or embeds show is left out of ``attachments``
        (discord/discord-api-docs, threads 8277 and 8279).
        """
        files = {a.filename: a.payload() for a in self.attachments}
        shown = names_in(self.components, self.embeds)
        found: Json = {
            "id": str(self.id),
            "type": self.type,
            "channel_id": str(self.channel_id),
            "author": self.author.payload(),
            "content": self.content,
            "embeds": [_embed(embed, files) for embed in self.embeds],
            "components": [resolve(c, files, self.sign) for c in self.components],
            "attachments": [file for name, file in files.items() if name not in shown],
            "flags": self.flags,
            "timestamp": stamp(self.created),
            "edited_timestamp": None if self.edited is None else stamp(self.edited),
            "mentions": [user.payload() for user in self.mentions],
            "mention_roles": self.mention_roles,
            "mention_everyone": self.mention_everyone,
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
        if self.forwarded:
            found |= self.forwarded.snapshot()
        if self.interaction:
            found["application_id"] = found["webhook_id"] = self.interaction.application_id
            found["interaction_metadata"] = self.interaction.metadata(self)
        return found

    def snapshot(self) -> Json:
        """Return what a message that forwards this one holds.

        Source: documentation, "Message Reference Types" and "Message Snapshot Object".
        """
        keys = ("type", "content", "embeds", "attachments", "timestamp", "edited_timestamp")
        keys += ("flags", "mentions", "mention_roles", "components")
        payload = self.payload
        reference: Json = {"type": 1, "message_id": str(self.id)}
        reference["channel_id"] = str(self.channel_id)
        if self.guild_id is not None:
            reference["guild_id"] = str(self.guild_id)
        message = {key: payload[key] for key in keys}
        return {"message_reference": reference, "message_snapshots": [{"message": message}]}


def stamp(seconds: float) -> str:
    """Return unix seconds as Discord writes a time."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _embed(embed: Json, files: dict[str, Json]) -> Json:
    found: Json = {"type": "rich", **embed}
    for key in ("image", "thumbnail"):
        url: str = found[key]["url"] if key in found else ""
        if url.startswith("attachment://"):
            file = files[safe_name(url.removeprefix("attachment://"))]
            found[key] = {"url": file["url"], "proxy_url": file["proxy_url"]}
    return found


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
    """A command, a press or a submitted modal that the bot was told of. Times in unix seconds.

    ``owners``: who installed the app, by installation type ("0": a server, "1": a user).
    """

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
    owners: dict[str, str] = field(default_factory=dict[str, str])
    opened_by: Interaction | None = None
    answer: Json | None = None
    custom_id: str = ""
    message: Message | None = None
    latency: float | None = None
    ephemeral: bool = False
    followups: list[Message] = field(default_factory=list[Message])

    @property
    def modal(self) -> Json | None:
        """The modal that answered it."""
        return self.answer["data"] if self.answer and self.answer["type"] == 9 else None

    @property
    def user_installed(self) -> bool:
        """Whether the app is there for its user alone."""
        return "0" not in self.owners

    @property
    def public(self) -> bool:
        """Whether the user may let an app of their own answer for all to see."""
        return bool(self.user.permissions & USE_EXTERNAL_APPS)

    def metadata(self, message: Message | None = None) -> Json:
        """Return what ``message`` tells of the interaction that it answers."""
        found: Json = {
            "id": str(self.id),
            "type": self.type,
            "user": self.user.payload(),
            "authorizing_integration_owners": self.owners,
        }
        if message and self.message and message.id != self.message.id:
            found["original_response_message_id"] = str(self.message.id)
        if self.type == 3 and self.source:
            found["interacted_message_id"] = str(self.source.id)
        if self.type == 5 and self.opened_by:
            found["triggering_interaction_metadata"] = self.opened_by.metadata()
        return found

    async def answered(self, timeout: float = 3.0) -> Json:  # noqa: ASYNC109
        """Return the callback's payload; ``TimeoutError`` when none comes in so many seconds."""
        await self.wait(self, timeout)
        assert self.answer is not None  # noqa: S101
        return self.answer
