"""Picture work: check, cut a tile, fit an upload limit. None of it runs on the event loop.

Pillow and ISA-L release the GIL while they decode and encode, so threads do. There are two for
decoding and encoding, which bounds how many decoded pictures are in memory at once, and two for
checking what is being downloaded, so that no download waits for somebody's tile.
"""

from __future__ import annotations

import asyncio
import ctypes
import io
import logging
import math
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import ParamSpec, Self, TypeVar

from PIL import Image, ImageOps

from bot.errors import NotAPicture, PictureTooLarge
from bot.png import is_intact, write_png

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

PIXELS = 64_000_000
"""Pixels of a picture at most: 200 MB once decoded, and more than any phone's camera stores."""

THUMBNAIL_BYTES = 1024 * 1024
"""Bytes of a thumbnail at most."""

_SUFFIXES = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp", "GIF": ".gif"}
_THREADS = 2
_QUALITIES = (90, 75)
_SHRINK = 0.9
_SMALLEST_SIDE = 64
_WEBP_SIDE = 16_383
_THUMBNAIL_SIDE = 2_048
_LARGE_FILE = 2 * 1024 * 1024
_KEPT_SECONDS = 30.0
_KEPT_PIXELS = 2_048 * 2_048
_M_MMAP_THRESHOLD, _LARGE_BLOCK = -3, 1024 * 1024

# We hold pictures against PIXELS by their header; Pillow's own check would print a warning.
Image.MAX_IMAGE_PIXELS = None


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded picture: its bytes, the suffix that fits them (``.png``), and its size in pixels.

    The size is the one stored: it says nothing of how EXIF turns the picture.
    """

    data: bytes
    suffix: str
    width: int
    height: int


class Images:
    """Runs picture work in threads of its own. An async context manager."""

    def __init__(self) -> None:
        _return_memory()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="images")
        self._checks = ThreadPoolExecutor(_THREADS, thread_name_prefix="checks")
        self._last: tuple[bytes, asyncio.Future[Image.Image]] | None = None
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
        return await self._start(self._checks, _check, [chunk async for chunk in chunks])

    async def receive_header(self, chunks: AsyncIterator[bytes]) -> Picture:
        """Return the picture that arrives in ``chunks``, checked by its header alone.

        Raises:
            NotAPicture, PictureTooLarge
        """
        data = b"".join([chunk async for chunk in chunks])
        return await self._start(self._checks, _picture, data)

    async def tile(self, grid: bytes, number: int) -> Picture:
        """Cut tile ``number`` (1 2 over 3 4) out of a grid; PNG, so nothing is lost.

        The last grid stays decoded for a moment: whoever presses U1 and U2 on it, with the same
        ``bytes`` object, has it decoded once.

        Raises:
            NotAPicture, PictureTooLarge
        """
        return await self._start(self._threads, _cut, await self._decoded(grid), number)

    async def fit(self, picture: Picture, limit: int) -> Picture:
        """Return the picture in at most ``limit`` bytes: as it is if it fits, else as WebP, and
        scaled down only as far as it must be.

        Raises:
            NotAPicture, PictureTooLarge
        """
        if len(picture.data) <= limit:
            return picture
        return await self._start(self._threads, _fit, picture.data, limit)

    async def thumbnail(self, picture: Picture, limit: int = THUMBNAIL_BYTES) -> Picture | None:
        """Return the picture in at most ``limit`` bytes, as :meth:`fit` does, but no side longer
        than 2,048 pixels where it doesn't fit as it is; ``None`` where that can't be done."""
        if len(picture.data) <= limit:
            return picture
        return await self._start(self._threads, _thumbnail, picture.data, limit)

    async def _decoded(self, grid: bytes) -> Image.Image:
        if self._last is None or self._last[0] is not grid:
            self._forget()
            self._last = (grid, self._start(self._threads, _load, grid))
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

    def _start(
        self, threads: ThreadPoolExecutor, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(threads, lambda: work(*args, **kwargs))


def _return_memory() -> None:
    """Have large blocks given back to the system as soon as they are free.

    glibc otherwise keeps more and more of them as pictures of some megabytes come and go
    (mallopt(3), M_MMAP_THRESHOLD); other C libraries have no such setting.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK)


def _check(parts: list[bytes]) -> Picture:
    picture = _picture(b"".join(parts))
    if len(picture.data) < _LARGE_FILE or not is_intact(picture.data):
        _load(picture.data)
    return picture


def _open(data: bytes) -> Image.Image:
    """Open by the header alone. Only the four formats: no decoder runs that isn't needed."""
    try:
        image = Image.open(io.BytesIO(data), formats=tuple(_SUFFIXES))
    except Exception as error:
        raise NotAPicture from error
    if image.width * image.height > PIXELS:
        raise PictureTooLarge
    return image


def _picture(data: bytes) -> Picture:
    image = _open(data)
    return Picture(data, _SUFFIXES[image.format or "PNG"], image.width, image.height)


def _load(data: bytes, side: int | None = None) -> Image.Image:
    """Decode the first frame: RGB or RGBA, the way up that its EXIF says.

    With ``side`` a JPEG may come out smaller, its longer side of ``side`` pixels or more.
    """
    image = _open(data)
    try:
        if side is not None:
            factor = side / max(image.size)
            image.draft(None, (int(image.width * factor), int(image.height * factor)))
        image.load()
        image = _plain(image)
    except Exception as error:  # Pillow's decoders raise whatever bad bytes make them raise.
        raise NotAPicture from error
    with suppress(Exception):  # … and EXIF that makes no sense turns nothing.
        ImageOps.exif_transpose(image, in_place=True)
    return image


def _cut(image: Image.Image, number: int) -> Picture:
    column, row = (number - 1) % 2, (number - 1) // 2
    across, down = image.width // 2, image.height // 2
    if not across or not down:
        raise NotAPicture
    right, bottom = (image.width if column else across), (image.height if row else down)
    tile = image.crop((column * across, row * down, right, bottom))
    return Picture(write_png(tile), ".png", tile.width, tile.height)


def _fit(data: bytes, limit: int) -> Picture:
    return _shrink(_load(data), _WEBP_SIDE, limit)


def _thumbnail(data: bytes, limit: int) -> Picture | None:
    try:
        return _shrink(_load(data, _THUMBNAIL_SIDE), _THUMBNAIL_SIDE, limit)
    except Exception as error:  # A result that is paid for never fails because it has no thumbnail.
        log.info("A picture has no thumbnail: %s", type(error).__name__)
        return None


def _shrink(image: Image.Image, side: int, limit: int) -> Picture:
    """Encode as WebP, no side longer than ``side`` pixels, smaller until ``limit`` bytes do."""
    while True:
        image.thumbnail((side, side))
        size = 0
        for quality in _QUALITIES:
            encoded = _encode(image, quality)
            if len(encoded) <= limit:
                return Picture(encoded, ".webp", image.width, image.height)
            size = len(encoded)
        longest = max(image.size)
        if longest <= _SMALLEST_SIDE:
            raise PictureTooLarge
        side = max(_SMALLEST_SIDE, int(longest * min(_SHRINK, math.sqrt(limit / size))))


def _plain(image: Image.Image) -> Image.Image:
    """Convert to eight bits of RGB, or RGBA where there is transparency."""
    if image.mode.startswith("I;16"):
        image = Image.frombytes("L", image.size, image.tobytes()[1::2])
    if image.mode in {"RGB", "RGBA"}:
        return image
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _encode(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=quality, method=2)
    return buffer.getvalue()
