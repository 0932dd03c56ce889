"""``/account``: what whoever runs the bot sees and decides."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import discord
from discord import app_commands, ui
from discord.ext import commands

from bot import __version__
from bot.app import Interaction, VaryBot
from bot.domain import ErrorCode
from bot.errors import OperatorsOnly
from bot.store.account import Overview, Snapshot
from bot.text import account as words
from bot.ui.buttons import Template, button
from bot.ui.layouts import Layout
from bot.ui.replies import DISCORD_ERRORS, NO_MENTIONS, click_of

log = logging.getLogger(__name__)

ACT = Template("account", about_generation=False)
_REFRESH, _PAUSE, _RESUME = 0, 1, 2

_KNOWN_SECONDS = 60.0
"""How long it is known whose application this is."""

_ASK_TIME, _LOOK_PERIOD = 8.0, 0.2
"""Seconds within which a worker has asked the API, and between two looks for its answer."""


class Account(commands.Cog):
    """The operator's panel. Every press is checked as the command is."""

    def __init__(self, bot: VaryBot) -> None:
        self.bot = bot
        self._operators: frozenset[int] = frozenset()
        self._known_until = 0.0
        bot.add_button(ACT, self.act, governed=False)

    @app_commands.command(description=words.ACCOUNT_DESCRIPTION)
    async def account(self, interaction: Interaction) -> None:
        await interaction.response.defer(ephemeral=True)
        await self._check(interaction)
        await self._show(interaction, refresh=True)

    async def act(self, interaction: Interaction, what: int) -> None:
        """Pause or resume all work, and show the panel anew."""
        await interaction.response.defer()
        await self._check(interaction)
        await self.bot.store.requests.note(click_of(interaction))
        if what in {_PAUSE, _RESUME}:
            await self.bot.store.account.pause(what == _PAUSE)
            log.warning("User %s has %s all work.", interaction.user.id, _said(what))
            self.bot.store.changed.set()
        await self._show(interaction, refresh=what == _REFRESH)

    async def _check(self, interaction: Interaction) -> None:
        """Check that whoever asks runs this bot.

        Raises:
            OperatorsOnly
        """
        if time.monotonic() >= self._known_until:
            try:
                self._operators = _operators(await self.bot.application_info())
                self._known_until = time.monotonic() + _KNOWN_SECONDS
            except DISCORD_ERRORS as error:
                log.warning("Discord doesn't say whose application this is: %r", error)
        if interaction.user.id not in self._operators:
            raise OperatorsOnly

    async def _show(self, interaction: Interaction, *, refresh: bool) -> None:
        store = self.bot.store.account
        snapshot = await (self._asked() if refresh else store.snapshot())
        panel = _panel(snapshot, await store.overview(), await store.fast_time_is_low())
        await interaction.edit_original_response(view=panel, allowed_mentions=NO_MENTIONS)

    async def _asked(self) -> Snapshot | None:
        """Have a worker ask the API; return its answer, or the last one if none comes in time."""
        store = self.bot.store.account
        number = await store.ask()
        deadline = time.monotonic() + _ASK_TIME
        while True:
            snapshot = await store.snapshot()
            answered = snapshot is not None and snapshot.number >= number
            if answered or time.monotonic() >= deadline:
                return snapshot
            await asyncio.sleep(_LOOK_PERIOD)


def _operators(application: discord.AppInfo) -> frozenset[int]:
    """Return who runs an application: its owner, or the members of the team that owns it."""
    if application.team is None:
        return frozenset({application.owner.id})
    accepted = discord.TeamMembershipState.accepted
    members = {m.id for m in application.team.members if m.membership_state is accepted}
    return frozenset(members | {application.team.owner_id or application.owner.id})


def _panel(snapshot: Snapshot | None, overview: Overview, fast_time_is_low: bool) -> Layout:
    info, error = (snapshot.info, snapshot.error) if snapshot else (None, None)
    warning = words.warnings(
        paused=overview.paused,
        key_refused=error is ErrorCode.UNAUTHORIZED,
        fast_time_low=(info.fast_time or "") if info and fast_time_is_low else None,
    )
    account = words.account(info, error, snapshot.read_at) if snapshot else words.NOT_ASKED
    texts = [
        warning,
        account,
        words.queue(overview.queued, overview.running, overview.oldest, overview.failures),
        words.use(overview.servers, overview.members),
        words.bot(__version__, overview.database_bytes),
    ]
    primary = discord.ButtonStyle.primary
    act = button(ACT.custom_id(_PAUSE), words.PAUSE)
    if overview.paused:
        act = button(ACT.custom_id(_RESUME), words.RESUME, primary)
    row = ui.ActionRow[Any](act, button(ACT.custom_id(_REFRESH), words.REFRESH))
    return Layout(ui.Container(*(ui.TextDisplay[Any](text) for text in texts if text), row))


def _said(what: int) -> str:
    return "paused" if what == _PAUSE else "resumed"


async def setup(bot: VaryBot) -> None:
    """Add the cog; called by discord.py when the extension is loaded."""
    await bot.add_cog(Account(bot))
