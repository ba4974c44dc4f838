"""The hint at how freely pixels move: what it says."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.stylize.scene import frame, prior
from vidstyle.config import OptimizeSettings
from vidstyle.stylize.ease import pixel_ease

DEFAULTS = OptimizeSettings()


def half_trusted() -> Tensor:
    trust = torch.ones_like(frame()[0])
    trust[:, trust.shape[1] // 2 :] = 0
    return trust


def test_without_a_prior_nothing_is_known() -> None:
    assert pixel_ease(DEFAULTS, ()) is None


def test_what_nothing_holds_goes_furthest_and_the_rest_by_its_trust() -> None:
    trust = torch.tensor([[0.0, 0.5, 1.0]]).expand(32, 3)
    ease = pixel_ease(DEFAULTS, (prior(frame()[:, :, :3], trust),))
    assert ease is not None
    assert ease.shape == trust.shape
    none, half, full = ease[0]
    assert none == 1
    assert 0 < full < half < 1
    # Curvatures add up: the inverse is a straight line in the trust.
    assert 1 / half.item() == pytest.approx((1 + 1 / full.item()) / 2, rel=1e-5)


def test_priors_hold_together() -> None:
    once, twice = (pixel_ease(DEFAULTS, (prior(frame(), 0.5),) * count) for count in (1, 2))
    assert once is not None
    assert twice is not None
    assert (twice < once).all()
    torch.testing.assert_close(twice, pixel_ease(DEFAULTS, (prior(frame(), 1.0),)))


def test_only_the_proportion_of_the_weights_counts() -> None:
    weights = ("content_weight", "style_weight", "temporal_weight", "tv_weight")
    larger = replace(DEFAULTS, **{name: 7 * getattr(DEFAULTS, name) for name in weights})
    priors = (prior(frame(), half_trusted()),)
    torch.testing.assert_close(pixel_ease(larger, priors), pixel_ease(DEFAULTS, priors))


def test_without_a_temporal_weight_all_pixels_are_alike() -> None:
    nothing = replace(DEFAULTS, content_weight=0.0, style_weight=0.0, temporal_weight=0.0, tv_weight=0.0)
    for settings in (replace(DEFAULTS, temporal_weight=0.0), nothing):
        assert torch.equal(pixel_ease(settings, (prior(frame(), half_trusted()),)), torch.ones_like(frame()[0]))  # type: ignore[arg-type]
