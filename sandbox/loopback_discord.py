"""``LoopbackDiscord``: a Discord on 127.0.0.1 that the real discord.py runs against."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any, Self

from sandbox.discord_gateway import INVALID, RECONNECT, DiscordGateway
from sandbox.discord_model import (
    Attachment,
    Interaction,
    Json,
    Message,
    Upload,
    User,
    buttons_of,
    images_of,
    label_of,
    text_of,
)
from sandbox.discord_rest import DiscordRest
from sandbox.discord_rules import check_options
from sandbox.discord_state import DiscordState
from sandbox.serving import serve


class LoopbackDiscord(DiscordState):
    """Serves the REST API and gateway on one port, attachments on another; drives the members.

    ``now`` returns unix seconds. Every timeout below is in real seconds.
    """

    def __init__(
        self, *, port: int = 0, cdn_port: int = 0, now: Callable[[], float] = time.time
    ) -> None:
        super().__init__(now)
        self._ports = (port, cdn_port)
        self._stack = AsyncExitStack()
        self.gateway = DiscordGateway(self)

    async def __aenter__(self) -> Self:
        rest = DiscordRest(self)
        app = rest.app()
        app.router.add_get("/gateway", self.gateway.handle)
        host = await serve(self._stack, app, self._ports[0])
        self.cdn_host = await serve(self._stack, rest.cdn(), self._ports[1])
        self.api_url, self.gateway_url = f"http://{host}/api/v10", f"ws://{host}/gateway"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.gateway.end(None)
        await self._stack.aclose()

    async def connected(self, identifies: int = 1, timeout_s: float = 20.0) -> None:
        """Wait until so many IDENTIFYs were accepted since the start."""
        await self.signal.until(lambda: self.gateway.identifies >= identifies, timeout_s)

    async def slash(
        self,
        user: User,
        name: str,
        options: dict[str, Any] | None = None,
        *,
        channel_id: int | None = None,
        guild_id: int | None = -1,
        locale: str = "en-US",
        overrides: Json | None = None,
        check: bool = True,
    ) -> Interaction:
        """Send a command as ``user``: ``name`` may hold subcommands ("settings show").

        ``guild_id=None`` sends it in the direct messages. Waits up to 5 s for its registration.
        """
        path = name.split()
        command = await self.signal.until(lambda: self._command(path[0]), 5.0)
        given = options or {}
        declared: Json = command
        for word in path[1:]:
            declared = next(o for o in declared["options"] if o["name"] == word)
        needed = command["default_member_permissions"]
        if check:
            check_options(declared["options"], given)
            if needed is not None and guild_id and not user.permissions & int(needed):
                raise PermissionError(f"{user.name} is not shown /{name}")
        values, resolved = self._options(declared["options"], given)
        for word in reversed(path[1:]):
            kind = 2 if len(path) == 3 and word == path[1] else 1
            values = [{"type": kind, "name": word, "options": values}]
        data: Json = {"id": command["id"], "name": path[0], "type": 1, "options": values}
        if resolved:
            data["resolved"] = resolved
        guild_id = self.guild_id if guild_id == -1 else guild_id
        channel_id = channel_id or self._channel(user, guild_id)
        return await self._interact(
            2, user, channel_id, guild_id, {"data": data, "locale": locale} | (overrides or {})
        )

    def _channel(self, user: User, guild_id: int | None) -> int:
        """Return a channel of a guild, or the direct messages."""
        if guild_id is None:
            return self.direct_channel(user.id)
        return next(c for c, g in self.channels.items() if g == guild_id)

    def _command(self, name: str) -> Json | None:
        return next((c for c in self.commands if c["name"] == name and c["type"] == 1), None)

    def _options(self, declared: list[Json], given: dict[str, Any]) -> tuple[list[Json], Json]:
        kinds = {option["name"]: option["type"] for option in declared}
        values: list[Json] = []
        resolved: dict[str, Json] = {}
        for name, value in given.items():
            if isinstance(value, Upload):
                file = self.attach(value, f"ephemeral-attachments/{self.application_id}")
                file.content_type = value.content_type
                self.stored[file.id] = file
                self.uploads.add(file.id)
                resolved.setdefault("attachments", {})[str(file.id)] = file.payload()
                value = str(file.id)
            elif isinstance(value, User):
                resolved.setdefault("users", {})[str(value.id)] = value.payload()
                member = value.member()
                del member["user"]
                resolved.setdefault("members", {})[str(value.id)] = member
                value = str(value.id)
            elif kinds.get(name) == 7:
                resolved.setdefault("channels", {})[str(value)] = self.channel_payload(int(value))
                value = str(value)
            elif kinds.get(name) == 8:
                value = str(value)
            values.append({"name": name, "type": kinds.get(name, 3), "value": value})
        return values, resolved

    async def press(
        self,
        user: User,
        message: Message,
        *,
        label: str | None = None,
        custom_id: str | None = None,
        forge: bool = False,
        overrides: Json | None = None,
    ) -> Interaction:
        """Press a button; ``forge`` sends a custom_id that the message does not show."""
        for button in buttons_of(message):
            wanted = label_of(button) == label if label else button.get("custom_id") == custom_id
            if wanted and "custom_id" in button and (forge or not button.get("disabled")):
                custom_id = button["custom_id"]
                break
        else:
            if not forge or custom_id is None:
                labels = [label_of(button) for button in buttons_of(message)]
                raise LookupError(f"no button {label or custom_id!r} to press among {labels}")
        seen_by = message.interaction.user if message.interaction else user
        if not forge and (message.deleted or (message.ephemeral and seen_by != user)):
            raise LookupError(f"{user.name} does not see that message")
        body: Json = {
            "data": {"custom_id": custom_id, "component_type": 2, "id": 1},
            "message": message.payload,
        }
        return await self._interact(
            3, user, message.channel_id, message.guild_id, body | (overrides or {}), message
        )

    async def _interact(
        self,
        kind: int,
        user: User,
        channel_id: int,
        guild_id: int | None,
        extra: Json,
        source: Message | None = None,
    ) -> Interaction:
        self.users.setdefault(user.id, user)
        new = self.new_id()
        application = str(self.application_id)
        found = Interaction(
            new, f"loopback-{new:x}", kind, user, channel_id, guild_id, application, self.now(),
            self._answered, source, extra["data"].get("name", ""),
        )  # fmt: skip
        self.interactions[new] = found
        payload: Json = {
            "id": str(new),
            "application_id": application,
            "type": kind,
            "token": found.token,
            "version": 1,
            "channel": self.channel_payload(channel_id),
            "channel_id": str(channel_id),
            "app_permissions": str(self.app_permissions),
            "locale": "en-US",
            "entitlements": [],
            "attachment_size_limit": self.attachment_size_limit,
            "authorizing_integration_owners": {"0": str(guild_id or 0)},
            "context": 0 if guild_id else 1,
        }
        if guild_id:
            guild: Json = {"id": str(guild_id), "locale": "en-US", "features": []}
            payload |= {"guild_id": str(guild_id), "guild": guild, "guild_locale": "en-US"}
            payload["member"] = user.member()
        else:
            payload["user"] = user.payload()
        await self.gateway.dispatch("INTERACTION_CREATE", payload | extra, guild_id)
        return found

    async def _answered(self, interaction: Interaction, timeout_s: float) -> None:
        await self.signal.until(lambda: interaction.answer is not None, timeout_s)

    async def wait_for(
        self,
        predicate: Callable[[Message], bool],
        timeout: float = 30.0,  # noqa: ASYNC109
    ) -> Message:
        """Return the first live message that satisfies ``predicate``, now or within seconds."""

        def look() -> Message | None:
            return next((m for m in list(self.messages.values()) if predicate(m)), None)

        return await self.signal.until(look, timeout)

    async def drop_gateway(self, code: int | None = None) -> None:
        """Close the bot's connections: with a close code, or abruptly."""
        await self.gateway.end(code)

    async def request_reconnect(self) -> None:
        """Ask the bot to connect again and resume."""
        await self.gateway.tell(RECONNECT)

    async def invalidate_session(self, resumable: bool) -> None:
        """Tell the bot that its session is invalid.

        Unless ``resumable``, discord.py then connects to ``DiscordWebSocket.DEFAULT_GATEWAY``,
        which is the real Discord: a client must first have set that to ``gateway_url``.
        """
        await self.gateway.tell(INVALID, resumable)

    text_of = staticmethod(text_of)
    buttons_of = staticmethod(buttons_of)

    @staticmethod
    def images_of(message: Message) -> list[Attachment]:
        """Return a message's attachments that are images."""
        return images_of(message)
