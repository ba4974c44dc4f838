"""The arithmetic of cuts."""

from __future__ import annotations

import numpy as np

from vidstyle.media import find_cuts, rises, shots


def scores(length: int, **jumps: float) -> np.ndarray:
    made = np.full(length, 1.0, np.float32)
    for frame, height in jumps.items():
        made[int(frame[1:])] = height
    return made


def test_a_jump_is_a_cut() -> None:
    assert find_cuts(scores(50, _20=30, _40=15)) == [20, 40]


def test_what_the_threshold_is_held_against() -> None:
    rise = rises(np.float32([0, 5, 25, 30, 28, 50]))
    assert rise.tolist() == [0, 5, 20, 5, -2, 20]


def test_flashes_are_none() -> None:
    assert find_cuts(scores(50, _20=30, _21=29)) == []
    assert find_cuts(scores(50, _20=30, _23=28)) == []


def test_motion_and_repeated_frames_are_none() -> None:
    assert find_cuts(np.append(np.float32([0, 5, 10, 15, 20]), np.full(50, 25, np.float32))) == []
    assert find_cuts(np.tile(np.float32([0, 20]), 30)) == []


def test_short_shots_stay_with_their_neighbour() -> None:
    assert find_cuts(scores(50, _2=30, _20=40, _24=20, _48=30)) == [20]
    assert find_cuts(scores(50, _20=40, _24=20), min_length=1) == [20, 24]


def test_threshold_and_short_input() -> None:
    assert find_cuts(scores(50, _20=30), threshold=40) == []
    assert find_cuts(np.zeros(0, np.float32)) == find_cuts(np.zeros(1, np.float32)) == []


def test_shots_are_half_open_ranges() -> None:
    assert shots([20, 40], 0, 60) == [(0, 20), (20, 40), (40, 60)]
    assert shots([20, 40], 20, 40) == [(20, 40)]
    assert shots([20, 40], 30, 45) == [(30, 40), (40, 45)]
    assert shots([], 0, 5) == [(0, 5)]
    assert shots([3], 5, 5) == []
