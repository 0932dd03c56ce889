"""``/settings``: what a server's owners choose. A panel whose controls save at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from discord import app_commands
from discord.ext import commands

from bot.app import Interaction, VaryBot
from bot.domain import Asker
from bot.errors import NotManager, Refused
from bot.policy import Policy
from bot.text import settings as words
from bot.ui import settings as ui
from bot.ui.modals import fields
from bot.ui.replies import NO_MENTIONS, asker_of, click_of
from bot.ui.settings import Choice, Form, Page, Pause
from bot.ui.settings_input import chosen, member, number_in, written

Change = Callable[[Policy], Policy]


class ServerSettings(commands.Cog):
    """The panel. Who may use it is told by the permissions that Discord sends with each
    interaction: a command's default permissions are for the client alone."""

    def __init__(self, bot: VaryBot) -> None:
        self.bot = bot
        bot.add_button(ui.TURN, self.turn, governed=False)
        bot.add_button(ui.CHOOSE, self.choose, governed=False)
        bot.add_button(ui.SET, self.set_to, governed=False)
        bot.add_button(ui.ASK, self.ask, governed=False)
        bot.add_modal(ui.SUBMIT, self.submit, governed=False)

    @app_commands.command(description=words.DESCRIPTION)
    @app_commands.default_permissions(manage_guild=True)
    @app_commands.guild_only()
    async def settings(self, interaction: Interaction) -> None:
        policy = await self._policy(interaction)
        await interaction.response.send_message(
            view=ui.panel(policy, self.bot.store.limits, Page.WHERE),
            ephemeral=True,
            allowed_mentions=NO_MENTIONS,
        )

    async def turn(self, interaction: Interaction) -> None:
        """Show another page."""
        await self.bot.store.requests.note(click_of(interaction))
        policy = await self._policy(interaction)
        await self._show(interaction, policy, number_in(Page, _values(interaction)[:1]))

    async def choose(self, interaction: Interaction, number: int) -> None:
        """Save what was chosen in a select menu."""
        await self.bot.store.requests.note(click_of(interaction))
        choice, values = member(Choice, number), _values(interaction)
        await self._save(interaction, choice, lambda policy: chosen(policy, choice, values))

    async def set_to(self, interaction: Interaction, number: int, value: int) -> None:
        """Save what a button stands for."""
        await self.bot.store.requests.note(click_of(interaction))
        match member(Choice, number):
            case Choice.OTHERS as choice:
                allowed = bool(value)
                await self._save(interaction, choice, lambda p: replace(p, others_pictures=allowed))
            case Choice.PAUSE as choice:
                pause = member(Pause, value)
                paused = pause is not Pause.RESUME
                cancel = pause is Pause.PAUSE_AND_CANCEL
                await self._save(
                    interaction, choice, lambda p: replace(p, paused=paused), cancel_queued=cancel
                )
            case _:
                raise Refused

    async def ask(self, interaction: Interaction, number: int) -> None:
        """Open a modal."""
        await self.bot.store.requests.note(click_of(interaction))
        policy = await self._policy(interaction)
        await interaction.response.send_modal(ui.form(policy, member(Form, number)))

    async def submit(self, interaction: Interaction, number: int) -> None:
        """Save what was written in a modal."""
        form, given = member(Form, number), fields(interaction)
        limits = self.bot.store.limits
        asker = _manager(interaction)
        policy = await self.bot.store.guild_settings.change(
            asker, form.name.lower(), lambda policy: written(policy, form, given, limits)
        )
        await self._show(interaction, policy, form.page)

    async def _save(
        self,
        interaction: Interaction,
        choice: Choice,
        change: Change,
        *,
        cancel_queued: bool = False,
    ) -> None:
        asker = _manager(interaction)
        policy = await self.bot.store.guild_settings.change(
            asker, choice.name.lower(), change, cancel_queued=cancel_queued
        )
        await self._show(interaction, policy, choice.page)

    async def _policy(self, interaction: Interaction) -> Policy:
        asker = _manager(interaction)
        return await self.bot.store.guild_settings.get(asker.guild_id)

    async def _show(self, interaction: Interaction, policy: Policy, page: Page) -> None:
        await interaction.response.edit_message(
            view=ui.panel(policy, self.bot.store.limits, page), allowed_mentions=NO_MENTIONS
        )


def _manager(interaction: Interaction) -> Asker:
    """Return who changes a server's settings.

    Raises:
        NotManager: Discord says that they lack the permission Manage Server (any more).
    """
    asker = asker_of(interaction)
    if asker.guild_id is None or not asker.manages_server:
        raise NotManager
    return asker


def _values(interaction: Interaction) -> list[str]:
    data: Any = interaction.data or {}
    return [str(value) for value in data.get("values", ())]


async def setup(bot: VaryBot) -> None:
    """Add the cog; called by discord.py when the extension is loaded."""
    await bot.add_cog(ServerSettings(bot))
