"""A circuit breaker: when the API is not called."""

from __future__ import annotations

import time
from collections.abc import Callable

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 15 * 60.0
"""Seconds without calls after the API refused the key: doubled each time it does so again."""

ALERT_PERIOD = 3_600.0
"""Seconds between two messages to the operator."""


class CircuitBreaker:
    """Says how many calls may be under way. ``clock`` returns seconds that only ever go on."""

    def __init__(self, concurrency: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._concurrency = concurrency
        self._clock = clock
        self._open_until = clock()
        self._refused_until = clock()
        self._pause = FIRST_PAUSE
        self._next_alert = clock()

    @property
    def places(self) -> int:
        """How many calls may be under way: none while it is open, one while the key is in doubt."""
        if self._clock() < self._open_until:
            return 0
        return 1 if self._pause > FIRST_PAUSE else self._concurrency

    def succeeded(self) -> None:
        """Note that the API took the key."""
        self._pause = FIRST_PAUSE

    def busy(self, seconds: float) -> None:
        """Note that the API asks to be left alone for some seconds."""
        self._open_until = max(self._open_until, self._clock() + seconds)

    def refused(self) -> bool:
        """Note that the API refused the key; return whether it is time to tell the operator.

        A revoked key must not fail every queued generation.
        """
        now = self._clock()
        if now < self._refused_until:
            return False
        self._refused_until = now + self._pause
        self._open_until = max(self._open_until, self._refused_until)
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
        if now < self._next_alert:
            return False
        self._next_alert = now + ALERT_PERIOD
        return True
