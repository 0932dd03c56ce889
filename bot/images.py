"""Picture work: check, cut a tile, fit an upload limit. None of it runs on the event loop.

Pillow lets go of the GIL while it decodes and encodes, so threads do; two of them, which bounds
how many decoded pictures are in memory at once.
"""

from __future__ import annotations

import asyncio
import ctypes
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import ParamSpec, Self, TypeVar

from PIL import Image, ImageOps

from bot.errors import NotAPicture, PictureTooLarge

P = ParamSpec("P")
T = TypeVar("T")

PIXELS = 64_000_000
"""Pixels of a picture at most: 200 MB once decoded, and more than any phone's camera stores."""

_SUFFIXES = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp", "GIF": ".gif"}
_THREADS = 2
_QUALITIES = (90, 75)
_SHRINK = 0.7
_SMALLEST_SIDE = 64
_M_MMAP_THRESHOLD, _LARGE_BLOCK = -3, 128 * 1024

# We hold pictures against PIXELS by their header; Pillow's own check would print a warning.
Image.MAX_IMAGE_PIXELS = None


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded picture: its bytes, and the suffix that fits them (``.png``)."""

    data: bytes
    suffix: str


class Images:
    """Runs picture work in threads of its own. An async context manager."""

    def __init__(self) -> None:
        _return_memory()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="images")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def check(self, data: bytes, *, decode: bool) -> Picture:
        """Return ``data`` as a picture if it is one, by its header or (``decode``) by every pixel.

        Raises:
            NotAPicture, PictureTooLarge
        """
        return await self._run(_check, data, decode)

    async def tile(self, grid: bytes, number: int) -> Picture:
        """Cut tile ``number`` (1 2 over 3 4) out of a grid; PNG, so nothing is lost.

        Raises:
            NotAPicture, PictureTooLarge
        """
        return await self._run(_tile, grid, number)

    async def fit(self, picture: Picture, limit: int) -> Picture:
        """Return the picture in at most ``limit`` bytes: as it is if it fits, else as WebP, and
        scaled down only as far as it must be.

        Raises:
            NotAPicture, PictureTooLarge
        """
        if len(picture.data) <= limit:
            return picture
        return await self._run(_fit, picture.data, limit)

    async def _run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: work(*args, **kwargs))


def _return_memory() -> None:
    """Have large blocks given back to the system as soon as they are free.

    glibc otherwise keeps more and more of them as pictures of some megabytes come and go
    (mallopt(3), M_MMAP_THRESHOLD); other C libraries have no such setting.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK)


def _open(data: bytes) -> Image.Image:
    """Open by the header alone. Only the four formats: no decoder runs that isn't needed."""
    try:
        image = Image.open(io.BytesIO(data), formats=tuple(_SUFFIXES))
    except Exception as error:
        raise NotAPicture from error
    if image.width * image.height > PIXELS:
        raise PictureTooLarge
    return image


def _load(data: bytes) -> Image.Image:
    """Decode the first frame, the way up that its EXIF says."""
    image = _open(data)
    try:
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
    except Exception as error:  # Pillow's decoders raise whatever bad bytes make them raise.
        raise NotAPicture from error
    return image


def _check(data: bytes, decode: bool) -> Picture:
    image = _open(data)
    if decode:
        _load(data)
    return Picture(data, _SUFFIXES[image.format or "PNG"])


def _tile(grid: bytes, number: int) -> Picture:
    image = _load(grid)
    column, row = (number - 1) % 2, (number - 1) // 2
    across, down = image.width // 2, image.height // 2
    right, bottom = (image.width if column else across), (image.height if row else down)
    tile = image.crop((column * across, row * down, right, bottom))
    return Picture(_encode(_plain(tile), "PNG", compress_level=6), ".png")


def _fit(data: bytes, limit: int) -> Picture:
    image = _plain(_load(data))
    while min(image.size) >= _SMALLEST_SIDE:
        for quality in _QUALITIES:
            encoded = _encode(image, "WEBP", quality=quality, method=2)
            if len(encoded) <= limit:
                return Picture(encoded, ".webp")
        image.thumbnail((image.width * _SHRINK, image.height * _SHRINK))
    raise PictureTooLarge


def _plain(image: Image.Image) -> Image.Image:
    """Convert to eight bits of RGB, or RGBA where there is transparency."""
    if image.mode.startswith("I;16"):
        image = Image.frombytes("L", image.size, image.tobytes()[1::2])
    if image.mode in {"RGB", "RGBA"}:
        return image
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _encode(image: Image.Image, form: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()
