"""``/privacy``: what is stored of a member, as a text, as a file, or no longer."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
from typing import Any

import discord
from discord import app_commands, ui
from discord.ext import commands

from bot.app import Interaction, VaryBot
from bot.text import privacy as words
from bot.ui.buttons import Template, button
from bot.ui.layouts import Layout
from bot.ui.replies import NO_MENTIONS, click_of, say

ERASE = Template("erase", about_generation=False)
"""Deletes the presser's data: 1 with the messages that show their pictures."""

KEEP = Template("erase-not", 0, about_generation=False)
CONSENT = Template("consent", about_generation=False)
"""1: others may vary the presser's pictures."""


class Privacy(commands.GroupCog, name="privacy", description=words.PRIVACY_DESCRIPTION):
    """A member's rights. Every answer is for that member alone, and about nobody else."""

    def __init__(self, bot: VaryBot) -> None:
        self.bot = bot
        self._exporting: set[int] = set()
        bot.add_button(ERASE, self.erase, governed=False)
        bot.add_button(KEEP, self.keep, governed=False)
        bot.add_button(CONSENT, self.decide, governed=False)

    @app_commands.command(description=words.SHOW_DESCRIPTION)
    async def show(self, interaction: Interaction) -> None:
        store = self.bot.store
        await interaction.response.defer(ephemeral=True)
        stored = await store.privacy.stored(interaction.user.id)
        snapshot = await store.account.snapshot()
        visibility = snapshot.info.visibility if snapshot and snapshot.info else None
        parts = words.show(
            stored.generations,
            stored.clicks,
            stored.others,
            stored.since,
            store.retention.days,
            visibility,
        )
        layout = Layout(ui.Container(*(ui.TextDisplay[Any](part) for part in parts)))
        await interaction.edit_original_response(view=layout, allowed_mentions=NO_MENTIONS)

    @app_commands.command(description=words.EXPORT_DESCRIPTION)
    async def export(self, interaction: Interaction) -> None:
        user_id = interaction.user.id
        if user_id in self._exporting:
            await say(interaction, words.BUSY)
            return
        self._exporting.add(user_id)
        try:
            await interaction.response.defer(ephemeral=True)
            rows = await self.bot.store.privacy.export(user_id)
            file = await asyncio.to_thread(_file, rows, interaction.filesize_limit)
            if file is None:
                await say(interaction, words.TOO_LARGE)
                return
            await interaction.edit_original_response(
                content=words.EXPORTED, attachments=[file], allowed_mentions=NO_MENTIONS
            )
        finally:
            self._exporting.discard(user_id)

    @app_commands.command(description=words.DELETE_DESCRIPTION)
    async def delete(self, interaction: Interaction) -> None:
        danger = discord.ButtonStyle.danger
        buttons = (
            button(ERASE.custom_id(0), words.DELETE, danger),
            button(ERASE.custom_id(1), words.DELETE_ALL, danger),
            button(KEEP.custom_id(), words.KEEP),
        )
        layout = Layout(ui.Container(ui.TextDisplay(words.CONFIRM), ui.ActionRow[Any](*buttons)))
        await interaction.response.send_message(
            view=layout, ephemeral=True, allowed_mentions=NO_MENTIONS
        )

    async def erase(self, interaction: Interaction, pictures: int) -> None:
        """Delete what is stored of whoever presses."""
        done = await self.bot.store.privacy.delete(interaction.user.id, pictures=bool(pictures))
        await _replace(interaction, words.deleted(done=done, pictures=bool(pictures)))

    async def keep(self, interaction: Interaction) -> None:
        """Delete nothing."""
        await self.bot.store.requests.note(click_of(interaction))
        await _replace(interaction, words.KEPT)

    @app_commands.command(description=words.CONSENT_DESCRIPTION)
    async def consent(self, interaction: Interaction) -> None:
        allowed = await self.bot.store.consent.allows(interaction.user.id)
        await interaction.response.send_message(
            view=_consent_panel(allowed), ephemeral=True, allowed_mentions=NO_MENTIONS
        )

    async def decide(self, interaction: Interaction, allowed: int) -> None:
        """Keep what a member decided about their pictures."""
        await self.bot.store.requests.note(click_of(interaction))
        await self.bot.store.consent.decide(interaction.user.id, others_may_vary=bool(allowed))
        await interaction.response.edit_message(
            view=_consent_panel(bool(allowed)), allowed_mentions=NO_MENTIONS
        )


def _consent_panel(allowed: bool) -> Layout:
    sentence = words.CONSENT_ALLOWED if allowed else words.CONSENT_FORBIDDEN
    buttons = (
        button(CONSENT.custom_id(1), words.ALLOW, _style(chosen=allowed)),
        button(CONSENT.custom_id(0), words.FORBID, _style(chosen=not allowed)),
    )
    return Layout(ui.Container(ui.TextDisplay(sentence), ui.ActionRow[Any](*buttons)))


def _style(*, chosen: bool) -> discord.ButtonStyle:
    return discord.ButtonStyle.primary if chosen else discord.ButtonStyle.secondary


async def _replace(interaction: Interaction, sentence: str) -> None:
    """Replace the pressed panel with a sentence."""
    layout = Layout(ui.TextDisplay(sentence))
    await interaction.response.edit_message(view=layout, allowed_mentions=NO_MENTIONS)


def _file(rows: dict[str, list[dict[str, Any]]], limit: int) -> discord.File | None:
    """Return the rows as a JSON file of at most ``limit`` bytes, compressed if it must be;
    ``None`` where that isn't enough."""
    data = json.dumps(rows, ensure_ascii=False, indent=1).encode()
    name = words.EXPORT_FILE
    if len(data) > limit:
        data, name = gzip.compress(data), f"{name}.gz"
    return discord.File(io.BytesIO(data), name) if len(data) <= limit else None


async def setup(bot: VaryBot) -> None:
    """Add the cog; called by discord.py when the extension is loaded."""
    await bot.add_cog(Privacy(bot))
