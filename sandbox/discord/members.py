"""What members do in the loopback Discord: commands, presses, menus, modals, messages."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from sandbox.discord.commands import CHAT, MESSAGE, USER, check_options
from sandbox.discord.components import SELECT, SELECTS, walk
from sandbox.discord.messages import MessageState
from sandbox.discord.modals import fill
from sandbox.discord.model import (
    Channel,
    Interaction,
    Json,
    Message,
    Role,
    Upload,
    User,
    buttons_of,
    label_of,
)
from sandbox.discord.permissions import ATTACH_FILES, SEND_MESSAGES, USE_COMMANDS, VIEW_CHANNEL

COMMAND, COMPONENT, SUBMIT = 2, 3, 5
GUILD, BOT_DIRECT, PRIVATE = 0, 1, 2


class Members(MessageState):
    """Everything that a member can do; each method checks what Discord's client would."""

    @abstractmethod
    def tell_bot(self, data: Json, guild_id: int | None) -> None:
        """Bring an interaction to the bot."""

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
        command = await self.signal.until(lambda: self._command(path[0], CHAT), 5.0)
        given = options or {}
        declared: Json = command
        for word in path[1:]:
            declared = next(o for o in declared["options"] if o["name"] == word)
        channel = self._place(user, guild_id, channel_id)
        owners = self._allowed(user, command, channel) if check else None
        if check:
            check_options(declared["options"], given)
        values, resolved = self._options(declared["options"], given)
        for word in reversed(path[1:]):
            kind = 2 if len(path) == 3 and word == path[1] else 1
            values = [{"type": kind, "name": word, "options": values}]
        data: Json = {"id": command["id"], "name": path[0], "type": CHAT, "options": values}
        if resolved:
            data["resolved"] = resolved
        extra = {"data": data, "locale": locale} | (overrides or {})
        return self._interact(COMMAND, user, channel, extra, owners=owners)

    async def menu(
        self,
        user: User,
        name: str,
        target: Message | User,
        *,
        channel_id: int | None = None,
        overrides: Json | None = None,
    ) -> Interaction:
        """Choose an entry of the Apps menu of a message or a user."""
        kind = MESSAGE if isinstance(target, Message) else USER
        command = await self.signal.until(lambda: self._command(name, kind), 5.0)
        data: Json = {"id": command["id"], "name": name, "type": kind, "target_id": str(target.id)}
        if isinstance(target, Message):
            if target.deleted or (target.ephemeral and not self._sees(user, target)):
                raise LookupError(f"{user.name} does not see that message")
            channel = self.channel(target.channel_id)
            data["resolved"] = {"messages": {str(target.id): target.payload}}
        else:
            channel = self._place(user, -1, channel_id)
            data["resolved"] = {"users": {str(target.id): target.payload()}}
            if channel.guild_id is not None:
                data["resolved"]["members"] = {str(target.id): _partial(target)}
        owners = self._allowed(user, command, channel)
        return self._interact(
            COMMAND, user, channel, {"data": data} | (overrides or {}), None, owners
        )

    def _place(self, user: User, guild_id: int | None, channel_id: int | None) -> Channel:
        """Return the channel meant: a server's first, or the direct messages with the bot."""
        self.users.setdefault(user.id, user)
        if channel_id is None and guild_id is None:
            channel_id = self.direct_channel(user.id)
        elif channel_id is None:
            guild = self.guild_id if guild_id == -1 else guild_id
            channel_id = next(c.id for c in self.channels.values() if c.guild_id == guild)
        return self.channel(channel_id)

    def _command(self, name: str, kind: int) -> Json | None:
        return next((c for c in self.commands if (c["name"], c["type"]) == (name, kind)), None)

    def _allowed(self, user: User, command: Json, channel: Channel) -> dict[str, str]:
        """Return who installed the app for a command here; ``PermissionError`` if it isn't shown.

        Source: documentation, "Interaction Contexts" and "Authorizing Integration Owners Object".
        """
        context, owners = self._context(channel), self._owners(user, channel)
        contexts: list[int] | None = command["contexts"]
        if contexts is None:
            contexts = [GUILD, BOT_DIRECT, PRIVATE] if command["dm_permission"] else [GUILD]
        owners = {k: v for k, v in owners.items() if int(k) in command["integration_types"]}
        needed: str | None = command["default_member_permissions"]
        lacking = needed is not None and int(needed) & ~user.permissions
        silent = not user.permissions & USE_COMMANDS or not user.permissions & VIEW_CHANNEL
        if context not in contexts or not owners or (context == GUILD and (lacking or silent)):
            raise PermissionError(f"{user.name} is not shown {command['name']} here")
        return owners

    def is_shown(self, user: User, command: Json, channel: Channel) -> bool:
        """Tell whether Discord's client offers a command to a user in a channel."""
        try:
            self._allowed(user, command, channel)
        except PermissionError:
            return False
        return True

    def _context(self, channel: Channel) -> int:
        if channel.guild_id is not None:
            return GUILD
        return BOT_DIRECT if self.is_with_bot(channel) else PRIVATE

    def _owners(self, user: User, channel: Channel) -> dict[str, str]:
        """Return by installation type which server or user has the app here."""
        owners: dict[str, str] = {}
        if channel.guild_id in self.guild_ids:
            owners["0"] = str(channel.guild_id)
        elif self.is_with_bot(channel):
            owners["0"] = "0"
        if user.id in self.user_installs:
            owners["1"] = str(user.id)
        return owners

    def _options(self, declared: list[Json], given: dict[str, Any]) -> tuple[list[Json], Json]:
        kinds = {option["name"]: option["type"] for option in declared}
        values: list[Json] = []
        resolved: dict[str, Json] = {}
        for name, value in given.items():
            if isinstance(value, (Upload, User, Role, Channel)):
                (value,) = self._resolve(value, resolved)
            elif kinds.get(name) == 7:
                (value,) = self._resolve(self.channel(int(value)), resolved)
            elif kinds.get(name) == 8:
                value = str(value)
            values.append({"name": name, "type": kinds.get(name, 3), "value": value})
        return values, resolved

    def _resolve(self, value: Any, resolved: dict[str, Json]) -> list[str]:
        """Add a file, user, role or channel to what is resolved and return its id."""
        if isinstance(value, Upload):
            file = self.upload(value)
            resolved.setdefault("attachments", {})[str(file.id)] = file.payload()
            return [str(file.id)]
        if isinstance(value, User):
            resolved.setdefault("users", {})[str(value.id)] = value.payload()
            resolved.setdefault("members", {})[str(value.id)] = _partial(value)
            return [str(value.id)]
        if isinstance(value, Role):
            resolved.setdefault("roles", {})[str(value.id)] = value.payload()
            return [str(value.id)]
        if isinstance(value, Channel):
            resolved.setdefault("channels", {})[str(value.id)] = self.channel_payload(value.id)
            return [str(value.id)]
        return [str(value)]

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
        number = 1
        for button in buttons_of(message):
            wanted = label_of(button) == label if label else button.get("custom_id") == custom_id
            if wanted and "custom_id" in button and (forge or not button.get("disabled")):
                custom_id, number = button["custom_id"], button["id"]
                break
        else:
            if not forge or custom_id is None:
                labels = [label_of(button) for button in buttons_of(message)]
                raise LookupError(f"no button {label or custom_id!r} to press among {labels}")
        data: Json = {"custom_id": custom_id, "component_type": 2, "id": number}
        return self._use(user, message, data, overrides, forge=forge)

    async def select(
        self,
        user: User,
        message: Message,
        values: list[Any],
        *,
        custom_id: str | None = None,
        overrides: Json | None = None,
    ) -> Interaction:
        """Choose values in a message's select menu: the first, or the one with ``custom_id``."""
        menus = [c for c in walk(message.components) if c["type"] in SELECTS]
        menu = next((m for m in menus if custom_id in (None, m["custom_id"])), None)
        if menu is None or menu.get("disabled"):
            raise LookupError(f"no menu {custom_id!r} to choose from")
        resolved: dict[str, Json] = {}
        chosen = [one for value in values for one in self._resolve(value, resolved)]
        offered = [option["value"] for option in menu.get("options", [])]
        if menu["type"] == SELECT and (unknown := set(chosen) - set(offered)):
            raise LookupError(f"not offered: {sorted(unknown)}")
        if not menu.get("min_values", 1) <= len(chosen) <= menu.get("max_values", 1):
            raise ValueError("too few or too many values")
        data: Json = {"custom_id": menu["custom_id"], "component_type": menu["type"]}
        data |= {"id": menu["id"], "values": chosen}
        return self._use(
            user, message, data | ({"resolved": resolved} if resolved else {}), overrides
        )

    def _sees(self, user: User, message: Message) -> bool:
        return not message.ephemeral or bool(
            message.interaction and message.interaction.user == user
        )

    def _use(
        self,
        user: User,
        message: Message,
        data: Json,
        overrides: Json | None,
        *,
        forge: bool = False,
    ) -> Interaction:
        """Use a message's component."""
        if not forge and (message.deleted or not self._sees(user, message)):
            raise LookupError(f"{user.name} does not see that message")
        body: Json = {"data": data, "message": message.payload} | (overrides or {})
        owners = message.interaction.owners if message.interaction else None
        channel = self.channel(message.channel_id)
        return self._interact(COMPONENT, user, channel, body, message, owners)

    async def submit(
        self,
        opened: Interaction,
        values: dict[str, Any] | None = None,
        *,
        overrides: Json | None = None,
    ) -> Interaction:
        """Submit the modal that answered ``opened``, as the one who opened it.

        ``values`` by custom_id: text, a list of values, uploads, users or a bool; what is left
        out stays as the modal has it.
        """
        if (modal := opened.modal) is None:
            raise LookupError("no modal is open")
        resolved: dict[str, Json] = {}
        filled = fill(modal, values or {}, lambda value: self._resolve(value, resolved))
        data: Json = {"custom_id": modal["custom_id"], "components": filled}
        if resolved:
            data["resolved"] = resolved
        body: Json = {"data": data}
        if opened.source:
            body["message"] = opened.source.payload
        channel = self.channel(opened.channel_id)
        body |= overrides or {}
        return self._interact(
            SUBMIT, opened.user, channel, body, opened.source, opened.owners, opened
        )

    async def say(
        self, user: User, content: str, *uploads: Upload, channel_id: int | None = None
    ) -> Message:
        """Post a message as a member; ``PermissionError`` where they may not."""
        needed = VIEW_CHANNEL | SEND_MESSAGES | (ATTACH_FILES if uploads else 0)
        if user.permissions & needed != needed:
            raise PermissionError(f"{user.name} may not post that")
        self.users.setdefault(user.id, user)
        files = dict(enumerate(uploads))
        channel_id = channel_id or self.channel_id
        message = self.post(channel_id, {"content": content}, files, author=user)
        self.signal.notify()
        return message

    def _interact(
        self,
        kind: int,
        user: User,
        channel: Channel,
        extra: Json,
        source: Message | None = None,
        owners: dict[str, str] | None = None,
        opened_by: Interaction | None = None,
    ) -> Interaction:
        """Make an interaction and tell the bot of it; ``extra`` is what is its kind's own."""
        self.users.setdefault(user.id, user)
        new = self.new_id()
        owners = self._owners(user, channel) if owners is None else owners
        found = Interaction(
            new, f"loopback-{new:x}", kind, user, channel.id, channel.guild_id,
            str(self.application_id), self.now(), self._answered, source,
            extra["data"].get("name", ""), owners, opened_by,
            custom_id=extra["data"].get("custom_id", ""),
        )  # fmt: skip
        self.interactions[new] = found
        payload: Json = {
            "id": str(new),
            "application_id": found.application_id,
            "type": kind,
            "token": found.token,
            "version": 1,
            "channel": channel.payload(user.permissions),
            "channel_id": str(channel.id),
            "app_permissions": str(self.permissions_in(channel)),
            "locale": "en-US",
            "entitlements": [],
            "attachment_size_limit": self.attachment_size_limit,
            "authorizing_integration_owners": owners,
            "context": self._context(channel),
        }
        if channel.guild_id:
            guild: Json = {"id": str(channel.guild_id), "locale": self.guild_locale}
            payload |= {"guild_id": str(channel.guild_id), "guild": guild | {"features": []}}
            payload["guild_locale"] = self.guild_locale
            payload["member"] = user.member()
        else:
            payload["user"] = user.payload()
        self.tell_bot(payload | extra, channel.guild_id)
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


def _partial(user: User) -> Json:
    """Return a member as resolved data holds it."""
    return {k: v for k, v in user.member().items() if k not in ("user", "deaf", "mute")}
