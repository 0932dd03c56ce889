"""What a worker tells servers beside results: their logs and their showcases."""

from __future__ import annotations

import logging
from datetime import timedelta

from bot.domain import LogBatch, Showing
from bot.errors import DeliveryFailed, DiscordUnavailable
from bot.store import Store
from bot.worker.publisher import Publisher

log = logging.getLogger(__name__)

PERIOD = 3.0
"""Seconds between two looks; what came together meanwhile goes into one message."""

_SOON, _LATER = timedelta(seconds=20), timedelta(minutes=5)


class Notices:
    """Posts what the store keeps for logs and showcases. A batch and a showing are claimed before
    they are posted and done with afterwards: a crash between posts the very same once more, which
    Discord recognizes."""

    def __init__(self, store: Store, publisher: Publisher) -> None:
        self._store = store
        self._publisher = publisher

    async def deliver(self) -> None:
        """Post what is due. Costs nothing where no server chose anything."""
        if not self._store.guild_settings.governed:
            return
        for batch in await self._store.server_log.claim():
            await self._post_log(batch)
        for showing in await self._store.showcase.claim():
            await self._show(showing)

    async def _post_log(self, batch: LogBatch) -> None:
        try:
            await self._publisher.post_log(batch)
        except DeliveryFailed as error:
            wait = _SOON if isinstance(error, DiscordUnavailable) else _LATER
            log.warning("The log of server %s can't be written: %r", batch.guild_id, error)
            await self._store.server_log.postpone(batch, wait)
        else:
            await self._store.server_log.done(batch)

    async def _show(self, showing: Showing) -> None:
        message_id = None
        try:
            if showing.message_id is not None:
                await self._publisher.unshow(showing)
            elif showing.generation is not None and showing.generation.deleted_at is None:
                message_id = await self._publisher.show(showing.generation, showing.channel_id)
        except DiscordUnavailable as error:
            log.info("generation %s: its showcase waits: %r", showing.generation_id, error)
            await self._store.showcase.postpone(showing, _SOON)
            return
        except DeliveryFailed as error:
            log.warning("generation %s can't be shown: %r", showing.generation_id, error)
        await self._store.showcase.done(showing, message_id)
