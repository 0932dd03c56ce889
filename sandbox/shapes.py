"""The shape of a grid: that of ``--ar`` in its prompt, as the service gives it (Pillow)."""

from __future__ import annotations

import io
import re

from PIL import Image

_ASPECT = re.compile(r"--ar (\d{1,2}):(\d{1,2})(?=\s|$)")


def shaped(grid: bytes, prompt: str) -> bytes:
    """Return a grid's PNG in the shape that its prompt asks for, as large as it was or smaller.

    Each side is a multiple of two pixels, so that four tiles are alike. Blocks.
    """
    match = _ASPECT.search(prompt)
    if match is None or not (ratio := int(match[1]) / max(int(match[2]), 1)):
        return grid
    with Image.open(io.BytesIO(grid)) as image:
        width = round(image.width * min(ratio, 1) / 2) * 2
        height = round(image.height * min(1 / ratio, 1) / 2) * 2
        out = io.BytesIO()
        image.resize((max(width, 2), max(height, 2))).save(out, "PNG", compress_level=1)
        return out.getvalue()


def size_of(picture: bytes) -> tuple[int, int]:
    """Return a picture's (width, height) in pixels."""
    with Image.open(io.BytesIO(picture)) as image:
        return image.size
