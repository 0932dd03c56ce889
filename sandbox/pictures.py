"""A demo picture, and the 2x2 grids that the loopback GenArt API answers with (Pillow)."""

from __future__ import annotations

import colorsys
import io
import math
import random

from PIL import Image, ImageDraw, ImageFilter, ImageOps


def draw(size: tuple[int, int] = (900, 700), seed: int = 7) -> bytes:
    """Return a PNG of hills under an evening sky; ``size`` is (width, height) in pixels."""
    width, height = size
    chance = random.Random(seed)
    sky = ImageOps.colorize(
        ImageOps.fit(Image.linear_gradient("L"), size), "#20306b", "#ffd9a0", mid="#f2777a"
    )
    picture = ImageDraw.Draw(sky)
    radius, x, y = height // 8, chance.randint(width // 4, 3 * width // 4), height // 2
    picture.ellipse((x - radius, y - radius, x + radius, y + radius), fill="#fff3c4")
    for layer in range(5):
        hue = 0.75 - 0.09 * layer
        rgb = [round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.55, 0.62 - 0.09 * layer)]
        base, swing = height * (0.5 + 0.1 * layer), height * 0.06
        shift, wave = chance.uniform(0, 6), chance.uniform(70, 160)
        ridge = [
            (at, base + swing * math.sin(at / wave + shift) + swing * math.sin(at / 37 + shift) / 3)
            for at in range(0, width + 1, 4)
        ]
        picture.polygon([*ridge, (width, height), (0, height)], fill=(rgb[0], rgb[1], rgb[2]))
    return _png(sky)


def make_grid(source: bytes, prompt: str, number: int, tile: int = 1024) -> bytes:
    """Return a PNG of four treatments of ``source``, each ``tile`` pixels square.

    The same prompt and call ``number`` give the same grid. Blocks: run it in a thread.
    Raises ``OSError`` when the source is not an image.
    """
    chance = random.Random(f"{prompt}\0{number}")
    with Image.open(io.BytesIO(source)) as opened:
        image = ImageOps.fit(opened.convert("RGB"), (tile, tile))
    bright, dark = (
        f"hsl({chance.randrange(360)}, 90%, 80%)",
        f"hsl({chance.randrange(360)}, 80%, 15%)",
    )
    edges = ImageOps.invert(image.filter(ImageFilter.FIND_EDGES).convert("L"))
    treatments = [
        _shift_hue(image, chance.randrange(40, 215)),
        ImageOps.posterize(ImageOps.mirror(image), chance.choice((2, 3))),
        ImageOps.colorize(ImageOps.autocontrast(image.convert("L")), dark, bright),
        ImageOps.colorize(edges, dark, bright),
    ]
    chance.shuffle(treatments)
    grid = Image.new("RGB", (2 * tile, 2 * tile))
    for place, treated in enumerate(treatments):
        grid.paste(treated, (place % 2 * tile, place // 2 * tile))
    return _png(grid)


def _shift_hue(image: Image.Image, by: int) -> Image.Image:
    hue, saturation, value = image.convert("HSV").split()
    turned = Image.eval(hue, lambda at: (int(at) + by) % 256)
    return Image.merge("HSV", (turned, saturation, value)).convert("RGB")


def _png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1)
    return out.getvalue()


def cut(grid: bytes, tile: int) -> Image.Image:
    """Return tile 1 to 4 of a 2x2 grid as an RGB image."""
    with Image.open(io.BytesIO(grid)) as image:
        width, height = image.width // 2, image.height // 2
        left, top = (tile - 1) % 2 * width, (tile - 1) // 2 * height
        return image.convert("RGB").crop((left, top, left + width, top + height))


def same_pixels(picture: bytes, expected: Image.Image) -> bool:
    """Tell whether an encoded picture decodes to exactly the expected RGB pixels."""
    with Image.open(io.BytesIO(picture)) as image:
        found = image.convert("RGB")
        return found.size == expected.size and found.tobytes() == expected.tobytes()
