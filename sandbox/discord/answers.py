"""Routes by which an interaction is answered, and its answers are followed up and edited.

Source: documentation, "Receiving and Responding to Interactions".
"""

from __future__ import annotations

from aiohttp import web

from sandbox.discord.components import number
from sandbox.discord.http import ApiError, invalid
from sandbox.discord.messages import MessageState
from sandbox.discord.modals import check_modal
from sandbox.discord.model import EPHEMERAL, LOADING, Interaction, Json, Message
from sandbox.discord.routes import Files, Routes, path_id

ANSWER_WITHIN, TOKEN_LIFE = 3.0, 15 * 60.0  # seconds
USER_FOLLOW_UPS = 5  # where the app is there for its user alone


class AnswerRoutes:
    """Handlers that an interaction's token opens, and no other."""

    def __init__(self, state: MessageState) -> None:
        self.state = state

    def routes(self) -> Routes:
        """Return the handlers by method and path."""
        return {
            "POST /interactions/{id}/{token}/callback": self.callback,
            "POST /webhooks/{app}/{token}": self.follow_up,
            "GET /webhooks/{app}/{token}/messages/{message}": self.get_answer,
            "PATCH /webhooks/{app}/{token}/messages/{message}": self.edit_answer,
            "DELETE /webhooks/{app}/{token}/messages/{message}": self.delete_answer,
        }

    def callback(self, request: web.Request, data: Json, files: Files) -> Json | None:
        state = self.state
        found = state.interactions.get(path_id(request, "id"))
        late = found is not None and state.now() - found.created > ANSWER_WITHIN
        if found is None or found.token != request.match_info["token"] or late:
            raise ApiError(404, 10062, "Unknown interaction")
        if found.answer is not None:
            raise ApiError(400, 40060, "Interaction has already been acknowledged.")
        self._carry_out(found, data["type"], dict(data.get("data") or {}), files)
        found.latency = state.now() - found.created
        found.answer = data
        if request.query.get("with_response", "").lower() not in {"true", "1"}:
            return None
        return self._callback_payload(found, data["type"])

    def _carry_out(self, found: Interaction, kind: int, body: Json, files: Files) -> None:
        """Do what a callback of a kind asks for."""
        if kind == 5 and body.get("flags", 0) & ~EPHEMERAL:
            raise invalid("data.flags", "BASE_TYPE_CHOICES", "A deferral takes EPHEMERAL alone.")
        if kind in (4, 5):
            if found.user_installed and found.guild_id and not found.public:
                body["flags"] = body.get("flags", 0) | EPHEMERAL
            body["loading"] = kind == 5
            found.message = self.state.post(found.channel_id, body, files, found)
            found.ephemeral = found.message.ephemeral
            if found.type == 2:
                found.message.type = 20
        elif kind in (6, 7) and found.source:
            if kind == 7:
                limit = self.state.attachment_size_limit
                self.state.write(found.source, body, files, limit=limit)
            found.message, found.ephemeral = found.source, found.source.ephemeral
        elif kind == 9 and found.type != 5:
            check_modal(body)
            number(body["components"])
        elif kind != 8 or found.type != 4:
            raise invalid("type", "BASE_TYPE_CHOICES", f"{kind} does not answer this interaction.")

    def _callback_payload(self, found: Interaction, kind: int) -> Json:
        """Return what ``with_response`` asks for. A deferral has no message in it."""
        about: Json = {"id": str(found.id), "type": found.type}
        about["channel_id"] = str(found.channel_id)
        if found.guild_id:
            about["guild_id"] = str(found.guild_id)
        if found.message:
            about["response_message_id"] = str(found.message.id)
            about["response_message_loading"] = bool(found.message.flags & LOADING)
            about["response_message_ephemeral"] = found.ephemeral
        if found.message and kind in (4, 7):
            return {
                "interaction": about,
                "resource": {"type": kind, "message": found.message.payload},
            }
        return {"interaction": about}

    def _by_token(self, request: web.Request) -> Interaction:
        token = request.match_info["token"]
        found = next((i for i in self.state.interactions.values() if i.token == token), None)
        if found and self.state.now() - found.created > TOKEN_LIFE:
            raise ApiError(401, 50027, "Invalid Webhook Token")
        if (
            not found
            or found.answer is None
            or path_id(request, "app") != self.state.application_id
        ):
            raise ApiError(404, 10015, "Unknown Webhook")
        return found

    def _answer_of(self, request: web.Request) -> Message:
        found = self._by_token(request)
        key = request.match_info["message"]
        mine = [m for m in (found.message, found.source, *found.followups) if m and not m.deleted]
        wanted = found.message.id if key == "@original" and found.message else key
        for message in mine:
            if str(message.id) == str(wanted):
                return message
        raise ApiError(404, 10008, "Unknown Message")

    def follow_up(self, request: web.Request, data: Json, files: Files) -> Json:
        """Post a message through an interaction; after a deferral, fill in that one.

        Components then don't find the files that come with it: an edit is the way.
        """
        found = self._by_token(request)
        limit = self.state.attachment_size_limit
        if (first := found.message) and first.flags & LOADING and not first.deleted:
            self.state.write(first, data, files, limit=limit, hidden=True)
            return first.payload
        if found.user_installed and len(found.followups) >= USER_FOLLOW_UPS:
            text = "Maximum number of follow up messages for this interaction reached"
            raise ApiError(400, 40094, text)
        message = self.state.post(found.channel_id, data, files, found)
        found.followups.append(message)
        return message.payload

    def get_answer(self, request: web.Request, *_: object) -> Json:
        return self._answer_of(request).payload

    def edit_answer(self, request: web.Request, data: Json, files: Files) -> Json:
        message = self._answer_of(request)
        self.state.write(message, data, files, limit=self.state.attachment_size_limit)
        return message.payload

    def delete_answer(self, request: web.Request, *_: object) -> None:
        self.state.remove(self._answer_of(request))
