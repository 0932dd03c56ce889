"""What is done with pixels, by Pillow; each function blocks, so :mod:`bot.images` runs it in a
thread.

Loaded when the first picture comes: Pillow takes some megabytes.
"""

from __future__ import annotations

import io
import logging
import math
from contextlib import suppress

from PIL import Image, ImageOps

from bot.domain import Picture
from bot.errors import NotAPicture, PictureTooLarge
from bot.png import is_intact, write_png

log = logging.getLogger(__name__)

PIXELS = 64_000_000
"""Pixels of a picture at most: 200 MB once decoded, and more than any phone's camera stores."""

_SUFFIXES = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp", "GIF": ".gif"}
_QUALITIES = (90, 75)
_SHRINK = 0.9
_SMALLEST_SIDE = 64
_WEBP_SIDE = 16_383
_THUMBNAIL_SIDE = 2_048
_LARGE_FILE = 2 * 1024 * 1024

# We hold pictures against PIXELS by their header; Pillow's own check would print a warning.
Image.MAX_IMAGE_PIXELS = None


def check(parts: list[bytes]) -> Picture:
    """Return the picture whose bytes are ``parts``, checked to its last byte."""
    found = picture(b"".join(parts))
    if len(found.data) < _LARGE_FILE or not is_intact(found.data):
        load(found.data)
    return found


def _open(data: bytes) -> Image.Image:
    """Open by the header alone. Only the four formats: no decoder runs that isn't needed."""
    try:
        image = Image.open(io.BytesIO(data), formats=tuple(_SUFFIXES))
    except Exception as error:
        raise NotAPicture from error
    if image.width * image.height > PIXELS:
        raise PictureTooLarge
    return image


def picture(data: bytes) -> Picture:
    """Return the picture whose bytes are ``data``, checked by its header alone."""
    image = _open(data)
    return Picture(data, _SUFFIXES[image.format or "PNG"], image.width, image.height)


def load(data: bytes, side: int | None = None) -> Image.Image:
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


def cut(image: Image.Image, number: int) -> Picture:
    """Cut tile ``number`` out of a decoded grid."""
    column, row = (number - 1) % 2, (number - 1) // 2
    across, down = image.width // 2, image.height // 2
    if not across or not down:
        raise NotAPicture
    right, bottom = (image.width if column else across), (image.height if row else down)
    tile = image.crop((column * across, row * down, right, bottom))
    return Picture(write_png(tile), ".png", tile.width, tile.height)


def fit(data: bytes, limit: int) -> Picture:
    """Return a picture in at most ``limit`` bytes, as WebP."""
    return _shrink(load(data), _WEBP_SIDE, limit)


def thumbnail(data: bytes, limit: int) -> Picture | None:
    """Return a small picture in at most ``limit`` bytes, as WebP, if that can be done."""
    try:
        return _shrink(load(data, _THUMBNAIL_SIDE), _THUMBNAIL_SIDE, limit)
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
