"""The publisher over Discord's REST API.

A card is an interaction's answer: it is edited through the interaction's webhook while that is
good, which costs the channel nothing of its rate limit, and with the bot's token afterwards. A
result is a new message; where the bot may not post one, the card becomes it.

Where only answers reach the asker (:attr:`bot.domain.Generation.answer_only`), the card becomes
the result: an edit that is made twice, because the process died after the first, shows the same.
Once the interaction's token is void, the result comes as a direct message, whose history shows
after a crash whether it did. What the card showed last can't be read then, so a result may come
both ways, and never not at all; where no direct messages are taken, it is kept.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import discord
from cachetools import LRUCache
from discord import ui
from discord.http import Route

from bot import metrics, text
from bot.delivery import history
from bot.delivery.messages import Kept, Messages
from bot.delivery.requests import Files, NotPossible, first_possible, rules_out_other_ways, send
from bot.domain import (
    GRID,
    SOURCE,
    TILE,
    AccountInfo,
    Delivered,
    Generation,
    HostedTile,
    Kind,
    LogBatch,
    Picture,
    Progress,
    Showing,
    State,
    file_named,
)
from bot.errors import CardUnavailable, DeliveryFailed, DiscordUnavailable, MessageGone
from bot.text import account as account_words
from bot.text import settings as settings_words
from bot.ui.describe import description_message
from bot.ui.layouts import Layout, end_card, grid_message, progress_card, tile_message
from bot.ui.media import media
from bot.ui.replies import NO_MENTIONS, link
from bot.ui.settings import showcase_message

log = logging.getLogger(__name__)

_GONE_CARDS = 1_000


class DiscordPublisher:
    """Posts results and keeps cards up to date: a :class:`bot.worker.publisher.Publisher`."""

    def __init__(
        self, client: discord.Client, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._client = client
        self._clock = clock
        self._messages = Messages(client, clock)
        self._gone: LRUCache[int, bool] = LRUCache(_GONE_CARDS)

    # Cards.

    async def show_progress(self, generation: Generation, progress: Progress) -> None:
        if generation.card_id in self._gone or not self._messages.may_edit_card(generation):
            return
        kept = [Kept(progress.tile.attachment_id)] if progress.tile else None
        try:
            await self._messages.edit_card(
                generation, partial(progress_card, generation, progress), kept
            )
        except DiscordUnavailable:
            raise
        except DeliveryFailed as error:
            if generation.card_id and isinstance(error.__cause__, discord.NotFound):
                # Who goes on using a webhook after a 404 is shut out (topics/rate-limits).
                self._gone[generation.card_id] = True
            log.info("generation %s: its card stays as it is: %r", generation.id, error)

    async def show_end(
        self,
        generation: Generation,
        detail: str | None = None,
        *,
        retried: Generation | None = None,
    ) -> bool:
        made = link(retried) if retried else None
        try:
            await self._messages.edit_card(
                generation, partial(end_card, generation, detail, made), []
            )
        except DiscordUnavailable:
            return False
        except DeliveryFailed as error:
            log.info("generation %s: its card stays as it is: %r", generation.id, error)
            if generation.state is State.UNDELIVERED:
                await self._messages.tell(generation.user_id, text.undelivered(generation.guild_id))
            elif generation.is_fleeting:
                sentence = f"{text.heading(generation)}: {text.ending(generation, detail)}"
                await self._messages.tell(generation.user_id, sentence)
        else:
            if retried is None and generation.failed_late:
                self._messages.tell_of_failure(generation)
        return True

    async def remove_card(self, generation: Generation) -> bool:
        card_id = generation.card_id
        if card_id is None or card_id == generation.message_id:
            return True
        if not self._messages.may_edit_card(generation):
            return True
        ways: list[Callable[[], Any]] = [
            self._messages.channel(generation).get_partial_message(card_id).delete
        ]
        if webhook := self._messages.webhook(generation):
            ways.insert(0, partial(webhook.delete_message, card_id))
        try:
            await first_possible(ways)
        except DiscordUnavailable:
            return False
        except DeliveryFailed as error:
            log.info("generation %s: its card stays: %r", generation.id, error)
        return True

    async def find_card(self, generation: Generation) -> int | None:
        return await history.find_card(self._messages, generation)

    async def host_tile(self, generation: Generation, tile: Picture) -> HostedTile:
        name = f"{TILE.format(generation.tile)}{tile.suffix}"
        now = self._clock()

        def build() -> Layout:
            hosted = HostedTile(0, name, 0, "")
            started = Progress(since=generation.started_at or now, now=now, tile=hosted)
            return progress_card(generation, started)

        files = [(name, tile)]
        direct_id = generation.direct_id
        try:
            message = await self._messages.edit_card(generation, build, files=files)
        except DeliveryFailed as error:
            is_gone = isinstance(error, CardUnavailable | NotPossible)
            if rules_out_other_ways(error) or not (is_gone or generation.answer_only):
                raise
            log.info("generation %s: a new card is posted: %r", generation.id, error)
            try:
                channel: Any = self._messages.channel(generation)
                if generation.answer_only:
                    channel = await self._messages.direct_messages(generation.user_id)
                    direct_id = channel.id
                # Where the answer got lost, Discord returns the card that it took.
                nonce = f"c{generation.interaction_id}"
                message = await self._messages.post_to(
                    channel, generation, build, files, NO_MENTIONS, nonce=nonce
                )
            except NotPossible as second:
                raise CardUnavailable from second
        if (found := media(message).get(name)) is None:
            raise CardUnavailable
        return HostedTile(message.id, name, found.id, found.link, direct_id)

    # Results.

    async def link(self, posted: Generation, file: str) -> str | None:
        found = await self._messages.attachments(posted)
        return found[file].link if file in found else None

    async def refresh(self, link: str) -> str | None:
        route = Route("POST", "/attachments/refresh-urls")
        try:
            request = partial(self._client.http.request, route, json={"attachment_urls": [link]})
            answer: Any = await send(request)
            fresh = answer["refreshed_urls"][0]["refreshed"]
        except (DeliveryFailed, LookupError, TypeError) as error:
            # Undocumented, so whatever it does says nothing of the picture.
            log.info("A link can't be refreshed: %r", error)
            return None
        return fresh if isinstance(fresh, str) and fresh != link else None

    async def find_result(self, generation: Generation) -> Delivered | None:
        return await history.find_result(self._messages, generation)

    async def post_grid(
        self,
        generation: Generation,
        grid: Picture,
        source: Picture | None,
        parent: Generation | None,
    ) -> Delivered:
        grid_file = f"{GRID}{grid.suffix}"
        source_file, sources = _named_source(source)
        files = [(grid_file, grid), *sources]
        build = partial(grid_message, generation, grid_file, source_file)
        message_id, direct_id = await self._post_or_fill_card(generation, build, files, parent)
        return Delivered(message_id, grid_file, source_file, direct_id)

    async def post_descriptions(self, generation: Generation, source: Picture | None) -> Delivered:
        source_file, files = _named_source(source)
        build = partial(description_message, generation, source_file)
        message_id, direct_id = await self._post_or_fill_card(generation, build, files)
        return Delivered(message_id, None, source_file, direct_id)

    async def _post_or_fill_card(
        self,
        generation: Generation,
        build: Callable[[], Layout],
        files: Files,
        parent: Generation | None = None,
    ) -> tuple[int, int | None]:
        """Post a result, in reply to the ``parent``; where the bot may not, the card becomes it.
        Return its message's id, and the channel of the direct messages if it is one of those."""
        if generation.answer_only:
            message, direct_id = await self._answer(generation, build, files)
            if direct_id is None:
                self._messages.call_asker(generation, message.id)
            return message.id, direct_id
        try:
            message = await self._messages.post(generation, build, files, parent)
        except NotPossible as error:
            log.info("generation %s: its card becomes the result: %r", generation.id, error)
            metrics.fell_back("card")
            message = await self._messages.edit_card(generation, build, files=files)
            self._messages.call_asker(generation, message.id)
        return message.id, None

    async def post_tile(
        self,
        generation: Generation,
        parent: Generation,
        tiles: Sequence[Picture],
        source: Picture | None,
    ) -> Delivered:
        names = [
            f"{TILE.format(number)}{tile.suffix}"
            for number, tile in enumerate(tiles, generation.tile or 1)
        ]
        source_file, sources = _named_source(source)
        files = [*zip(names, tiles, strict=True), *sources]
        to_grid = link(parent) if parent.message_id else None
        build = partial(tile_message, generation, names, source_file, to_grid)
        if generation.answer_only:
            message, direct_id = await self._answer(generation, build, files)
            return Delivered(message.id, names[0], source_file, direct_id)
        try:
            message = await self._messages.edit_card(generation, build, files=files)
        except DeliveryFailed as error:
            # Edits can be limited for minutes in a channel (30046) that takes messages.
            if rules_out_other_ways(error) and not isinstance(error.__cause__, discord.RateLimited):
                raise
            log.info("generation %s: its answer can't be filled: %r", generation.id, error)
            metrics.fell_back("message")
            message = await self._messages.post(generation, build, files, parent)
            self._messages.drop_answer(generation)
        return Delivered(message.id, names[0], source_file)

    async def _answer(
        self, generation: Generation, build: Callable[[], Layout], files: Files
    ) -> tuple[discord.Message, int | None]:
        """Let the answer become the result; once that isn't possible any more, send the result as
        a direct message. Return the message, and the channel of the direct messages."""
        if generation.direct_id is None:
            try:
                return await self._messages.edit_card(generation, build, files=files), None
            except DeliveryFailed as error:
                if rules_out_other_ways(error):
                    raise
                log.info("generation %s: a direct message is sent: %r", generation.id, error)
        metrics.fell_back("direct")
        direct = await self._messages.direct_messages(generation.user_id)
        return await self._messages.post(generation, build, files, channel=direct), direct.id

    async def mark_used(self, grid: Generation, used: Collection[tuple[Kind, int]]) -> bool:
        if grid.message_id is None or grid.grid_file is None or grid.is_fleeting:
            return True
        message = self._messages.channel(grid).get_partial_message(grid.message_id)
        view = grid_message(grid, grid.grid_file, grid.source_file, used)
        try:
            kept: Any = [
                Kept(item.id) for item in (await self._messages.attachments(grid)).values()
            ]
            if kept:
                edit = partial(message.edit, attachments=kept, allowed_mentions=NO_MENTIONS)
                await send(partial(edit, view=view))
        except MessageGone:
            raise
        except DeliveryFailed as error:
            # Old messages have a rate limit of their own (30046): colours must not matter.
            log.info("generation %s keeps its colours: %r", grid.id, error)
        return True

    # Logs and showcases.

    async def post_log(self, batch: LogBatch) -> None:
        lines = "\n".join(map(settings_words.log_line, batch.lines))

        async def post() -> discord.Message:
            return await self._client.get_partial_messageable(
                batch.channel_id, guild_id=batch.guild_id
            ).send(
                view=Layout(ui.TextDisplay(lines)),
                allowed_mentions=NO_MENTIONS,
                nonce=f"l{batch.id}",
                silent=True,
            )

        await send(post)

    async def show(self, generation: Generation, channel_id: int) -> int:
        channel = self._client.get_partial_messageable(channel_id, guild_id=generation.guild_id)
        more: dict[str, Any] = {"allowed_mentions": NO_MENTIONS, "nonce": f"s{generation.id}"}
        try:
            original = discord.MessageReference(
                message_id=generation.message_id or 0,
                channel_id=generation.channel_id,
                guild_id=generation.guild_id,
                type=discord.MessageReferenceType.forward,
            )
            message = await send(partial(channel.send, reference=original, **more))
        except DiscordUnavailable:
            raise
        except DeliveryFailed as error:
            log.info("generation %s can't be forwarded: %r", generation.id, error)
            picture = await self._shown_picture(generation)
            build = partial(showcase_message, generation, picture, link(generation) or "")

            async def post() -> discord.Message:
                return await channel.send(view=build(), **more)

            message = await send(post)
        return message.id

    async def _shown_picture(self, generation: Generation) -> str:
        """Return a fresh link of a posted result.

        Raises:
            DeliveryFailed: it isn't there any more.
        """
        found = await self._messages.attachments(generation)
        named = (GRID, TILE.format(generation.tile))
        files = [name for stem in named if (name := file_named(stem, found))]
        if not files:
            raise DeliveryFailed
        return found[files[0]].link

    async def unshow(self, showing: Showing) -> None:
        channel = self._client.get_partial_messageable(showing.channel_id)
        await send(channel.get_partial_message(showing.message_id or 0).delete)

    async def remove_message(self, guild_id: int | None, channel_id: int, message_id: int) -> None:
        channel = self._client.get_partial_messageable(channel_id, guild_id=guild_id)
        try:
            await send(channel.get_partial_message(message_id).delete)
        except DiscordUnavailable:
            raise
        except DeliveryFailed as error:
            log.info("Message %s stays, or is gone already: %r", message_id, error)

    async def warn_of_refused_key(self) -> None:
        await self._messages.tell_operator(text.API_KEY_REFUSED)

    async def warn_of_fast_time(self, info: AccountInfo) -> None:
        await self._messages.tell_operator(account_words.fast_time_low(info.fast_time or ""))


def _named_source(source: Picture | None) -> tuple[str | None, list[tuple[str, Picture]]]:
    """Return the file name of what a result shows of its source, and the file, if there is one."""
    if source is None:
        return None, []
    name = f"{SOURCE}{source.suffix}"
    return name, [(name, source)]
