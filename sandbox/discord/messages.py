"""The one way in which messages come into the loopback Discord, change and go."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import cast

from sandbox.discord.components import names_in, number
from sandbox.discord.http import ApiError, invalid
from sandbox.discord.model import (
    COMPONENTS_V2,
    EPHEMERAL,
    LOADING,
    SUPPRESS_EMBEDS,
    SUPPRESS_NOTIFICATIONS,
    Attachment,
    Interaction,
    Json,
    Message,
    Upload,
    User,
    text_of,
)
from sandbox.discord.permissions import MENTION_EVERYONE
from sandbox.discord.rules import check_mentions, check_message, mentions_of
from sandbox.discord.state import DiscordState

NONCE_LIFE, NONCE_LENGTH = 300, 25  # seconds, which is an assumption, and characters
OLD, OLD_EDITS, OLD_WINDOW = 3600, 30, 600  # seconds, edits, seconds: the last two are assumptions
MESSAGE_SIZE = 25 * 2**20  # bytes of all files of a message
GUILD_MESSAGES, DIRECT_MESSAGES, MESSAGE_CONTENT = 1 << 9, 1 << 12, 1 << 15


class MessageState(DiscordState):
    """Every message. ``old_edits``: how many edits of old messages a channel takes in a while."""

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__(now)
        self.old_edits = OLD_EDITS
        self._nonces: dict[tuple[int, str], tuple[float, int]] = {}
        self._edits: dict[int, list[float]] = {}

    def post(
        self,
        channel_id: int,
        data: Json,
        files: dict[int, Upload],
        origin: Interaction | None = None,
        author: User | None = None,
    ) -> Message:
        """Create a message, the bot's unless there is an ``author``, and return it."""
        author = author or self.bot
        channel = self.channel(channel_id)
        nonce = data.get("nonce")
        if earlier := self._same_nonce(author, data):
            return earlier
        self.enter_thread(channel, post=True)
        message = Message(
            self.new_id(), channel_id, channel.guild_id, author, self.now(), nonce=nonce
        )
        message.interaction, message.sign = origin, self.sign_anew
        self._refer(message, data.get("message_reference") or {})
        self.write(message, data, files, new=True)
        if nonce is not None:
            self._nonces[author.id, str(nonce)] = (self.now(), message.id)
        self.messages[message.id] = message
        self._tell("MESSAGE_CREATE", message)
        return message

    def _same_nonce(self, author: User, data: Json) -> Message | None:
        """Return the author's message of the last minutes with the same enforced nonce.

        10008 if it was deleted since (discord/discord-api-docs).
        """
        nonce = data.get("nonce")
        if nonce is not None and len(str(nonce)) > NONCE_LENGTH:
            raise invalid("nonce", "NONCE_TYPE_INVALID", "Must be 25 or fewer in length.")
        at, earlier = self._nonces.get((author.id, str(nonce)), (0.0, 0))
        if not data.get("enforce_nonce") or self.now() - at >= NONCE_LIFE:
            return None
        if earlier not in self.messages:
            raise ApiError(404, 10008, "Unknown Message")
        return self.messages[earlier]

    def _refer(self, message: Message, reference: Json) -> None:
        """Note which message a new one replies to."""
        origin = message.interaction
        if reference.get("type") == 1:
            message.forwarded = self._copy(int(reference["message_id"]), message.channel_id)
            return
        reply_to = int(reference.get("message_id", 0))
        if origin and origin.source:
            reply_to = origin.source.id
        if reply_to and reply_to not in self.messages and not origin:
            if reference.get("fail_if_not_exists", True):
                code = "REPLIES_UNKNOWN_MESSAGE"
                raise invalid("message_reference", code, "Unknown message")
            reply_to = 0
        if reply_to:
            message.reply_to, message.type = reply_to, 19

    def _copy(self, message_id: int, channel_id: int) -> Message:
        """Return a copy of a message that is forwarded to a channel.

        Its files are copied too: that they outlive the message is an assumption.
        """
        source = self.messages.get(message_id)
        if source is None or source.ephemeral:
            raise ApiError(400, 10008, "Unknown Message")
        folder = f"attachments/{channel_id}"
        files = [
            dataclasses.replace(file, id=self.new_id(), folder=folder, dies=None)
            for file in source.attachments
        ]
        self.stored.update({file.id: file for file in files})
        return dataclasses.replace(source, attachments=files, nonce=None)

    def write(
        self,
        message: Message,
        data: Json,
        files: dict[int, Upload],
        *,
        new: bool = False,
        limit: int | None = None,
        hidden: bool = False,
    ) -> None:
        """Set a message's parts from a request, or raise and leave everything as it was.

        ``limit``: bytes that a file may have. ``hidden``: components can't refer to the files.
        """
        if not new:
            self.enter_thread(self.channel(message.channel_id), post=False)
        flags = _flags(message, data.get("flags"), new)
        content: str = data.get("content", message.content) or ""
        embeds: list[Json] = data.get("embeds", message.embeds) or []
        components = cast("list[Json]", data.get("components", message.components) or [])
        components = copy.deepcopy(components)
        attachments, stored = self._attachments(message, data, files, limit)
        loading = new and bool(data.get("loading"))
        if not loading and not message.forwarded:
            # An edit finds by name what it brings or lists; what it leaves alone stays as it is.
            found = attachments
            if not new and "attachments" not in data:
                found = stored if data.get("components") or data.get("embeds") else attachments
            names = set[str]() if hidden else {attachment.filename for attachment in found}
            check_message(content, embeds, components, flags, names, names_in(components, embeds))
        draft = Message(0, 0, None, self.bot, 0, content, components=components)
        self._moderate(message.guild_id, text_of(draft))
        self._mention(message, text_of(draft), data, new=new, quiet=bool(flags & EPHEMERAL))
        if not new and not message.flags & LOADING:
            message.edited = self.now()
        number(components)
        message.content, message.embeds, message.components = content, embeds, components
        message.flags = flags | LOADING if loading else flags & ~LOADING
        for gone in message.attachments:
            if gone not in attachments:
                self.forget(gone)
        message.attachments = attachments
        self.stored.update({attachment.id: attachment for attachment in stored})
        if not new:
            self._tell("MESSAGE_UPDATE", message)

    def _moderate(self, guild_id: int | None, text: str) -> None:
        """Refuse what a server's AutoMod or Discord's filter of links blocks."""
        if guild_id is not None and any(word in text for word in self.automod):
            raise ApiError(400, 200000, "Message was blocked by automatic moderation")
        if any(link in text for link in self.harmful_links):
            raise ApiError(400, 240000, "Message blocked by harmful links filter")

    def _mention(self, message: Message, text: str, data: Json, *, new: bool, quiet: bool) -> None:
        """Set a message's mentions anew, and of a new one whom it notifies: an edit pings nobody.

        Without ``allowed_mentions`` users are parsed in answers to interactions, elsewhere all.
        """
        replied = self.messages.get(message.reply_to or 0)
        replied_id = replied.author.id if replied and replied.author != message.author else None
        everything = ["users"] if message.interaction else ["users", "roles", "everyone"]
        rule: Json | None = data.get("allowed_mentions")
        rule = {"parse": everything, "replied_user": True} if rule is None else rule
        check_mentions(rule)
        found = mentions_of(text, rule, replied_id)
        channel = self.channel(message.channel_id)
        if message.author == self.bot and not self.permissions_in(channel) & MENTION_EVERYONE:
            found = [one for one in found if one.isdigit()]
        message.mentions = [user for key, user in self.users.items() if str(key) in found]
        message.mention_roles = [one[5:] for one in found if one.startswith("role:")]
        message.mention_everyone = "everyone" in found
        if new and not quiet:
            message.pings = found

    def _attachments(
        self, message: Message, data: Json, files: dict[int, Upload], limit: int | None
    ) -> tuple[list[Attachment], list[Attachment]]:
        """Return the attachments that a message will have, and which of them are new."""
        kept = {attachment.id: attachment for attachment in message.attachments}
        listed = cast("list[Json] | None", data.get("attachments"))
        chosen = list(kept) if listed is None else []
        about: dict[int, Json] = {}
        for position, entry in enumerate(listed or []):
            key = int(entry["id"])
            if key not in kept and key not in files:
                where = f"attachments.{position}.id"
                raise invalid(where, "ATTACHMENT_NOT_FOUND", f"No such attachment: {key}")
            about[key] = entry
            if key in kept:
                chosen.append(key)
        for entry in about.values():
            if len(entry.get("description") or "") > 1024:
                raise invalid("attachments", "BASE_TYPE_MAX_LENGTH", "Must be 1024 or fewer.")
        if len(chosen) + len(files) > 10:
            raise ApiError(400, 30015, "Maximum number of attachments in a message reached (10)")
        sizes = [len(upload.data) for upload in files.values()]
        if limit is None:
            limit = self.attachment_size_limit if message.interaction else self.upload_limit
        if max(sizes, default=0) > limit or sum(sizes) > MESSAGE_SIZE:
            raise ApiError(413, 40005, "Request entity too large")
        folder = f"attachments/{message.channel_id}"
        if message.ephemeral or data.get("flags", 0) & EPHEMERAL:
            folder = f"ephemeral-attachments/{self.application_id}"
        stored = [
            self.attach(upload, folder, about.get(key, {}).get("description"))
            for key, upload in sorted(files.items())
        ]
        for key in chosen:
            if "description" in about.get(key, {}):
                kept[key].description = about[key]["description"]
        return [kept[key] for key in chosen] + stored, stored

    def check_old_edit(self, message: Message) -> None:
        """Count an edit of a message older than an hour; 30046 where there were too many."""
        if self.now() - message.created <= OLD:
            return
        since = self.now() - OLD_WINDOW
        edits = [at for at in self._edits.get(message.channel_id, []) if at > since]
        if len(edits) >= self.old_edits:
            text = "Maximum number of edits to messages older than 1 hour reached. Try again later"
            wait = round(edits[0] - since, 3) if edits else float(OLD_WINDOW)
            raise ApiError(429, 30046, text, retry_after=wait)
        self._edits[message.channel_id] = [*edits, self.now()]

    def remove(self, message: Message) -> None:
        """Delete a message; its attachments die after a while."""
        message.deleted = True
        self.messages.pop(message.id, None)
        for attachment in message.attachments:
            self.forget(attachment)
        self._tell("MESSAGE_DELETE", message)

    def _tell(self, event: str, message: Message) -> None:
        """Publish what happened to a message, unless only one person sees it."""
        if message.ephemeral:
            return
        intent = DIRECT_MESSAGES if message.guild_id is None else GUILD_MESSAGES
        place: Json = {"channel_id": str(message.channel_id)}
        if message.guild_id is not None:
            place["guild_id"] = str(message.guild_id)

        def make(intents: int) -> Json:
            if event == "MESSAGE_DELETE":
                return place | {"id": str(message.id)}
            data = message.payload | place
            if message.guild_id is not None and not message.author.bot:
                data["member"] = {k: v for k, v in message.author.member().items() if k != "user"}
                if not intents & MESSAGE_CONTENT and self.bot not in message.mentions:
                    data |= {"content": "", "embeds": [], "attachments": [], "components": []}
            return data

        self.publish(event, message.guild_id, intent, make)


def _flags(message: Message, wanted: int | None, new: bool) -> int:
    """Return a message's flags after a request: once Components V2, always so."""
    if wanted is None:
        return message.flags
    allowed = COMPONENTS_V2 | SUPPRESS_EMBEDS
    if new:
        allowed |= SUPPRESS_NOTIFICATIONS | (EPHEMERAL if message.interaction else 0)
    return message.flags & ~SUPPRESS_EMBEDS | wanted & allowed
