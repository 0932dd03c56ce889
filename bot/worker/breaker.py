"""A circuit breaker: when the API is not called. All workers share one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime

from bot.store.values import Values

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 15 * 60.0
"""Seconds without calls after the API refused the key: doubled each time it does so again."""

LONGEST_WAIT = 3_600.0
"""Seconds that the API asks to be left alone at most (``genart_format.read_retry_after``)."""

_NAME = "breaker"


@dataclass(frozen=True, slots=True)
class _State:
    """Until when no call is made, and the pause after the next refusal. Times are in seconds since
    1970, 0 where there is none."""

    open_until: float = 0
    refused_until: float = 0
    pause: float = FIRST_PAUSE

    @classmethod
    def load(cls, text: str | None) -> _State:
        known = {field.name for field in fields(cls)}
        values = json.loads(text or "{}")
        return cls(**{name: value for name, value in values.items() if name in known})

    def dump(self) -> str:
        return json.dumps(asdict(self))

    def busy(self, until: float) -> _State:
        return replace(self, open_until=max(self.open_until, until))

    def refused(self, now: float) -> tuple[_State, bool]:
        """Return the state after a refusal, and whether a pause begins with it."""
        if _is_ahead(self.refused_until, now, LONGEST_PAUSE):
            return self, False
        until = now + self.pause
        pause = min(self.pause * 2, LONGEST_PAUSE)
        return _State(max(self.open_until, until), until, pause), True


class CircuitBreaker:
    """Says how many calls may be under way. What a worker learns is kept in the store, for all of
    them; until it is loaded there are none."""

    def __init__(self, concurrency: int, values: Values, clock: Callable[[], datetime]) -> None:
        self._concurrency = concurrency
        self._values = values
        self._clock = clock
        self._state: _State | None = None

    @property
    def places(self) -> int:
        """How many calls may be under way: none while it is open, one while the key is in doubt."""
        if self._state is None:
            return 0
        if _is_ahead(self._state.open_until, self._now(), LONGEST_WAIT):
            return 0
        return 1 if self._state.pause > FIRST_PAUSE else self._concurrency

    async def load(self) -> None:
        """Read what all workers have learned.

        Raises:
            StoreUnavailable
        """
        self._state = _State.load(await self._values.get(_NAME))

    async def reset(self) -> None:
        """Begin anew: whoever starts the bot may have changed the key.

        Raises:
            StoreUnavailable
        """
        await self._change(lambda _: _State())

    async def succeeded(self) -> bool:
        """Note that the API took the key; return whether that was in doubt.

        Raises:
            StoreUnavailable
        """
        if self._state is not None and self._state.pause == FIRST_PAUSE:
            return False
        await self._change(lambda state: replace(state, pause=FIRST_PAUSE))
        return True

    async def busy(self, seconds: float) -> None:
        """Note that the API asks to be left alone for some seconds.

        Raises:
            StoreUnavailable: only this worker knows.
        """
        until = self._now() + seconds
        self._state = (self._state or _State()).busy(until)
        await self._change(lambda state: state.busy(until))

    async def refused(self) -> bool:
        """Note that the API refused the key; return whether calls pause anew for it.

        A revoked key must not fail every queued generation.

        Raises:
            StoreUnavailable
        """
        begins = False
        now = self._now()

        def refuse(state: _State) -> _State:
            nonlocal begins
            state, begins = state.refused(now)
            return state

        await self._change(refuse)
        return begins

    async def _change(self, change: Callable[[_State], _State]) -> None:
        text = await self._values.change(_NAME, lambda text: change(_State.load(text)).dump())
        self._state = _State.load(text)

    def _now(self) -> float:
        return self._clock().timestamp()


def _is_ahead(until: float, now: float, longest: float) -> bool:
    """Tell whether a time is still to come. One further away than ``longest`` was written before
    the machine's clock was set back."""
    return now < until <= now + longest
