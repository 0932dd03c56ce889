from __future__ import annotations

import asyncio
import io
import struct
import time
import zlib
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops

from bot.errors import NotAPicture, PictureTooLarge
from bot.images import Images, Picture


@pytest.fixture
async def images() -> AsyncIterator[Images]:
    async with Images() as running:
        yield running


def encode(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def noise(width: int, height: int) -> Image.Image:
    """Return a picture that hardly compresses, and no two of whose tiles are alike."""
    bands = [Image.effect_noise((width, height), 90) for _ in range(3)]
    return Image.merge("RGB", bands)


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def same(one: Image.Image, other: Image.Image) -> bool:
    return one.size == other.size and not ImageChops.difference(one, other.convert("RGB")).getbbox()


@pytest.mark.parametrize("size", [(64, 64), (65, 63)])
async def test_the_tiles_are_exactly_the_quadrants(images: Images, size: tuple[int, int]):
    grid = noise(*size)
    across, down = size[0] // 2, size[1] // 2
    boxes = [
        (0, 0, across, down),
        (across, 0, size[0], down),
        (0, down, across, size[1]),
        (across, down, *size),
    ]
    for number, box in enumerate(boxes, 1):
        tile = await images.tile(encode(grid), number)
        assert tile.suffix == ".png"
        assert same(grid.crop(box), opened(tile.data))


@pytest.mark.parametrize("mode", ["CMYK", "L", "1", "I;16", "P", "LA"])
async def test_pictures_of_every_mode_are_cut_and_fitted(images: Images, mode: str):
    form = "JPEG" if mode == "CMYK" else "PNG"
    if mode == "I;16":
        picture = Image.frombytes("I;16", (256, 256), noise(256, 512).convert("L").tobytes())
    else:
        picture = noise(256, 256).convert("L" if mode == "LA" else "RGB").convert(mode)
    data = encode(picture, form)
    assert opened((await images.tile(data, 4)).data).size == (128, 128)
    fitted = await images.fit(Picture(data, ".x"), len(data) - 1)
    assert len(fitted.data) < len(data)


async def test_a_tile_is_cut_from_the_picture_the_way_up_that_people_see_it(images: Images):
    picture = noise(40, 20)
    exif = Image.Exif()
    exif[0x0112] = 6
    tile = await images.tile(encode(picture, "PNG", exif=exif), 1)
    upright = picture.transpose(Image.Transpose.ROTATE_270)
    assert same(upright.crop((0, 0, 10, 20)), opened(tile.data))


async def test_what_fits_is_left_as_it_is(images: Images):
    picture = Picture(encode(noise(32, 32)), ".png")
    assert await images.fit(picture, len(picture.data)) is picture


async def test_what_is_too_large_is_made_to_fit_rather_than_refused(images: Images):
    big = Picture(encode(noise(512, 512)), ".png")
    for limit in (300_000, 60_000, 8_000):
        fitted = await images.fit(big, limit)
        assert len(fitted.data) <= limit
        assert fitted.suffix == ".webp"
        assert opened(fitted.data).format == "WEBP"


async def test_what_cannot_be_made_to_fit_is_said_to_be_too_large(images: Images):
    with pytest.raises(PictureTooLarge):
        await images.fit(Picture(encode(noise(128, 128)), ".png"), 100)


async def test_the_suffix_is_that_of_the_bytes(images: Images):
    for form, suffix in {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp", "GIF": ".gif"}.items():
        picture = await images.check(encode(noise(8, 8), form), decode=True)
        assert picture.suffix == suffix


def png_that_claims(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 64)), (b"IEND", b""))
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


async def test_a_decompression_bomb_is_refused_from_its_header(images: Images):
    bomb = png_that_claims(30_000, 30_000)
    began = time.process_time()
    with pytest.raises(PictureTooLarge):
        await images.check(bomb, decode=True)
    with pytest.raises(PictureTooLarge):
        await images.tile(bomb, 1)
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>no picture</html>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        encode(noise(64, 64))[:-2000],
        png_that_claims(64, 64),
    ],
    ids=["empty", "html", "another format", "truncated", "lying"],
)
async def test_what_does_not_decode_is_no_picture(images: Images, data: bytes):
    with pytest.raises(NotAPicture):
        await images.check(data, decode=True)


@settings(deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["PNG", "JPEG", "WEBP", "GIF"]), st.data())
def test_no_bytes_break_the_decoder(junk: bytes, form: str, data: st.DataObject):
    good = encode(Image.new("RGB", (8, 8)), form)
    at = data.draw(st.integers(0, len(good)))
    broken = good[:at] + junk + good[at + len(junk) :]

    async def try_them() -> None:
        async with Images() as images:
            for work in (images.check(broken, decode=True), images.tile(broken, 2)):
                try:
                    await work
                except (NotAPicture, PictureTooLarge):
                    continue

    asyncio.run(try_them())


async def test_the_event_loop_goes_on_while_a_grid_is_cut(images: Images):
    grid = encode(noise(2048, 2048), compress_level=1)
    cutting = asyncio.create_task(images.tile(grid, 3))
    turns = 0
    while not cutting.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 100
