"""Movement made from photos: the flow is exact, and the masks say where it is not to be followed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from vidstyle.flow.warp import backward_warp
from vidstyle.train.motion import Clip, Thing, affine, blob, connect, eroded, grid, look, step, synthetic_clip

SIZE = 96


def smooth_picture(seed: int, height: int = 150, width: int = 200) -> Tensor:
    """A picture without fine detail: sampling it twice is as good as once."""
    noise = torch.rand(1, 3, height // 16, width // 16, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(noise, size=(height, width), mode="bicubic")[0].clamp(0, 1)


def errors(clip: Clip) -> Tensor:
    """Largest difference of colour between each frame and the warped frame before, (T − 1, 1, H, W)."""
    warped = backward_warp(clip.frames[:-1], clip.backward_flow)
    return (clip.frames[1:] - warped).abs().amax(1, keepdim=True)


@pytest.mark.parametrize("seed", range(12))
def test_the_frame_before_warped_along_the_flow_is_the_frame(seed: int) -> None:
    rng = np.random.default_rng(seed)
    clip = synthetic_clip(smooth_picture(seed), smooth_picture(seed + 100), SIZE, 4, rng)
    assert clip.frames.shape == (4, 3, SIZE, SIZE)
    assert clip.backward_flow.shape == (3, 2, SIZE, SIZE) and clip.consistency.shape == (3, 1, SIZE, SIZE)
    trusted = clip.consistency > 0
    # A warp looks at the four pixels around its target; some of those may show the edge of a thing.
    certain = -F.max_pool2d(-clip.consistency, 5, 1, 2) > 0
    apart = errors(clip)
    assert certain.float().mean() > 0.3
    assert apart[certain].mean() < 0.004
    assert apart[certain].max() < 0.08
    assert apart[~trusted].mean() > 4 * apart[certain].mean()


def test_what_a_thing_uncovers_is_not_trusted() -> None:
    """A square-on case worked out by hand: a disc that moves 6 pixels to the right a frame, before a still photo."""
    picture = smooth_picture(1, SIZE, SIZE)
    still = affine(np.eye(2), (0, 0), (0, 0))
    left = affine(np.eye(2), (0, 0), (-6, 0))

    def disc(p: Tensor) -> Tensor:
        return ((20 - torch.hypot(p[0] - 40, p[1] - 48)) / 1.5 + 0.5).clamp(0, 1)

    things = [Thing(picture, still, still), Thing(1 - picture, still, left, disc)]
    flow, consistency = connect(things, 1, grid(SIZE))
    assert flow[:, 48, 46].tolist() == [-6, 0]  # the disc's middle
    assert flow[:, 5, 5].tolist() == [0, 0]
    assert consistency[48, 46] == 1 and consistency[5, 5] == 1
    assert consistency[48, 23] == 0  # was covered by the disc's left end, 20 … 26
    assert consistency[48, 26] == 0  # the disc's left edge now, half covered
    assert consistency[48, 70] == 1  # free before and now


def test_a_flow_that_leaves_the_frame_is_not_trusted() -> None:
    still = affine(np.eye(2), (0, 0), (0, 0))
    things = [Thing(smooth_picture(2), still, affine(np.eye(2), (0, 0), (5.5, 0)))]
    flow, consistency = connect(things, 1, grid(SIZE))
    assert torch.equal(flow[0], torch.full((SIZE, SIZE), 5.5))
    assert consistency[:, : SIZE - 6].all() and not consistency[:, SIZE - 6 :].any()


def test_frames_are_sampled_from_the_photo_where_the_maps_say() -> None:
    picture = smooth_picture(3)
    shifted = look(picture, grid(SIZE) + torch.tensor([7.0, 3.0])[:, None, None])
    torch.testing.assert_close(shifted, picture[:, 3 : 3 + SIZE, 7 : 7 + SIZE], atol=1e-5, rtol=0)


def test_a_clip_is_repeatable_and_seeds_differ() -> None:
    first, again, other = (
        synthetic_clip(smooth_picture(1), None, SIZE, 3, np.random.default_rng(seed)) for seed in (4, 4, 5)
    )
    assert torch.equal(first.frames, again.frames) and torch.equal(first.backward_flow, again.backward_flow)
    assert not torch.equal(first.frames, other.frames)


def test_a_still_is_a_clip_of_one_frame() -> None:
    clip = synthetic_clip(smooth_picture(1), smooth_picture(2), SIZE, 1, np.random.default_rng(0))
    assert clip.frames.shape == (1, 3, SIZE, SIZE)
    assert clip.backward_flow.shape == (0, 2, SIZE, SIZE) and clip.consistency.shape == (0, 1, SIZE, SIZE)


def test_small_photos_are_enough() -> None:
    clip = synthetic_clip(smooth_picture(1, 48, 64), None, SIZE, 2, np.random.default_rng(0))
    assert clip.frames.shape[-2:] == (SIZE, SIZE) and torch.isfinite(clip.frames).all()


def test_movements_vary_from_nothing_to_a_few_pixels() -> None:
    p = grid(SIZE)
    lengths = torch.stack(
        [
            (step(SIZE, np.random.default_rng(seed), deform=False)(p) - p).square().sum(0).sqrt().mean()
            for seed in range(60)
        ]
    )
    assert lengths.min() < 0.5 and 3 < lengths.max() < 12


def test_blobs_cover_a_part_of_the_frame_with_a_soft_edge() -> None:
    for seed in range(10):
        opacity = blob(SIZE, np.random.default_rng(seed))(grid(SIZE))
        assert opacity.min() == 0 and opacity.max() == 1
        assert 0.02 < opacity.mean() < 0.5
        assert 0 < ((opacity > 0) & (opacity < 1)).float().mean() < 0.1


def test_erosion_is_a_minimum() -> None:
    consistency = torch.ones(9, 9)
    consistency[4, 4] = 0
    assert eroded(consistency, 3).sum() == 81 - 9
    assert torch.equal(eroded(consistency, 1), consistency)
