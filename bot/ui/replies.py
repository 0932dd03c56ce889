"""How the front answers: with a card, a deferred answer, or a sentence to one member alone."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Any

import aiohttp
import discord
from discord import ui

from bot import text
from bot.domain import Asker, Click, Generation, Progress
from bot.errors import StoreUnavailable
from bot.store import Store
from bot.store.asked import EnqueueResult
from bot.ui.buttons import pressed_label
from bot.ui.layouts import Layout, progress_card
from bot.ui.media import links

log = logging.getLogger(__name__)

Interaction = discord.Interaction[Any]

NO_MENTIONS = discord.AllowedMentions.none()
DISCORD_ERRORS = (discord.DiscordException, aiohttp.ClientError, OSError, RuntimeError)
"""What a request to Discord raises; RuntimeError where the connection's session is closed."""

_ANSWER_TIME = 3.5
"""Seconds after which an answer is given up: Discord takes none later than 3 s after the
interaction."""

_LOOK_TIME = 3.0
"""Seconds within which Discord is asked whether it took an answer."""

BLOCKED_CODES = frozenset({200000, 240000})
"""Discord's refusals of what a message says: AutoMod, and a harmful link (its JSON error codes)."""


def asker_of(interaction: Interaction) -> Asker:
    """Return who asked, and through which interaction."""
    answer_only = _is_no_member(interaction)
    pressed = interaction.message
    in_direct = interaction.guild_id is None and not answer_only
    channel = interaction.channel
    thread = channel if isinstance(channel, discord.Thread) else None
    return Asker(
        interaction_id=interaction.id,
        user_id=interaction.user.id,
        guild_id=interaction.guild_id,
        channel_id=interaction.channel_id or 0,
        token=interaction.token,
        upload_limit=interaction.filesize_limit,
        app_permissions=interaction.app_permissions.value,
        in_thread=thread is not None,
        answer_only=answer_only,
        on_direct_message=in_direct and pressed is not None and not pressed.flags.ephemeral,
        parent_channel_id=thread.parent_id if thread else None,
        age_restricted=bool(getattr(channel, "nsfw", False)),
        permissions=interaction.permissions.value,
        role_ids=_role_ids(interaction.user),
    )


def click_of(
    interaction: Interaction,
    generation_id: int = 0,
    label: str | None = None,
    option: int | None = None,
) -> Click:
    """Return the press of a button, or who sends the modal that it opened; ``generation_id`` is 0
    where it is about no generation. A ``label`` says what was selected."""
    message = interaction.message
    return Click(
        asker=asker_of(interaction),
        message_id=message.id if message else 0,
        generation_id=generation_id,
        option=option,
        label=label or pressed_label(interaction) or "",
        links=links(message) if message else {},
    )


def _is_no_member(interaction: Interaction) -> bool:
    """Tell whether the bot is no member of the place: a server in which only users have installed
    it for themselves, or direct messages of others (Discord's documentation, "Authorizing
    Integration Owners Object" and "Interaction Context Types")."""
    if interaction.guild_id is None:
        is_group = isinstance(interaction.channel, discord.GroupChannel)
        return interaction.context.private_channel or is_group
    # The library tells only whether they are this server and this user, who may press what
    # another user's installation posted.
    owners = getattr(interaction, "_integration_owners", {})
    return bool(owners) and not interaction.is_guild_integration()


def _role_ids(user: discord.User | discord.Member) -> frozenset[int]:
    """Return the ids of a member's roles, as the interaction tells them.

    ``Member.roles`` looks them up in the server, of which the bot knows nothing.
    """
    if isinstance(user, discord.User):
        return frozenset()
    return frozenset(user._roles)  # pyright: ignore[reportPrivateUsage]


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
    card = progress_card(generation, Progress(ahead=result.ahead))
    try:
        message = await interaction.followup.send(
            view=card,
            wait=True,
            ephemeral=generation.ephemeral,
            allowed_mentions=NO_MENTIONS,
        )
    except DISCORD_ERRORS as error:
        log.warning("generation %s: its asker can't see it: %r", generation.id, error)
        await _take_back(generation, store)
    else:
        await store.requests.answered(generation.id, message.id)


async def say(interaction: Interaction, sentence: str) -> None:
    """Say something to one member alone, whether or not they have been answered before."""
    await _send(interaction)(sentence, ephemeral=True, allowed_mentions=NO_MENTIONS)


async def say_at_length(interaction: Interaction, sentences: str) -> None:
    """Say to one member alone what may be longer than a message's content, up to 4,000
    characters."""
    layout = Layout(ui.TextDisplay(sentences))
    await _send(interaction)(view=layout, ephemeral=True, allowed_mentions=NO_MENTIONS)


def _send(interaction: Interaction) -> Any:
    """Return what sends the answer, or a follow-up where there is one already."""
    is_done = interaction.response.is_done()
    return interaction.followup.send if is_done else interaction.response.send_message


async def _begin(interaction: Interaction, store: Store, result: EnqueueResult) -> None:
    """Show that a generation is in the queue, then let the work begin.

    What its asker wasn't told of is taken out of the queue: nobody pays for what can't be seen.
    But Discord may say that it doesn't know an interaction although it took the answer
    (discord-api-docs #5558), so it is asked for the answer first. Where it doesn't say, the worker
    asks again.
    """
    generation = result.generation
    # Built outside the handling of Discord's errors: a layout that breaks is a bug of ours.
    ephemeral = generation.ephemeral
    answer = partial(interaction.response.defer, thinking=True, ephemeral=ephemeral)
    if not generation.kind.fills_answer:
        card = progress_card(generation, Progress(ahead=result.ahead))
        send = interaction.response.send_message
        answer = partial(send, view=card, ephemeral=ephemeral, allowed_mentions=NO_MENTIONS)
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
    return message_link(*generation.message_place, message_id) if message_id else None


def message_link(guild_id: int | None, channel_id: int, message_id: int) -> str:
    """Return a link to a message."""
    return f"https://discord.com/channels/{guild_id or '@me'}/{channel_id}/{message_id}"
