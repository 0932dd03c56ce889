"""Routes of channels and their messages, each with the permissions that it needs."""

from __future__ import annotations

from aiohttp import web

from sandbox.discord.http import ApiError, invalid
from sandbox.discord.messages import MessageState
from sandbox.discord.model import Json, Message
from sandbox.discord.permissions import (
    ATTACH_FILES,
    EMBED_LINKS,
    MANAGE_MESSAGES,
    READ_HISTORY,
    SEND_MESSAGES,
)
from sandbox.discord.routes import Files, Routes, path_id


class ChannelRoutes:
    """Handlers that the bot's token opens."""

    def __init__(self, state: MessageState) -> None:
        self.state = state

    def routes(self) -> Routes:
        """Return the handlers by method and path."""
        return {
            "GET /channels/{channel}": self.channel,
            "GET /channels/{channel}/messages": self.history,
            "POST /channels/{channel}/messages": self.post,
            "GET /channels/{channel}/messages/{message}": self.get_message,
            "PATCH /channels/{channel}/messages/{message}": self.edit,
            "DELETE /channels/{channel}/messages/{message}": self.delete,
        }

    def _message(self, request: web.Request, permissions: int = 0) -> Message:
        channel = self.state.need(path_id(request, "channel"), permissions)
        found = self.state.messages.get(path_id(request, "message"))
        if not found or found.channel_id != channel.id or found.ephemeral:
            raise ApiError(404, 10008, "Unknown Message")
        return found

    def channel(self, request: web.Request, *_: object) -> Json:
        channel = self.state.need(path_id(request, "channel"))
        return channel.payload(self.state.permissions_in(channel))

    def get_message(self, request: web.Request, *_: object) -> Json:
        return self._message(request, READ_HISTORY).payload

    def history(self, request: web.Request, *_: object) -> list[Json]:
        """Return messages, newest first; none, and no error, without Read Message History."""
        channel = self.state.need(path_id(request, "channel"))
        limit = int(request.query.get("limit", 50))
        if not 1 <= limit <= 100:
            raise invalid("limit", "NUMBER_TYPE_MAX", "Must be between 1 and 100.")
        with_bot = self.state.is_with_bot(channel)
        if not with_bot and not self.state.permissions_in(channel) & READ_HISTORY:
            return []
        low, high = int(request.query.get("after", 0)), int(request.query.get("before", 2**63))
        found = [
            message
            for key, message in sorted(self.state.messages.items())
            if message.channel_id == channel.id and not message.ephemeral and low < key < high
        ]
        if around := request.query.get("around"):
            before = [message for message in found if message.id < int(around)][-(limit // 2) :]
            found = before + [message for message in found if message.id >= int(around)]
            return [message.payload for message in reversed(found[:limit])]
        chosen = found[:limit] if low else found[-limit:]
        return [message.payload for message in reversed(chosen)]

    def post(self, request: web.Request, data: Json, files: Files) -> Json:
        needed = SEND_MESSAGES | (ATTACH_FILES if files else 0)
        needed |= EMBED_LINKS if data.get("embeds") else 0
        channel = self.state.need(path_id(request, "channel"), needed)
        if self.state.is_with_bot(channel) and channel.recipients[0].id in self.state.closed_dms:
            raise ApiError(403, 50007, "Cannot send messages to this user")
        if data.get("message_reference") and not self.state.is_with_bot(channel):
            self.state.need(channel.id, READ_HISTORY)
        return self.state.post(channel.id, data, files).payload

    def edit(self, request: web.Request, data: Json, files: Files) -> Json:
        message = self._message(request, ATTACH_FILES if files else 0)
        if message.author != self.state.bot:
            raise ApiError(403, 50005, "Cannot edit a message authored by another user")
        self.state.check_old_edit(message)
        self.state.write(message, data, files, limit=self.state.upload_limit)
        return message.payload

    def delete(self, request: web.Request, *_: object) -> None:
        message = self._message(request)
        if message.author != self.state.bot:
            self.state.need(message.channel_id, MANAGE_MESSAGES)
        self.state.remove(message)
