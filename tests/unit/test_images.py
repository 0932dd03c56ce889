from __future__ import annotations

import asyncio
import io
import struct
import sys
import time
import zlib
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops

from bot.domain import Picture
from bot.errors import NotAPicture, PictureTooLarge
from bot.images import THUMBNAIL_BYTES, Images


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


async def arriving(data: bytes, step: int = 65_536) -> AsyncIterator[bytes]:
    """Hand out some bytes as a download does, in steps of so many."""
    for at in range(0, len(data), step):
        await asyncio.sleep(0)
        yield data[at : at + step]


def picture_of(data: bytes) -> Picture:
    return Picture(data, ".x", 0, 0)


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def same(one: Image.Image, other: Image.Image) -> bool:
    return one.size == other.size and not ImageChops.difference(one, other.convert("RGB")).getbbox()


@pytest.mark.parametrize("size", [(64, 64), (65, 63), (96, 54), (55, 97)])
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
    fitted = await images.fit(picture_of(data), len(data) - 1)
    assert len(fitted.data) < len(data)


async def test_a_tile_is_cut_from_the_picture_the_way_up_that_people_see_it(images: Images):
    picture = noise(40, 20)
    exif = Image.Exif()
    exif[0x0112] = 6
    tile = await images.tile(encode(picture, "PNG", exif=exif), 1)
    upright = picture.transpose(Image.Transpose.ROTATE_270)
    assert same(upright.crop((0, 0, 10, 20)), opened(tile.data))


async def test_what_fits_is_left_as_it_is(images: Images):
    picture = picture_of(encode(noise(32, 32)))
    assert await images.fit(picture, len(picture.data)) is picture


async def test_what_is_too_large_is_made_to_fit_rather_than_refused(images: Images):
    big = picture_of(encode(noise(512, 512)))
    for limit in (300_000, 60_000, 8_000):
        fitted = await images.fit(big, limit)
        assert len(fitted.data) <= limit
        assert fitted.suffix == ".webp"
        assert opened(fitted.data).format == "WEBP"


async def test_what_cannot_be_made_to_fit_is_said_to_be_too_large(images: Images):
    with pytest.raises(PictureTooLarge):
        await images.fit(picture_of(encode(noise(128, 128))), 100)


async def test_suffix_and_size_are_those_of_the_bytes(images: Images):
    for form, suffix in {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp", "GIF": ".gif"}.items():
        data = encode(noise(9, 8), form)
        for receive in (images.receive, images.receive_header):
            assert await receive(arriving(data)) == Picture(data, suffix, 9, 8)


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
        await images.receive(arriving(bomb))
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
        await images.receive(arriving(data))


@settings(deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["PNG", "JPEG", "WEBP", "GIF"]), st.data())
def test_no_bytes_break_the_decoder(junk: bytes, form: str, data: st.DataObject):
    good = encode(Image.new("RGB", (8, 8)), form)
    at = data.draw(st.integers(0, len(good)))
    broken = good[:at] + junk + good[at + len(junk) :]

    async def try_them() -> None:
        async with Images() as images:
            await images.thumbnail(picture_of(broken), 1)
            try:
                received = await images.receive(arriving(broken, 50))
                await images.tile(received.data, 2)
            except (NotAPicture, PictureTooLarge):
                return
            assert opened(broken).size == (received.width, received.height)

    asyncio.run(try_them())


async def test_a_grid_of_which_a_part_is_missing_is_never_taken_for_whole(images: Images):
    good = encode(noise(300, 300))
    for damaged in (good[: len(good) // 2], good[:-4_000] + good[-12:]):
        with pytest.raises(NotAPicture):
            await images.receive(arriving(damaged, 9_999))


async def test_a_download_that_breaks_off_says_so_itself(images: Images):
    async def broken() -> AsyncIterator[bytes]:
        yield encode(noise(64, 64))
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await images.receive(broken())


async def test_a_tile_needs_two_pixels_each_way(images: Images):
    for size in ((1, 8), (8, 1)):
        with pytest.raises(NotAPicture):
            await images.tile(encode(noise(*size)), 1)


async def test_a_grid_that_is_pressed_again_is_decoded_once(images: Images):
    grid = encode(noise(1024, 1024), compress_level=1)
    tiles = await asyncio.gather(*(images.tile(grid, number) for number in range(1, 5)))
    assert [opened(tile.data).size for tile in tiles] == [(512, 512)] * 4
    alone = time.process_time()
    await images.tile(bytes(bytearray(grid)), 1)
    kept = time.process_time()
    tile = await images.tile(grid, 1)
    assert tile.data != tiles[1].data
    assert time.process_time() - kept < 3 * (kept - alone)


async def test_no_more_than_one_grid_stays_decoded(images: Images):
    grids = [encode(noise(64, 64)) for _ in range(3)]
    cut = [await images.tile(grid, 1) for grid in grids for _ in range(2)]
    assert len({tile.data for tile in cut}) == 3
    held = [sys.getrefcount(grid) for grid in grids]
    assert held[0] == held[1] < held[2]


async def test_one_who_gives_up_takes_the_tile_from_nobody_else(images: Images):
    grid = encode(noise(1024, 1024), compress_level=1)
    first, second = (asyncio.create_task(images.tile(grid, number)) for number in (1, 2))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).suffix == ".png"


@pytest.mark.parametrize("size", [(17_000, 90), (70, 20_000), (60_000, 1)])
async def test_a_strip_longer_than_webp_allows_is_made_smaller(
    images: Images, size: tuple[int, int]
):
    strip = picture_of(encode(noise(*size)))
    thumbnail = await images.thumbnail(strip, 30_000)
    fitted = await images.fit(strip, len(strip.data) - 1)
    assert thumbnail is not None
    assert len(thumbnail.data) <= 30_000
    for made in (thumbnail, fitted):
        assert opened(made.data).size == (made.width, made.height)


async def test_a_thumbnail_is_a_mebibyte_and_2048_pixels_at_most(images: Images):
    for form in ("PNG", "JPEG"):
        photo = picture_of(encode(noise(2_200, 500), form, quality=98))
        thumbnail = await images.thumbnail(photo)
        assert thumbnail is not None
        assert len(thumbnail.data) <= THUMBNAIL_BYTES
        assert max(thumbnail.width, thumbnail.height) <= 2_048


async def test_a_large_photo_has_a_thumbnail_as_large_as_may_be(images: Images):
    photo = picture_of(encode(Image.new("RGB", (5_000, 3_000), "teal"), "JPEG"))
    thumbnail = await images.thumbnail(photo, len(photo.data) - 1)
    assert thumbnail is not None
    assert (thumbnail.width, thumbnail.height) == (2_048, 1_229)


async def test_what_has_no_thumbnail_has_none_and_breaks_nothing(images: Images):
    truncated = encode(noise(900, 900))[:-9_000]
    for data in (truncated, b"<html>", png_that_claims(30_000, 30_000)):
        assert await images.thumbnail(picture_of(data), len(data) - 1) is None
    small = picture_of(encode(noise(32, 32)))
    assert await images.thumbnail(small) is small


async def test_exif_without_sense_turns_nothing(images: Images):
    data = encode(noise(20, 20), exif=b"Exif\0\0" + b"\xff" * 30)
    received = await images.receive(arriving(data))
    assert opened((await images.tile(received.data, 1)).data).size == (10, 10)


async def test_the_event_loop_goes_on_while_a_grid_is_received_and_cut(images: Images):
    grid = encode(noise(2048, 2048), compress_level=1)

    async def work() -> None:
        await images.tile((await images.receive(arriving(grid))).data, 3)

    working = asyncio.create_task(work())
    turns = 0
    while not working.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 100
