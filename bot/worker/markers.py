"""Whether equal prompts may be called at once: learned from the API's own answers."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from bot.genart_format import marker_of
from bot.store.values import Values

log = logging.getLogger(__name__)

ALONE_TIME = timedelta(days=1)
"""How long equal prompts are called one at a time after an answer was another prompt's."""

_NAME = "markers"


@dataclass(frozen=True, slots=True)
class _State:
    """Whether answers carry markers that differ, and until when that is not relied on."""

    differ: bool = False
    alone_until: datetime | None = None

    @classmethod
    def load(cls, text: str | None) -> _State:
        if text is None:
            return cls()
        fields = json.loads(text)
        until = fields["alone_until"]
        return cls(fields["differ"], datetime.fromtimestamp(until, UTC) if until else None)

    def changed(self, **changes: object) -> _State:
        return replace(self, **changes)  # pyright: ignore[reportArgumentType]

    def dump(self) -> str:
        until = self.alone_until and self.alone_until.timestamp()
        return json.dumps({"differ": self.differ, "alone_until": until})


class Markers:
    """Decides by the markers that the API's service puts before a prompt.

    The service finds a result by its marker, where there is one that differs from answer to
    answer; else by the prompt, and then two calls of one prompt could get each other's picture
    (midjourney-api#70). What is learned is kept in the store, for every worker and restart.
    """

    def __init__(self, values: Values, clock: Callable[[], datetime]) -> None:
        self._values = values
        self._clock = clock
        self._state = _State()
        self._last: str | None = None

    @property
    def equal_prompts(self) -> bool:
        """Whether calls with the same prompt may be under way at the same time."""
        until, now = self._state.alone_until, self._clock()
        # A time further away than a day was written before the machine's clock was set back.
        alone = until is not None and now < until <= now + ALONE_TIME
        return self._state.differ and not alone

    async def load(self) -> None:
        """Read what has been learned so far, also by other workers.

        Raises:
            StoreUnavailable
        """
        self._state = _State.load(await self._values.get(_NAME))

    async def answered(self, content: str | None, prompt: str) -> None:
        """Learn from the ``content`` of an answer to ``prompt``; nothing where there is none.

        Raises:
            StoreUnavailable: nothing was learned.
        """
        if content is None:
            return
        marker = marker_of(content, prompt)
        if marker is None or marker == self._last:
            await self._save(differ=False)
        elif self._last is not None:
            await self._save(differ=True)
        self._last = marker

    async def mixed_up(self) -> None:
        """Note that an answer was another prompt's: equal prompts are called alone for a day.

        Raises:
            StoreUnavailable: nothing was noted.
        """
        await self._save(alone_until=self._clock() + ALONE_TIME)

    async def _save(self, **changes: object) -> None:
        before = self.equal_prompts
        if self._state.changed(**changes) != self._state:
            text = await self._values.change(
                _NAME, lambda text: _State.load(text).changed(**changes).dump()
            )
            self._state = _State.load(text)
        if self.equal_prompts != before:
            how = "at once" if self.equal_prompts else "one at a time"
            log.info("Equal prompts are sent to the API %s from now on.", how)
