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

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import discord
from cachetools import LRUCache
from discord import ui
from discord.http import Route

from bot import metrics, text
from bot.delivery.requests import Files, NotPossible, discord_errors, send, uploads
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
from bot.errors import (
    Blocked,
    CardUnavailable,
    DeliveryFailed,
    DiscordUnavailable,
    HistoryUnreadable,
    MessageGone,
    UploadRefused,
)
from bot.text import account as account_words
from bot.text import settings as settings_words
from bot.ui.buttons import shown_generation
from bot.ui.describe import description_message
from bot.ui.layouts import Layout, end_card, grid_message, progress_card, tile_message
from bot.ui.media import Media, media
from bot.ui.replies import NO_MENTIONS, link
from bot.ui.settings import showcase_message

log = logging.getLogger(__name__)

_GONE_CODES = frozenset({10003, 10008})
"""Discord's errors "Unknown Channel" and "Unknown Message" (its JSON error codes)."""

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
        if generation.card_id in self._gone or not self._may_edit_card(generation):
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

    async def show_end(
        self,
        generation: Generation,
        detail: str | None = None,
        *,
        retried: Generation | None = None,
    ) -> bool:
        made = link(retried) if retried else None
        try:
            await self._edit_card(generation, partial(end_card, generation, detail, made), [])
        except DiscordUnavailable:
            return False
        except DeliveryFailed as error:
            log.info("generation %s: its card stays as it is: %r", generation.id, error)
            if generation.state is State.UNDELIVERED:
                await self._tell(generation.user_id, text.undelivered(generation.guild_id))
            elif generation.is_fleeting:
                sentence = f"{text.heading(generation)}: {text.ending(generation, detail)}"
                await self._tell(generation.user_id, sentence)
        else:
            if retried is None and generation.failed_late:
                self._tell_of_failure(generation)
        return True

    async def remove_card(self, generation: Generation) -> bool:
        card_id = generation.card_id
        if card_id is None or card_id == generation.message_id:
            return True
        if not self._may_edit_card(generation):
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
                # Words alone are no card: its member was told that it couldn't be saved.
                shows_card = any(isinstance(c, discord.Container) for c in answer.components)
                return answer.id if generation.kind.fills_answer or shows_card else None
            except DiscordUnavailable:
                raise
            except DeliveryFailed as error:
                log.info("generation %s: its answer can't be fetched: %r", generation.id, error)
        if generation.answer_only:
            return None
        try:
            async for message in self._since(generation, self._channel(generation)):
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
        direct_id = generation.direct_id
        try:
            message = await self._edit_card(generation, build, files=files)
        except DeliveryFailed as error:
            is_gone = isinstance(error, CardUnavailable | NotPossible)
            if _rules_out_other_ways(error) or not (is_gone or generation.answer_only):
                raise
            log.info("generation %s: a new card is posted: %r", generation.id, error)
            try:
                channel: Any = self._channel(generation)
                if generation.answer_only:
                    channel = await self._direct_messages(generation.user_id)
                    direct_id = channel.id
                # Where the answer got lost, Discord returns the card that it took.
                nonce = f"c{generation.interaction_id}"
                post = partial(self._send, channel, generation, build, files, NO_MENTIONS)
                message = await post(nonce=nonce)
            except NotPossible as second:
                raise CardUnavailable from second
        if (found := media(message).get(name)) is None:
            raise CardUnavailable
        return HostedTile(message.id, name, found.id, found.link, direct_id)

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
        """Return the attachments of a posted result; none if its message can't be seen.

        Raises:
            DiscordUnavailable
            MessageGone
        """
        if posted.message_id is None or posted.is_fleeting:
            return {}
        message = self._channel(posted).get_partial_message(posted.message_id)
        try:
            return media(await send(message.fetch))
        except DiscordUnavailable:
            raise
        except DeliveryFailed as error:
            if getattr(error.__cause__, "code", None) in _GONE_CODES:
                raise MessageGone from error
            log.info("generation %s: its message can't be read: %r", posted.id, error)
            return {}

    async def find_result(self, generation: Generation) -> Delivered | None:
        if generation.answer_only:
            return await self._find_answer(generation)
        if not _may_read_history(generation):
            raise HistoryUnreadable  # Discord would say that there is nothing.
        try:
            async for message in self._since(generation, self._channel(generation)):
                if found := _result_in(message, generation):
                    return found
        except NotPossible as error:
            raise HistoryUnreadable from error
        return None

    async def _find_answer(self, generation: Generation) -> Delivered | None:
        """Look for a result in the answer that was to become it, and in the direct messages."""
        webhook = self._webhook(generation)
        try:
            if webhook and generation.card_id is not None and generation.direct_id is None:
                card = await send(partial(webhook.fetch_message, generation.card_id))
                if found := _result_in(card, generation):
                    return found
        except DiscordUnavailable:
            raise
        except DeliveryFailed as error:
            log.info("generation %s: its answer can't be read: %r", generation.id, error)
        try:
            direct = await self._direct_messages(generation.user_id)
            async for message in self._since(generation, direct):
                if found := _result_in(message, generation):
                    return replace(found, direct_id=direct.id)
        except NotPossible as error:
            log.info("generation %s: no direct messages: %r", generation.id, error)
        return None

    async def _since(
        self, generation: Generation, channel: discord.abc.Messageable
    ) -> AsyncGenerator[discord.Message]:
        """Yield the channel's messages since the earliest that a generation's can be, the oldest
        first.

        Each page is a request of its own: an iterator that failed once would end as if there were
        no more messages.

        Raises:
            HistoryUnreadable: there are too many.
        """
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
        self,
        generation: Generation,
        grid: Picture,
        source: Picture | None,
        parent: Generation | None,
    ) -> Delivered:
        grid_file = f"{GRID}{grid.suffix}"
        source_file = f"{SOURCE}{source.suffix}" if source else None
        files = [(grid_file, grid)]
        if source and source_file:
            files.append((source_file, source))
        build = partial(grid_message, generation, grid_file, source_file)
        post = partial(self._post_or_fill_card, generation, build, files)
        message_id, direct_id = await post(parent)
        return Delivered(message_id, grid_file, source_file, direct_id)

    async def post_descriptions(self, generation: Generation, source: Picture | None) -> Delivered:
        source_file = f"{SOURCE}{source.suffix}" if source else None
        files = [(source_file, source)] if source and source_file else []
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
                self._call_asker(generation, message.id)
            return message.id, direct_id
        try:
            message = await self._post(generation, build, files, parent)
        except NotPossible as error:
            log.info("generation %s: its card becomes the result: %r", generation.id, error)
            metrics.fell_back("card")
            message = await self._edit_card(generation, build, files=files)
            self._call_asker(generation, message.id)
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
        files = list(zip(names, tiles, strict=True))
        source_file = f"{SOURCE}{source.suffix}" if source else None
        if source and source_file:
            files.append((source_file, source))
        to_grid = link(parent) if parent.message_id else None
        build = partial(tile_message, generation, names, source_file, to_grid)
        if generation.answer_only:
            message, direct_id = await self._answer(generation, build, files)
            return Delivered(message.id, names[0], source_file, direct_id)
        try:
            message = await self._edit_card(generation, build, files=files)
        except DeliveryFailed as error:
            # Edits can be limited for minutes in a channel (30046) that takes messages.
            if _rules_out_other_ways(error) and not isinstance(
                error.__cause__, discord.RateLimited
            ):
                raise
            log.info("generation %s: its answer can't be filled: %r", generation.id, error)
            metrics.fell_back("message")
            message = await self._post(generation, build, files, parent)
            self._drop_answer(generation)
        return Delivered(message.id, names[0], source_file)

    async def _answer(
        self, generation: Generation, build: Callable[[], Layout], files: Files
    ) -> tuple[discord.Message, int | None]:
        """Let the answer become the result; once that isn't possible any more, send the result as
        a direct message. Return the message, and the channel of the direct messages."""
        if generation.direct_id is None:
            try:
                return await self._edit_card(generation, build, files=files), None
            except DeliveryFailed as error:
                if _rules_out_other_ways(error):
                    raise
                log.info("generation %s: a direct message is sent: %r", generation.id, error)
        metrics.fell_back("direct")
        direct = await self._direct_messages(generation.user_id)
        return await self._post(generation, build, files, channel=direct), direct.id

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
        found = await self._media(generation)
        named = (GRID, TILE.format(generation.tile))
        files = [name for stem in named if (name := file_named(stem, found))]
        if not files:
            raise DeliveryFailed
        return found[files[0]].link

    async def unshow(self, showing: Showing) -> None:
        channel = self._client.get_partial_messageable(showing.channel_id)
        await send(channel.get_partial_message(showing.message_id or 0).delete)

    def _call_asker(self, generation: Generation, message_id: int) -> None:
        """Mention the asker in a follow-up, while the interaction allows one: the card became the
        result, and an edit notifies nobody."""
        if (webhook := self._webhook(generation)) is None:
            return
        self._aside(
            partial(
                webhook.send,
                text.ready(generation, link(replace(generation, message_id=message_id))),
                ephemeral=generation.ephemeral,
                allowed_mentions=_only(generation.user_id),
            ),
            f"generation {generation.id}: its asker isn't told",
        )

    def _tell_of_failure(self, generation: Generation) -> None:
        """Mention the asker in a reply to the card, or in a follow-up where only answers reach
        them: an edit notifies nobody."""
        if generation.card_id is None:
            return
        failure = f"generation {generation.id}: its asker isn't told of the failure"
        sentence = text.failed_late(generation.user_id)
        if generation.answer_only:
            if webhook := self._webhook(generation):
                follow_up = partial(
                    webhook.send,
                    sentence,
                    ephemeral=generation.ephemeral,
                    allowed_mentions=_only(generation.user_id),
                )
                self._aside(follow_up, failure)
            return
        more = _reply_to(generation, generation.card_id) if _may_read_history(generation) else {}
        send = partial(
            self._channel(generation).send,
            sentence,
            nonce=f"f{generation.id}",
            allowed_mentions=_only(generation.user_id),
            **more,
        )
        self._aside(send, failure)

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

    async def mark_used(self, grid: Generation, used: Collection[tuple[Kind, int]]) -> bool:
        if grid.message_id is None or grid.grid_file is None or grid.is_fleeting:
            return True
        message = self._channel(grid).get_partial_message(grid.message_id)
        view = grid_message(grid, grid.grid_file, grid.source_file, used)
        try:
            kept: Any = [_Kept(item.id) for item in (await self._media(grid)).values()]
            if kept:
                edit = partial(message.edit, attachments=kept, allowed_mentions=NO_MENTIONS)
                await send(partial(edit, view=view))
        except MessageGone:
            raise
        except DeliveryFailed as error:
            # Old messages have a rate limit of their own (30046): colours must not matter.
            log.info("generation %s keeps its colours: %r", grid.id, error)
        return True

    async def remove_message(self, guild_id: int | None, channel_id: int, message_id: int) -> None:
        channel = self._client.get_partial_messageable(channel_id, guild_id=guild_id)
        try:
            await send(channel.get_partial_message(message_id).delete)
        except DiscordUnavailable:
            raise
        except DeliveryFailed as error:
            log.info("Message %s stays, or is gone already: %r", message_id, error)

    async def warn_of_refused_key(self) -> None:
        await self._tell_operator(text.API_KEY_REFUSED)

    async def warn_of_fast_time(self, info: AccountInfo) -> None:
        await self._tell_operator(account_words.fast_time_low(info.fast_time or ""))

    async def _tell_operator(self, sentence: str) -> None:
        application = self._client.application
        if application is not None:
            team = application.team
            await self._tell((team and team.owner_id) or application.owner.id, sentence)

    async def _tell(self, user_id: int, sentence: str) -> None:
        """Send a direct message, if that user takes any."""
        try:
            channel = await self._direct_messages(user_id)
            await send(partial(channel.send, sentence, allowed_mentions=NO_MENTIONS))
        except DeliveryFailed as error:
            log.warning("User %s can't be told: %r", user_id, error)

    # Requests.

    def _channel(self, generation: Generation) -> discord.PartialMessageable:
        guild_id, channel_id = generation.message_place
        return self._client.get_partial_messageable(channel_id, guild_id=guild_id)

    async def _direct_messages(self, user_id: int) -> discord.DMChannel:
        return await send(partial(self._client.create_dm, discord.Object(user_id)))

    def _may_edit_card(self, generation: Generation) -> bool:
        """Tell whether there is a way to edit the card, as far as can be known."""
        return not generation.is_fleeting or self._webhook(generation) is not None

    def _webhook(self, generation: Generation) -> discord.Webhook | None:
        """Return the interaction as the webhook that it is for 15 minutes."""
        token = generation.usable_token(self._clock())
        application_id = self._client.application_id
        if token is None or application_id is None:
            return None
        webhook = discord.Webhook.partial(application_id, token, client=self._client)
        # The library sends ephemeral messages through an application's webhooks alone.
        webhook.type = discord.WebhookType.application
        return webhook

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
        edits: list[Callable[..., Any]] = [] if generation.is_fleeting else [card.edit]
        if webhook := self._webhook(generation):
            edits.insert(0, partial(webhook.edit_message, generation.card_id))
        if not edits:
            raise CardUnavailable

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
        parent: Generation | None = None,
        channel: discord.abc.Messageable | None = None,
    ) -> discord.Message:
        """Post a message that mentions the asker and nobody else, in reply to the ``parent``.

        A reply needs the permission to read the channel's history (160002).

        The nonce is the interaction's id: where Discord took a message whose answer got lost, it
        returns that one instead of posting a second.
        """
        mentions = _only(generation.user_id)
        more: dict[str, Any] = {"nonce": str(generation.interaction_id)}
        is_near = parent and parent.message_place == generation.message_place and not channel
        if parent and parent.message_id and is_near and _may_read_history(generation):
            more |= _reply_to(generation, parent.message_id)
        place = channel or self._channel(generation)
        return await self._send(place, generation, build, files, mentions, **more)

    async def _send(
        self,
        channel: discord.abc.Messageable,
        generation: Generation,
        build: Callable[[], Layout],
        files: Files,
        mentions: discord.AllowedMentions,
        **more: Any,
    ) -> discord.Message:
        async def post() -> discord.Message:
            with uploads(files, text.alt_text(generation.prompt)) as opened:
                return await channel.send(
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


def _only(user_id: int) -> discord.AllowedMentions:
    """Let a message mention one user and nobody else."""
    asker = discord.Object(user_id)
    return discord.AllowedMentions(everyone=False, roles=False, users=[asker], replied_user=False)


def _reply_to(generation: Generation, message_id: int) -> dict[str, Any]:
    """Return what makes a message a reply to one of the same channel, if that is there still."""
    reference = discord.MessageReference(
        message_id=message_id, channel_id=generation.channel_id, fail_if_not_exists=False
    )
    return {"reference": reference, "mention_author": False}


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
        tile = file_named(generation.file_stem, files)
        asked = message.interaction_metadata
        is_answer = asked is not None and asked.id == generation.interaction_id
        nonce = message.nonce == str(generation.interaction_id)
        source = file_named(SOURCE, files)
        return Delivered(message.id, tile, source) if tile and (is_answer or nonce) else None
    if shown_generation(message) != generation.id:
        return None
    grid = file_named(GRID, files)
    if grid is None and generation.kind is not Kind.DESCRIBE:
        return None
    return Delivered(message.id, grid, file_named(SOURCE, files))
