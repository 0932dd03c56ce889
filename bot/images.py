"""Picture work: check, cut a tile, fit an upload limit. None of it runs on the event loop.

Pillow and ISA-L release the GIL while they decode and encode, so threads do. There are two for
decoding and encoding, which bounds how many decoded pictures are in memory at once, and two for
checking what is being downloaded, so that no download waits for somebody's tile.
"""

from __future__ import annotations

import asyncio
import ctypes
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self, TypeVar

from bot.domain import Picture

if TYPE_CHECKING:
    from PIL.Image import Image

T = TypeVar("T")

THUMBNAIL_BYTES = 1024 * 1024
"""Bytes of a thumbnail at most."""

_THREADS = 2
_KEPT_SECONDS = 30.0
_KEPT_PIXELS = 2_048 * 2_048
_M_MMAP_THRESHOLD, _LARGE_BLOCK = -3, 1024 * 1024


class Images:
    """Runs picture work in threads of its own. An async context manager."""

    def __init__(self) -> None:
        _return_memory()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="images")
        self._checks = ThreadPoolExecutor(_THREADS, thread_name_prefix="checks")
        self._last: tuple[bytes, asyncio.Future[Image]] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._forget()
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._checks.shutdown(wait=False, cancel_futures=True)

    async def receive(self, chunks: AsyncIterator[bytes]) -> Picture:
        """Return the picture that arrives in ``chunks``, checked to its last byte.

        A large PNG is known to be whole by its checksums; everything else is decoded.

        Raises:
            NotAPicture, PictureTooLarge
        """
        parts = [chunk async for chunk in chunks]
        return await self._start(self._checks, lambda pixels: pixels.check(parts))

    async def receive_header(self, chunks: AsyncIterator[bytes]) -> Picture:
        """Return the picture that arrives in ``chunks``, checked by its header alone.

        Raises:
            NotAPicture, PictureTooLarge
        """
        data = b"".join([chunk async for chunk in chunks])
        return await self._start(self._checks, lambda pixels: pixels.picture(data))

    async def tile(self, grid: bytes, number: int) -> Picture:
        """Cut tile ``number`` (1 2 over 3 4) out of a grid; PNG, so nothing is lost.

        The last grid stays decoded for a moment: whoever presses U1 and U2 on it, with the same
        ``bytes`` object, has it decoded once.

        Raises:
            NotAPicture, PictureTooLarge
        """
        image = await self._decoded(grid)
        return await self._start(self._threads, lambda pixels: pixels.cut(image, number))

    async def fit(self, picture: Picture, limit: int) -> Picture:
        """Return the picture in at most ``limit`` bytes: as it is if it fits, else as WebP, and
        scaled down only as far as it must be.

        Raises:
            NotAPicture, PictureTooLarge
        """
        if len(picture.data) <= limit:
            return picture
        return await self._start(self._threads, lambda pixels: pixels.fit(picture.data, limit))

    async def thumbnail(self, picture: Picture, limit: int = THUMBNAIL_BYTES) -> Picture | None:
        """Return the picture in at most ``limit`` bytes, as :meth:`fit` does, but no side longer
        than 2,048 pixels where it doesn't fit as it is; ``None`` where that can't be done."""
        if len(picture.data) <= limit:
            return picture
        data = picture.data
        return await self._start(self._threads, lambda pixels: pixels.thumbnail(data, limit))

    async def _decoded(self, grid: bytes) -> Image:
        if self._last is None or self._last[0] is not grid:
            self._forget()
            self._last = (grid, self._start(self._threads, lambda pixels: pixels.load(grid)))
            self._timer = asyncio.get_running_loop().call_later(_KEPT_SECONDS, self._forget)
        # Others may wait for it too: one who gives up doesn't cancel it.
        image = await asyncio.shield(self._last[1])
        if image.width * image.height > _KEPT_PIXELS:
            self._forget()
        return image

    def _forget(self) -> None:
        self._last = None
        if self._timer:
            self._timer.cancel()

    def _start(self, threads: ThreadPoolExecutor, work: Callable[[Any], T]) -> asyncio.Future[T]:
        """Call ``work`` with :mod:`bot.pixels` in a thread, which loads it if it is the first."""

        def run() -> T:
            from bot import pixels

            return work(pixels)

        return asyncio.get_running_loop().run_in_executor(threads, run)


def _return_memory() -> None:
    """Have large blocks given back to the system as soon as they are free.

    glibc otherwise keeps more and more of them as pictures of some megabytes come and go
    (mallopt(3), M_MMAP_THRESHOLD); other C libraries have no such setting.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK)
