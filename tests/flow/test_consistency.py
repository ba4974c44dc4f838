"""consistency_map: each rule by itself, the reference maps, and two implementations that are one function."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from tests.flow.data import data, read_flo, read_gray
from tests.flow.scenes import moving_square, positions
from vidstyle.flow import consistency_map
from vidstyle.flow.consistency import (
    STRIP,
    _alike_cpu,
    _alike_torch,
    _consistency_cpu,
    _consistency_torch,
    looks_alike,
)
from vidstyle.metrics import mask_f_score

RULES_ONLY = {"motion_boundaries": False, "smooth": False}


def reference_pair(a: int, b: int) -> tuple[Tensor, Tensor]:
    def flow(a: int, b: int) -> Tensor:
        return read_flo(data(f"reference/{'forward' if a < b else 'backward'}_{a}_{b}.flo"))

    return flow(a, b), flow(b, a)


@pytest.mark.parametrize("a, b", [(1, 2), (2, 1), (2, 3), (3, 2)])
@pytest.mark.parametrize("implementation", [_consistency_cpu, _consistency_torch])
def test_the_reference_maps(implementation, a: int, b: int) -> None:
    ours = implementation(*reference_pair(a, b), True, True, 0)
    theirs = torch.from_numpy(read_gray(data(f"reference/reliable_{a}_{b}.pgm")))
    agree = (ours * 255 - theirs).abs() <= 1 + 1e-3
    assert agree.float().mean() >= 0.999


@pytest.mark.parametrize(
    "boundaries, smooth, minimum", [(True, True, 0), (False, False, 7), (True, False, 0), (False, True, 3)]
)
def test_both_implementations_agree(boundaries: bool, smooth: bool, minimum: int) -> None:
    draw = torch.Generator().manual_seed(3)
    for size in ((33, 40), (2, 3), (1, 1), (100, 17)):
        coarse = torch.randn(1, 2, 5, 5, generator=draw) * 3
        flow = torch.nn.functional.interpolate(coarse, size, mode="bicubic")[0]
        opposite = -flow + 0.3 * torch.randn(2, *size, generator=draw)
        one = _consistency_cpu(flow, opposite, boundaries, smooth, minimum)
        other = _consistency_torch(flow, opposite, boundaries, smooth, minimum)
        assert one.shape == size and one.dtype == torch.float32
        assert ((one - other).abs() < 1e-5).float().mean() >= 0.998


def test_a_still_scene_is_trusted_to_its_last_pixel() -> None:
    still = torch.zeros(2, 20, 30)
    assert torch.equal(consistency_map(still, still), torch.ones(20, 30))


def test_beyond_the_frame_is_not_trusted() -> None:
    flow = torch.zeros(2, 20, 30)
    flow[0], flow[1] = 3, -2  # from the right 3 columns and the top 2 rows it leaves the frame
    c = consistency_map(flow, -flow, smooth=False)
    expected = torch.ones(20, 30)
    expected[:2], expected[:, -3:] = 0, 0
    assert torch.equal(c, expected)
    flow[0] = 2.5
    assert torch.equal(consistency_map(flow, -flow, smooth=False), expected)


def test_forward_backward_threshold_by_hand() -> None:
    flow, opposite = torch.zeros(2, 9, 9), torch.zeros(2, 9, 9)
    # Opposite flow d, own flow 0: disoccluded when d^2 >= 0.01 d^2 + 0.5, so d >= 0.71067.
    opposite[0] = 0.710
    assert consistency_map(flow, opposite, **RULES_ONLY).min() == 1
    opposite[0] = 0.712
    assert consistency_map(flow, opposite, **RULES_ONLY).max() == 0


def test_motion_boundary_by_hand() -> None:
    flow = torch.zeros(2, 9, 9)
    flow[0, :, 5:] = 0.1  # central difference 0.05 in columns 4 and 5: 0.0025 > 0.002 (+ 0.0001 in column 5)
    expected = torch.ones(9, 9)
    expected[:, 4:6] = 0
    expected[:, 8] = 0  # leaves the frame
    assert torch.equal(consistency_map(flow, torch.zeros(2, 9, 9), smooth=False), expected)
    assert consistency_map(flow, torch.zeros(2, 9, 9), **RULES_ONLY)[:, :8].min() == 1


def test_what_a_moving_square_uncovers() -> None:
    _, _, backward, forward, disoccluded = moving_square()
    c = consistency_map(backward, forward, **RULES_ONLY)
    assert torch.equal(c == 0, disoccluded)
    score = mask_f_score(consistency_map(backward, forward), disoccluded)
    assert score.recall == 1 and score.precision > 0.4  # boundaries and the blur make it larger, never smaller


def test_disoccluded_areas_grow_when_smoothed() -> None:
    _, _, backward, forward, disoccluded = moving_square()
    c = consistency_map(backward, forward, motion_boundaries=False)
    assert c[disoccluded].max() == 0
    beside = c[30, 14]  # one pixel left of the uncovered strip: 0.5 would remain if it entered as 0
    assert 0 < beside < 0.5
    assert c.min() >= 0 and c.max() <= 1


def test_zoom_is_trusted_where_it_stays_inside() -> None:
    x, y = positions(60, 80)
    x, y = x - 39.5, y - 29.5
    zoom = 1.02
    out = torch.stack(((zoom - 1) * x, (zoom - 1) * y))
    back = torch.stack(((1 / zoom - 1) * x, (1 / zoom - 1) * y))
    inside = (x.abs() * zoom <= 39.5) & (y.abs() * zoom <= 29.5)
    assert torch.equal(consistency_map(out, back, smooth=False) == 1, inside)
    assert consistency_map(back, out).min() == 1


def test_minimum_filter() -> None:
    _, _, backward, forward, disoccluded = moving_square()
    c = consistency_map(backward, forward, **RULES_ONLY, minimum_filter=7)
    grown = torch.nn.functional.max_pool2d(disoccluded.float()[None], 7, 1, 3)[0]
    assert torch.equal(c, 1 - grown)
    with pytest.raises(ValueError, match="odd"):
        consistency_map(backward, forward, minimum_filter=4)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e10, -1e30])
@pytest.mark.parametrize("implementation", [_consistency_cpu, _consistency_torch])
def test_unknown_flow_is_not_trusted(implementation, bad: float) -> None:
    good, unknown = torch.zeros(2, 16, 16), torch.zeros(2, 16, 16)
    unknown[:, 5, 5] = bad
    for pair in ((good, unknown), (unknown, good)):
        c = implementation(*pair, True, False, 0)
        assert c[5, 5] == 0 and c[12, 12] == 1 and c.isfinite().all()


def test_threads_do_not_change_it() -> None:
    draw = torch.Generator().manual_seed(5)
    flow = torch.nn.functional.interpolate(torch.randn(1, 2, 9, 9, generator=draw) * 8, (270, 480), mode="bilinear")[0]
    before = cv2.getNumThreads()
    maps = []
    try:
        for threads in (1, 2, 5):
            cv2.setNumThreads(threads)
            maps.append(consistency_map(flow, -flow))
    finally:
        cv2.setNumThreads(before)
    assert all(torch.equal(c, maps[0]) for c in maps)


def test_shapes_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="two flows"):
        consistency_map(torch.zeros(2, 4, 4), torch.zeros(2, 4, 5))
    with pytest.raises(ValueError, match="two flows"):
        consistency_map(torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 4, 4))


def disagreeing(*size: int) -> tuple[Tensor, Tensor]:
    """Two flows that say nothing about each other, as those of flat areas."""
    draw = torch.Generator().manual_seed(7)
    return torch.randn(2, *size, generator=draw), torch.randn(2, *size, generator=draw)


def test_what_looks_the_same_is_trusted_whatever_the_flows_say() -> None:
    sky = torch.full((3, 40, 50), 0.6)
    flow, opposite = disagreeing(40, 50)
    for rules in ({}, RULES_ONLY, {"minimum_filter": 7}):
        without = consistency_map(flow, opposite, **rules)
        trusted = consistency_map(flow, opposite, **rules, frames=(sky, sky))
        assert without[8:-8, 8:-8].mean() < 0.5
        assert (trusted[8:-8, 8:-8] == 1).all()


def test_likeness_is_counted_in_levels_of_the_colour_that_differs_most() -> None:
    still = torch.zeros(2, 12, 12)
    frame = torch.full((3, 12, 12), 0.4)
    other = frame.clone()
    other[1] += 7 / 255
    assert not looks_alike(frame, other, still, 6.5).any()
    assert looks_alike(frame, other, still, 7.5).all()
    assert not looks_alike(frame, frame, still, 0).any()


def test_a_pixel_that_agrees_by_chance_is_not_alike() -> None:
    still, frame = torch.zeros(2, 21, 21), torch.zeros(3, 21, 21)
    other = torch.full((3, 21, 21), 0.5)
    other[:, 10, 10] = 0
    assert not looks_alike(frame, other, still).any()


def test_what_is_uncovered_stays_closed_where_it_looks_different() -> None:
    previous, current, backward, forward, disoccluded = moving_square()
    c = consistency_map(backward, forward, frames=(current, previous))
    assert c[disoccluded].max() == 0
    assert c.mean() > consistency_map(backward, forward).mean()  # what stands still beside the edges


def test_beyond_the_frame_and_unknown_flow_stay_closed_whatever_it_looks_like() -> None:
    sky, flow = torch.full((3, 16, 20), 0.6), torch.zeros(2, 16, 20)
    flow[0] = 3
    flow[:, 5, 5] = float("nan")
    for implementation in (_consistency_cpu, _consistency_torch):
        c = implementation(flow, -flow, True, False, 0, (sky, sky), 6.0)
        assert c[:, -3:].max() == 0 and c[5, 5] == 0 and c[10, 10] == 1


@pytest.mark.parametrize("size", [(33, 40), (2, 3), (1, 1)])
def test_both_ways_to_compare_colours_agree(size: tuple[int, int]) -> None:
    draw = np.random.default_rng(3)
    frame = cv2.GaussianBlur(draw.integers(0, 256, (*size, 3), dtype=np.uint8), (0, 0), 2).reshape(*size, 3)
    other = np.roll(frame, 1, 1)
    flow = torch.randn(2, *size, generator=torch.Generator().manual_seed(1))
    one, two = (alike(frame, other, flow, 9.0) for alike in (_alike_cpu, _alike_torch))
    assert one.shape == size and one.dtype == two.dtype == torch.bool
    assert (one == two).float().mean() >= 0.97  # bytes are rounded once more
    floats = [torch.from_numpy(f).permute(2, 0, 1) / 255 for f in (frame, other)]
    assert torch.equal(one, _alike_cpu(*floats, flow, 9.0))


def test_strips_are_compared_as_the_whole() -> None:
    """Each with the rows beside it, and only where there is something to open."""
    flow, opposite = disagreeing(2 * STRIP + 9, 30)
    opposite[:, : STRIP - 4] = flow[:, : STRIP - 4] = 0
    frame = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 256, (*flow.shape[1:], 3), dtype=np.uint8), (0, 0), 2)
    frames = frame, np.roll(frame, 1, 0)
    alike = looks_alike(*frames, flow)
    assert 0.1 < alike.float().mean() < 0.9
    plain = consistency_map(flow, opposite, **RULES_ONLY)
    inside = consistency_map(flow, opposite, **RULES_ONLY, frames=(frame * 0, frame * 0)) == 1
    opened = torch.maximum(plain, (alike & inside).float())
    assert torch.equal(consistency_map(flow, opposite, **RULES_ONLY, frames=frames), opened)


def test_frames_that_do_not_fit() -> None:
    frame, flow = torch.zeros(3, 8, 8), torch.zeros(2, 8, 9)
    with pytest.raises(ValueError, match="fit the flow"):
        looks_alike(frame, frame, flow)
    with pytest.raises(ValueError, match="a frame is"):
        looks_alike(frame[0], frame[0], flow[..., :8])
