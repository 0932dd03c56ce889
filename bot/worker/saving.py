"""Store calls of work that is under way: it goes on once the database is back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

from tenacity import AsyncRetrying, retry_if_exception, wait_exponential_jitter

from bot.errors import DatabaseUnusable, StoreUnavailable

P = ParamSpec("P")
T = TypeVar("T")


async def saved(change: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call the store, and again until the database is back.

    Raises:
        DatabaseUnusable: it won't come back by itself.
    """
    retrying = AsyncRetrying(
        retry=retry_if_exception(_may_come_back),
        wait=wait_exponential_jitter(multiplier=0.5, max=30),
    )
    return await retrying(change, *args, **kwargs)


def _may_come_back(error: BaseException) -> bool:
    return isinstance(error, StoreUnavailable) and not isinstance(error, DatabaseUnusable)
