"""Requests to Discord: files, retries, and Discord's errors as ours."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import discord
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Order, Payload, register_payload
from tenacity import (
    AsyncRetrying,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential_jitter,
)

from bot.domain import Picture
from bot.errors import Blocked, DeliveryFailed, DiscordUnavailable, UploadRefused
from bot.ui.replies import BLOCKED_CODES, DISCORD_ERRORS

log = logging.getLogger(__name__)
T = TypeVar("T")
Files = Sequence[tuple[str, Picture]]

LONGEST_RATE_LIMIT = 30.0
"""Seconds that a request waits for a rate limit; what takes longer is tried again later."""

_TIMEOUT = 60.0
_BLOCK = 256 * 1024
_TOO_LARGE = 40005
_ARCHIVED, _LOCKED = 50083, 160005
_ATTEMPTS = 3


class NotPossible(DeliveryFailed):
    """The bot may not do that there, or what it is about is gone; another way may be open."""


class _Upload(io.BytesIO):
    """A picture as the stream that discord.py asks for; what is sent is :class:`_UploadPayload`."""

    def __init__(self, picture: Picture) -> None:
        super().__init__()
        self.picture: Picture | None = picture


class _UploadPayload(Payload):
    """The body of an upload; aiohttp would copy the whole of a stream before it sends it."""

    _value: _Upload

    def __init__(self, value: _Upload, *args: Any, **kwargs: Any) -> None:
        super().__init__(value, *args, **kwargs)
        self._size = len(value.picture.data) if value.picture else 0

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        raise TypeError("a picture is no text")

    async def write(self, writer: AbstractStreamWriter) -> None:
        picture = self._value.picture
        assert picture is not None  # noqa: S101
        data = memoryview(picture.data)
        for start in range(0, len(data), _BLOCK):
            await writer.write(data[start : start + _BLOCK])
            await asyncio.sleep(0)


register_payload(_UploadPayload, _Upload, order=Order.try_first)


@contextmanager
def uploads(files: Files, description: str) -> Generator[list[discord.File]]:
    """Open files to be sent, and free their memory afterwards: discord.py leaves them in a cycle
    of references that only the garbage collector finds, some megabytes later."""
    opened = [_Upload(picture) for _, picture in files]
    try:
        yield [
            discord.File(upload, name, description=description or None)
            for upload, (name, _) in zip(opened, files, strict=True)
        ]
    finally:
        for upload in opened:
            upload.picture = None


@contextmanager
def discord_errors() -> Generator[None]:
    """Turn what a request raises into our errors.

    Raises:
        UploadRefused: the files are too large.
        NotPossible: not that way.
        DiscordUnavailable: it may work later.
        DeliveryFailed: it never will.
    """
    try:
        yield
    except discord.RateLimited as error:
        raise DiscordUnavailable(error.retry_after) from error
    except discord.HTTPException as error:
        raise _translated(error) from error
    except DISCORD_ERRORS as error:
        raise DiscordUnavailable from error


def _translated(error: discord.HTTPException) -> DeliveryFailed:
    if error.status == 413 or error.code == _TOO_LARGE:
        return UploadRefused()
    if error.code in BLOCKED_CODES:
        return Blocked()
    if isinstance(error, discord.Forbidden | discord.NotFound) or error.code in {
        _ARCHIVED,
        _LOCKED,
    }:
        return NotPossible()
    if error.status >= 500 or error.status == 429:
        return DiscordUnavailable()
    return DeliveryFailed()


async def send(request: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Call ``request`` until it is answered, a few times; each within a time limit.

    Raises:
        DeliveryFailed: as :func:`discord_errors` says.
    """
    retrying = AsyncRetrying(
        retry=retry_if_exception(_is_worth_another_try),
        stop=stop_after_attempt(_ATTEMPTS),
        wait=wait_exponential_jitter(multiplier=0.3, max=2),
        reraise=True,
    )
    async for attempt in retrying:
        with attempt, discord_errors():
            async with asyncio.timeout(_TIMEOUT):
                return await request()
    raise DeliveryFailed


def _is_worth_another_try(error: BaseException) -> bool:
    return isinstance(error, DiscordUnavailable) and not isinstance(
        error.__cause__, discord.RateLimited | TimeoutError
    )


async def first_possible(ways: Sequence[Callable[[], Any]]) -> Any:
    """Return what the first way gives; the next is tried where Discord says that it can't be.

    Raises:
        DeliveryFailed: the error of the last way.
    """
    for way in ways[:-1]:
        try:
            return await send(way)
        except DeliveryFailed as error:
            if rules_out_other_ways(error):
                raise
            log.debug("Discord doesn't take it that way: %r", error)
    return await send(ways[-1])


def rules_out_other_ways(error: DeliveryFailed) -> bool:
    """Tell whether another way to deliver the very same can't help, or not now."""
    return isinstance(error, Blocked | DiscordUnavailable | UploadRefused)
