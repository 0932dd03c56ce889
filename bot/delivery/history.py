"""What a process that died may have posted: cards and results are looked for in Discord."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import discord

from bot.delivery.messages import Messages, may_read_history
from bot.delivery.requests import NotPossible, send
from bot.domain import GRID, SOURCE, Delivered, Generation, Kind, file_named
from bot.errors import DeliveryFailed, DiscordUnavailable, HistoryUnreadable
from bot.ui.buttons import shown_generation
from bot.ui.media import media

log = logging.getLogger(__name__)

_PAGE, _HISTORY = 100, 10_000
_CLOCK_SKEW = timedelta(seconds=30)


async def find_card(messages: Messages, generation: Generation) -> int | None:
    """Find the answer to the interaction (see :class:`bot.worker.publisher.Publisher`)."""
    if webhook := messages.webhook(generation):
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
        async for message in _since(generation, messages.channel(generation)):
            asked = message.interaction_metadata
            if asked is not None and asked.id == generation.interaction_id:
                return message.id
    except DiscordUnavailable:
        raise
    except DeliveryFailed as error:
        log.info("generation %s: the channel can't be read: %r", generation.id, error)
    return None


async def find_result(messages: Messages, generation: Generation) -> Delivered | None:
    """Find a result that is posted (see :class:`bot.worker.publisher.Publisher`)."""
    if generation.answer_only:
        return await _find_answer(messages, generation)
    if not may_read_history(generation):
        raise HistoryUnreadable  # Discord would say that there is nothing.
    try:
        async for message in _since(generation, messages.channel(generation)):
            if found := _result_in(message, generation):
                return found
    except NotPossible as error:
        raise HistoryUnreadable from error
    return None


async def _find_answer(messages: Messages, generation: Generation) -> Delivered | None:
    """Look for a result in the answer that was to become it, and in the direct messages."""
    webhook = messages.webhook(generation)
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
        direct = await messages.direct_messages(generation.user_id)
        async for message in _since(generation, direct):
            if found := _result_in(message, generation):
                return replace(found, direct_id=direct.id)
    except NotPossible as error:
        log.info("generation %s: no direct messages: %r", generation.id, error)
    return None


async def _since(
    generation: Generation, channel: discord.abc.Messageable
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
