"""Which frames stand out, and how numbers are written."""

from __future__ import annotations

import math

from vidstyle.view.numbers import MOTION, Numbers, frame_table, motion_panels, record, summary, worst_frames
from vidstyle.view.stats import FlowStatistics


def frame(motion: float, trusted: float | None = 1.0, error: float | None = 1e-4) -> Numbers:
    return Numbers(FlowStatistics(motion, motion, motion, motion, None), trusted, error)


FRAMES = {
    **{n: frame(1.0) for n in range(1, 20)},
    4: frame(1.0, trusted=0.5),
    7: frame(9.0, trusted=0.9, error=3e-3),
    9: frame(1.0, trusted=0.2, error=None),
    11: frame(1.0, trusted=0.8),
    12: Numbers(),
}


def test_the_worst_are_few_in_order_and_worse_than_usual() -> None:
    worst = worst_frames(MOTION, FRAMES)
    assert worst == {"percentile_95": [7], "trusted": [9, 4, 11], "warping_error": [7]}
    assert worst_frames(MOTION, {1: frame(2.0)}) == {"percentile_95": [], "trusted": [], "warping_error": []}
    assert worst_frames(MOTION, {}) == {"percentile_95": [], "trusted": [], "warping_error": []}
    assert summary(MOTION, worst) == ["most motion: frame 7", "least trusted: frame 9, 4, 11", "largest error: frame 7"]


def test_the_table_has_no_blanks_in_its_cells() -> None:
    rows = frame_table(MOTION, FRAMES, worst_frames(MOTION, FRAMES), lambda n: (f"0:{n:05.2f}", "1"))
    assert len(rows) == 20 and {len(row) for row in rows} == {len(MOTION) + 4}
    assert not any(" " in cell or not cell for row in rows for cell in row)
    by_frame = {row[0]: row for row in rows}
    assert by_frame["7"] == (
        *("7", "0:07.00", "1", "9.00", "9.00", "9.00", "9.00", "90.0%", "0.003000"),
        "most-motion,largest-error",
    )
    assert by_frame["12"][3:] == ("-",) * 7


def test_json_is_rounded_to_what_counts() -> None:
    numbers = record(MOTION, Numbers(FlowStatistics(1 / 3, 2 / 3, 1, 1, None), 1 / 3, 1.23456e-5))
    assert numbers["mean"] == 0.333 and numbers["trusted"] == 0.3333 and numbers["warping_error"] == 1.235e-5
    assert set(record(MOTION, Numbers()).values()) == {None}


def test_curves_have_gaps_where_nothing_is_known() -> None:
    panels, points = motion_panels(range(20), FRAMES, lambda n: n / 25)
    titles = [title for title, _, _ in panels]
    (_, _, motion), (_, _, trust), (_, _, error) = panels
    x, y = trust["trusted"]
    assert x[7] == 7 / 25 and y[7] == 90 and math.isnan(y[0]) and math.isnan(y[12])
    assert math.isnan(error["error"][1][9]) and error["error"][1][7] == 3e-3
    assert set(motion) == {"95 %", "mean", "median"}
    assert points[titles[1]] == [(9 / 25, 20, "frame 9"), (4 / 25, 50, "frame 4"), (11 / 25, 80, "frame 11")]
