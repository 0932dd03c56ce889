"""PNG as it arrives and as it is written; Pillow is the judge of both."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from bot.png import is_intact, write_png

MODES = ["RGB", "RGBA", "L", "LA", "I;16"]


def noise(mode: str, width: int = 40, height: int = 30) -> Image.Image:
    if mode == "I;16":
        data = Image.effect_noise((width * 2, height), 90).tobytes()
        return Image.frombytes("I;16", (width, height), data)
    bands = [Image.effect_noise((width, height), 90) for _ in Image.new(mode, (1, 1)).getbands()]
    return Image.merge(mode, bands)


def encode(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(pixels: bytes, *, width: int = 8, height: int = 8, more: bytes = b"") -> bytes:
    """Return a PNG of eight-bit grey whose pixels are ``pixels`` as they stand in the file."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(pixels))
        + more
        + chunk(b"IEND")
    )


def decodes(data: bytes) -> bool:
    try:
        Image.open(io.BytesIO(data), formats=["PNG"]).load()
    except Exception:
        return False
    return True


@pytest.mark.parametrize("mode", MODES)
def test_a_whole_png_is_intact(mode: str):
    info = PngImagePlugin.PngInfo()
    info.add_text("Description", "a cat", zip=True)
    data = encode(noise(mode), pnginfo=info, icc_profile=b"x" * 99)
    assert is_intact(data)
    assert not is_intact(data[:-1])
    assert not is_intact(data + b"x")


def test_pixels_in_many_chunks_are_checked():
    image = Image.new("RGB", (2_000, 500))
    data = encode(image, compress_level=0)
    assert is_intact(data)
    assert not is_intact(data[:90_000] + b"x" + data[90_001:])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF89a",
        b"\x89PNG\r\n\x1a\n" + chunk(b"IEND"),
        png(b"")[:33] + chunk(b"IEND"),
        png(b"\0" * 72) + png(b"\0" * 72),
        b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + chunk(b"IEND"),
    ],
    ids=["empty", "another format", "no header", "no pixels", "two", "cut short"],
)
def test_what_is_no_whole_png_is_not_intact(data: bytes):
    assert not is_intact(data)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(MODES), st.binary(min_size=1, max_size=9), st.data())
def test_whatever_is_intact_decodes(mode: str, junk: bytes, data: st.DataObject):
    good = encode(noise(mode, 9, 7))
    at = data.draw(st.integers(0, len(good)))
    cut = data.draw(st.sampled_from([0, len(junk)]))
    broken = good[:at] + junk + good[at + cut :]
    assert not is_intact(broken) or decodes(broken)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (40, 30)])
def test_what_is_written_is_what_was_there(mode: str, size: tuple[int, int]):
    image = noise(mode, *size)
    written = Image.open(io.BytesIO(write_png(image)))
    assert (written.mode, written.size) == (mode, size)
    assert written.tobytes() == image.tobytes()
    assert is_intact(write_png(image))


def test_a_flat_picture_is_written_as_small_as_pillow_does():
    flat = Image.new("RGB", (300, 300), "teal")
    assert len(write_png(flat)) <= len(encode(flat))


def test_a_photo_like_picture_grows_by_little():
    soft = Image.merge("RGB", [Image.effect_noise((256, 256), 20) for _ in range(3)])
    assert len(write_png(soft)) < 1.1 * len(encode(soft))


def test_a_colour_profile_is_kept():
    image = noise("RGB")
    image.info["icc_profile"] = b"profile" * 9
    assert Image.open(io.BytesIO(write_png(image))).info["icc_profile"] == b"profile" * 9
