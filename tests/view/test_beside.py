"""Two pictures and a line of text: sizes and places."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from vidstyle.view.beside import BLANK, GAP, STRIP, Beside
from vidstyle.view.text import PAPER


@pytest.mark.parametrize(
    ("size", "shape", "tile", "stacked"),
    [
        ((640, 360), Fraction(16, 9), (640, 360), False),
        ((96, 54), Fraction(16, 9), (480, 270), False),  # enlarged by whole pixels
        ((1000, 426), Fraction(1000, 426), (1000, 426), True),  # wide
        ((608, 1080), Fraction(9, 16), (608, 1080), False),  # upright
        ((720, 576), Fraction(4, 3), (768, 576), False),  # pixels that are not square
        ((641, 361), Fraction(641, 361), (640, 360), False),  # odd
        ((4096, 2160), Fraction(4096, 2160), (2006, 1058), True),  # too large for a screen
    ],
)
def test_the_layout_suits_the_movie(
    size: tuple[int, int], shape: Fraction, tile: tuple[int, int], stacked: bool
) -> None:
    layout = Beside(size, shape)
    assert layout.tile == tile and layout.stacked == stacked
    assert all(side % 2 == 0 for side in layout.size)
    assert layout.size[0] <= 3840 and layout.size[1] <= 2160
    width, height = tile
    assert layout.size == ((width, 2 * height + GAP + STRIP) if stacked else (2 * width + GAP, height + STRIP))
    picture = layout.join(np.full((size[1], size[0], 3), 200, np.uint8), None, "text " * 100, "why")
    assert picture.shape == (layout.size[1], layout.size[0], 3)


def test_pictures_lie_where_they_belong() -> None:
    layout = Beside((640, 360), Fraction(16, 9))
    red, blue = (np.full((360, 640, 3), color, np.uint8) for color in ((250, 0, 0), (0, 0, 250)))
    picture = layout.join(red, blue, "frame 3", "")
    assert (picture[:360, :640] == (250, 0, 0)).all() and (picture[:360, 648:] == (0, 0, 250)).all()
    assert (picture[:360, 640:648] == PAPER).all()
    assert (picture[360:] != PAPER).any() and (picture[360:, 400:] == PAPER).all()
    blank = layout.join(red, None, "frame 3", "shot 1 begins")[:360, 648:]
    assert 0 < (blank != BLANK).any(axis=2).sum() < 0.02 * blank.shape[0] * blank.shape[1]


def test_enlarged_pixels_stay_sharp() -> None:
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (54, 96, 3), np.uint8)
    picture = Beside((96, 54), Fraction(16, 9)).join(small, small, "", "")
    assert np.array_equal(picture[:270, :480], small.repeat(5, axis=0).repeat(5, axis=1))
