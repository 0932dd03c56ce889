"""The loopback Discord's memory, and the one way in which messages come into it."""

from __future__ import annotations

import copy
import hashlib
import hmac
import itertools
import mimetypes
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import cast

from sandbox.discord_model import (
    COMPONENTS_V2,
    EPHEMERAL,
    LOADING,
    MANAGE_MESSAGES,
    MEMBER,
    ApiError,
    Attachment,
    Fault,
    Interaction,
    Json,
    Message,
    Request,
    Upload,
    User,
    invalid,
    safe_name,
    text_of,
    walk,
)
from sandbox.discord_rules import check_message, pings_of
from sandbox.serving import Signal

LINK_LIFE, NONCE_LIFE = 24 * 3600, 300  # seconds


class DiscordState:
    """What Discord knows. ``now`` returns unix seconds; ``advance`` moves it."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._offset = 0.0
        self._counter = itertools.count(1)
        self.signal = Signal()
        self.token = "loopback-bot-token"  # noqa: S105
        self.application_id = self.new_id()
        self.bot = User(self.application_id, "vary", bot=True)
        self.guild_id, self.other_guild_id = self.new_id(), self.new_id()
        self.channel_id, self.other_channel_id = self.new_id(), self.new_id()
        self.channels: dict[int, int | None] = {
            self.channel_id: self.guild_id,
            self.other_channel_id: self.guild_id,
            self.new_id(): self.other_guild_id,
        }
        self.alice = User(self.new_id(), "alice")
        self.bob = User(self.new_id(), "bob")
        self.moderator = User(self.new_id(), "moderator", MEMBER | MANAGE_MESSAGES)
        self.users = {u.id: u for u in (self.bot, self.alice, self.bob, self.moderator)}
        self.direct: dict[int, int] = {}
        self.app_permissions = MEMBER
        self.attachment_size_limit = 10 * 2**20
        self.shards = 1
        self.commands: list[Json] = []
        self.command_puts = 0
        self.requests: list[Request] = []
        self.cdn_requests: list[str] = []
        self.messages: dict[int, Message] = {}
        self.interactions: dict[int, Interaction] = {}
        self.stored: dict[int, Attachment] = {}
        self.uploads: set[int] = set()
        self.faults: list[Callable[[Request], Fault | None]] = []
        self.api_url = self.gateway_url = self.cdn_host = ""
        self._nonces: dict[tuple[int, str], tuple[float, int]] = {}

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

    def direct_channel(self, user_id: int) -> int:
        """Return the id of the direct-message channel with a user."""
        if user_id not in self.direct:
            self.direct[user_id] = channel_id = self.new_id()
            self.channels[channel_id] = None
        return self.direct[user_id]

    def channel_payload(self, channel_id: int) -> Json:
        """Return a channel as Discord does; 10003 if there is none."""
        if channel_id not in self.channels:
            raise ApiError(404, 10003, "Unknown Channel")
        found: Json = {"id": str(channel_id), "flags": 0, "last_message_id": None}
        guild_id = self.channels[channel_id]
        if guild_id is None:
            owners = [user for user, channel in self.direct.items() if channel == channel_id]
            return found | {"type": 1, "recipients": [self.users[u].payload() for u in owners]}
        return found | {
            "type": 0,
            "guild_id": str(guild_id),
            "name": "pictures" if channel_id == self.channel_id else "sketches",
            "position": 0,
            "parent_id": None,
            "nsfw": False,
            "rate_limit_per_user": 0,
            "permission_overwrites": [],
            "permissions": str(MEMBER),
        }

    def sign(self, attachment: Attachment) -> str:
        """Return a link of an attachment, good for 24 hours from now."""
        start = int(self.now())
        ex, since = f"{start + LINK_LIFE:x}", f"{start:x}"
        path = f"/{attachment.folder}/{attachment.id}/{attachment.filename}"
        hm = self._hmac(attachment, ex, since)
        return f"http://{self.cdn_host}{path}?ex={ex}&is={since}&hm={hm}&"

    def _hmac(self, attachment: Attachment, ex: str, since: str) -> str:
        text = f"{attachment.id} {ex} {since}"
        return hmac.new(self.token.encode(), text.encode(), hashlib.sha256).hexdigest()

    def link_holds(self, attachment: Attachment, ex: str, since: str, hm: str) -> bool:
        """Tell whether a link to an attachment is signed, and not expired."""
        good = hmac.compare_digest(self._hmac(attachment, ex, since), hm)
        return good and self.now() <= int(ex, 16)

    def attach(self, upload: Upload, folder: str, description: str | None = None) -> Attachment:
        """Return an attachment made of a file, its link under ``folder`` of the CDN."""
        name = safe_name(upload.filename)
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return Attachment(self.new_id(), name, upload.data, kind, folder, self.sign, description)

    def drop_uploads(self) -> None:
        """Forget the files that were given to commands, as Discord does after a while."""
        for key in self.uploads:
            self.stored.pop(key, None)

    def post(
        self,
        channel_id: int,
        data: Json,
        files: dict[int, Upload],
        origin: Interaction | None = None,
    ) -> Message:
        """Create a message of the bot's and return it."""
        self.channel_payload(channel_id)
        nonce = data.get("nonce")
        if nonce is not None and len(str(nonce)) > 25:
            raise invalid("nonce", "NONCE_TYPE_INVALID", "Must be 25 or fewer in length.")
        key = (self.bot.id, str(nonce))
        at, earlier = self._nonces.get(key, (0.0, 0))
        if data.get("enforce_nonce") and self.now() - at < NONCE_LIFE and earlier in self.messages:
            return self.messages[earlier]
        guild_id = self.channels[channel_id]
        message = Message(self.new_id(), channel_id, guild_id, self.bot, self.now(), nonce=nonce)
        message.interaction = origin
        reference: Json = data.get("message_reference") or {}
        reply_to = int(reference.get("message_id", 0))
        if origin and origin.source:
            reply_to = origin.source.id
        if reply_to:
            if reply_to not in self.messages and not origin:
                if reference.get("fail_if_not_exists", True):
                    code = "REPLIES_UNKNOWN_MESSAGE"
                    raise invalid("message_reference", code, "Unknown message")
                reply_to = 0
            message.reply_to, message.type = reply_to or None, 19 if reply_to else 0
        self.write(message, data, files, new=True)
        if nonce is not None:
            self._nonces[key] = (self.now(), message.id)
        self.messages[message.id] = message
        return message

    def write(
        self, message: Message, data: Json, files: dict[int, Upload], *, new: bool = False
    ) -> None:
        """Set a message's parts from a request, or raise and leave everything as it was."""
        flags: int = message.flags
        if (wanted := data.get("flags")) is not None:
            allowed = COMPONENTS_V2 | 4 | (4096 if new else 0)
            allowed |= EPHEMERAL if new and message.interaction else 0
            if flags & COMPONENTS_V2 and not wanted & COMPONENTS_V2:
                code = "MESSAGE_FLAGS_COMPONENTS_V2_REMOVED"
                raise invalid("flags", code, "IS_COMPONENTS_V2 cannot be removed")
            flags = flags & ~4 | wanted & allowed
        content: str = data.get("content", message.content) or ""
        embeds: list[Json] = data.get("embeds", message.embeds) or []
        components = cast("list[Json]", data.get("components", message.components) or [])
        components = copy.deepcopy(components)
        attachments, stored = self._attachments(message, data, files)
        loading = new and bool(data.get("loading"))
        if not loading:
            names = {attachment.filename for attachment in attachments}
            check_message(content, embeds, components, flags, names)
        replied = self.messages.get(message.reply_to or 0)
        replied_id = replied.author.id if replied and replied.author != self.bot else None
        allowed_mentions: Json | None = data.get("allowed_mentions")
        draft = Message(0, 0, None, self.bot, 0, content, components=components)
        pings = pings_of(text_of(draft), allowed_mentions, replied_id)
        if new:
            message.pings = [] if flags & EPHEMERAL else pings
            message.mentions = [user for key, user in self.users.items() if str(key) in pings]
        elif not message.flags & LOADING:
            message.edited = self.now()
        for number, component in enumerate(walk(components), 1):
            component.setdefault("id", number)
        message.content, message.embeds, message.components = content, embeds, components
        message.flags = flags | LOADING if loading else flags & ~LOADING
        for gone in {a.id for a in message.attachments} - {a.id for a in attachments}:
            self.stored.pop(gone, None)
        message.attachments = attachments
        self.stored.update({attachment.id: attachment for attachment in stored})

    def _attachments(
        self, message: Message, data: Json, files: dict[int, Upload]
    ) -> tuple[list[Attachment], list[Attachment]]:
        """Return the attachments that a message will have, and which of them are new."""
        kept = {attachment.id: attachment for attachment in message.attachments}
        listed = cast("list[Json] | None", data.get("attachments"))
        chosen = list(kept) if listed is None else []
        about: dict[int, Json] = {}
        for number, entry in enumerate(listed or []):
            key = int(entry["id"])
            if key not in kept and key not in files:
                where = f"attachments.{number}.id"
                raise invalid(where, "ATTACHMENT_NOT_FOUND", f"No such attachment: {key}")
            about[key] = entry
            if key in kept:
                chosen.append(key)
        for entry in about.values():
            if len(entry.get("description") or "") > 1024:
                raise invalid("attachments", "BASE_TYPE_MAX_LENGTH", "Must be 1024 or fewer.")
        if len(chosen) + len(files) > 10:
            raise ApiError(400, 30015, "Maximum number of attachments in a message reached (10)")
        if any(len(upload.data) > self.attachment_size_limit for upload in files.values()):
            raise ApiError(413, 40005, "Request entity too large")
        folder = f"attachments/{message.channel_id}"
        if message.ephemeral or data.get("flags", 0) & EPHEMERAL:
            folder = f"ephemeral-attachments/{self.application_id}"
        stored = [
            self.attach(upload, folder, about.get(number, {}).get("description"))
            for number, upload in sorted(files.items())
        ]
        for key in chosen:
            if "description" in about.get(key, {}):
                kept[key].description = about[key]["description"]
        return [kept[key] for key in chosen] + stored, stored

    def remove(self, message: Message) -> None:
        """Delete a message, and with it the links of its attachments."""
        message.deleted = True
        self.messages.pop(message.id, None)
        for attachment in message.attachments:
            self.stored.pop(attachment.id, None)
