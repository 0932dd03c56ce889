"""Cards, results and buttons as discord.py layouts (Components V2).

Every button is a DynamicItem: its custom_id names rows of the ledger, so it works on every
message ever posted, and no view is kept in memory. A layout is built anew for each send and edit:
discord.py unregisters the templates of items that were removed from a view that had been sent.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import aiohttp
import discord
from discord import ui

from bot import text
from bot.domain import BLUE, Click, Generation, Kind, Outcome, option_rows
from bot.errors import Refused, StoreUnavailable
from bot.store import Answer
from bot.worker import Progress

if TYPE_CHECKING:
    import re

    from bot.app import VaryBot

    Interaction = discord.Interaction[VaryBot]

log = logging.getLogger(__name__)

_CARD_TRIES, _CARD_WAIT = 10, 0.1
_LOOK_TIME = 1.0

NOBODY = discord.AllowedMentions.none()
_ID = r"(?P<generation>[0-9]{1,19})"


class _LedgerButton(ui.DynamicItem[ui.Button[Any]], template=r"(?!)"):
    """A button about one generation. discord.py only logs what a callback raises: the guard here
    sees to it that whoever pressed gets an answer."""

    def __init__(self, generation_id: int, button: ui.Button[Any]) -> None:
        super().__init__(button)
        self.generation_id = generation_id

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        try:
            await self.pressed(interaction)
        except Exception as error:
            await interaction.client.report(interaction, error)

    async def pressed(self, interaction: Interaction) -> None:
        """Do what the button says."""
        raise NotImplementedError

    async def generation_here(self, interaction: Interaction) -> Generation | None:
        """Return the generation if it belongs to where the button was pressed, else answer."""
        generation = await interaction.client.store.get(self.generation_id)
        if generation is None:
            await _say(interaction, text.UNKNOWN_PICTURE)
        elif not _is_here(generation, interaction):
            await _say(interaction, text.ELSEWHERE)
        else:
            return generation
        return None


class OptionButton(_LedgerButton, template=rf"v:{_ID}:(?P<option>[0-9]{{1,2}})"):
    """U1-U4, 🔄, V1-V4: one of the options that came with a grid."""

    def __init__(self, generation_id: int, option: int, label: str, style: int) -> None:
        button: ui.Button[Any] = ui.Button(
            label=label,
            style=discord.ButtonStyle(style),
            custom_id=f"v:{generation_id}:{option}",
        )
        super().__init__(generation_id, button)
        self.option = option
        self.label = label

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: ui.Item[Any], match: re.Match[str]
    ) -> Self:
        assert isinstance(item, ui.Button)  # noqa: S101
        label = item.label or str(item.emoji or "")
        return cls(int(match["generation"]), int(match["option"]), label, item.style.value)

    async def pressed(self, interaction: Interaction) -> None:
        message = interaction.message
        assert message is not None  # noqa: S101
        click = Click(
            id=interaction.id,
            user_id=interaction.user.id,
            guild_id=interaction.guild_id,
            channel_id=interaction.channel_id or 0,
            message_id=message.id,
            generation_id=self.generation_id,
            option=self.option,
            label=self.label,
            token=interaction.token,
            upload_limit=interaction.filesize_limit,
            links=media_links(message),
        )
        store = interaction.client.store
        answer = await store.press(click)
        if answer.generation and await _is_gone(interaction.client, answer):
            answer = await store.press(replace(click, gone=answer.generation.id))
        await respond(interaction, answer)


class CancelButton(_LedgerButton, template=rf"c:{_ID}"):
    """Takes a generation out of the line; for the asker and for moderators."""

    def __init__(self, generation_id: int) -> None:
        button: ui.Button[Any] = ui.Button(label=text.CANCEL, custom_id=f"c:{generation_id}")
        super().__init__(generation_id, button)

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: ui.Item[Any], match: re.Match[str]
    ) -> Self:
        return cls(int(match["generation"]))

    async def pressed(self, interaction: Interaction) -> None:
        generation = await self.generation_here(interaction)
        if generation is None:
            return
        own = interaction.user.id == generation.user_id
        if not own and not interaction.permissions.manage_messages:
            await _say(interaction, text.NOT_YOURS)
        elif cancelled := await interaction.client.store.cancel(generation.id):
            await interaction.response.edit_message(view=end_card(cancelled))
            await interaction.client.store.card_done(cancelled.id)
        else:
            await _say(interaction, text.TOO_LATE_TO_CANCEL)


class RetryButton(_LedgerButton, template=rf"r:{_ID}"):
    """Asks again for what came to nothing."""

    def __init__(self, generation_id: int) -> None:
        button: ui.Button[Any] = ui.Button(
            label=text.TRY_AGAIN, custom_id=f"r:{generation_id}", style=discord.ButtonStyle.primary
        )
        super().__init__(generation_id, button)

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: ui.Item[Any], match: re.Match[str]
    ) -> Self:
        return cls(int(match["generation"]))

    async def pressed(self, interaction: Interaction) -> None:
        if await self.generation_here(interaction):
            answer = await interaction.client.store.retry(
                interaction.id,
                self.generation_id,
                interaction.user.id,
                interaction.token,
                interaction.filesize_limit,
            )
            await respond(interaction, answer, unknown=text.NOTHING_TO_RETRY)


BUTTONS: tuple[type[_LedgerButton], ...] = (OptionButton, CancelButton, RetryButton)


def is_ours(interaction: Interaction) -> bool:
    """Tell whether a pressed component is one of ours, on a message that really has it."""
    custom_id = str((interaction.data or {}).get("custom_id", ""))
    known = any(button.__discord_ui_compiled_template__.fullmatch(custom_id) for button in BUTTONS)
    if not known or interaction.message is None:
        return False
    items = ui.LayoutView.from_message(interaction.message).walk_children()
    return any(getattr(item, "custom_id", None) == custom_id for item in items)


async def respond(
    interaction: Interaction, answer: Answer, *, unknown: str = text.UNKNOWN_PICTURE
) -> None:
    """Tell whoever asked what the ledger said to it."""
    match answer:
        case Answer(Outcome.ACCEPTED, Generation() as generation, place):
            await _begin(interaction, generation, place)
        case Answer(Outcome.REPEATED, Generation() as generation):
            await _say(interaction, await _where(interaction.client, generation))
        case Answer(Outcome.REFUSED, error=Refused() as error):
            await _say(interaction, text.refusal(error))
        case Answer(Outcome.REFUSED):
            await _say(interaction, text.ELSEWHERE)
        case _:
            await _say(interaction, unknown)


async def _begin(interaction: Interaction, generation: Generation, place: int | None) -> None:
    """Show that a generation is in line, then let the work begin.

    What its asker wasn't told of is taken out of the line: nobody pays for what can't be seen.
    But Discord may say that it doesn't know an interaction although it took the answer, so it is
    asked for the answer first.
    """
    bot = interaction.client
    message_id: int | None = None
    try:
        if generation.kind is Kind.UPSCALE:
            response = await interaction.response.defer(thinking=True)
        else:
            view = progress_card(generation, Progress(place=place))
            response = await interaction.response.send_message(view=view, allowed_mentions=NOBODY)
        message_id = response.message_id if response else None
    except Exception as error:  # Whatever it was, Discord may have taken the answer.
        log.warning("generation %s: the answer failed: %s", generation.id, error)
    if message_id is None:
        try:
            message_id = (await interaction.original_response()).id
        except (discord.DiscordException, aiohttp.ClientError, OSError):
            log.warning("generation %s: its asker can't see it", generation.id)
            await bot.store.unanswered(generation.id)
            return
    try:
        await bot.store.answered(generation.id, message_id)
    except StoreUnavailable:
        log.warning("generation %s: its card isn't noted, the work begins late", generation.id)
    bot.work.set()


async def _is_gone(bot: VaryBot, answer: Answer) -> bool:
    """Tell whether the message that a press would repeat has been deleted since."""
    generation = answer.generation
    if answer.outcome is not Outcome.REPEATED or generation is None or not generation.message_id:
        return False
    channel = bot.get_partial_messageable(generation.channel_id, guild_id=generation.guild_id)
    try:
        async with asyncio.timeout(_LOOK_TIME):
            await channel.get_partial_message(generation.message_id).fetch()
    except discord.NotFound:
        return True
    except (discord.DiscordException, aiohttp.ClientError, OSError):
        log.info("generation %s: its message can't be looked for", generation.id)
    return False


async def _say(interaction: Interaction, sentence: str) -> None:
    await interaction.response.send_message(sentence, ephemeral=True, allowed_mentions=NOBODY)


def _is_here(generation: Generation, interaction: Interaction) -> bool:
    place = (interaction.guild_id, interaction.channel_id)
    return place == (generation.guild_id, generation.channel_id)


async def _where(bot: VaryBot, generation: Generation) -> str:
    """Say where a generation is; its card may be on its way to Discord just now."""
    for _ in range(_CARD_TRIES):
        if generation.message_id or generation.card_id:
            break
        await asyncio.sleep(_CARD_WAIT)
        generation = await bot.store.get(generation.id) or generation
    message_id = generation.message_id or generation.card_id
    if message_id is None:
        return text.repeated_elsewhere()
    guild = generation.guild_id or "@me"
    return text.repeated(
        f"https://discord.com/channels/{guild}/{generation.channel_id}/{message_id}"
    )


class Layout(ui.LayoutView):
    """A layout without a time limit, from its parts."""

    def __init__(self, *parts: ui.Item[Any]) -> None:
        super().__init__(timeout=None)
        for part in parts:
            self.add_item(part)


def progress_card(generation: Generation, progress: Progress, tile: str | None = None) -> Layout:
    """Build the card of a generation that waits or runs; ``tile`` names an attachment of it."""
    if progress.since is None or progress.now is None:
        status = text.waiting(progress.place)
        button = CancelButton(generation.id) if generation.result is None else None
        return _card(generation, status, tile, button)
    return _card(generation, text.running(progress.since, progress.usual, progress.now), tile)


def end_card(generation: Generation, detail: str | None = None) -> Layout:
    """Build the card of a generation that came to nothing; ``detail`` is what the API says."""
    button = RetryButton(generation.id) if generation.retryable else None
    return _card(generation, text.ending(generation, detail), None, button)


def _card(
    generation: Generation, status: str, tile: str | None, button: _LedgerButton | None = None
) -> Layout:
    words = f"{text.heading(generation)}\n{text.shown_prompt(generation.prompt)}\n{status}"
    parts: list[ui.Item[Any]] = [_section(words, tile)]
    if button is not None:
        parts.append(_row(button))
    return Layout(ui.Container(*parts))


def grid_message(
    generation: Generation, grid_file: str, source_file: str | None, used: Collection[int] = ()
) -> Layout:
    """Build a result: the prompt with its source beside it, the grid, and its options.

    The options of tiles in ``used`` are blue, the colour of a button that has been used.
    """
    words = f"{text.heading(generation)}\n{text.shown_prompt(generation.prompt)}"
    media = discord.MediaGalleryItem(
        f"attachment://{grid_file}", description=text.alt_text(generation.prompt)
    )
    rows: list[ui.Item[Any]] = []
    for row in option_rows(generation.result.options if generation.result else ()):
        buttons = [
            OptionButton(
                generation.id,
                position,
                option.label,
                BLUE if option.kind is Kind.UPSCALE and option.tile in used else option.style,
            )
            for position, option in row
        ]
        rows.append(_row(*buttons))
    return Layout(_section(words, source_file), ui.MediaGallery(media), *rows)


def tile_message(generation: Generation, file: str) -> Layout:
    """Build the message of a tile on its own."""
    description = text.alt_text(generation.prompt)
    media = discord.MediaGalleryItem(f"attachment://{file}", description=description)
    return Layout(ui.TextDisplay(text.heading(generation)), ui.MediaGallery(media))


def _section(words: str, thumbnail: str | None) -> ui.Item[Any]:
    if thumbnail is None:
        return ui.TextDisplay(words)
    accessory: ui.Thumbnail[Any] = ui.Thumbnail(f"attachment://{thumbnail}")
    section: ui.Section[Any] = ui.Section(words, accessory=accessory)
    return section


def _row(*buttons: _LedgerButton) -> ui.ActionRow[Any]:
    row: ui.ActionRow[Any] = ui.ActionRow()
    for button in buttons:
        row.add_item(button)
    return row


def media_links(message: discord.Message) -> dict[str, str]:
    """Return the links of a message's attachments by file name, as fresh as the message is."""
    urls = [attachment.url for attachment in message.attachments]
    for item in ui.LayoutView.from_message(message).walk_children():
        if isinstance(item, ui.Thumbnail):
            urls.append(item.media.url)
        elif isinstance(item, ui.MediaGallery):
            urls.extend(media.media.url for media in item.items)
    links: dict[str, str] = {}
    for url in urls:
        if url.startswith(("https://", "http://")):
            links.setdefault(urlsplit(url).path.rsplit("/", 1)[-1], url)
    return links
