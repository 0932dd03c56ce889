"""Discord's rate limits: a bucket for each route and top-level resource, and one for all.

Source of the headers: documentation, "Rate Limits". The counts are what bots observe, since
Discord documents none but the 50 requests a second of a token.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass

ALL, ALL_PER = 50, 1.0  # requests, seconds


@dataclass(frozen=True)
class Limit:
    """``count`` requests in ``per`` seconds for each top-level resource."""

    name: str
    count: int
    per: float

    @property
    def bucket(self) -> str:
        return hashlib.sha256(self.name.encode()).hexdigest()[:32]


WEBHOOK = Limit("webhook", 5, 2.0)
LIMITS = {
    "POST /channels/{channel}/messages": Limit("post", 5, 5.0),
    "GET /channels/{channel}/messages": Limit("history", 5, 5.0),
    "GET /channels/{channel}/messages/{message}": Limit("message", 5, 5.0),
    "PATCH /channels/{channel}/messages/{message}": Limit("edit", 5, 5.0),
    "DELETE /channels/{channel}/messages/{message}": Limit("delete", 5, 1.0),
    "POST /webhooks/{app}/{token}": WEBHOOK,
    "GET /webhooks/{app}/{token}/messages/{message}": WEBHOOK,
    "PATCH /webhooks/{app}/{token}/messages/{message}": WEBHOOK,
    "DELETE /webhooks/{app}/{token}/messages/{message}": WEBHOOK,
}


@dataclass(frozen=True)
class Verdict:
    """``retry_after`` (seconds) where a request came too early; ``headers`` for its answer."""

    headers: dict[str, str]
    retry_after: float | None = None
    everywhere: bool = False


class RateLimits:
    """Counts requests in windows that begin with their first. ``now`` returns unix seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._windows: dict[tuple[str, str], tuple[float, int]] = {}

    def take(self, key: str, resource: str, *, by_token: bool) -> Verdict:
        """Count a request to a route; ``by_token``: it counts among all of the token's."""
        if by_token:
            reset, used = self._count("all", "", ALL_PER)
            if used > ALL:
                headers = {"X-RateLimit-Global": "true", "X-RateLimit-Scope": "global"}
                return self._refuse(headers, reset, everywhere=True)
        if (limit := LIMITS.get(key)) is None:
            return Verdict({})
        reset, used = self._count(limit.name, resource, limit.per)
        headers = {
            "X-RateLimit-Limit": str(limit.count),
            "X-RateLimit-Remaining": str(max(limit.count - used, 0)),
            "X-RateLimit-Reset": f"{reset:.3f}",
            "X-RateLimit-Reset-After": f"{reset - self._now():.3f}",
            "X-RateLimit-Bucket": limit.bucket,
        }
        if used > limit.count:
            return self._refuse(headers | {"X-RateLimit-Scope": "user"}, reset, everywhere=False)
        return Verdict(headers)

    def _count(self, name: str, resource: str, per: float) -> tuple[float, int]:
        """Count one more; return when the window ends and how many it holds."""
        now = self._now()
        reset, used = self._windows.get((name, resource), (0.0, 0))
        if now >= reset:
            reset, used = now + per, 0
            self._windows = {k: w for k, w in self._windows.items() if w[0] > now}
        self._windows[name, resource] = (reset, used + 1)
        return reset, used + 1

    def _refuse(self, headers: dict[str, str], reset: float, *, everywhere: bool) -> Verdict:
        wait = round(max(reset - self._now(), 0.001), 3)
        return Verdict(headers | {"Retry-After": str(math.ceil(wait))}, wait, everywhere)
