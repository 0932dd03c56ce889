"""Pictures like photographs, drawn by code: a demo picture, and what the loopback API answers.

Everything follows from a seed, so that the same call gives the same picture. With grain and soft
light, a 2048 x 2048 grid is a PNG of 6 to 9 MB, as the API's grids are.
"""

from __future__ import annotations

import functools
import io
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageColor, ImageDraw, ImageEnhance, ImageFilter, ImageOps

Size = tuple[int, int]
HUFFMAN = 2  # zlib's strategy Z_HUFFMAN_ONLY: nothing in grain repeats
EDGE = 181  # what Pillow's radial gradient has in the middle of an edge
GRAIN = 5  # the grain's largest deviation, of 255


@dataclass(frozen=True)
class Mood:
    """The colours of a light: of shadows, of what is between, of what is lit, and of its glow.

    ``strength`` is how much of a picture's own colours they replace, 0 to 1.
    """

    dark: str
    middle: str
    bright: str
    glow: str
    strength: float


MOODS = [
    Mood("#12233f", "#b3576b", "#ffe0ae", "#ff9f5a", 0.62),  # a red evening
    Mood("#08122b", "#2c5a8c", "#cfe6ff", "#9fc4ff", 0.7),  # by the moon
    Mood("#1d2b22", "#6f8f5c", "#f6f0cf", "#ffe9a3", 0.55),  # a green morning
    Mood("#2a1630", "#8f4f8b", "#ffd7e2", "#ff8fb8", 0.62),  # pink and purple
    Mood("#2b1a10", "#b0703a", "#ffe6bd", "#ffc45e", 0.6),  # amber
    Mood("#0f2a2d", "#3f8f8c", "#e3f7ec", "#a6ffe1", 0.6),  # under water
    Mood("#1b1d22", "#73777f", "#f3efe8", "#ffffff", 0.8),  # nearly black and white
]


def draw(size: Size = (900, 700), seed: int = 7) -> bytes:
    """Return a PNG of mountains over a lake in the evening; ``size`` is (width, height) in pixels.

    Blocks: run it in a thread.
    """
    chance = random.Random(seed)
    width, height = size
    shore = round(height * 0.72)
    sun = (round(width * chance.uniform(0.3, 0.7)), round(height * 0.44))
    picture = _sky(size, sun, chance)
    for layer in range(4):
        _ridge(picture, layer, shore, sun, chance)
    _water(picture, shore, sun, chance)
    return _png(_grain(picture, chance))


def make_grid(source: bytes, prompt: str, number: int, tile: int = 1024) -> bytes:
    """Return a PNG of four pictures made from ``source``, each ``tile`` pixels square.

    The same prompt and call ``number`` give the same grid. Blocks: run it in a thread.
    Raises ``OSError`` when the source is not an image.
    """
    chance = random.Random(f"{prompt}\0{number}")
    with Image.open(io.BytesIO(source)) as opened:
        opened.draft("RGB", (2 * tile, 2 * tile))
        image = ImageOps.exif_transpose(opened).convert("RGB")
    grid = Image.new("RGB", (2 * tile, 2 * tile))
    for place, mood in enumerate(chance.sample(MOODS, 4)):
        grid.paste(_variation(image, mood, tile, chance), (place % 2 * tile, place // 2 * tile))
    return _png(_grain(grid, chance))


def _variation(image: Image.Image, mood: Mood, side: int, chance: random.Random) -> Image.Image:
    """Return a square picture made from ``image``: another frame, another light."""
    zoom, aside = chance.uniform(1.0, 1.4), (chance.random(), chance.random())
    frame = ImageOps.fit(image, (side, side), bleed=(1 - 1 / zoom) / 2, centering=aside)
    if chance.random() < 0.5:
        frame = ImageOps.mirror(frame)
    soft = frame.filter(ImageFilter.BoxBlur(side / 700))
    graded = ImageOps.colorize(
        ImageOps.autocontrast(soft.convert("L"), 1), mood.dark, mood.bright, mid=mood.middle
    )
    found = Image.blend(soft, graded, mood.strength)
    mist = _clouds((side, side), chance, stretch=3).point(_curve(lambda at: max(0, at - 118) // 2))
    found.paste(Image.new("RGB", found.size, mood.bright), mask=mist)
    centre = (round(side * chance.uniform(0.15, 0.85)), round(side * chance.uniform(0.1, 0.5)))
    found = _glow(found, centre, round(side * chance.uniform(0.5, 0.9)), mood.glow, 0.75)
    found = ImageChops.multiply(found, _vignette((side, side)))
    return ImageEnhance.Contrast(found).enhance(1.12)


def _sky(size: Size, sun: Size, chance: random.Random) -> Image.Image:
    height = size[1]
    down = Image.linear_gradient("L").resize(size)
    sky = ImageOps.colorize(down, "#1c2a58", "#ffb27a", mid="#b0607e", midpoint=120)
    cover = _clouds(size, chance, stretch=4)
    lit = ImageOps.colorize(down, "#6f6a98", "#ffd9ab", mid="#f09a86", midpoint=120)
    sky.paste(lit, mask=cover.point(_curve(lambda at: min(255, max(0, at - 96) * 2))))
    sky = _glow(sky, sun, round(height * 0.8), "#ffb45e", 0.9)
    sky = _glow(sky, sun, round(height * 0.22), "#ffe9b0", 1.0)
    disc = Image.new("L", size)
    radius = max(height // 26, 2)
    x, y = sun
    ImageDraw.Draw(disc).ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    sky.paste(
        Image.new("RGB", size, "#fff6da"), mask=disc.filter(ImageFilter.GaussianBlur(radius / 6))
    )
    return sky


def _ridge(picture: Image.Image, layer: int, shore: int, sun: Size, chance: random.Random) -> None:
    """Draw a chain of mountains; the nearer, the darker and the lower."""
    size = width, height = picture.size
    base, swing = height * (0.44 + 0.075 * layer), height * (0.2 - 0.035 * layer)
    edge = _outline(width, chance, rough=0.52 + 0.03 * layer)
    line = [(at, base - swing * value) for at, value in enumerate(edge)]
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).polygon([*line, (width, shore), (0, shore)], fill=255)
    if layer == 3:
        _trees(mask, line, chance)
    far, near = (
        ("#c98a86", "#6d4a6b", "#37304f", "#141a2b")[layer],
        ("#f3b99a", "#a8718a", "#54466a", "#1d2438")[layer],
    )
    rock = _clouds(size, chance, stretch=1, octaves=6)
    shaded = ImageOps.colorize(ImageOps.autocontrast(rock), far, near)
    haze = (
        Image.linear_gradient("L").resize((width, max(shore, 1))).point(_curve(lambda at: at // 3))
    )
    veil = Image.new("L", size)
    veil.paste(haze, (0, 0))
    shaded.paste(
        Image.new("RGB", size, "#f0a184"), mask=veil.point(_curve(lambda at: at * (3 - layer) // 3))
    )
    picture.paste(
        _glow(shaded, sun, round(height * 0.5), "#ff9a50", 0.5 - 0.14 * layer),
        mask=mask.filter(ImageFilter.GaussianBlur(max(height / 1400, 0.3))),
    )


def _trees(mask: Image.Image, line: list[tuple[int, float]], chance: random.Random) -> None:
    pen, height = ImageDraw.Draw(mask), mask.height
    at = 0
    while at < len(line):
        top = height * chance.uniform(0.015, 0.05)
        x, y = line[at]
        pen.polygon([(x, y - top), (x - top * 0.22, y + 4), (x + top * 0.22, y + 4)], fill=255)
        at += max(1, round(top * chance.uniform(0.1, 0.5)))


def _water(picture: Image.Image, shore: int, sun: Size, chance: random.Random) -> None:
    """Let the lake mirror what is above it, in ripples."""
    width, height = picture.size
    depth = height - shore
    if depth < 2:
        return
    above = ImageOps.flip(picture.crop((0, max(0, shore - 2 * depth), width, shore)))
    mirrored = above.resize((width, depth)).filter(ImageFilter.BoxBlur((width / 300, 0.5)))
    ripples = _clouds((width, depth), chance, stretch=14, octaves=6)
    dark = ImageEnhance.Brightness(mirrored).enhance(0.62)
    water = Image.composite(mirrored, dark, ImageOps.autocontrast(ripples))
    path = _glow(Image.new("RGB", water.size), (sun[0], 0), depth, "#ffcf8a", 0.7)
    broken = ImageOps.autocontrast(ripples).point(_curve(lambda at: max(0, at - 140) * 2))
    water = ImageChops.screen(water, Image.composite(path, Image.new("RGB", water.size), broken))
    picture.paste(water, (0, shore))


def _outline(width: int, chance: random.Random, rough: float) -> list[float]:
    """Return a ridge's height for each column, 0 to 1: midpoints moved again and again."""
    points = [chance.random(), chance.random()]
    scale = 0.5
    while len(points) < width:
        halves = [
            (a + b) / 2 + chance.uniform(-scale, scale) for a, b in itertools.pairwise(points)
        ]
        points = [one for pair in zip(points, halves, strict=False) for one in pair] + [points[-1]]
        scale *= rough
    low, high = min(points), max(points)
    return [
        (points[at * (len(points) - 1) // max(width - 1, 1)] - low) / (high - low or 1)
        for at in range(width)
    ]


def _clouds(size: Size, chance: random.Random, *, stretch: int, octaves: int = 5) -> Image.Image:
    """Return smooth noise; ``stretch`` is how much wider its shapes are than high."""
    width, height = size
    small = (max(width // 4, 2), max(height // 4, 2))
    found = Image.new("L", small, 128)
    for octave in range(octaves):
        cells = 2 ** (octave + 2)
        across = max(2, min(small[0], cells * width // height // stretch + 1))
        down = max(2, min(small[1], cells))
        cloud = Image.frombytes("L", (across, down), chance.randbytes(across * down))
        share = 0.5 if octave == 0 else 0.75 * 0.5**octave
        found = Image.blend(found, cloud.resize(small, Image.Resampling.BICUBIC), share)
    return found.resize(size, Image.Resampling.BILINEAR)


def _glow(
    image: Image.Image, centre: Size, radius: int, color: str, strength: float
) -> Image.Image:
    """Return an image with light around a place."""
    if radius < 1 or strength <= 0:
        return image
    fall = [strength * max(0.0, 1 - at / EDGE) ** 2 for at in range(256)]
    disc = Image.radial_gradient("L")
    channels = [
        disc.point([round(part * one) for one in fall]) for part in ImageColor.getrgb(color)
    ]
    light = Image.merge("RGB", channels).resize((2 * radius, 2 * radius), Image.Resampling.BILINEAR)
    box = (centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius)
    found = image.copy()
    found.paste(ImageChops.screen(image.crop(box), light), box)
    return found


def _curve(change: Callable[[int], float]) -> list[int]:
    """Return what becomes of each of a channel's 256 values."""
    return [min(255, max(0, round(change(at)))) for at in range(256)]


@functools.lru_cache(1)
def _vignette(size: Size) -> Image.Image:
    shade = Image.radial_gradient("L").point(
        [255 - round((at / 255) ** 3 * 110) for at in range(256)]
    )
    return Image.merge("RGB", [shade.resize(size, Image.Resampling.BILINEAR)] * 3)


def _grain(image: Image.Image, chance: random.Random) -> Image.Image:
    """Return an image with a film's grain, the same in every channel."""
    grain = Image.frombytes("L", image.size, chance.randbytes(image.width * image.height))
    grain = grain.point([round((at - 127.5) / 127.5 * GRAIN) + 128 for at in range(256)])
    return ImageChops.add(image, Image.merge("RGB", [grain] * 3), 1, -128)


def _png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1, compress_type=HUFFMAN)
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
