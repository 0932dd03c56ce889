"""``/gallery``: what a member made, a page at a time."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.app import Interaction, VaryBot
from bot.domain import Generation
from bot.errors import UnknownPicture
from bot.store.gallery import Page, Selection, Wanted
from bot.text import gallery as words
from bot.ui.gallery import NEWER, OLDER, POST, SELECT, Shown, gallery_page, posted_pictures
from bot.ui.media import Media, media
from bot.ui.replies import DISCORD_ERRORS, NO_MENTIONS, asker_of, click_of, say

log = logging.getLogger(__name__)

_LOOK_TIME = 15.0
"""Seconds within which Discord is asked for the messages of a page."""


class Gallery(commands.Cog):
    """The command, and the buttons and the select of its answer.

    An answer is deferred at once: the links of pictures are fetched afresh, which is a request for
    each message of a page. Pictures whose messages are deleted are left out, for good.
    """

    def __init__(self, bot: VaryBot) -> None:
        self.bot = bot
        bot.add_button(OLDER, self.older)
        bot.add_button(NEWER, self.newer)
        bot.add_button(POST, self.post)
        bot.add_button(SELECT, self.select)

    @app_commands.command(description=words.COMMAND)
    @app_commands.describe(member=words.MEMBER)
    async def gallery(
        self, interaction: Interaction, member: discord.User | discord.Member | None = None
    ) -> None:
        await interaction.response.defer(ephemeral=True, thinking=True)
        wanted = _wanted(interaction, (member or interaction.user).id, Selection.ALL)
        await self._show(interaction, wanted, await self.bot.store.gallery.page(wanted))

    async def older(self, interaction: Interaction, user: int, selection: int, start: int) -> None:
        """Show the page that begins with a picture."""
        wanted = await self._pressed(interaction, user, selection, start, words.OLDER)
        await self._show(interaction, wanted, await self.bot.store.gallery.page(wanted, start))

    async def newer(self, interaction: Interaction, user: int, selection: int, first: int) -> None:
        """Show the page before the one that begins with a picture."""
        wanted = await self._pressed(interaction, user, selection, first, words.NEWER)
        page = await self.bot.store.gallery.page_before(wanted, first)
        await self._show(interaction, wanted, page)

    async def select(self, interaction: Interaction, user: int) -> None:
        """Show the first page of the pictures that are chosen."""
        data: Any = interaction.data or {}
        chosen = next(iter(data.get("values", ())), "")
        selection = int(chosen) if chosen in _CHOICES else Selection.ALL
        label = words.SELECTIONS[Selection(selection)]
        wanted = await self._pressed(interaction, user, selection, 0, label)
        await self._show(interaction, wanted, await self.bot.store.gallery.page(wanted))

    async def post(self, interaction: Interaction, user: int, selection: int, start: int) -> None:
        """Post a page of one's own for everybody who sees the channel, without what is private."""
        wanted = await self._pressed(interaction, user, selection, start, words.POST)
        if wanted.selection is Selection.CHANNEL:
            raise UnknownPicture
        page = await self.bot.store.gallery.page(wanted, start)
        own = (each for each in page.pictures if each.user_id == interaction.user.id)
        public = tuple(generation for generation in own if not generation.private)
        shown = await self._look(replace(page, pictures=public))
        if not shown:
            await say(interaction, words.NOTHING_TO_POST)
            return
        view = posted_pictures(interaction.user.id, shown)
        await interaction.followup.send(view=view, allowed_mentions=NO_MENTIONS)

    async def _pressed(
        self, interaction: Interaction, user: int, selection: int, about: int, label: str
    ) -> Wanted:
        """Answer a press at once, record it, and return what it asks for."""
        await interaction.response.defer()
        await self.bot.store.requests.note(click_of(interaction, about, label))
        known = selection in {*Selection}
        return _wanted(interaction, user, Selection(selection) if known else Selection.ALL)

    async def _show(self, interaction: Interaction, wanted: Wanted, page: Page) -> None:
        shown = await self._look(page)
        view = gallery_page(wanted, page, shown, own=wanted.user_id == interaction.user.id)
        await interaction.edit_original_response(view=view, allowed_mentions=NO_MENTIONS)

    async def _look(self, page: Page) -> Shown:
        """Return what the messages of a page hold now: one request each."""
        found = await asyncio.gather(*(self._fetch(each) for each in page.pictures))
        pairs = list(zip(page.pictures, found, strict=True))
        if gone := [generation.id for generation, is_there in pairs if is_there is False]:
            await self.bot.store.pictures.gone(gone)
        return [(each, there) for each, there in pairs if isinstance(there, Media)]

    async def _fetch(self, generation: Generation) -> Media | bool | None:
        """Return a picture as its message holds it; ``False`` if that is deleted, ``None`` if it
        can't be told."""
        guild_id, channel_id = generation.message_place
        channel = self.bot.get_partial_messageable(channel_id, guild_id=guild_id)
        try:
            async with asyncio.timeout(_LOOK_TIME):
                message = await channel.get_partial_message(generation.message_id or 0).fetch()
        except discord.NotFound:
            return False
        except DISCORD_ERRORS as error:
            log.info("generation %s: its message can't be fetched: %r", generation.id, error)
            return None
        return media(message).get(generation.grid_file or "")


_CHOICES = {str(int(selection)) for selection in words.SELECTIONS}


def _wanted(interaction: Interaction, user_id: int, selection: Selection) -> Wanted:
    """Return what is asked for. Of others only what they made in this very channel, whatever a
    custom_id says: who reads the channel has seen it."""
    if user_id != interaction.user.id:
        selection = Selection.CHANNEL
    elif selection is Selection.CHANNEL:
        selection = Selection.ALL
    asker = asker_of(interaction)
    return Wanted(user_id, selection, asker.guild_id, asker.channel_id)


async def setup(bot: VaryBot) -> None:
    """Add the cog; called by discord.py when the extension is loaded."""
    await bot.add_cog(Gallery(bot))
