"""How the front answers: with a card, a deferred answer, or a sentence to one member alone."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Any

import aiohttp
import discord

from bot import text
from bot.domain import Asker, Generation, Progress
from bot.errors import StoreUnavailable
from bot.store import Store
from bot.store.decisions import EnqueueResult
from bot.ui.layouts import progress_card

log = logging.getLogger(__name__)

Interaction = discord.Interaction[Any]

NO_MENTIONS = discord.AllowedMentions.none()
DISCORD_ERRORS = (discord.DiscordException, aiohttp.ClientError, OSError, RuntimeError)
"""What a request to Discord raises; RuntimeError where the connection's session is closed."""

_ANSWER_TIME = 3.5
"""Seconds after which an answer is given up: Discord takes none that is more than 3 s late."""

_LOOK_TIME = 3.0
"""Seconds within which Discord is asked whether it took an answer."""

BLOCKED_CODES = frozenset({200000, 240000})
"""Discord's refusals of what a message says: AutoMod, and a harmful link (its JSON error codes)."""


def asker_of(interaction: Interaction) -> Asker:
    """Return who asked, and through which interaction."""
    return Asker(
        interaction_id=interaction.id,
        user_id=interaction.user.id,
        guild_id=interaction.guild_id,
        channel_id=interaction.channel_id or 0,
        token=interaction.token,
        upload_limit=interaction.filesize_limit,
        app_permissions=interaction.app_permissions.value,
        in_thread=isinstance(interaction.channel, discord.Thread),
    )


async def respond(interaction: Interaction, store: Store, result: EnqueueResult) -> None:
    """Tell whoever asked what became of it: it is in the queue, or there is such a one already."""
    if result.repeated and result.generation.interaction_id == interaction.id:
        log.info("Interaction %s was told twice; the first is answered.", interaction.id)
    elif result.repeated:
        await say(interaction, text.repeated(link(result.generation)))
    else:
        await _begin(interaction, store, result)


async def respond_again(interaction: Interaction, store: Store, result: EnqueueResult) -> None:
    """Show with a message of its own that a generation is in the queue, where the interaction has
    been answered already."""
    generation = result.generation
    card = progress_card(generation, Progress(place=result.place))
    try:
        message = await interaction.followup.send(
            view=card, wait=True, allowed_mentions=NO_MENTIONS
        )
    except DISCORD_ERRORS as error:
        log.warning("generation %s: its asker can't see it: %r", generation.id, error)
        await _take_back(generation, store)
    else:
        await store.requests.answered(generation.id, message.id)


async def say(interaction: Interaction, sentence: str) -> None:
    """Say something to one member alone, whether or not they have been answered before."""
    send: Any = interaction.response.send_message
    if interaction.response.is_done():
        send = interaction.followup.send
    await send(sentence, ephemeral=True, allowed_mentions=NO_MENTIONS)


async def _begin(interaction: Interaction, store: Store, result: EnqueueResult) -> None:
    """Show that a generation is in the queue, then let the work begin.

    What its asker wasn't told of is taken out of the queue: nobody pays for what can't be seen.
    But Discord may say that it doesn't know an interaction although it took the answer
    (discord-api-docs #5558), so it is asked for the answer first. Where it doesn't say, the worker
    asks again.
    """
    generation = result.generation
    # Built outside the handling of Discord's errors: a layout that breaks is a bug of ours.
    answer = partial(interaction.response.defer, thinking=True)
    if not generation.kind.fills_answer:
        card = progress_card(generation, Progress(place=result.place))
        send = interaction.response.send_message
        answer = partial(send, view=card, allowed_mentions=NO_MENTIONS)
    message_id: int | None = None
    try:
        async with asyncio.timeout(_ANSWER_TIME):
            response = await answer()
        message_id = response.message_id if response else None
    except DISCORD_ERRORS as error:
        log.warning("generation %s: the answer failed: %r", generation.id, error)
        if isinstance(error, discord.HTTPException) and error.code in BLOCKED_CODES:
            await _take_back(generation, store)
            await say(interaction, text.PROMPT_BLOCKED)
            return
    try:
        if message_id is None:
            async with asyncio.timeout(_LOOK_TIME):
                message_id = (await interaction.original_response()).id
        await store.requests.answered(generation.id, message_id)
    except discord.NotFound:
        log.warning("generation %s: its asker can't see it", generation.id)
        await _take_back(generation, store)
    except DISCORD_ERRORS as error:
        log.warning("generation %s: its answer can't be looked for: %r", generation.id, error)
    except StoreUnavailable:
        log.warning("generation %s: its card isn't saved, the work begins late", generation.id)


async def _take_back(generation: Generation, store: Store) -> None:
    try:
        await store.requests.unanswered(generation.id)
    except StoreUnavailable:
        log.warning("generation %s can't be cancelled; a worker will look for it", generation.id)


def link(generation: Generation) -> str | None:
    """Return a link to where a generation is seen, if it is."""
    message_id = generation.message_id or generation.card_id
    guild = generation.guild_id or "@me"
    place = f"https://discord.com/channels/{guild}/{generation.channel_id}"
    return f"{place}/{message_id}" if message_id else None
