"""The publisher over Discord's REST API.

A card is an interaction's answer: it is edited through the interaction's webhook while that is
good, which costs the channel nothing of its rate limit, and with the bot's token afterwards. A
result is a new message; where the bot may not post one, the card becomes it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import discord
from cachetools import LRUCache
from discord.http import Route

from bot import text
from bot.delivery.requests import Files, NotPossible, discord_errors, send, uploads
from bot.domain import GRID, SOURCE, TILE, Generation, Picture, State, file_named
from bot.errors import (
    Blocked,
    CardUnavailable,
    DeliveryFailed,
    DiscordUnavailable,
    HistoryUnreadable,
    UploadRefused,
    VaryError,
)
from bot.ui.buttons import OPTION, custom_ids
from bot.ui.layouts import Layout, end_card, grid_message, progress_card, tile_message
from bot.ui.media import Media, media
from bot.ui.replies import NO_MENTIONS, link
from bot.worker.publisher import Delivered, HostedTile, Progress

log = logging.getLogger(__name__)

_PAGE, _HISTORY = 100, 10_000
_CLOCK_SKEW = timedelta(seconds=30)
_GONE_CARDS = 1_000
_ASIDE_TIME = 5.0
"""Seconds for a request whose failure must not matter."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """An attachment that an edit leaves on its message; discord.py sends ``to_dict()`` of it.

    Without the ids of what stays, Discord may not find what the layout refers to
    (discord-api-docs #7529).
    """

    id: int

    def to_dict(self) -> dict[str, Any]:
        return {"id": self.id}


class DiscordPublisher:
    """Posts results and keeps cards up to date: a :class:`bot.worker.publisher.Publisher`."""

    def __init__(
        self, client: discord.Client, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._client = client
        self._clock = clock
        self._asides: set[asyncio.Task[None]] = set()
        self._gone: LRUCache[int, bool] = LRUCache(_GONE_CARDS)

    # Cards.

    async def show_progress(self, generation: Generation, progress: Progress) -> None:
        if generation.card_id in self._gone:
            return
        kept = [_Kept(progress.tile.attachment_id)] if progress.tile else None
        try:
            await self._edit_card(generation, partial(progress_card, generation, progress), kept)
        except DiscordUnavailable:
            raise
        except DeliveryFailed as error:
            if generation.card_id and isinstance(error.__cause__, discord.NotFound):
                # Who goes on using a webhook after a 404 is shut out (topics/rate-limits).
                self._gone[generation.card_id] = True
            log.info("generation %s: its card stays as it is: %r", generation.id, error)

    async def show_end(self, generation: Generation, detail: str | None = None) -> bool:
        try:
            await self._edit_card(generation, partial(end_card, generation, detail), [])
        except DiscordUnavailable:
            return False
        except DeliveryFailed as error:
            log.info("generation %s: its card stays as it is: %r", generation.id, error)
            if generation.state is State.UNDELIVERED:
                await self._tell(generation.user_id, text.undelivered(generation.guild_id))
        return True

    async def remove_card(self, generation: Generation) -> bool:
        card_id = generation.card_id
        if card_id is None or card_id == generation.message_id:
            return True
        ways: list[Callable[[], Any]] = [
            self._channel(generation).get_partial_message(card_id).delete
        ]
        if webhook := self._webhook(generation):
            ways.insert(0, partial(webhook.delete_message, card_id))
        try:
            await _first_possible(ways)
        except DiscordUnavailable:
            return False
        except DeliveryFailed as error:
            log.info("generation %s: its card stays: %r", generation.id, error)
        return True

    async def find_card(self, generation: Generation) -> int | None:
        if webhook := self._webhook(generation):
            try:
                original: Any = "@original"
                answer = await send(partial(webhook.fetch_message, original))
                # A sentence is no card: its member was told that it couldn't be saved.
                is_card = generation.kind.fills_answer or not answer.content
                return answer.id if is_card else None
            except DiscordUnavailable:
                raise
            except DeliveryFailed as error:
                log.info("generation %s: its answer can't be fetched: %r", generation.id, error)
        try:
            async for message in self._since(generation):
                asked = message.interaction_metadata
                if asked is not None and asked.id == generation.interaction_id:
                    return message.id
        except DiscordUnavailable:
            raise
        except DeliveryFailed as error:
            log.info("generation %s: the channel can't be read: %r", generation.id, error)
        return None

    async def host_tile(self, generation: Generation, tile: Picture) -> HostedTile:
        name = f"{TILE.format(generation.tile)}{tile.suffix}"
        now = self._clock()

        def build() -> Layout:
            hosted = HostedTile(0, name, 0, "")
            started = Progress(since=generation.started_at or now, now=now, tile=hosted)
            return progress_card(generation, started)

        files = [(name, tile)]
        try:
            message = await self._edit_card(generation, build, files=files)
        except (CardUnavailable, NotPossible) as error:
            log.info("generation %s: a new card is posted: %r", generation.id, error)
            try:
                # Where the answer got lost, Discord returns the card that it took.
                nonce = f"c{generation.interaction_id}"
                message = await self._send(generation, build, files, NO_MENTIONS, nonce=nonce)
            except NotPossible as second:
                raise CardUnavailable from second
        if (found := media(message).get(name)) is None:
            raise CardUnavailable
        return HostedTile(message.id, name, found.id, found.link)

    # Results.

    async def link(self, posted: Generation, file: str) -> str | None:
        found = await self._media(posted)
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

    async def _media(self, posted: Generation) -> dict[str, Media]:
        """Return the attachments of a posted result; none if its message can't be seen."""
        if posted.message_id is None:
            return {}
        message = self._channel(posted).get_partial_message(posted.message_id)
        try:
            return media(await send(message.fetch))
        except DiscordUnavailable:
            raise
        except DeliveryFailed as error:
            log.info("generation %s: its message can't be read: %r", posted.id, error)
            return {}

    async def find_result(self, generation: Generation) -> Delivered | None:
        if not _may_read_history(generation):
            raise HistoryUnreadable  # Discord would say that there is nothing.
        try:
            async for message in self._since(generation):
                if found := _result_in(message, generation):
                    return found
        except NotPossible as error:
            raise HistoryUnreadable from error
        return None

    async def _since(self, generation: Generation) -> AsyncGenerator[discord.Message]:
        """Yield the channel's messages since the earliest that a generation's can be, the oldest
        first.

        Each page is a request of its own: an iterator that failed once would end as if there were
        no more messages.

        Raises:
            HistoryUnreadable: there are too many.
        """
        channel = self._channel(generation)
        since = generation.posted_since() - _CLOCK_SKEW
        last = discord.Object(discord.utils.time_snowflake(since))

        async def page() -> list[discord.Message]:
            messages = channel.history(limit=_PAGE, after=last, oldest_first=True)
            return [message async for message in messages]

        for _ in range(_HISTORY // _PAGE):
            found = await send(page)
            for message in found:
                yield message
            if len(found) < _PAGE:
                return
            last = discord.Object(found[-1].id)
        raise HistoryUnreadable

    async def post_grid(
        self, generation: Generation, grid: Picture, source: Picture | None
    ) -> Delivered:
        grid_file = f"{GRID}{grid.suffix}"
        source_file = f"{SOURCE}{source.suffix}" if source else None
        files = [(grid_file, grid)]
        if source and source_file:
            files.append((source_file, source))
        build = partial(grid_message, generation, grid_file, source_file)
        try:
            message = await self._post(generation, build, files)
        except NotPossible as error:
            log.info("generation %s: its card becomes the result: %r", generation.id, error)
            message = await self._edit_card(generation, build, files=files)
            self._call_asker(generation, message.id)
        return Delivered(message.id, grid_file, source_file)

    async def post_tile(
        self, generation: Generation, parent: Generation, tile: Picture
    ) -> Delivered:
        name = f"{TILE.format(generation.tile)}{tile.suffix}"
        build = partial(tile_message, generation, name)
        files = [(name, tile)]
        try:
            message = await self._edit_card(generation, build, files=files)
        except DeliveryFailed as error:
            # Edits can be limited for minutes in a channel (30046) that takes messages.
            if _rules_out_other_ways(error) and not isinstance(
                error.__cause__, discord.RateLimited
            ):
                raise
            log.info("generation %s: its answer can't be filled: %r", generation.id, error)
            # A reply needs the permission to read the channel's history (160002).
            reply_to = parent.message_id if _may_read_history(generation) else None
            message = await self._post(generation, build, files, reply_to)
            self._drop_answer(generation)
        return Delivered(message.id, name)

    def _call_asker(self, generation: Generation, message_id: int) -> None:
        """Mention the asker in a follow-up, while the interaction allows one: the card became the
        result, and an edit notifies nobody."""
        if (webhook := self._webhook(generation)) is None:
            return
        asker = discord.Object(generation.user_id)
        self._aside(
            partial(
                webhook.send,
                text.ready(generation, link(replace(generation, message_id=message_id))),
                allowed_mentions=discord.AllowedMentions(
                    users=[asker], roles=False, everyone=False
                ),
            ),
            f"generation {generation.id}: its asker isn't told",
        )

    def _drop_answer(self, generation: Generation) -> None:
        """Delete a deferred answer that the result could not fill: it says for good that the
        bot is thinking, or that it failed."""
        if generation.card_id is not None:
            answer = self._channel(generation).get_partial_message(generation.card_id)
            self._aside(answer.delete, f"generation {generation.id}: its deferred answer stays")

    def _aside(self, request: Callable[[], Coroutine[Any, Any, Any]], failure: str) -> None:
        """Try a request once, for a moment, while the work goes on; nothing depends on it."""

        async def attempt() -> None:
            try:
                with discord_errors():
                    async with asyncio.timeout(_ASIDE_TIME):
                        await request()
            except DeliveryFailed as error:
                log.info("%s: %r", failure, error)

        task = asyncio.create_task(attempt())
        self._asides.add(task)
        task.add_done_callback(self._asides.discard)

    async def mark_used(self, grid: Generation, used: Collection[int]) -> bool:
        if grid.message_id is None or grid.grid_file is None:
            return True
        message = self._channel(grid).get_partial_message(grid.message_id)
        view = grid_message(grid, grid.grid_file, grid.source_file, used)
        try:
            kept: Any = [_Kept(item.id) for item in (await self._media(grid)).values()]
            if kept:
                edit = partial(message.edit, attachments=kept, allowed_mentions=NO_MENTIONS)
                await send(partial(edit, view=view))
        except DeliveryFailed as error:
            # Old messages have a rate limit of their own (30046): colours must not matter.
            log.info("generation %s keeps its colours: %r", grid.id, error)
        return True

    async def alert_operator(self, error: VaryError) -> None:
        application = self._client.application
        if application is None:
            return
        owner_id = (application.team and application.team.owner_id) or application.owner.id
        await self._tell(owner_id, text.API_KEY_REFUSED)

    async def _tell(self, user_id: int, sentence: str) -> None:
        """Send a direct message, if that user takes any."""
        try:
            channel = await send(partial(self._client.create_dm, discord.Object(user_id)))
            await send(partial(channel.send, sentence))
        except DeliveryFailed as error:
            log.warning("User %s can't be told: %r", user_id, error)

    # Requests.

    def _channel(self, generation: Generation) -> discord.PartialMessageable:
        return self._client.get_partial_messageable(
            generation.channel_id, guild_id=generation.guild_id
        )

    def _webhook(self, generation: Generation) -> discord.Webhook | None:
        """Return the interaction as the webhook that it is for 15 minutes."""
        token = generation.usable_token(self._clock())
        application_id = self._client.application_id
        if token is None or application_id is None:
            return None
        return discord.Webhook.partial(application_id, token, client=self._client)

    async def _edit_card(
        self,
        generation: Generation,
        build: Callable[[], Layout],
        kept: Sequence[_Kept] | None = None,
        files: Files = (),
    ) -> discord.Message:
        """Edit the card; it keeps its attachments if neither ``kept`` nor ``files`` are given.

        Raises:
            CardUnavailable: there is no card.
            DeliveryFailed: as :func:`bot.delivery.requests.discord_errors` says.
        """
        if generation.card_id is None:
            raise CardUnavailable
        card = self._channel(generation).get_partial_message(generation.card_id)
        edits: list[Callable[..., Any]] = [card.edit]
        if webhook := self._webhook(generation):
            edits.insert(0, partial(webhook.edit_message, generation.card_id))

        async def edit(way: Callable[..., Any]) -> discord.Message:
            with uploads(files, text.alt_text(generation.prompt)) as opened:
                listed = (
                    discord.utils.MISSING
                    if kept is None and not files
                    else [*(kept or ()), *opened]
                )
                return await way(view=build(), attachments=listed, allowed_mentions=NO_MENTIONS)

        return await _first_possible([partial(edit, way) for way in edits])

    async def _post(
        self,
        generation: Generation,
        build: Callable[[], Layout],
        files: Files,
        reply_to: int | None = None,
    ) -> discord.Message:
        """Post a message that mentions the asker and nobody else.

        The nonce is the interaction's id: where Discord took a message whose answer got lost, it
        returns that one instead of posting a second.
        """
        asker = discord.Object(generation.user_id)
        mentions = discord.AllowedMentions(everyone=False, roles=False, users=[asker])
        more: dict[str, Any] = {"nonce": str(generation.interaction_id)}
        if reply_to is not None:
            more["mention_author"] = False
            more["reference"] = discord.MessageReference(
                message_id=reply_to, channel_id=generation.channel_id, fail_if_not_exists=False
            )
        return await self._send(generation, build, files, mentions, **more)

    async def _send(
        self,
        generation: Generation,
        build: Callable[[], Layout],
        files: Files,
        mentions: discord.AllowedMentions,
        **more: Any,
    ) -> discord.Message:
        async def post() -> discord.Message:
            with uploads(files, text.alt_text(generation.prompt)) as opened:
                return await self._channel(generation).send(
                    view=build(), files=opened, allowed_mentions=mentions, **more
                )

        return await send(post)


async def _first_possible(ways: Sequence[Callable[[], Any]]) -> Any:
    """Return what the first way gives; the next is tried where Discord says that it can't be.

    Raises:
        DeliveryFailed: the error of the last way.
    """
    for way in ways[:-1]:
        try:
            return await send(way)
        except DeliveryFailed as error:
            if _rules_out_other_ways(error):
                raise
            log.debug("Discord doesn't take it that way: %r", error)
    return await send(ways[-1])


def _rules_out_other_ways(error: DeliveryFailed) -> bool:
    """Tell whether another way to deliver the very same can't help, or not now."""
    return isinstance(error, Blocked | DiscordUnavailable | UploadRefused)


def _may_read_history(generation: Generation) -> bool:
    """Tell whether the bot sees earlier messages; it always does in direct messages."""
    permissions = discord.Permissions(generation.app_permissions)
    return generation.guild_id is None or permissions.read_message_history


def _result_in(message: discord.Message, generation: Generation) -> Delivered | None:
    """Recognize a generation's result by its buttons, or a tile by its attachment."""
    files = media(message)
    if generation.kind.fills_answer:
        tile = file_named(TILE.format(generation.tile), files)
        asked = message.interaction_metadata
        is_answer = asked is not None and asked.id == generation.interaction_id
        nonce = message.nonce == str(generation.interaction_id)
        return Delivered(message.id, tile) if tile and (is_answer or nonce) else None
    named = [OPTION.match(custom_id) for custom_id in custom_ids(message)]
    if not any(numbers and numbers[0] == generation.id for numbers in named):
        return None
    grid = file_named(GRID, files)
    return Delivered(message.id, grid, file_named(SOURCE, files)) if grid else None
