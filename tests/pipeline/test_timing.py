"""How long painting is said to take, before anything is painted."""

from __future__ import annotations

from typing import Any

import pytest

from vidstyle.pipeline.timing import TRIAL_PIXELS, TRIAL_SIDE, trial


class PerPixel:
    """Takes a millisecond for a thousand pixels, four of them where it begins."""

    def __init__(self) -> None:
        self.tried: list[tuple[int, int]] = []

    def seconds_per_frame(self, size: tuple[int, int]) -> tuple[float, float]:
        self.tried.append(size)
        pixels = size[0] * size[1]
        return 4e-6 * pixels, 1e-6 * pixels


@pytest.mark.parametrize("size", [(96, 64), (640, 360), (1920, 1080), (3840, 2160), (8000, 70), (20, 30000)])
def test_a_large_frame_is_tried_on_a_small_one(size: tuple[int, int]) -> None:
    method: Any = PerPixel()
    first, later = trial(method, size)
    assert (first, later) == pytest.approx((4e-6 * size[0] * size[1], 1e-6 * size[0] * size[1]))
    ((width, height),) = method.tried
    assert min(width, height) >= min(*size, TRIAL_SIDE)
    assert width * height <= max(1.01 * TRIAL_PIXELS, TRIAL_SIDE * max(width, height))
    if size[0] * size[1] <= TRIAL_PIXELS:
        assert (width, height) == size
