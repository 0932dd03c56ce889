"""Asks the API about the account behind it, once over all workers, and warns its operator."""

from __future__ import annotations

import logging
from datetime import timedelta

from bot.config import Settings
from bot.errors import GenArtError, Unauthorized
from bot.genart import GenArt
from bot.store.account import Account, Alert
from bot.worker.publisher import Publisher

log = logging.getLogger(__name__)

PERIOD = timedelta(minutes=10)
"""How often the API is asked while it is used. Each time it is its user account that asks, so one
that rests is left alone."""


class AccountWatch:
    """Keeps what the API says for ``/account`` and ``/privacy``."""

    def __init__(
        self, settings: Settings, account: Account, genart: GenArt, publisher: Publisher
    ) -> None:
        self._low = settings.fast_hours_low
        self._account = account
        self._genart = genart
        self._publisher = publisher
        self.used = True
        """Whether the API may have been used since it was asked."""

    async def work(self) -> None:
        """Ask, if it is time; tell the operator once of a refused key and of low fast time."""
        number = await self._account.due(PERIOD if self.used else None)
        if number is None:
            return
        self.used = False
        try:
            info = await self._genart.info()
        except GenArtError as error:
            log.warning("The API says nothing of its account: %r", error)
            await self._account.keep(number, error.code)
            if isinstance(error, Unauthorized):
                await self.key_refused()
            return
        is_low = info.fast_hours is not None and info.fast_hours < self._low
        await self._account.over(Alert.KEY_REFUSED)
        if info.fast_hours is not None and not is_low:
            await self._account.over(Alert.FAST_TIME_LOW)
        await self._account.keep(number, info)
        if is_low and await self._account.tell(Alert.FAST_TIME_LOW):
            log.warning("Little fast time is left: %s hours", info.fast_hours)
            await self._publisher.warn_of_fast_time(info)

    async def key_refused(self) -> None:
        """Tell the operator that the API refuses the key, unless they know.

        Raises:
            StoreUnavailable
        """
        if await self._account.tell(Alert.KEY_REFUSED):
            await self._publisher.warn_of_refused_key()
