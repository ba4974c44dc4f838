"""Mask overlays: what is not trusted stands out, on any picture."""

from __future__ import annotations

import numpy as np
import pytest

from vidstyle.view.overlay import difference, mask_overlay, tint_untrusted


@pytest.mark.parametrize("level", [0, 40, 128, 255])
def test_untrusted_stands_out(level: int) -> None:
    frame = np.full((40, 40, 3), level, dtype=np.uint8)
    consistency = np.ones((40, 40), dtype=np.float32)
    consistency[10:30, 10:30] = 0
    picture = mask_overlay(frame, consistency)
    assert picture.shape == frame.shape and picture.dtype == np.uint8
    inside, outside, edge = (picture[p].astype(int) for p in ((20, 20), (2, 2), (10, 20)))
    assert inside[0] - inside[1] > 80 and abs(outside[0] - outside[1]) < 5
    assert np.abs(inside - outside).max() > 60 and edge.min() > 200


def test_a_red_frame_is_told_from_the_tint() -> None:
    frame = np.zeros((40, 40, 3), dtype=np.uint8)
    frame[:] = (255, 40, 110)
    consistency = np.ones((40, 40), dtype=np.float32)
    consistency[:, :20] = 0
    picture = mask_overlay(frame, consistency).astype(int)
    assert np.ptp(picture[5, 5]) > np.ptp(picture[5, 35]) + 25


def test_both_forms_of_a_map() -> None:
    rng = np.random.default_rng(0)
    frame, levels = rng.integers(0, 256, (20, 30, 3), np.uint8), rng.integers(0, 256, (20, 30), np.uint8)
    one, other = mask_overlay(frame, levels), mask_overlay(frame, levels.astype(np.float32) / 255)
    assert np.array_equal(one, other)


def test_small_spots_are_tinted_not_outlined() -> None:
    consistency = np.ones((20, 20), dtype=np.float32)
    consistency[10, 10] = 0
    picture = mask_overlay(np.full((20, 20, 3), 90, np.uint8), consistency).astype(int)
    assert picture[10, 10, 0] - picture[10, 10, 1] > 80


def test_sizes_must_fit() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        mask_overlay(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5), np.float32))


def test_a_tint_leaves_alone_what_is_trusted() -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (40, 40, 3), np.uint8)
    consistency = np.full((40, 40), 255, np.uint8)
    consistency[10:30, 10:30] = 0
    tinted = tint_untrusted(picture, consistency)
    assert np.array_equal(tinted[:10], picture[:10])
    inside = tinted[12:28, 12:28].astype(int)
    assert (inside[..., 0] - inside[..., 1]).mean() > 80
    assert np.corrcoef(inside.ravel(), picture[12:28, 12:28].ravel())[0, 1] > 0.4  # one still sees what is there


def test_differences_are_brightened() -> None:
    a = np.full((2, 2, 3), 100, np.uint8)
    b = a.copy()
    b[0, 0] = (100, 90, 103)
    b[1, 1] = (0, 255, 100)
    shown = difference(a, b)
    assert shown[0, 0].tolist() == [40, 40, 40] and shown[1, 1].tolist() == [255, 255, 255] and not shown[0, 1].any()
    assert np.array_equal(shown, difference(b, a))
    with pytest.raises(ValueError, match="pictures of"):
        difference(a, b[:1])
