"""VaryBot: the connection to Discord, its commands and buttons, and the one reporter of errors."""

from __future__ import annotations

import asyncio
import importlib
import logging
import pkgutil
import secrets
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import aiohttp
import discord
import yarl
from discord import app_commands
from discord.ext import commands
from discord.gateway import DiscordWebSocket
from discord.http import Route
from discord.state import AutoShardedConnectionState

from bot import metrics, text
from bot.errors import OthersPicturesOff, Refused, StoreUnavailable
from bot.policy import Places
from bot.prompts import PromptRules
from bot.store import Store
from bot.text import menus
from bot.ui.buttons import Template, pressed_label
from bot.ui.commands import same_commands
from bot.ui.modals import typed_prompt
from bot.ui.replies import BLOCKED_CODES, DISCORD_ERRORS, asker_of, click_of, say, say_at_length

if TYPE_CHECKING:
    from discord.types.gateway import InteractionCreateEvent

log = logging.getLogger(__name__)

_CONNECTIONS = 100
"""Connections to Discord's REST API at most. A burst reuses these: to open hundreds at once takes
longer than to wait for a free one."""

_IDENTIFY_PERIOD = 5.5
"""Seconds between two IDENTIFYs of one bucket: Discord's 5 (documentation, "Gateway", Max
Concurrency), and what the first one may be late."""

_ANSWERING = frozenset({"CommandTree-invoker", "discord.py: on_interaction"})
"""Names that discord.py gives to the tasks in which interactions are answered."""

_TOO_LATE = {10062, 40060}
"""Discord's codes where an interaction has been answered, or can't be any more."""

COGS = "cogs"
"""The package whose modules are the features: the bot knows no more of them."""

UNGOVERNED = frozenset({"settings", "privacy", "help", "account"})
"""Commands that a server's owners can't take away from a member: rights, and what is needed to
govern. Each checks by itself who may use it."""

PICTURE_MENUS = frozenset({menus.VARY, menus.DESCRIBE})
"""Entries of a message's Apps menu that use the picture of whoever wrote it."""

Interaction = discord.Interaction["VaryBot"]
Handler = Callable[..., Awaitable[None]]
"""Called with the interaction and the numbers of its custom_id."""


@dataclass(frozen=True, slots=True)
class _Route:
    """What acts on a button or a modal, and whether a server's owners may shut members out of it
    (:meth:`VaryBot.add_button`)."""

    template: Template
    handler: Handler
    governed: bool


class CommandTree(app_commands.CommandTree["VaryBot"]):
    """The command tree; its errors go to :meth:`VaryBot.report`.

    Every command states its contexts: without that, the application's own settings decide. The
    default is servers, direct messages with the bot, and other direct messages and groups, for
    both kinds of installation.
    """

    def __init__(self, client: VaryBot) -> None:
        super().__init__(
            client,
            allowed_contexts=app_commands.AppCommandContext(
                guild=True, dm_channel=True, private_channel=True
            ),
            allowed_installs=app_commands.AppInstallationType(guild=True, user=True),
        )

    async def interaction_check(self, interaction: Interaction, /) -> bool:
        """Check that the bot may be used here, and say where it may not. discord.py handles no
        error of this method."""
        data: Any = interaction.data or {}
        try:
            governed = data.get("name") not in UNGOVERNED
            await interaction.client.check_place(interaction, governed=governed)
        except Exception as error:
            await interaction.client.report(interaction, error)
            return False
        return True

    async def on_error(
        self, interaction: Interaction, error: app_commands.AppCommandError, /
    ) -> None:
        await interaction.client.report(interaction, error)


class _State(AutoShardedConnectionState["VaryBot"]):
    """What discord.py keeps: no servers. READY tells of each by a stub, which costs 1.4 kB as a
    ``Guild``; without the guilds intent nothing more ever comes of it."""

    def parse_ready(self, data: Any) -> None:
        data["guilds"] = []
        super().parse_ready(data)


class VaryBot(commands.AutoShardedBot):
    """The bot. It needs no intents and keeps no messages and members: slash commands and buttons
    come as interactions, so its memory doesn't grow with the number of servers.

    Buttons and modals are found by their custom_ids alone. discord.py's own views and dynamic
    items are not used for it: they parse the whole message again for each press, an edit can
    unregister them for the whole bot, and a modal that is sent after a restart reaches none.

    ``shard_ids`` are those that this process connects, of ``shard_count``; without them Discord
    says how many there are, and this process connects them all. With ``shared`` other processes
    connect shards too: each IDENTIFY waits for its turn among all of them.
    """

    def __init__(
        self,
        store: Store,
        prompt_rules: PromptRules,
        places: Places | None = None,
        *,
        shard_count: int | None = None,
        shard_ids: Collection[int] = (),
        shared: bool = False,
    ) -> None:
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
            http_trace=metrics.discord_trace(),
            shard_count=shard_count,
        )
        self.shard_ids = sorted(shard_ids) or None
        self._shared = shared
        self._identify_buckets = 1
        self.store = store
        self.prompt_rules = prompt_rules
        self.places = places or Places()
        self._routes: dict[discord.InteractionType, dict[str, _Route]] = {
            discord.InteractionType.component: {},
            discord.InteractionType.modal_submit: {},
        }

    def _get_state(self, **options: Any) -> _State:
        handlers, hooks = self._handlers, self._hooks
        return _State(
            dispatch=self.dispatch, handlers=handlers, hooks=hooks, http=self.http, **options
        )

    async def setup_hook(self) -> None:
        """Load the features, and register their commands if Discord has others."""
        # discord.py begins a new session at this address where one can't be resumed, and every
        # session where the number of shards is given: it must be the one that Discord names.
        _, gateway, limit = await self.http.get_bot_gateway()
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)
        self._identify_buckets = limit["max_concurrency"]
        await self.load_features()
        await self._sync_commands()

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Wait for a shard's turn to identify."""
        if not self._shared:
            await super().before_identify_hook(shard_id, initial=initial)
            return
        bucket = (shard_id or 0) % self._identify_buckets
        try:
            turn = f"identify/{bucket}"
            while wait := await self.store.turns.take(turn, _IDENTIFY_PERIOD):  # noqa: ASYNC110
                await asyncio.sleep(wait)
        except StoreUnavailable:
            await asyncio.sleep(_IDENTIFY_PERIOD)

    def why_deaf(self) -> str | None:
        """Say why interactions of some servers don't reach this gateway, if that is so."""
        if not self.is_ready():
            return "not connected yet"
        closed = sorted(shard.id for shard in self.shards.values() if shard.is_closed())
        return f"not connected: shards {closed}" if closed else None

    async def stop_listening(self) -> None:
        """Close the connections to the gateway."""
        await asyncio.gather(*(shard.disconnect() for shard in self.shards.values()))

    async def finish_answers(self, seconds: float) -> None:
        """Wait until no interaction is being answered, at most so many seconds."""
        answering = [task for task in asyncio.all_tasks() if task.get_name() in _ANSWERING]
        if answering:
            await asyncio.wait(answering, timeout=seconds)

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

    def add_button(self, template: Template, handler: Handler, *, governed: bool = True) -> None:
        """Let ``handler`` act on every press of a button whose custom_id fits ``template``.

        What it raises is answered as a command's errors are. One that is not ``governed`` works
        for members, and in channels, that a server's owners have shut out: it takes something
        back, or checks by itself who may press it.
        """
        self._add_route(discord.InteractionType.component, template, handler, governed)

    def add_modal(self, template: Template, handler: Handler, *, governed: bool = True) -> None:
        """Let ``handler`` act on every modal that is sent whose custom_id fits ``template``."""
        self._add_route(discord.InteractionType.modal_submit, template, handler, governed)

    def _add_route(
        self, kind: discord.InteractionType, template: Template, handler: Handler, governed: bool
    ) -> None:
        if template.prefix in self._routes[kind]:
            raise ValueError(f"two handlers for custom_ids that begin with {template.prefix}:")
        self._routes[kind][template.prefix] = _Route(template, handler, governed)

    async def check_place(self, interaction: Interaction, *, governed: bool = True) -> None:
        """Check that the operator and the server's owners let the bot be used there, by whoever
        it is: the one place for commands, menus, buttons and modals.

        Costs no request and, but for the first in a while of a server with settings, no query.

        Raises:
            Refused, StoreUnavailable
        """
        if not governed:
            return
        if refusal := self.places.refuse(interaction.guild_id):
            raise refusal
        if interaction.guild_id not in self.store.guild_settings.governed:
            return
        policy = await self.store.guild_settings.get(interaction.guild_id)
        if refusal := policy.refuse_use(asker_of(interaction)):
            raise refusal
        if not policy.others_pictures and _uses_anothers_picture(interaction):
            raise OthersPicturesOff

    def receive(self, interaction: dict[str, Any]) -> None:
        """Begin to answer an interaction that came over HTTP, as if the gateway had brought it.

        discord.py has no public way for it: this name is pinned with its version, and used here
        alone.
        """
        self._connection.parse_interaction_create(cast("InteractionCreateEvent", interaction))

    async def on_interaction(self, interaction: Interaction) -> None:
        """Act on a button or a modal; answer what nobody knows."""
        metrics.interaction(interaction.id, interaction.type.name)
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
        numbers = route.template.match(custom_id) if route else None
        is_shown = not is_component or pressed_label(interaction) is not None
        if route is None or numbers is None or not is_shown:
            log.warning("Interaction %s is of a component that isn't ours.", interaction.id)
            await say(interaction, text.UNKNOWN_BUTTON)
            return
        try:
            await self.check_place(interaction, governed=route.governed)
        except Refused as refusal:
            if is_component and route.template.about_generation:
                await self._record(interaction, numbers[0], refusal)
            raise
        await route.handler(interaction, *numbers)

    async def _record(self, interaction: Interaction, generation_id: int, refusal: Refused) -> None:
        """Record a press that is refused before its handler sees it."""
        click = click_of(interaction, generation_id)

        def refuse(*_: object) -> None:
            raise refusal

        with suppress(Refused, StoreUnavailable):
            await self.store.requests.act(click, refuse, anywhere=True)

    async def _sync_commands(self) -> None:
        if await self.are_registered(self):
            log.info("The commands are as they were registered.")
            return
        try:
            await self.tree.sync()
        except app_commands.CommandSyncFailure as error:
            # What an application doesn't support as a whole, its commands may not (Discord's
            # documentation, "Installation Context").
            log.warning(
                "Discord doesn't take the commands: %s. They are registered for servers alone: "
                "switch User Install on in the developer portal, under Installation.",
                error,
            )
            self.tree.allowed_installs.user = False
            self.tree.allowed_contexts.private_channel = False
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
        answer = say
        match error:
            case Refused() | StoreUnavailable():
                log.info("Interaction %s is refused: %r", interaction.id, error)
                sentence = text.refusal(error)
                if typed := typed_prompt(interaction):
                    answer, sentence = say_at_length, text.given_back(sentence, typed)
            case (
                app_commands.CommandSignatureMismatch()
                | app_commands.CommandNotFound()
                | app_commands.TransformerError()
            ):
                log.warning("Interaction %s is of a command that has changed.", interaction.id)
                sentence = text.OUT_OF_DATE
            case discord.HTTPException(code=code) if code in BLOCKED_CODES:
                log.warning("Interaction %s: Discord blocks the answer: %r", interaction.id, error)
                sentence = text.PROMPT_BLOCKED
            case discord.HTTPException(status=400, code=code) if code not in _TOO_LATE:
                sentence = text.broken(_incident(interaction, error))
            case discord.HTTPException() | aiohttp.ClientError() | OSError():
                log.warning("Interaction %s: Discord took no answer: %r", interaction.id, error)
                return
            case _:
                sentence = text.broken(_incident(interaction, error))
        try:
            await answer(interaction, sentence)
        except DISCORD_ERRORS as failure:
            log.warning("Interaction %s can't be answered: %s", interaction.id, failure)


def _incident(interaction: Interaction, error: Exception) -> str:
    """Log an error that nobody foresaw; return the id under which the log has it."""
    incident = secrets.token_hex(4)
    log.error("Incident %s in interaction %s", incident, interaction.id, exc_info=error)
    return incident


def _uses_anothers_picture(interaction: Interaction) -> bool:
    """Tell whether an entry of the Apps menu is about a message of another member's."""
    data: Any = interaction.data or {}
    if data.get("name") not in PICTURE_MENUS:
        return False
    messages: Any = data.get("resolved", {}).get("messages", {})
    author: Any = messages.get(str(data.get("target_id")), {}).get("author", {})
    ours = {str(interaction.user.id), str(interaction.application_id)}
    return str(author.get("id")) not in ours
