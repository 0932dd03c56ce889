"""The pictures that the sandbox draws are like those of the API: in size, and not flat."""

from __future__ import annotations

import io

import pytest
from PIL import Image, ImageStat

from sandbox.pictures import cut, draw, make_grid


def test_a_grid_has_the_size_of_the_api_s():
    grid = make_grid(draw(), "a lantern", 1)
    with Image.open(io.BytesIO(grid)) as image:
        assert (image.format, image.mode, image.size) == ("PNG", "RGB", (2048, 2048))
    assert 6_000_000 < len(grid) < 9_000_000


def test_the_same_call_gives_the_same_picture_and_another_one_another():
    source = draw((160, 120))
    assert draw((160, 120)) == source
    assert draw((160, 120), seed=8) != source
    grid = make_grid(source, "a lantern", 1, 32)
    assert make_grid(source, "a lantern", 1, 32) == grid
    assert make_grid(source, "a lantern", 2, 32) != grid
    assert make_grid(source, "a fox", 1, 32) != grid


def test_the_four_tiles_differ_in_light_and_none_is_flat():
    grid = make_grid(draw((320, 240)), "a lantern", 1, 128)
    means = [tuple(map(round, ImageStat.Stat(cut(grid, n)).mean)) for n in (1, 2, 3, 4)]
    assert len(set(means)) == 4
    for number in (1, 2, 3, 4):
        tile = cut(grid, number)
        assert min(ImageStat.Stat(tile).stddev) > 15
        colours = tile.getcolors(tile.width * tile.height)
        assert colours is None or len(colours) > 5_000


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (2000, 3), (3, 900)])
def test_any_size_can_be_drawn(size: tuple[int, int]):
    with Image.open(io.BytesIO(draw(size))) as image:
        assert image.size == size
    assert make_grid(draw(size), "x", 1, 8)


def test_what_is_no_image_is_refused():
    with pytest.raises(OSError, match="cannot identify"):
        make_grid(b"no image", "x", 1)
