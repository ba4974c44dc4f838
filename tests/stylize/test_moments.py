"""Statistics of features, and the maps that follow from them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vidstyle.nets.affine import Affine
from vidstyle.stylize.moments import TRANSFORMS, Moments, StyleMoments, moments_of, power


def features(seed: int, channels: int = 6, height: int = 20, width: int = 30) -> Tensor:
    """Correlated, around a mean far from zero."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.eye(channels) + 0.2 * torch.randn(channels, channels, generator=generator)
    noise = torch.randn(channels, height * width, generator=generator)
    return (mix @ noise + 10 * torch.rand(channels, 1, generator=generator)).view(channels, height, width)


def test_moments_are_those_of_numpy() -> None:
    x = features(1)
    found, flat = moments_of(x), x.flatten(1).double()
    assert found.weight == 600
    assert torch.allclose(found.mean, flat.mean(1), atol=1e-5)
    assert torch.allclose(found.covariance, torch.cov(flat, correction=0), atol=1e-4)


def test_moments_of_an_area_are_those_of_what_lies_in_it() -> None:
    x = features(2)
    area = torch.zeros(20, 30)
    area[:, :12] = 1
    found, cut = moments_of(x, area), moments_of(x[:, :, :12])
    assert found.weight == cut.weight
    assert torch.allclose(found.mean, cut.mean, atol=1e-5)
    assert torch.allclose(found.covariance, cut.covariance, atol=1e-4)


def test_moments_of_parts_add_up_to_those_of_the_whole() -> None:
    x = features(3)
    nothing = moments_of(x, torch.zeros(20, 30))
    parts = nothing + moments_of(x[:, :5]) + moments_of(x[:, 5:]) + nothing
    whole = moments_of(x)
    assert parts.weight == whole.weight
    assert torch.allclose(parts.mean, whole.mean, atol=1e-5)
    assert torch.allclose(parts.covariance, whole.covariance, atol=1e-4)


@pytest.mark.parametrize("transform", ["transport", "wct"])
def test_mean_and_covariance_of_the_style_are_given(transform: str) -> None:
    content, style = features(4), moments_of(features(5))
    got = moments_of(TRANSFORMS[transform](moments_of(content), StyleMoments(style))(content))
    assert torch.allclose(got.mean, style.mean, atol=1e-4)
    assert (got.covariance - style.covariance).norm() < 0.03 * style.covariance.norm()


def test_transport_moves_features_as_little_as_possible() -> None:
    """No less than normal distributions are apart, in mean squares (Olkin, Pukelsheim 1982)."""
    generator = torch.Generator().manual_seed(1)
    content, other = (torch.tensordot(torch.randn(6, 6, generator=generator), features(n), 1) for n in (4, 5))
    style = moments_of(other)
    own = moments_of(content)

    def moved(transform: str) -> float:
        """Around the means, which every map moves alike."""
        got = TRANSFORMS[transform](own, StyleMoments(style))(content) - content
        return got.flatten(1).var(1, correction=0).sum().item()

    half = power(own.covariance, 0.5)
    joint = power(half @ style.covariance @ half, 0.5).trace()
    least = (own.covariance.trace() + style.covariance.trace() - 2 * joint).item()
    assert moved("transport") == pytest.approx(least, rel=0.02)
    assert moved("wct") > 1.1 * least


def test_adain_gives_mean_and_deviation_and_mixes_no_channels() -> None:
    content, style = features(6), moments_of(features(7))
    affine = TRANSFORMS["adain"](moments_of(content), StyleMoments(style))
    got = moments_of(affine(content))
    assert torch.equal(affine.matrix, torch.diag(affine.matrix.diagonal()))
    assert torch.allclose(got.mean, style.mean, atol=1e-4)
    assert torch.allclose(got.covariance.diagonal(), style.covariance.diagonal(), rtol=5e-3)


def test_whitening_alone_leaves_no_correlations_and_the_mean_as_it_was() -> None:
    content = features(8)
    before = moments_of(content)
    got = moments_of(TRANSFORMS["whiten"](before, StyleMoments(moments_of(features(9))))(content))
    assert torch.allclose(got.mean, before.mean, atol=1e-4)
    assert (got.covariance - torch.eye(6)).abs().max() < 0.03


def test_coloring_alone_is_the_styles_root_on_top_of_the_content() -> None:
    content, style = moments_of(features(8)), moments_of(features(9))
    affine = TRANSFORMS["color"](content, StyleMoments(style))
    assert torch.allclose(affine.matrix @ affine.matrix, style.covariance, atol=1e-6)
    assert torch.allclose(affine.matrix @ content.mean + affine.offset, style.mean)


@pytest.mark.parametrize("transform", ["adain", "transport", "wct"])
def test_a_content_as_its_own_style_stays_as_it_is(transform: str) -> None:
    content = features(10)
    own = moments_of(content)
    got = TRANSFORMS[transform](own, StyleMoments(own))(content)
    assert (got - content).abs().max() < 0.01 * content.std()


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("flat", ["content", "style", "both"])
def test_what_is_flat_gives_no_more_than_the_styles_mean(transform: str, flat: str) -> None:
    content = torch.ones(6, 4, 4) if flat != "style" else features(11)
    style = torch.zeros(6, 4, 4) if flat != "content" else features(12)
    got = TRANSFORMS[transform](moments_of(content), StyleMoments(moments_of(style)))(content)
    assert torch.isfinite(got).all()
    if transform in ("adain", "transport", "wct") and flat != "content":
        assert got.abs().max() < 0.05


def test_strength_goes_from_nothing_to_all() -> None:
    content = features(13)
    affine = TRANSFORMS["wct"](moments_of(content), StyleMoments(moments_of(features(14))))
    assert torch.allclose(affine.blended(0.0)(content), content)
    assert torch.equal(affine.blended(1.0)(content), affine(content))
    half = (content + affine(content)) / 2
    assert torch.allclose(affine.blended(0.5)(content), half, atol=1e-4)


def test_moments_move_towards_others() -> None:
    one, other = moments_of(features(15)), moments_of(features(16))
    assert torch.allclose(one.towards(other, 0.25).mean, 0.75 * one.mean + 0.25 * other.mean)
    assert torch.equal(one.towards(other, 1.0).covariance, other.covariance)


def test_powers_of_a_covariance() -> None:
    covariance = moments_of(features(17)).covariance
    assert torch.allclose(power(covariance, 0.5) @ power(covariance, 0.5), covariance)
    inverse = power(covariance, -0.5)
    assert (inverse @ covariance @ inverse - torch.eye(6)).abs().max() < 0.05


def test_a_map_keeps_the_precision_of_its_features() -> None:
    affine = Affine(torch.eye(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64))
    assert affine(torch.ones(3, 2, 2, dtype=torch.bfloat16)).dtype == torch.bfloat16
    assert isinstance(moments_of(torch.ones(3, 2, 2, dtype=torch.bfloat16)), Moments)
