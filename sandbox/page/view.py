"""What one viewer sees, as JSON for the page."""

from __future__ import annotations

import re
from typing import cast

from sandbox.discord import (
    ANSWER_WITHIN,
    LOADING,
    Channel,
    Interaction,
    Json,
    Message,
    User,
    walk,
)
from sandbox.discord.model import DIRECT_CHANNEL
from sandbox.discord.permissions import MANAGE_MESSAGES
from sandbox.markdown import to_html
from sandbox.page.world import API_FAULTS, DISCORD_FAULTS, SHOWN, World

COLOURS = re.compile(r"\x1b\[[\d;]*m")
CHAT = 1
COMMAND, PRESS, SUBMIT = 2, 3, 5
OPTION_FIELDS = (
    *("name", "type", "required", "min_value", "max_value", "min_length", "max_length"),
    *("channel_types", "autocomplete"),
)


class View:
    """The page as ``viewer`` sees it, in the language ``locale``."""

    def __init__(self, world: World, viewer: User, locale: str) -> None:
        self.world, self.viewer, self.locale = world, viewer, locale
        self.discord = world.discord

    def parts(self) -> Json:
        """Return everything that the viewer sees; a message's key is m and its id."""
        discord, viewer, world = self.discord, self.viewer, self.world
        channels = world.channels(viewer)
        names = self._names(channels)
        ids = {channel.id for channel in channels}
        latest = [m for _, m in sorted(discord.messages.items()) if m.channel_id in ids]
        seen = [m for m in latest if self._visible(m)][-SHOWN:]
        mine = [i for i in list(discord.interactions.values())[-2 * SHOWN :] if i.user == viewer]
        waiting = [i for i in mine if i.answer is None and i.id not in world.dismissed]
        return {
            "channels": [self._channel(channel) for channel in channels],
            "people": [_named(user) for user in world.people],
            "members": [_named(user) for user in (*world.people, discord.bot)],
            "roles": [
                {"id": str(r.id), "name": r.name, "color": r.color, "has": r.id in viewer.roles}
                for r in discord.roles_of(discord.guild_id)[1:]
            ],
            "installed": viewer.id in discord.user_installs,
            "locales": [world.locales(), discord.guild_locale],
            "commands": self._commands(channels),
            "menus": self._menus(channels),
            "modal": self._modal(mine, names),
            "bot": {"name": discord.bot.name.title(), "own": world.own, **world.state()},
            "faults": {
                "api": [list(API_FAULTS), world.api_fault],
                "discord": [list(DISCORD_FAULTS), world.discord_fault],
                "ahead": round(discord.ahead),
            },
            "ledger": world.ledger | {"names": names} if world.own else None,
            "log": [COLOURS.sub("", line) for line in world.bot.log.splitlines()[-80:]],
            **{f"m{m.id}": self._message(m, waiting, names) for m in seen},
            **{f"m{i.id}": self._unanswered(i) for i in waiting if i.type == COMMAND},
        }

    def _names(self, channels: list[Channel]) -> dict[str, str]:
        """Return what mentions of users, roles and channels show, by id."""
        names = {str(user.id): user.name.title() for user in self.discord.users.values()}
        names |= {str(role.id): role.name for role in self.discord.roles.values()}
        return names | {str(channel.id): self.world.title(channel) for channel in channels}

    def _channel(self, channel: Channel) -> Json:
        return {
            "id": str(channel.id),
            "name": self.world.title(channel),
            "type": channel.type,
            "server": self.world.server(channel),
            "direct": channel.guild_id is None,
            "bot": channel.type == DIRECT_CHANNEL,
        }

    def _visible(self, message: Message) -> bool:
        if message.id in self.world.dismissed:
            return False
        return not message.ephemeral or (
            message.interaction is not None and message.interaction.user == self.viewer
        )

    def _said(self, thing: Json, field: str) -> str:
        """Return a field of a command or option in the viewer's language."""
        translated = cast("dict[str, str]", thing.get(f"{field}_localizations") or {})
        return translated.get(self.locale) or thing.get(field) or ""

    def _places(self, command: Json, channels: list[Channel]) -> list[str]:
        shown = self.discord.is_shown
        return [str(c.id) for c in channels if shown(self.viewer, command, c)]

    def _commands(self, channels: list[Channel]) -> list[Json]:
        """Return the chat commands that a viewer is shown, subcommands by their full names."""
        found: list[Json] = []

        def add(command: Json, name: str, label: str, places: list[str]) -> None:
            options: list[Json] = command.get("options") or []
            if options and options[0]["type"] in (1, 2):
                for child in options:
                    said = self._said(child, "name")
                    add(child, f"{name} {child['name']}", f"{label} {said}", places)
                return
            made: Json = {"name": name, "label": label, "places": places}
            made["description"] = self._said(command, "description")
            made["options"] = [self._option(option) for option in options]
            found.append(made)

        for command in self.discord.commands:
            if command["type"] == CHAT and (places := self._places(command, channels)):
                add(command, command["name"], self._said(command, "name"), places)
        return found

    def _option(self, option: Json) -> Json:
        choices: list[Json] = option.get("choices") or []
        made: Json = {key: option[key] for key in OPTION_FIELDS if option.get(key) is not None}
        made["label"] = self._said(option, "name")
        made["description"] = self._said(option, "description")
        made["choices"] = [[str(c["value"]), self._said(c, "name")] for c in choices]
        return made

    def _menus(self, channels: list[Channel]) -> list[Json]:
        """Return the entries of the Apps menus: type 2 of users, 3 of messages."""
        return [
            {
                "name": command["name"],
                "label": self._said(command, "name"),
                "type": command["type"],
                "places": places,
            }
            for command in self.discord.commands
            if command["type"] != CHAT and (places := self._places(command, channels))
        ]

    def _late(self, interaction: Interaction) -> bool:
        return self.discord.now() - interaction.created > ANSWER_WITHIN

    def _modal(self, mine: list[Interaction], names: dict[str, str]) -> Json | None:
        """Return the modal that is open: the viewer's newest, until it is sent or closed."""
        opened = next((i for i in reversed(mine) if i.type != SUBMIT), None)
        if opened is None or opened.modal is None or opened.id in self.world.dismissed:
            return None
        sent = [i for i in mine if i.opened_by is opened]
        if any(i.answer is not None for i in sent):
            return None
        state = ("failed" if self._late(sent[-1]) else "sending") if sent else "open"
        return {
            "id": str(opened.id),
            "title": opened.modal["title"],
            "components": [self._component(c, names) for c in opened.modal["components"]],
            "state": state,
        }

    def _unanswered(self, interaction: Interaction) -> Json:
        return {
            "id": str(interaction.id),
            "channel": str(interaction.channel_id),
            "time": interaction.created,
            "author": _named(self.discord.bot),
            "ephemeral": True,
            "pending": "failed" if self._late(interaction) else "sending",
            "used": {"user": _named(interaction.user), "name": self._used(interaction)},
        }

    def _used(self, interaction: Interaction) -> str:
        """Return a command's name as the line above its answer shows it."""
        kinds = {c["name"]: c["type"] for c in self.discord.commands}
        return ("/" if kinds.get(interaction.name, CHAT) == CHAT else "") + interaction.name

    def _message(self, message: Message, waiting: list[Interaction], names: dict[str, str]) -> Json:
        payload = message.payload
        may = message.author == self.viewer or self.viewer.permissions & MANAGE_MESSAGES
        found: Json = {
            "id": str(message.id),
            "channel": str(message.channel_id),
            "time": message.created,
            "author": _named(message.author),
            "edited": message.edited is not None,
            "ephemeral": message.ephemeral,
            "loading": bool(message.flags & LOADING),
            "pinged": str(self.viewer.id) in message.pings or "everyone" in message.pings,
            "deletable": bool(may and message.guild_id is not None and not message.ephemeral),
            **self._content(payload, names),
        }
        if message.type == 20 and message.interaction:
            user = _named(message.interaction.user)
            found["used"] = {"user": user, "name": self._used(message.interaction)}
        if message.reply_to:
            found["reply"] = self._reply(message.reply_to, names)
        for snapshot in payload.get("message_snapshots", []):
            where = names.get(payload["message_reference"]["channel_id"], "")
            found["forward"] = self._content(snapshot["message"], names) | {"where": where}
        pressed = [i for i in waiting if i.source is message and i.type == PRESS]
        if pressed:
            state = "failed" if self._late(pressed[-1]) else "sending"
            found["notice"] = {"state": state, "custom_id": pressed[-1].custom_id}
        return found

    def _content(self, payload: Json, names: dict[str, str]) -> Json:
        """Return what a message shows, its texts as HTML."""
        return {
            "html": to_html(payload["content"], names),
            "components": [self._component(c, names) for c in payload["components"]],
            "embeds": [self._embed(embed, names) for embed in payload["embeds"]],
            "attachments": payload["attachments"],
        }

    def _reply(self, message_id: int, names: dict[str, str]) -> Json:
        message = self.discord.messages.get(message_id)
        if message is None or not self._visible(message):
            return {"id": "", "html": "<em>Original message was deleted</em>"}
        text = next((line for line in self.discord.text_of(message).split("\n") if line), "")
        found: Json = {"id": str(message_id), "author": _named(message.author)}
        found["html"] = to_html(text.lstrip("#-> "), names)
        found["picture"] = bool(self.discord.images_of(message))
        return found

    def _embed(self, embed: Json, names: dict[str, str]) -> Json:
        found = dict(embed)
        for key in ("title", "description"):
            if embed.get(key):
                found[key] = to_html(embed[key], names)
        fields: list[Json] = embed.get("fields") or []
        found["fields"] = [
            {
                "name": to_html(field["name"], names),
                "value": to_html(field["value"], names),
                "inline": field.get("inline", False),
            }
            for field in fields
        ]
        return found

    def _component(self, component: Json, names: dict[str, str]) -> Json:
        found = dict(component)
        if found["type"] == 10:
            found["html"] = to_html(found.pop("content"), names)
        if "components" in found:
            found["components"] = [self._component(c, names) for c in found["components"]]
        for key in ("accessory", "component"):
            if key in found:
                found[key] = self._component(found[key], names)
        return found


def _named(user: User) -> Json:
    return {"id": str(user.id), "name": user.name.title(), "bot": user.bot}


def field_types(components: list[Json]) -> dict[str, int]:
    """Return the type of each component that has a custom_id."""
    return {c["custom_id"]: c["type"] for c in walk(components) if "custom_id" in c}
