"""What the loopback Discord knows, but for messages: people, channels, permissions, files."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import mimetypes
import re
from collections.abc import Callable
from fnmatch import fnmatchcase

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sandbox.discord.http import ApiError, Fault, Request
from sandbox.discord.model import (
    DIRECT_CHANNEL,
    GROUP,
    THREAD,
    VOICE,
    Attachment,
    Channel,
    Interaction,
    Json,
    Message,
    Role,
    Upload,
    User,
    safe_name,
)
from sandbox.discord.permissions import (
    BOT,
    CONNECT,
    DIRECT,
    EXTERNAL_EMOJIS,
    MANAGE_MESSAGES,
    MANAGE_THREADS,
    MEMBER,
    SEND_IN_THREADS,
    SEND_MESSAGES,
    VIEW_CHANNEL,
)
from sandbox.serving import Signal

LINK_LIFE, DELETED_FILE_LIFE = 24 * 3600, 10 * 60  # seconds; the second is an assumption
UPLOAD_LIMIT = 10 * 2**20  # bytes
CDN_LINK = re.compile(r"http://([^/]+)/([\w-]+/\d+)/(\d+)/([^/?]+)(?:\?.*)?")
# Makes an event's data, given the intents of whom it is sent to.
MakeEvent = Callable[[int], Json]


class DiscordState:
    """What Discord knows. ``now`` returns unix seconds; ``advance`` moves it.

    ``app_permissions`` are the bot's where a channel has none of its own. ``upload_limit`` holds
    for its own messages, ``attachment_size_limit`` for answers to interactions (bytes a file).
    ``automod`` and ``harmful_links`` are words that no message in a server may hold.
    ``user_installs`` are the ids of users who installed the app for themselves. ``owner`` is that
    of the application and of every server; ``guild_locale`` is every server's language.
    ``team`` owns the application, if there is one.
    ``user_installs`` are the ids of users who installed the app for themselves.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._offset = 0.0
        self._counter = itertools.count(1)
        self.signal = Signal()
        self.application_id = self.new_id()
        first = base64.urlsafe_b64encode(str(self.application_id).encode()).decode().rstrip("=")
        self.token = f"{first}.loopback.bot-token"
        self.bot = User(self.application_id, "vary", bot=True)
        self.alice = User(self.new_id(), "alice")
        self.bob = User(self.new_id(), "bob")
        self.moderator = User(self.new_id(), "moderator", MEMBER | MANAGE_MESSAGES)
        self.owner = self.moderator
        self.users = {u.id: u for u in (self.bot, self.alice, self.bob, self.moderator)}
        self.guild_id, self.other_guild_id = self.new_id(), self.new_id()
        self.foreign_guild_id = self.new_id()
        self.guild_ids = [self.guild_id, self.other_guild_id]
        self.channels: dict[int, Channel] = {}
        self.channel_id = self.add_channel(self.guild_id, "pictures")
        self.other_channel_id = self.add_channel(self.guild_id, "sketches")
        self.add_channel(self.other_guild_id, "elsewhere")
        self.foreign_channel_id = self.add_channel(self.foreign_guild_id, "not-the-bot-s")
        self.private_channel_id = self.new_id()
        both = (self.alice, self.bob)
        self.channels[self.private_channel_id] = Channel(
            self.private_channel_id, None, type=GROUP, recipients=both
        )
        self.roles: dict[int, Role] = {}
        self.guild_locale = "en-US"
        self.direct: dict[int, int] = {}
        self.closed_dms: set[int] = set()
        self.user_installs: set[int] = set()
        self.app_permissions = BOT
        self.attachment_size_limit = self.upload_limit = UPLOAD_LIMIT
        self.automod: list[str] = []
        self.harmful_links: list[str] = []
        self.interactions_endpoint_url: str | None = None
        self.signing_key = Ed25519PrivateKey.generate()
        self.shards, self.max_concurrency = 1, 16
        self.shards = 1
        self.team: Json | None = None
        self.commands: list[Json] = []
        self.command_puts = 0
        self.requests: list[Request] = []
        self.events: list[Json] = []
        self.cdn_requests: list[str] = []
        self.messages: dict[int, Message] = {}
        self.interactions: dict[int, Interaction] = {}
        self.stored: dict[int, Attachment] = {}
        self.uploads: set[int] = set()
        self.faults: list[Callable[[Request], Fault | None]] = []
        self.api_url = self.gateway_url = self.cdn_host = ""

    def now(self) -> float:
        """Return the loopback's time in unix seconds."""
        return self._now() + self._offset

    @property
    def ahead(self) -> float:
        """How far the loopback's time has been advanced, in seconds."""
        return self._offset

    def advance(self, seconds: float) -> None:
        """Let time pass for every limit and link."""
        self._offset += seconds

    def new_id(self) -> int:
        """Return a snowflake of this moment."""
        return int(self.now() * 1000 - 1420070400000) << 22 | next(self._counter)

    def fail(self, method: str, path: str, fault: Fault, times: int = 1) -> None:
        """Let the next ``times`` requests to ``path`` (``*`` matches anything) meet ``fault``."""
        left = itertools.count(times, -1)

        def hook(request: Request) -> Fault | None:
            if request.method == method and fnmatchcase(request.path, path) and next(left) > 0:
                return fault
            return None

        self.faults.append(hook)

    @property
    def public_key(self) -> str:
        """The application's public key, which interactions over HTTP are checked by, in hex."""
        return self.signing_key.public_key().public_bytes_raw().hex()

    def publish(self, name: str, guild_id: int | None, intent: int, make: MakeEvent) -> None:
        """Tell the gateway's clients that asked for ``intent``; the gateway replaces this."""

    def add_channel(self, guild_id: int, name: str, kind: int = 0) -> int:
        """Make a channel of a server and return its id."""
        channel = Channel(self.new_id(), guild_id, name, kind)
        self.channels[channel.id] = channel
        return channel.id

    def add_role(self, guild_id: int, name: str, *, permissions: int = 0, color: int = 0) -> Role:
        """Make a role of a server; a member has it whose ``roles`` hold its id."""
        position = len(self.roles_of(guild_id))
        role = Role(self.new_id(), name, guild_id, permissions, color, position)
        self.roles[role.id] = role
        return role

    def roles_of(self, guild_id: int) -> list[Role]:
        """Return a server's roles, @everyone first."""
        everyone = Role(guild_id, "@everyone", guild_id, MEMBER, position=0)
        return [everyone, *(role for role in self.roles.values() if role.guild_id == guild_id)]

    def add_thread(self, parent_id: int, *, archived: bool = False, locked: bool = False) -> int:
        """Make a thread of a channel and return its id."""
        parent = self.channels[parent_id]
        channel = Channel(self.new_id(), parent.guild_id, "thread", THREAD, parent_id)
        channel.archived, channel.locked = archived, locked
        self.channels[channel.id] = channel
        return channel.id

    def direct_channel(self, user_id: int) -> int:
        """Return the id of the bot's direct messages with a user."""
        if user_id not in self.direct:
            self.direct[user_id] = channel_id = self.new_id()
            self.channels[channel_id] = Channel(
                channel_id, None, type=DIRECT_CHANNEL, recipients=(self.users[user_id],)
            )
        return self.direct[user_id]

    def channel(self, channel_id: int) -> Channel:
        """Return a channel; 10003 if there is none."""
        if channel_id not in self.channels:
            raise ApiError(404, 10003, "Unknown Channel")
        return self.channels[channel_id]

    def channel_payload(self, channel_id: int, user: User | None = None) -> Json:
        """Return a channel as Discord tells the bot, or a ``user``'s interaction does."""
        channel = self.channel(channel_id)
        permissions = user.permissions if user else self.permissions_in(channel)
        return channel.payload(permissions)

    def is_with_bot(self, channel: Channel) -> bool:
        """Tell whether a channel is the bot's direct messages with somebody."""
        return channel.id in self.direct.values()

    def permissions_in(self, channel: Channel) -> int:
        """Return the bot's permissions in a channel, as an interaction tells them."""
        if channel.guild_id is None:
            return DIRECT | (EXTERNAL_EMOJIS if self.is_with_bot(channel) else 0)
        if channel.app_permissions is not None:
            return channel.app_permissions
        parent = self.channels.get(channel.parent_id or 0)
        return self.permissions_in(parent) if parent else self.app_permissions

    def need(self, channel_id: int, permissions: int = 0) -> Channel:
        """Return a channel in which the bot has ``permissions``; 10003, 50001 or 50013 if not."""
        channel = self.channel(channel_id)
        if self.is_with_bot(channel):
            return channel
        given = self.permissions_in(channel)
        view = VIEW_CHANNEL | (CONNECT if channel.type == VOICE else 0)
        if channel.guild_id not in self.guild_ids or given & view != view:
            raise ApiError(403, 50001, "Missing Access")
        if channel.type == THREAD and permissions & SEND_MESSAGES:
            permissions = permissions & ~SEND_MESSAGES | SEND_IN_THREADS
        if given & permissions != permissions:
            raise ApiError(403, 50013, "Missing Permissions")
        return channel

    def enter_thread(self, channel: Channel, *, post: bool) -> None:
        """Check that a thread takes a post or an edit; a post unarchives it.

        Source: documentation, "Threads"; 160005 where it is locked, 50083 where it is archived.
        """
        if channel.type != THREAD:
            return
        if channel.locked and not self.permissions_in(channel) & MANAGE_THREADS:
            raise ApiError(400, 160005, "Thread is locked")
        if channel.archived and not post:
            raise ApiError(400, 50083, "Thread is archived")
        channel.archived = False

    def sign(self, attachment: Attachment) -> str:
        """Return a link of an attachment, good for 24 hours from now."""
        path = f"{attachment.folder}/{attachment.id}/{attachment.filename}"
        return self._signed(f"http://{self.cdn_host}/{path}", attachment.id)

    def _signed(self, url: str, attachment_id: int) -> str:
        start = int(self.now())
        ex, since = f"{start + LINK_LIFE:x}", f"{start:x}"
        return f"{url}?ex={ex}&is={since}&hm={self._hmac(attachment_id, ex, since)}&"

    def sign_anew(self, url: str) -> str:
        """Return a fresh link for one of the attachment host; any other as it is."""
        match = CDN_LINK.fullmatch(url)
        if match is None or match[1] != self.cdn_host:
            return url
        return self._signed(url.partition("?")[0], int(match[3]))

    def _hmac(self, attachment_id: int, ex: str, since: str) -> str:
        text = f"{attachment_id} {ex} {since}"
        return hmac.new(self.token.encode(), text.encode(), hashlib.sha256).hexdigest()

    def readable(self, attachment_id: int, ex: str, since: str, hm: str) -> Attachment | None:
        """Return a stored file if the link to it is signed and neither has expired."""
        good = hmac.compare_digest(self._hmac(attachment_id, ex, since), hm)
        found = self.stored.get(attachment_id)
        if not good or not found or self.now() > int(ex, 16):
            return None
        return None if found.dies is not None and self.now() > found.dies else found

    def attach(self, upload: Upload, folder: str, description: str | None = None) -> Attachment:
        """Return an attachment made of a file, its link under ``folder`` of the CDN."""
        name = safe_name(upload.filename)
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return Attachment(self.new_id(), name, upload.data, kind, folder, self.sign, description)

    def forget(self, attachment: Attachment) -> None:
        """Let a file that no message holds any more die in a while, as Discord does."""
        attachment.dies = self.now() + DELETED_FILE_LIFE

    def upload(self, upload: Upload) -> Attachment:
        """Store a member's file that belongs to no message: an ephemeral attachment."""
        file = self.attach(upload, f"ephemeral-attachments/{self.application_id}")
        file.content_type = upload.content_type
        self.stored[file.id] = file
        self.uploads.add(file.id)
        return file

    def drop_uploads(self) -> None:
        """Forget the files that were given to commands, as Discord does after a while."""
        for key in self.uploads:
            self.stored.pop(key, None)
