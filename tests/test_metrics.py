"""Metrics against values worked by hand."""

from __future__ import annotations

import math

import pytest
import torch

from tests.flow.scenes import moving_square, translation
from vidstyle.metrics import end_point_error, mask_f_score, short_term_error, warping_error


def test_end_point_error_by_hand() -> None:
    flow, truth = torch.zeros(2, 2, 2), torch.zeros(2, 2, 2)
    flow[:, 0, 0] = torch.tensor([3.0, 4.0])  # 5 pixels off in one of four
    assert end_point_error(flow, truth) == pytest.approx(1.25)
    assert end_point_error(flow, truth, torch.tensor([[1, 1], [0, 0]])) == pytest.approx(2.5)
    truth[0, 1, 1] = 1.7e9  # unknown: not counted
    truth[1, 1, 0] = float("nan")
    assert end_point_error(flow, truth) == pytest.approx(2.5)
    assert math.isnan(end_point_error(flow, truth, torch.zeros(2, 2)))
    with pytest.raises(ValueError, match="two flows"):
        end_point_error(flow, truth[:, :1])
    with pytest.raises(ValueError, match="valid"):
        end_point_error(flow, truth, torch.zeros(3, 2))


def test_mask_f_score_by_hand() -> None:
    consistency = torch.tensor([[0.0, 0.4, 0.5, 1.0, 0.2]])  # called occluded: 0, 1, 4
    truth = torch.tensor([[255, 255, 255, 0, 0]])
    score = mask_f_score(consistency, truth)
    assert (score.precision, score.recall, score.f_score) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    score = mask_f_score(consistency, truth > 0, threshold=0.1)
    assert (score.precision, score.recall, score.f_score) == pytest.approx((1, 1 / 3, 0.5))


def test_mask_f_score_without_occlusion() -> None:
    nothing, everything = torch.zeros(2, 2, dtype=torch.bool), torch.ones(2, 2)
    assert mask_f_score(everything, nothing).f_score == 1
    assert mask_f_score(1 - everything, nothing).f_score == 0
    assert mask_f_score(everything, ~nothing).recall == 0
    with pytest.raises(ValueError, match="masks of"):
        mask_f_score(everything, torch.ones(2, 3))


def test_warping_error_by_hand() -> None:
    previous, current = torch.zeros(3, 2, 3), torch.zeros(3, 2, 3)
    previous[:, 0, 0] = 1
    current[:, 0, 1] = 1  # the bright pixel went one to the right
    flow = torch.zeros(2, 2, 3)
    flow[0] = -1
    mask = torch.ones(2, 3)
    mask[:, 0] = 0  # came from outside
    assert warping_error(current, previous, flow, mask) == pytest.approx(0)
    current[0, 1, 2] = 0.5  # 0.25 in one of four pixels, one colour
    assert warping_error(current, previous, flow, mask) == pytest.approx(0.0625)
    mask[1, 2] = 0.5
    assert warping_error(current, previous, flow, mask) == pytest.approx(0.125 / 3.5)
    assert math.isnan(warping_error(current, previous, flow, 0 * mask))


def test_short_term_error_by_hand() -> None:
    current, following = torch.zeros(3, 2, 3), torch.zeros(3, 2, 3)
    current[:, 0, 0] = 1
    following[:, 0, 1] = 1  # the bright pixel goes one to the right
    flow = torch.zeros(2, 2, 3)
    flow[0] = 1
    everywhere = torch.ones(2, 3, dtype=torch.bool)
    current[:, :, 2] = 0.7  # leaves the frame: there is nothing to compare it with
    assert short_term_error(current, following, flow, everywhere) == 0
    current[1, 1, 0] = 0.5  # 0.25 in one of four pixels, one of three colours
    assert short_term_error(current, following, flow, everywhere) == pytest.approx(0.25 / 12)
    occluded = everywhere.clone()
    occluded[1, 1] = False  # three pixels are left
    assert short_term_error(current, following, flow, occluded) == pytest.approx(0.25 / 9)
    occluded[1, 0] = False
    assert short_term_error(current, following, flow, occluded) == 0
    assert math.isnan(short_term_error(current, following, flow, ~everywhere))


def test_short_term_error_follows_the_truth_forward() -> None:
    """What stays with a moving picture has no error; what stays on the screen has one."""
    following, current, backward = translation(40, 60, -4.0, 0.0)  # the picture moves 4 to the right
    everywhere = torch.ones(40, 60, dtype=torch.bool)
    assert short_term_error(current, following, -backward, everywhere) > 0.005  # wrong way
    assert short_term_error(current, following, backward, everywhere) < 1e-8
    flat = torch.full_like(current, 0.5)
    assert short_term_error(flat, flat, backward, everywhere) == 0
    assert short_term_error(current, current, backward, everywhere) > 0.005


def test_short_term_error_leaves_out_what_is_covered() -> None:
    current, following, backward, forward, _ = moving_square()
    covered = torch.zeros(64, 64, dtype=torch.bool)
    covered[22:42, 35:41] = True  # background that the square moves over
    everywhere = torch.ones_like(covered)
    assert short_term_error(current, following, forward, everywhere) > 1e-4
    assert short_term_error(current, following, forward, ~covered) < 1e-8
    assert short_term_error(current, following, backward, ~covered) > 1e-4


def test_short_term_error_is_a_third_of_the_warping_error() -> None:
    current, following, flow = torch.rand(3, 9, 9), torch.rand(3, 9, 9), torch.zeros(2, 9, 9)
    counted = torch.rand(9, 9) > 0.3
    expected = warping_error(current, following, flow, counted) / 3
    assert short_term_error(current, following, flow, counted) == pytest.approx(expected)
