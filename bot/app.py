"""VaryBot: the connection to Discord, its commands and buttons, and the one reporter of errors."""

from __future__ import annotations

import importlib
import logging
import pkgutil
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import discord
import yarl
from discord import app_commands
from discord.ext import commands
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot import text
from bot.errors import Refused, StoreUnavailable
from bot.prompts import PromptRules
from bot.store import Store
from bot.ui.buttons import Template, pressed_label
from bot.ui.commands import same_commands
from bot.ui.replies import DISCORD_ERRORS, say

log = logging.getLogger(__name__)

_CONNECTIONS = 100
"""Connections to Discord's REST API at most. A burst reuses them: hundreds of handshakes at once
cost more than waiting for a connection, and a full backlog costs a second."""

COGS = "cogs"
"""The package whose modules are the features: the bot knows no more of them."""

Interaction = discord.Interaction["VaryBot"]
Handler = Callable[..., Awaitable[None]]
"""Called with the interaction and the numbers of its custom_id."""


class CommandTree(app_commands.CommandTree["VaryBot"]):
    """The command tree; its errors go to :meth:`VaryBot.report`.

    Every command says that it is for servers, and for the bot installed there: left out, an
    application's own settings decide, and those of new ones have users as well.
    """

    def __init__(self, client: VaryBot) -> None:
        super().__init__(
            client,
            allowed_contexts=app_commands.AppCommandContext(guild=True),
            allowed_installs=app_commands.AppInstallationType(guild=True, user=False),
        )

    async def on_error(
        self, interaction: Interaction, error: app_commands.AppCommandError, /
    ) -> None:
        await interaction.client.report(interaction, error)


class VaryBot(commands.AutoShardedBot):
    """The bot. It needs no intents and keeps no messages and members: slash commands and buttons
    come as interactions, so its memory doesn't grow with the number of servers.

    Buttons and modals are found by their custom_ids alone. discord.py's own views and dynamic
    items are not used for it: they parse the whole message again for each press, an edit can
    unregister them for the whole bot, and a modal that is sent after a restart reaches none.
    """

    def __init__(self, store: Store, prompt_rules: PromptRules) -> None:
        # The bot needs no voice libraries.
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
        super().__init__(
            command_prefix=commands.when_mentioned,
            help_command=None,
            intents=discord.Intents.none(),
            max_messages=None,
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            allowed_mentions=discord.AllowedMentions.none(),
            tree_cls=CommandTree,
            connector=aiohttp.TCPConnector(limit=0, limit_per_host=_CONNECTIONS),
        )
        self.store = store
        self.prompt_rules = prompt_rules
        self._routes: dict[discord.InteractionType, dict[str, tuple[Template, Handler]]] = {
            discord.InteractionType.component: {},
            discord.InteractionType.modal_submit: {},
        }

    async def setup_hook(self) -> None:
        """Load the features, and register their commands if Discord has others."""
        # A session that can't be resumed begins anew at this address, wherever the first began.
        _, gateway, _ = await self.http.get_bot_gateway()
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)
        await self.load_features()
        await self._sync_commands()

    async def load_features(self) -> None:
        """Load every cog; no connection is needed for it."""
        for module in pkgutil.iter_modules(importlib.import_module(COGS).__path__):
            await self.load_extension(f"{COGS}.{module.name}")

    async def are_registered(self, client: discord.Client) -> bool:
        """Ask Discord through ``client``, which is logged in, whether it has just these commands.

        A hash of what was registered last would not tell: whoever else has the token may have
        registered others since.
        """
        path = "/applications/{application_id}/commands"
        route = Route("GET", path, application_id=client.application_id)
        registered: Any = await client.http.request(route, params={"with_localizations": "true"})
        ours = [command.to_dict(self.tree) for command in self.tree.get_commands()]
        return same_commands(ours, registered)

    def add_button(self, template: Template, handler: Handler) -> None:
        """Let ``handler`` act on every press of a button whose custom_id fits ``template``.

        What it raises is answered as a command's errors are.
        """
        self._add_route(discord.InteractionType.component, template, handler)

    def add_modal(self, template: Template, handler: Handler) -> None:
        """Let ``handler`` act on every modal that is sent whose custom_id fits ``template``."""
        self._add_route(discord.InteractionType.modal_submit, template, handler)

    def _add_route(
        self, kind: discord.InteractionType, template: Template, handler: Handler
    ) -> None:
        if template.prefix in self._routes[kind]:
            raise ValueError(f"two handlers for custom_ids that begin with {template.prefix}:")
        self._routes[kind][template.prefix] = (template, handler)

    async def on_interaction(self, interaction: Interaction) -> None:
        """Act on a button or a modal; answer what nobody knows."""
        if interaction.type not in self._routes:
            return
        try:
            await self._route(interaction)
        except Exception as error:
            await self.report(interaction, error)

    async def _route(self, interaction: Interaction) -> None:
        custom_id = str((interaction.data or {}).get("custom_id", ""))
        is_component = interaction.type is discord.InteractionType.component
        route = self._routes[interaction.type].get(custom_id.partition(":")[0])
        if route and (not is_component or pressed_label(interaction) is not None):
            template, handler = route
            if (numbers := template.match(custom_id)) is not None:
                await handler(interaction, *numbers)
                return
        log.warning("Interaction %s is of a component that isn't ours.", interaction.id)
        await say(interaction, text.UNKNOWN_BUTTON)

    async def _sync_commands(self) -> None:
        if await self.are_registered(self):
            log.info("The commands are as they were registered.")
            return
        await self.tree.sync()
        log.info("The commands are registered anew.")

    async def on_ready(self) -> None:
        log.info("Ready as user %s on %s shard(s).", self.user and self.user.id, self.shard_count)

    async def report(self, interaction: Interaction, error: Exception) -> None:
        """Tell whoever caused an error what to do, and the log what it was."""
        if isinstance(error, app_commands.CommandInvokeError):
            error = error.original
        if isinstance(error, RuntimeError) and "Session is closed" in str(error):
            error = ConnectionError(str(error))  # aiohttp's own, where the bot is connecting again.
        match error:
            case Refused() | StoreUnavailable():
                log.info("Interaction %s is refused: %r", interaction.id, error)
                sentence = text.refusal(error)
            case app_commands.CommandSignatureMismatch() | app_commands.CommandNotFound():
                log.warning("Interaction %s is of a command that has changed.", interaction.id)
                sentence = text.OUT_OF_DATE
            case discord.HTTPException() | aiohttp.ClientError() | OSError():
                log.warning("Interaction %s: Discord took no answer: %r", interaction.id, error)
                return
            case _:
                incident = secrets.token_hex(4)
                log.error("Incident %s in interaction %s", incident, interaction.id, exc_info=error)
                sentence = text.broken(incident)
        try:
            await say(interaction, sentence)
        except DISCORD_ERRORS as failure:
            log.warning("Interaction %s can't be answered: %s", interaction.id, failure)
