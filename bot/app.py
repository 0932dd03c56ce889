"""VaryBot: the connection to Discord, its command tree, and the one place that answers errors."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import secrets
from typing import Any

import aiohttp
import discord
import yarl
from discord import app_commands
from discord.ext import commands
from discord.gateway import DiscordWebSocket

from bot import text, views
from bot.errors import Refused, StoreUnavailable
from bot.store import Store

log = logging.getLogger(__name__)

COGS = ("cogs.fetch", "cogs.vary")
"""The features, by module name: the bot knows no more of them."""

_COMMANDS_FACT = "commands"


class CommandTree(app_commands.CommandTree["VaryBot"]):
    """The command tree; its errors go to :meth:`VaryBot.report`."""

    async def on_error(
        self, interaction: discord.Interaction[VaryBot], error: app_commands.AppCommandError, /
    ) -> None:
        await interaction.client.report(interaction, error)


class VaryBot(commands.AutoShardedBot):
    """The bot. It needs no intents and keeps no messages and members: slash commands and buttons
    come as interactions, so its memory doesn't grow with the number of servers.

    ``work`` is set whenever there may be something to do in the ledger.
    """

    def __init__(self, store: Store, work: asyncio.Event) -> None:
        # What a bot with voice would lack is no warning for one without.
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
        )
        self.store = store
        self.work = work

    async def setup_hook(self) -> None:
        """Load the features, and register their commands if they changed."""
        # A session that can't be resumed begins anew at this address, wherever the first began.
        _, gateway, _ = await self.http.get_bot_gateway()
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)
        for name in COGS:
            await self.load_extension(name)
        self.add_dynamic_items(*views.BUTTONS)
        await self._sync_commands()

    async def _sync_commands(self) -> None:
        payload = [command.to_dict(self.tree) for command in self.tree.get_commands()]
        described = json.dumps([self.application_id, payload], sort_keys=True)
        digest = hashlib.sha256(described.encode()).hexdigest()
        if await self.store.fact(_COMMANDS_FACT) == digest:
            log.info("The commands are as they were registered.")
            return
        await self.tree.sync()
        await self.store.remember(_COMMANDS_FACT, digest)
        log.info("The commands are registered anew.")

    async def on_ready(self) -> None:
        log.info("Ready as user %s on %s shard(s).", self.user and self.user.id, self.shard_count)

    async def on_interaction(self, interaction: discord.Interaction[VaryBot]) -> None:
        """Answer a press of a component that nothing else answers."""
        if interaction.type is discord.InteractionType.component and not views.is_ours(interaction):
            log.warning("Interaction %s is of a component that isn't ours.", interaction.id)
            await self._tell(interaction, text.UNKNOWN_BUTTON)

    async def report(self, interaction: discord.Interaction[VaryBot], error: Exception) -> None:
        """Tell whoever caused an error what to do, and the log what it was."""
        if isinstance(error, app_commands.CommandInvokeError):
            error = error.original
        match error:
            case Refused() | StoreUnavailable():
                log.info("Interaction %s is refused: %r", interaction.id, error)
                sentence = text.refusal(error)
            case app_commands.CommandSignatureMismatch() | app_commands.CommandNotFound():
                log.warning("Interaction %s is of a command that has changed.", interaction.id)
                sentence = text.OUT_OF_DATE
            case _:
                incident = secrets.token_hex(4)
                log.error("Incident %s in interaction %s", incident, interaction.id, exc_info=error)
                sentence = text.broken(incident)
        await self._tell(interaction, sentence)

    async def _tell(self, interaction: discord.Interaction[VaryBot], sentence: str) -> None:
        """Say something to one user alone, whether or not they have been answered before."""
        send: Any = interaction.response.send_message
        if interaction.response.is_done():
            send = interaction.followup.send
        try:
            await send(sentence, ephemeral=True, allowed_mentions=discord.AllowedMentions.none())
        except (discord.HTTPException, aiohttp.ClientError, OSError) as failure:
            log.warning("Interaction %s can't be answered: %s", interaction.id, failure)
