"""Curves over time: what is drawn where."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vidstyle.view.plot import (
    COLORS,
    MARK,
    Box,
    even_ticks,
    plot_curves,
    tick_text,
    time_text,
    y_range,
)
from vidstyle.view.text import INK

NAN = math.nan


def columns(picture: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    """Columns of the picture that hold this very colour."""
    return np.flatnonzero((picture == color).all(axis=2).any(axis=0))


def rows(picture: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    return np.flatnonzero((picture == color).all(axis=2).any(axis=1))


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 10, [0, 2, 4, 6, 8, 10]),
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (95, 100, [95, 96, 97, 98, 99, 100]),
        (0, 0.00073, [0, 0.0002, 0.0004, 0.0006]),
        (-3, 3, [-2, 0, 2]),
    ],
)
def test_ticks_are_round(low: float, high: float, ticks: list[float]) -> None:
    assert even_ticks(low, high, 5) == pytest.approx(ticks)
    assert all(len(tick_text(tick)) <= 6 for tick in even_ticks(low, high, 5))


def test_values_far_above_zero_fill_the_panel_and_others_begin_at_zero() -> None:
    assert y_range([np.array([95.2, 99.4])], "%") == (95, 100)
    assert y_range([np.array([1.0, 9.4])], "px") == (0, 10)
    assert y_range([np.array([-1.0, 9.4])], "px") == (-5, 10)
    assert y_range([np.array([97.0, 100.0])], "%")[1] == 100
    assert y_range([np.array([NAN])], "") == (0, 1)
    for flat in (0.0, 0.3, 100.0):
        low, high = y_range([np.array([flat, flat])], "")
        assert low <= flat < high


def test_a_curve_goes_through_its_values() -> None:
    x = np.arange(11.0)
    picture = plot_curves([("Motion", "px", {"a": (x, x)})], width=700, panel_height=200)
    ys, xs = np.nonzero((picture == COLORS[0]).all(axis=2))
    assert picture.dtype == np.uint8 and picture.shape[1:] == (700, 3)
    # One straight line from the lower left to the upper right.
    slope, offset = np.polyfit(xs, ys, 1)
    assert np.abs(ys - (slope * xs + offset)).max() < 3
    assert slope == pytest.approx(-200 / (xs.max() - xs.min()), rel=0.02)


def test_what_is_not_there_is_a_gap_and_what_stands_alone_a_dot() -> None:
    x = np.arange(9.0)
    y = np.array([1, 1, 1, NAN, 1, NAN, 1, 1, 1])
    drawn = columns(plot_curves([("a", "", {"a": (x, y)})], width=900), COLORS[0])
    runs = np.split(drawn, np.flatnonzero(np.diff(drawn) > 1) + 1)
    assert [run.size > 20 for run in runs] == [True, False, True]


def test_panels_share_their_axis_and_marks_go_through_all() -> None:
    x = np.arange(5.0)
    one = [("a", "px", {"a": (x, x)})]
    two = [*one, ("b", "%", {"b": (x, x), "c": (x, 2 * x)})]
    single, double = (plot_curves(panels, marks=[(2.0, "shot 2")]) for panels in (one, two))
    assert double.shape[0] > 1.6 * single.shape[0]
    assert rows(double, MARK).size >= 2 * 230 - 20 > rows(single, MARK).size
    assert columns(single, MARK).size == columns(double, MARK).size == 1
    assert columns(double, COLORS[1]).size > 100
    assert columns(plot_curves(one, marks=[(9.0, "beyond")]), MARK).size == 0


def test_points_are_ringed_and_labelled() -> None:
    x = np.arange(5.0)
    panels = [("a", "", {"a": (x, x)})]
    plain = plot_curves(panels)
    labelled = plot_curves(panels, points={"a": [(2.0, 2.0, "frame 50"), (2.0, 2.0, "frame 51")], "b": [(0, 0, "no")]})
    y, x_pixels = np.nonzero((plain != labelled).any(axis=2))
    assert 60 < np.ptp(x_pixels) < 300 and np.ptp(y) < 60
    assert (labelled[y, x_pixels] == INK).all(axis=1).any()


def test_times_are_read_as_clocks_are() -> None:
    assert [time_text(s) for s in (0, 65, 3600, 3725)] == ["0:00", "1:05", "1:00:00", "1:02:05"]
    box = Box(0, 100, 0, 50, (0, 10), (0, 5))
    assert box.across(5) == 50 and box.down(5) == 0


def test_nothing_and_a_single_frame_can_be_drawn() -> None:
    assert plot_curves([("none", "", {})]).shape[1] == 1600
    assert columns(plot_curves([("one", "px", {"a": ([3.0], [4.0])})]), COLORS[0]).size > 0
    assert columns(plot_curves([("one", "px", {"a": ([3.0, 4.0], [NAN, NAN])})]), COLORS[0]).size == 0
    with pytest.raises(ValueError, match="no panels"):
        plot_curves([])
    with pytest.raises(ValueError, match=r"x and y"):
        plot_curves([("a", "", {"a": ([1.0], [1.0, 2.0])})])
