"""The messages of a generation: its card is edited, its result posted and read, its asker told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

import discord

from bot import text
from bot.delivery.requests import Files, discord_errors, first_possible, send, uploads
from bot.domain import Generation
from bot.errors import CardUnavailable, DeliveryFailed, DiscordUnavailable, MessageGone
from bot.ui.layouts import Layout
from bot.ui.media import Media, media
from bot.ui.replies import NO_MENTIONS, link

log = logging.getLogger(__name__)

_GONE_CODES = frozenset({10003, 10008})
"""Discord's errors "Unknown Channel" and "Unknown Message" (its JSON error codes)."""

_ASIDE_TIME = 5.0
"""Seconds for a request whose failure must not matter."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An attachment that an edit leaves on its message; discord.py sends ``to_dict()`` of it.

    Without the ids of what stays, Discord may not find what the layout refers to
    (discord-api-docs #7529).
    """

    id: int

    def to_dict(self) -> dict[str, Any]:
        return {"id": self.id}


class Messages:
    """Requests about generations, by the way that is open: an interaction or the bot's token."""

    def __init__(self, client: discord.Client, clock: Callable[[], datetime]) -> None:
        self._client = client
        self._clock = clock
        self._asides: set[asyncio.Task[None]] = set()

    def channel(self, generation: Generation) -> discord.PartialMessageable:
        """Return the channel that the generation's messages are in."""
        guild_id, channel_id = generation.message_place
        return self._client.get_partial_messageable(channel_id, guild_id=guild_id)

    async def direct_messages(self, user_id: int) -> discord.DMChannel:
        """Open the direct messages with a user."""
        return await send(partial(self._client.create_dm, discord.Object(user_id)))

    def may_edit_card(self, generation: Generation) -> bool:
        """Tell whether there is a way to edit the card, as far as can be known."""
        return not generation.is_fleeting or self.webhook(generation) is not None

    def webhook(self, generation: Generation) -> discord.Webhook | None:
        """Return the interaction as the webhook that it is for 15 minutes."""
        token = generation.usable_token(self._clock())
        application_id = self._client.application_id
        if token is None or application_id is None:
            return None
        webhook = discord.Webhook.partial(application_id, token, client=self._client)
        # The library sends ephemeral messages through an application's webhooks alone.
        webhook.type = discord.WebhookType.application
        return webhook

    async def edit_card(
        self,
        generation: Generation,
        build: Callable[[], Layout],
        kept: Sequence[Kept] | None = None,
        files: Files = (),
    ) -> discord.Message:
        """Edit the card; it keeps its attachments if neither ``kept`` nor ``files`` are given.

        Raises:
            CardUnavailable: there is no card.
            DeliveryFailed: as :func:`bot.delivery.requests.discord_errors` says.
        """
        if generation.card_id is None:
            raise CardUnavailable
        card = self.channel(generation).get_partial_message(generation.card_id)
        edits: list[Callable[..., Any]] = [] if generation.is_fleeting else [card.edit]
        if webhook := self.webhook(generation):
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

        return await first_possible([partial(edit, way) for way in edits])

    async def post(
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
        if parent and parent.message_id and is_near and may_read_history(generation):
            more |= _reply_to(generation, parent.message_id)
        place = channel or self.channel(generation)
        return await self.post_to(place, generation, build, files, mentions, **more)

    async def post_to(
        self,
        channel: discord.abc.Messageable,
        generation: Generation,
        build: Callable[[], Layout],
        files: Files,
        mentions: discord.AllowedMentions,
        **more: Any,
    ) -> discord.Message:
        """Post a message with files to any channel; ``more`` is what else discord.py sends."""

        async def post() -> discord.Message:
            with uploads(files, text.alt_text(generation.prompt)) as opened:
                return await channel.send(
                    view=build(), files=opened, allowed_mentions=mentions, **more
                )

        return await send(post)

    async def attachments(self, posted: Generation) -> dict[str, Media]:
        """Return the attachments of a posted result; none if its message can't be seen.

        Raises:
            DiscordUnavailable
            MessageGone
        """
        if posted.message_id is None or posted.is_fleeting:
            return {}
        message = self.channel(posted).get_partial_message(posted.message_id)
        try:
            return media(await send(message.fetch))
        except DiscordUnavailable:
            raise
        except DeliveryFailed as error:
            if getattr(error.__cause__, "code", None) in _GONE_CODES:
                raise MessageGone from error
            log.info("generation %s: its message can't be read: %r", posted.id, error)
            return {}

    # What people are told beside cards and results.

    async def tell(self, user_id: int, sentence: str) -> None:
        """Send a direct message, if that user takes any."""
        try:
            channel = await self.direct_messages(user_id)
            await send(partial(channel.send, sentence, allowed_mentions=NO_MENTIONS))
        except DeliveryFailed as error:
            log.warning("User %s can't be told: %r", user_id, error)

    async def tell_operator(self, sentence: str) -> None:
        """Send a direct message to the application's owner, or to the owner of its team."""
        application = self._client.application
        if application is not None:
            team = application.team
            await self.tell((team and team.owner_id) or application.owner.id, sentence)

    def call_asker(self, generation: Generation, message_id: int) -> None:
        """Mention the asker in a follow-up, while the interaction allows one: the card became the
        result, and an edit notifies nobody."""
        if (webhook := self.webhook(generation)) is None:
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

    def tell_of_failure(self, generation: Generation) -> None:
        """Mention the asker in a reply to the card, or in a follow-up where only answers reach
        them: an edit notifies nobody."""
        if generation.card_id is None:
            return
        failure = f"generation {generation.id}: its asker isn't told of the failure"
        sentence = text.failed_late(generation.user_id)
        if generation.answer_only:
            if webhook := self.webhook(generation):
                follow_up = partial(
                    webhook.send,
                    sentence,
                    ephemeral=generation.ephemeral,
                    allowed_mentions=_only(generation.user_id),
                )
                self._aside(follow_up, failure)
            return
        more = _reply_to(generation, generation.card_id) if may_read_history(generation) else {}
        reply = partial(
            self.channel(generation).send,
            sentence,
            nonce=f"f{generation.id}",
            allowed_mentions=_only(generation.user_id),
            **more,
        )
        self._aside(reply, failure)

    def drop_answer(self, generation: Generation) -> None:
        """Delete a deferred answer that the result could not fill: it says for good that the
        bot is thinking, or that it failed."""
        if generation.card_id is not None:
            answer = self.channel(generation).get_partial_message(generation.card_id)
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


def may_read_history(generation: Generation) -> bool:
    """Tell whether the bot sees earlier messages; it always does in direct messages."""
    permissions = discord.Permissions(generation.app_permissions)
    return generation.guild_id is None or permissions.read_message_history


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
