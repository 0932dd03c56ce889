"""What one viewer sees, as JSON for the page."""

from __future__ import annotations

from sandbox.discord import ANSWER_WITHIN, LOADING, Interaction, Json, Message, User
from sandbox.markdown import to_html
from sandbox.page.world import API_FAULTS, DISCORD_FAULTS, SHOWN, World


class View:
    """The page as ``viewer`` sees it, in the language ``locale``."""

    def __init__(self, world: World, viewer: User, locale: str) -> None:
        self.world, self.viewer, self.locale = world, viewer, locale
        self.discord = world.discord

    def parts(self) -> Json:
        """Return everything that the viewer sees; a message's key is m and its id."""
        discord, viewer = self.discord, self.viewer
        direct = discord.direct_channel(viewer.id)
        channels: list[Json] = [
            {"id": str(channel.id), "name": channel.name, "direct": False}
            for channel in discord.channels.values()
            if channel.guild_id == discord.guild_id
        ]
        channels.append({"id": str(direct), "name": "Vary", "direct": True})
        people = [{"id": str(u.id), "name": u.name.title()} for u in self.world.people]
        ids = {int(channel["id"]) for channel in channels}
        latest = sorted(discord.messages.items())[-SHOWN:]
        seen = [m for _, m in latest if m.channel_id in ids and self._visible(m)]
        waiting = [
            i
            for i in list(discord.interactions.values())[-SHOWN:]
            if i.user == viewer and i.answer is None and i.id not in self.world.dismissed
        ]
        names: dict[str, str] = {person["id"]: person["name"] for person in people}
        names |= {str(discord.bot.id): "Vary"} | {c["id"]: c["name"] for c in channels}
        return {
            "channels": channels,
            "people": people,
            "commands": self._commands(),
            "bot": {"status": self.world.status, "problem": self.world.problem},
            "faults": {
                "api": [list(API_FAULTS), self.world.api_fault],
                "discord": [list(DISCORD_FAULTS), self.world.discord_fault],
                "ahead": round(discord.ahead),
            },
            "ledger": self.world.ledger | {"names": names},
            "log": self.world.bot.log.splitlines()[-80:],
            **{f"m{m.id}": self._message(m, waiting, names) for m in seen},
            **{f"m{i.id}": self._unanswered(i) for i in waiting if i.type == 2},
        }

    def _visible(self, message: Message) -> bool:
        if message.id in self.world.dismissed:
            return False
        return not message.ephemeral or (
            message.interaction is not None and message.interaction.user == self.viewer
        )

    def _commands(self) -> list[Json]:
        """Return the chat commands that a viewer is shown, subcommands by their full names."""
        found: list[Json] = []

        def add(command: Json, prefix: str, direct: bool) -> None:
            options: list[Json] = command.get("options") or []
            name = f"{prefix}{command['name']}"
            if options and options[0]["type"] in (1, 2):
                for child in options:
                    add(child, name + " ", direct)
                return
            said: dict[str, str] = command.get("description_localizations") or {}
            description = said.get(self.locale, command["description"])
            found.append(
                {"name": name, "description": description, "options": options, "direct": direct}
            )

        for command in self.discord.commands:
            needed = command["default_member_permissions"]
            allowed = needed is None or self.viewer.permissions & int(needed)
            if command["type"] == 1 and allowed:
                contexts: list[int] | None = command["contexts"]
                direct = command["dm_permission"] if contexts is None else 1 in contexts
                add(command, "", direct)
        return found

    def _late(self, interaction: Interaction) -> bool:
        return self.discord.now() - interaction.created > ANSWER_WITHIN

    def _unanswered(self, interaction: Interaction) -> Json:
        return {
            "id": str(interaction.id),
            "channel": str(interaction.channel_id),
            "time": interaction.created,
            "ephemeral": True,
            "pending": "failed" if self._late(interaction) else "sending",
            "used": {"user": interaction.user.name.title(), "name": interaction.name},
        }

    def _message(self, message: Message, waiting: list[Interaction], names: dict[str, str]) -> Json:
        payload = message.payload
        found: Json = {
            "id": str(message.id),
            "channel": str(message.channel_id),
            "time": message.created,
            "edited": message.edited is not None,
            "ephemeral": message.ephemeral,
            "loading": bool(message.flags & LOADING),
            "pinged": str(self.viewer.id) in message.pings,
            "html": to_html(message.content, names),
            "components": [self._component(c, names) for c in payload["components"]],
            "embeds": message.embeds,
            "attachments": [] if message.flags >> 15 & 1 else payload["attachments"],
        }
        if message.type == 20 and message.interaction:
            user = message.interaction.user.name.title()
            found["used"] = {"user": user, "name": message.interaction.name}
        if message.reply_to:
            found["reply"] = self._reply(message.reply_to, names)
        pressed = [i for i in waiting if i.source is message]
        if pressed:
            found["notice"] = "failed" if self._late(pressed[-1]) else "sending"
        return found

    def _reply(self, message_id: int, names: dict[str, str]) -> Json:
        message = self.discord.messages.get(message_id)
        if message is None:
            return {"id": "", "html": "<p><em>Original message was deleted</em></p>"}
        text = self.discord.text_of(message).split("\n")[0]
        return {"id": str(message_id), "html": to_html(text, names)}

    def _component(self, component: Json, names: dict[str, str]) -> Json:
        found = dict(component)
        if found["type"] == 10:
            found["html"] = to_html(found.pop("content"), names)
        if "components" in found:
            found["components"] = [self._component(c, names) for c in found["components"]]
        if "accessory" in found:
            found["accessory"] = self._component(found["accessory"], names)
        return found
