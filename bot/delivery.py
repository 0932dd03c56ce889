"""The publisher over Discord's REST API alone: needs a login, but no gateway.

A card is edited with the bot's token, which has no time limit; where the bot may not, with the
interaction token while that is good. A result is a new message; where the bot may not post one,
the card becomes it.
"""

from __future__ import annotations

import io
import logging
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

import aiohttp
import discord
from tenacity import (
    AsyncRetrying,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential_jitter,
)

from bot import text
from bot.app import VaryBot
from bot.domain import GRID, SOURCE, Generation, Kind, State, file_named
from bot.errors import CardUnavailable, DeliveryFailed, UploadRefused, VaryError
from bot.images import Picture
from bot.views import (
    NOBODY,
    Layout,
    end_card,
    grid_message,
    media_links,
    progress_card,
    tile_message,
)
from bot.worker import Delivered, Progress

log = logging.getLogger(__name__)

_HISTORY = 200
_TOO_LARGE = 40005
_ATTEMPTS = 5
_ERRORS = (discord.DiscordException, aiohttp.ClientError, OSError)

Files = Sequence[tuple[str, Picture]]


class DiscordPublisher:
    """Posts results and keeps cards up to date: a :class:`bot.worker.Publisher`."""

    def __init__(
        self, bot: VaryBot, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._bot = bot
        self._clock = clock
        self._tiles: dict[int, tuple[int, str]] = {}

    async def show_progress(self, generation: Generation, progress: Progress) -> None:
        tile = self._tiles.get(generation.id)
        await self._try_edit(
            generation, lambda: progress_card(generation, progress, tile[1] if tile else None)
        )

    async def show_end(self, generation: Generation, detail: str | None = None) -> None:
        seen = await self._try_edit(generation, lambda: end_card(generation, detail), files=())
        self._tiles.pop(generation.id, None)
        if not seen and generation.state is State.UNDELIVERED:
            await self._tell(generation.user_id, text.undelivered(generation.guild_id))

    async def remove_card(self, generation: Generation) -> None:
        card_id = self._card_id(generation)
        self._tiles.pop(generation.id, None)
        if card_id is None or card_id == generation.message_id:
            return
        try:
            await self._channel(generation).get_partial_message(card_id).delete()
        except _ERRORS as error:
            if webhook := self._webhook(generation):
                try:
                    await webhook.delete_message(card_id)
                except _ERRORS:
                    log.info("generation %s: its card stays: %s", generation.id, error)

    async def host_tile(self, generation: Generation, tile: Picture) -> str:
        name = f"tile-{generation.tile}{tile.suffix}"
        progress = Progress(since=generation.started_at, now=self._clock())
        files = [(name, tile)]
        try:
            message = await self._edit(
                generation, lambda: progress_card(generation, progress, name), files
            )
        except (*_ERRORS, CardUnavailable) as error:
            log.info("generation %s: a new card is posted: %r", generation.id, error)
            try:
                with _uploads(files, generation) as uploads:
                    message = await self._channel(generation).send(
                        view=progress_card(generation, progress, name),
                        files=uploads,
                        allowed_mentions=NOBODY,
                    )
            except _ERRORS as second:
                raise CardUnavailable from second
        self._tiles[generation.id] = (message.id, name)
        link = media_links(message).get(name)
        if link is None:
            raise CardUnavailable
        return link

    async def link(self, posted: Generation, file: str) -> str | None:
        if posted.message_id is None:
            return None
        try:
            message = await self._channel(posted).get_partial_message(posted.message_id).fetch()
        except _ERRORS as error:
            log.info("generation %s: its message can't be read: %s", posted.id, error)
            return None
        return media_links(message).get(file)

    async def find_card(self, generation: Generation) -> int | None:
        async for message in self._since(generation):
            asked = message.interaction_metadata
            if asked is not None and asked.id == generation.id:
                return message.id
        return None

    async def find_result(self, generation: Generation) -> Delivered | None:
        async for message in self._since(generation):
            if found := _result_in(message, generation):
                return found
        return None

    async def _since(self, generation: Generation) -> AsyncGenerator[discord.Message]:
        """Yield the channel's messages since a generation was asked for: its id is the time."""
        channel = self._channel(generation)
        try:
            since = discord.Object(generation.id)
            async for message in channel.history(limit=_HISTORY, after=since):
                yield message
        except _ERRORS as error:
            log.info("generation %s: the channel can't be read: %s", generation.id, error)

    async def post_grid(
        self, generation: Generation, grid: Picture, source: Picture | None
    ) -> Delivered:
        grid_file = f"{GRID}{grid.suffix}"
        source_file = f"{SOURCE}{source.suffix}" if source else None
        files = [(grid_file, grid)]
        if source and source_file:
            files.append((source_file, source))

        def build() -> Layout:
            return grid_message(generation, grid_file, source_file)

        try:
            message = await self._post(generation, build, files)
        except (discord.Forbidden, discord.NotFound) as error:
            log.info("generation %s: its card becomes the result: %s", generation.id, error)
            message = await self._become(generation, build, files)
        return Delivered(message.id, grid_file, source_file)

    async def post_tile(
        self, generation: Generation, parent: Generation, tile: Picture
    ) -> Delivered:
        name = f"tile-{generation.tile}{tile.suffix}"
        files = [(name, tile)]

        def build() -> Layout:
            return tile_message(generation, name)

        try:
            message = await self._become(generation, build, files)
        except UploadRefused:
            raise
        except DeliveryFailed as failed:
            log.info("generation %s: its reply is gone: %s", generation.id, failed.__cause__)
            try:
                message = await self._post(generation, build, files, reply_to=parent.message_id)
            except (discord.Forbidden, discord.NotFound) as error:
                raise DeliveryFailed from error
        return Delivered(message.id, name)

    async def recolour(self, grid: Generation, used: set[int]) -> None:
        if grid.message_id is None or grid.grid_file is None:
            return
        view = grid_message(grid, grid.grid_file, grid.source_file, used)
        message = self._channel(grid).get_partial_message(grid.message_id)
        try:
            await message.edit(view=view, allowed_mentions=NOBODY)
        except _ERRORS as error:
            log.info("generation %s keeps its colours: %s", grid.id, error)

    async def alert_operator(self, error: VaryError) -> None:
        application = self._bot.application
        if application is None:
            return
        owner_id = (application.team and application.team.owner_id) or application.owner.id
        await self._tell(owner_id, text.API_KEY_REFUSED)

    async def _tell(self, user_id: int, sentence: str) -> None:
        """Send a direct message, if that user takes any."""
        try:
            channel = await self._bot.create_dm(discord.Object(user_id))
            await channel.send(sentence)
        except _ERRORS as error:
            log.warning("User %s can't be told: %s", user_id, error)

    def _channel(self, generation: Generation) -> discord.PartialMessageable:
        return self._bot.get_partial_messageable(
            generation.channel_id, guild_id=generation.guild_id
        )

    def _card_id(self, generation: Generation) -> int | None:
        tile = self._tiles.get(generation.id)
        return tile[0] if tile else generation.card_id

    def _webhook(self, generation: Generation) -> discord.Webhook | None:
        """Return the interaction as the webhook that it is for 15 minutes."""
        token = generation.usable_token(self._clock())
        application_id = self._bot.application_id
        if token is None or application_id is None:
            return None
        return discord.Webhook.partial(application_id, token, client=self._bot)

    async def _edit(
        self, generation: Generation, build: Callable[[], Layout], files: Files | None = None
    ) -> discord.Message:
        """Edit the card, with the bot's token or else the interaction's; ``files`` of ``None``
        leaves its attachments as they are. An upscale's card is a deferred reply, which is the
        interaction's to fill."""
        card_id = self._card_id(generation)
        if card_id is None:
            raise CardUnavailable
        card = self._channel(generation).get_partial_message(card_id)
        ways: list[_Edit] = [card.edit]
        if webhook := self._webhook(generation):
            ways.append(partial(webhook.edit_message, card_id))
        if generation.kind is Kind.UPSCALE:
            ways.reverse()
        failure: Exception = CardUnavailable()
        for edit in ways:
            try:
                with _uploads(files or (), generation) as uploads:
                    attachments = discord.utils.MISSING if files is None else uploads
                    return await edit(
                        view=build(), attachments=attachments, allowed_mentions=NOBODY
                    )
            except _ERRORS as error:
                failure = error
        raise failure

    async def _try_edit(
        self, generation: Generation, build: Callable[[], Layout], files: Files | None = None
    ) -> bool:
        try:
            await self._edit(generation, build, files)
        except (*_ERRORS, CardUnavailable) as error:
            log.info("generation %s: its card stays as it is: %r", generation.id, error)
            return False
        return True

    async def _become(
        self, generation: Generation, build: Callable[[], Layout], files: Files
    ) -> discord.Message:
        """Make the card the result."""
        with _delivering():
            async for attempt in _retrying():
                with attempt:
                    return await self._edit(generation, build, files)
        raise DeliveryFailed

    async def _post(
        self,
        generation: Generation,
        build: Callable[[], Layout],
        files: Files,
        reply_to: int | None = None,
    ) -> discord.Message:
        """Post a message that mentions the asker and nobody else.

        The nonce is the generation's id: where Discord took a message whose answer got lost, it
        returns that one instead of posting a second.
        """
        asker = discord.Object(generation.user_id)
        mentions = discord.AllowedMentions(everyone=False, roles=False, users=[asker])
        more: dict[str, Any] = {}
        if reply_to is not None:
            more["mention_author"] = False
            more["reference"] = discord.MessageReference(
                message_id=reply_to, channel_id=generation.channel_id, fail_if_not_exists=False
            )
        with _delivering(but=(discord.Forbidden, discord.NotFound)):
            async for attempt in _retrying():
                with attempt, _uploads(files, generation) as uploads:
                    return await self._channel(generation).send(
                        view=build(),
                        files=uploads,
                        allowed_mentions=mentions,
                        nonce=str(generation.id),
                        **more,
                    )
        raise DeliveryFailed


class _Edit(Protocol):
    async def __call__(
        self, *, view: Layout, attachments: list[discord.File], allowed_mentions: Any
    ) -> discord.Message: ...


@contextmanager
def _uploads(files: Files, generation: Generation) -> Generator[list[discord.File]]:
    """Open files to be sent, and free their memory afterwards: discord.py leaves them in a cycle
    of references that only the garbage collector finds, some megabytes later."""
    description = text.alt_text(generation.prompt)
    buffers = [io.BytesIO(picture.data) for _, picture in files]
    try:
        yield [
            discord.File(buffer, name, description=description)
            for buffer, (name, _) in zip(buffers, files, strict=True)
        ]
    finally:
        for buffer in buffers:
            io.BytesIO.close(buffer)


def _result_in(message: discord.Message, generation: Generation) -> Delivered | None:
    """Recognize a generation's result by its buttons, or a tile by its attachment."""
    links = media_links(message)
    if generation.kind is Kind.UPSCALE:
        tile = file_named(f"tile-{generation.tile}", links)
        asked = message.interaction_metadata
        is_reply = asked is not None and asked.id == generation.id
        return Delivered(message.id, tile) if tile and is_reply else None
    prefix = f"v:{generation.id}:"
    items = discord.ui.LayoutView.from_message(message).walk_children()
    if not any(getattr(item, "custom_id", "").startswith(prefix) for item in items):
        return None
    grid = file_named(GRID, links)
    return Delivered(message.id, grid, file_named(SOURCE, links)) if grid else None


def _retrying() -> AsyncRetrying:
    return AsyncRetrying(
        retry=retry_if_exception(_is_transient),
        stop=stop_after_attempt(_ATTEMPTS),
        wait=wait_exponential_jitter(multiplier=1, max=20),
        reraise=True,
    )


def _is_transient(error: BaseException) -> bool:
    """Tell whether Discord may take the very same request later."""
    if isinstance(error, discord.HTTPException):
        return error.status >= 500 or error.status == 429
    return isinstance(error, (aiohttp.ClientError, OSError))


@contextmanager
def _delivering(but: tuple[type[Exception], ...] = ()) -> Generator[None]:
    """Turn Discord's errors into ours, but for those that the caller has an answer to."""
    try:
        yield
    except _ERRORS as error:
        if isinstance(error, but):
            raise
        too_large = isinstance(error, discord.HTTPException) and (
            error.status == 413 or error.code == _TOO_LARGE
        )
        raise (UploadRefused if too_large else DeliveryFailed) from error
