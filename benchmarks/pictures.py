"""Grids of a wanted size, drawn once, and Pillow's time for a tile."""

from __future__ import annotations

import functools
import io
import time

from PIL import Image

from benchmarks.bare_bot import crop

MEGABYTE = 1_000_000


@functools.cache
def noise(side: int, size: int | None = None) -> bytes:
    """Return a PNG of coloured noise, ``side`` pixels square and about ``size`` bytes long.

    Without a size the noise is strong and hardly compresses. Blocks for seconds when a size is
    given: the strength of the noise is searched for.
    """
    if size is None:
        return _encode(side, 70)
    low, high = 2.0, 64.0
    data = b""
    for _ in range(8):
        middle = (low * high) ** 0.5
        data = _encode(side, middle)
        if abs(len(data) - size) < size // 100:
            break
        low, high = (middle, high) if len(data) < size else (low, middle)
    return data


def _encode(side: int, strength: float) -> bytes:
    image = Image.merge("RGB", [Image.effect_noise((side, side), strength) for _ in range(3)])
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def tile_times(grid: bytes) -> list[float]:
    """Return the seconds that Pillow takes for tiles 1 to 4: decode, crop, save as PNG."""
    times: list[float] = []
    for number in range(1, 5):
        began = time.perf_counter()
        crop(grid, number)
        times.append(time.perf_counter() - began)
    return times
