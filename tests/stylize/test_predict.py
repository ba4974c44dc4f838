"""Painting in predicted styles: that the pictures count, and how they are blended, masked and fitted to the frame."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.stylize.scene import HEIGHT, WIDTH, frame, ignore, picture, predicted, prior, style
from vidstyle.config import StyleSettings
from vidstyle.stylize.base import Prior
from vidstyle.stylize.schedule import Turn


def paint(stylizer: Any, given: Tensor, *priors: Prior) -> Tensor:
    painted: Tensor = stylizer.step(given, priors, None, turn=Turn(0, 0), seed=0, progress=ignore)[0]
    return painted


def colour_distance(one: Tensor, other: Tensor) -> float:
    return (one.mean((1, 2)) - other.mean((1, 2))).square().sum().item()


def test_what_is_painted_has_the_colours_of_the_style() -> None:
    assert colour_distance(paint(predicted(), frame()), style()) < 0.1 * colour_distance(frame(), style())


def test_a_style_twice_as_large_is_another_one() -> None:
    plain, large = (predicted(settings={"styles": (StyleSettings(scale=scale),)}) for scale in (1.0, 2.0))
    assert large.images[0].shape[1] == 2 * plain.images[0].shape[1]
    assert (paint(plain, frame()) - paint(large, frame())).abs().mean() > 0.005


def test_styles_blend_within_one_pass() -> None:
    other = 1 - style()
    both = predicted(style(), other, shares=lambda number: [3.0, 1.0])
    (one,), (two,) = predicted(style()).styles, predicted(other).styles
    (part,) = both.parts(0)
    assert part.amount == 1
    wanted = 0.75 * torch.tensor(one.shares) + 0.25 * torch.tensor(two.shares)
    assert torch.allclose(torch.tensor(part.shares), wanted, atol=1e-5)
    lone = predicted(style(), other, shares=lambda number: [1.0, 0.0])
    assert torch.allclose(paint(lone, frame()), paint(predicted(style()), frame()), atol=1e-5)


def test_each_region_has_its_style() -> None:
    left = torch.zeros(HEIGHT, WIDTH)
    left[:, : WIDTH // 2] = 1
    ours = paint(predicted(style(), 1 - style(), shares=lambda number: [left, 1 - left]), frame())
    ends = [paint(predicted(one), frame()) for one in (style(), 1 - style())]
    assert torch.allclose(ours, torch.where(left > 0, ends[0], ends[1]), atol=1e-5)


def test_the_prior_is_kept_where_it_can_be_trusted() -> None:
    before = picture(3)
    kept, anew = (paint(predicted(), frame(), prior(before, trust)) for trust in (1.0, 0.0))
    assert (kept - before).square().mean() < 0.5 * (anew - before).square().mean()


def test_matched_styles_have_the_colours_of_the_frame() -> None:
    matched = paint(predicted(settings={"keep_colors": "match"}), frame())
    assert colour_distance(matched, frame()) < 0.2 * colour_distance(paint(predicted(), frame()), frame())


@pytest.mark.parametrize("odd", [torch.zeros(3, 20, 20), torch.ones(3, 1, 40) / 2, torch.rand(3, 300, 1)])
def test_degenerate_styles(odd: Tensor) -> None:
    ours = paint(predicted(odd), frame())
    assert torch.isfinite(ours).all()
    if odd.std() == 0:  # a style of one colour is painted in it
        assert (ours - odd.mean()).abs().mean() < 0.05


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("level", [0.0, 0.4, 1.0])
def test_flat_frames_stay_as_they_were_painted_first(level: float, dtype: torch.dtype) -> None:
    method, state, priors, painted = predicted(), None, [], []
    method.dtype = dtype
    for number in range(7):
        flat = torch.full((3, HEIGHT, WIDTH), level)
        result, state = method.step(flat, priors, state, turn=Turn(0, number), seed=1, progress=ignore)
        priors = [prior(result, 1.0)]
        painted.append(result)
    assert all((one - painted[0]).abs().mean() < 0.02 for one in painted)
    assert (painted[0] - painted[0].mean((1, 2), keepdim=True)).abs().mean() < 0.02  # no pattern where nothing is
