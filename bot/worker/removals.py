"""Deletes what members asked to have deleted: the rest of their rows, and messages in Discord."""

from __future__ import annotations

import asyncio

from bot.errors import DiscordUnavailable
from bot.store.privacy import Privacy
from bot.worker.publisher import Publisher

_PAUSE = 0.5
"""Seconds between two messages: what members wait for needs the token's requests too."""

_ROWS_PAUSE = 0.1
"""Seconds between two transactions: presses and claims come in between."""


class Removals:
    """Goes on where any process stopped; several workers share the messages."""

    def __init__(self, privacy: Privacy, publisher: Publisher) -> None:
        self._privacy = privacy
        self._publisher = publisher

    async def work(self) -> None:
        """Delete all that is due."""
        await self._privacy.forget()
        while await self._privacy.go_on():  # noqa: ASYNC110
            await asyncio.sleep(_ROWS_PAUSE)
        while removal := await self._privacy.claim_removal():
            place = (removal.guild_id, removal.channel_id)
            try:
                await self._publisher.remove_message(*place, removal.message_id)
            except DiscordUnavailable as error:
                await self._privacy.put_off(removal, error.retry_after)
            else:
                await self._privacy.removed(removal.message_id)
            await asyncio.sleep(_PAUSE)
