"""Flow colours: the published wheel, one scale, and a legend that says so."""

from __future__ import annotations

import numpy as np
import pytest

from vidstyle.view.flow_color import color_wheel, flow_to_color, legend, round_scale


def color(dx: float, dy: float, scale: float = 1.0) -> list[int]:
    return flow_to_color(np.array([[[dx]], [[dy]]], dtype=np.float32), scale)[0, 0].tolist()


def test_the_wheel() -> None:
    wheel = color_wheel()
    assert wheel.shape == (55, 3) and wheel.min() == 0 and wheel.max() == 1
    corners = np.cumsum([0, 15, 6, 4, 11, 13])
    assert wheel[corners].tolist() == [[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1]]


def test_hue_is_direction_and_strength_is_length() -> None:
    assert color(0, 0) == [255, 255, 255]
    assert color(1, 0) == [255, 0, 0]  # right: red
    red, green, blue = color(0, 1)  # down: yellow
    assert red > 200 and green > 200 and blue < 20
    red, green, blue = color(-1, 0)  # left: cyan to blue
    assert red == 0 and green > 100 and blue == 255
    red, green, blue = color(0, -1)  # up: violet
    assert red > 80 and green == 0 and blue == 255
    assert color(0.5, 0) == [255, 128, 128]
    assert color(5, 0, scale=10) == color(0.5, 0)
    assert color(3, 0) == [191, 0, 0]  # beyond the scale: darker


def test_hue_is_continuous_all_round() -> None:
    turn = np.linspace(0, 2 * np.pi, 2000, dtype=np.float32)
    ring = flow_to_color(0.99 * np.stack((np.cos(turn), np.sin(turn)))[:, None], 1)[0].astype(int)
    assert np.abs(np.diff(ring, axis=0)).max() <= 3


def test_unknown_flow_is_black() -> None:
    for bad in (np.nan, np.inf, 1.7e9):
        assert color(bad, 0) == [0, 0, 0]


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="flow is"):
        flow_to_color(np.zeros((4, 4, 2), np.float32), 1)
    with pytest.raises(ValueError, match="positive"):
        flow_to_color(np.zeros((2, 4, 4), np.float32), 0)


@pytest.mark.parametrize(
    "value, scale",
    [(0, 0.5), (0.3, 0.5), (0.7, 0.8), (1, 1), (1.2, 1.5), (3.0, 3), (7, 8), (9, 10), (41, 50), (100, 100)],
)
def test_round_scale(value: float, scale: float) -> None:
    assert round_scale(value) == pytest.approx(scale)


@pytest.mark.parametrize("size", [80, 128, 300])
def test_legend_shows_the_wheel_and_text(size: int) -> None:
    picture = legend(2.5, size)
    assert picture.shape == (size, size, 3) and picture.dtype == np.uint8
    white = picture.reshape(-1, 3).astype(int).sum(axis=1).max()
    assert white > 700
    assert not np.array_equal(legend(2.5, size), legend(5, size))
    left, right = picture[size // 4, size // 4].astype(int), picture[size // 3, 3 * size // 4].astype(int)
    assert left[2] > left[0] and right[0] > 200  # blue to the left, red or magenta to the right
