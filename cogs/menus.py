"""The Apps menu of a message: vary, describe or delete a picture that it shows."""

from __future__ import annotations

import discord
from discord import app_commands
from discord.ext import commands

from bot.app import Interaction, VaryBot
from bot.domain import Asker, Kind, NewGeneration, Pick, PickedPicture
from bot.errors import NoPicture, NotMine
from bot.text import menus as words
from bot.ui.buttons import shown_generation
from bot.ui.deletion import ask_to_delete
from bot.ui.menus import DESCRIBE, VARY, chosen, describe_modal, vary_modal
from bot.ui.modals import fields, typed_prompt
from bot.ui.pictures import pictures_in
from bot.ui.replies import asker_of, message_link, respond


class Menus(commands.Cog):
    """The entries, and the modals that they open. They work on anybody's message."""

    def __init__(self, bot: VaryBot) -> None:
        self.bot = bot
        # A cog has no decorator for entries of a menu.
        self.entries = [
            app_commands.ContextMenu(name=words.VARY, callback=self.vary),
            app_commands.ContextMenu(name=words.DESCRIBE, callback=self.describe),
            app_commands.ContextMenu(name=words.DELETE, callback=self.delete),
        ]
        bot.add_modal(VARY, self.vary_sent)
        bot.add_modal(DESCRIBE, self.describe_sent)

    async def cog_load(self) -> None:
        for entry in self.entries:
            self.bot.tree.add_command(entry)

    async def cog_unload(self) -> None:
        for entry in self.entries:
            self.bot.tree.remove_command(entry.name, type=entry.type)

    async def vary(self, interaction: Interaction, message: discord.Message) -> None:
        """Ask for a prompt, and for which of the message's pictures it is."""
        pick = await self._pick(interaction, message, keep=True)
        await interaction.response.send_modal(vary_modal(pick))

    async def vary_sent(self, interaction: Interaction, pick_id: int) -> None:
        """Ask for new pictures made from the one that was picked."""
        pick = await self.bot.store.picks.get(pick_id, interaction.user.id)
        picture = chosen(pick, fields(interaction))
        checked = self.bot.prompt_rules.check(typed_prompt(interaction), picture.link)
        new = _new(asker_of(interaction), Kind.VARY, pick, picture, checked)
        await respond(interaction, self.bot.store, await self.bot.store.requests.enqueue(new))

    async def describe(self, interaction: Interaction, message: discord.Message) -> None:
        """Describe the message's picture, or ask which of them."""
        several = len(pictures_in(message)) > 1
        pick = await self._pick(interaction, message, keep=several)
        if several:
            await interaction.response.send_modal(describe_modal(pick))
        else:
            await self._describe(interaction, pick, pick.pictures[0])

    async def describe_sent(self, interaction: Interaction, pick_id: int) -> None:
        """Describe the picture that was picked."""
        pick = await self.bot.store.picks.get(pick_id, interaction.user.id)
        await self._describe(interaction, pick, chosen(pick, fields(interaction)))

    async def _describe(self, interaction: Interaction, pick: Pick, picture: PickedPicture) -> None:
        new = _new(asker_of(interaction), Kind.DESCRIBE, pick, picture)
        await respond(interaction, self.bot.store, await self.bot.store.requests.enqueue(new))

    async def delete(self, interaction: Interaction, message: discord.Message) -> None:
        """Delete a result, after a question."""
        shown = shown_generation(message)
        if shown is None or message.author.id != interaction.application_id:
            raise NotMine
        await ask_to_delete(interaction, self.bot.store, shown, words.DELETE)

    async def _pick(
        self, interaction: Interaction, message: discord.Message, *, keep: bool
    ) -> Pick:
        """Return the pictures of a message, which the asker may use."""
        pictures = pictures_in(message)
        if not pictures:
            raise NoPicture
        pick = Pick(
            id=interaction.id,
            user_id=interaction.user.id,
            owner_id=message.author.id,
            origin=message_link(interaction.guild_id, interaction.channel_id or 0, message.id),
            pictures=tuple(pictures),
            private=message.flags.ephemeral,
        )
        is_ours = message.author.id == interaction.application_id
        shown = shown_generation(message) if is_ours else None
        if is_ours and shown is None:
            raise NoPicture  # Whose pictures it shows, nobody can tell.
        settings = self.bot.store.guild_settings
        others = True
        if interaction.guild_id in settings.governed:
            others = (await settings.get(interaction.guild_id)).others_pictures
        await self.bot.store.picks.use(pick, shown, keep=keep, others=others)
        return pick


def _new(
    asker: Asker, kind: Kind, pick: Pick, picture: PickedPicture, prompt: str = ""
) -> NewGeneration:
    return NewGeneration(
        asker,
        kind,
        prompt=prompt,
        source_url=picture.link,
        private=pick.private,
        origin=pick.origin,
    )


async def setup(bot: VaryBot) -> None:
    """Add the cog; called by discord.py when the extension is loaded."""
    await bot.add_cog(Menus(bot))
