"""Style prediction: colours that are measured, codes that are predicted, and the network that paints with both."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vidstyle.errors import WeightsError
from vidstyle.nets.autoencoder import DECODERS_FILE
from vidstyle.nets.compact import CompactEncoder
from vidstyle.nets.encoder import load_compact
from vidstyle.nets.palette import color_moments, palette_of, root
from vidstyle.nets.predictor import (
    CODES,
    PREDICTOR_FILE,
    SIDE,
    PredictedStyles,
    Predictor,
    load_predicted,
    moments,
    scaled_style,
)
from vidstyle.nets.transform import TransformNet
from vidstyle.nets.weights import embedded


def noise(seed: int, *shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def style() -> Tensor:
    """Many oranges: colours that vary together."""
    return noise(1, 1, 40, 50) * torch.tensor([0.9, 0.5, 0.1])[:, None, None] + 0.05 * noise(2, 3, 40, 50)


def encoder() -> CompactEncoder:
    return load_compact()


def small_network() -> TransformNet:
    torch.manual_seed(3)
    network = TransformNet(2, 16, 1, own_body=False, colored=True)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return network.eval().requires_grad_(False)


def scene(height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    return noise(4, 1, 3, height, width), noise(5, 1, 3, height, width), noise(6, 1, 1, height, width)


def test_a_palette_is_the_mean_and_the_root_of_the_covariance() -> None:
    picture = torch.tensor([[0.0, 0.4], [0.0, 0.2], [0.5, 0.5]])[:, None]  # two pixels, red and green as one
    palette = palette_of(picture)
    assert torch.allclose(palette[:3], torch.tensor([0.2, 0.1, 0.5]))
    lower = torch.zeros(3, 3)
    lower[tuple(torch.tril_indices(3, 3))] = palette[3:]
    wanted = torch.tensor([[0.04, 0.02, 0], [0.02, 0.01, 0], [0, 0, 0]])
    assert torch.allclose(lower @ lower.T, wanted + 1e-4 * torch.eye(3), atol=1e-5)


def test_what_is_painted_from_nothing_has_the_colours_of_the_palette() -> None:
    network = small_network().train()  # not clamped
    frame, prior, consistency = scene(40, 48)
    share = torch.cat([torch.tensor([0.4, 0.6]), palette_of(style())])
    painted = network(frame, prior, torch.zeros_like(consistency), share[None])
    found, wanted = color_moments(painted), color_moments(style()[None])
    assert torch.allclose(found[0], wanted[0], atol=1e-4)
    assert torch.allclose(root(found[1]), root(wanted[1]), atol=0.02)


@pytest.mark.parametrize("size", [(32, 48), (33, 47)])
def test_folded_paints_the_same(size: tuple[int, int]) -> None:
    network, share = small_network(), torch.cat([torch.tensor([0.4, 0.6]), palette_of(style())])
    painted = network(*scene(*size), share[None])
    statistics = network.statistics(*scene(*size), share)
    torch.testing.assert_close(network.folded(share, statistics)(*scene(*size)), painted, atol=1e-4, rtol=0)


def test_shades_of_one_hue_have_a_root_however_far_apart() -> None:
    shades = 1000 * torch.randn(1, 1, 200, 300, generator=torch.Generator().manual_seed(1))
    covariance = color_moments(shades * torch.tensor([1.0, 0.7, 0.3])[:, None, None] + 500)[1]
    assert torch.allclose(root(covariance) @ root(covariance).mT, covariance, rtol=1e-3, atol=100)


def test_a_flat_painting_is_not_blown_up() -> None:
    network, share = small_network(), torch.cat([torch.tensor([0.4, 0.6]), palette_of(style())])
    flat = torch.full((1, 3, 32, 32), 0.3)
    painted = network(flat, flat, torch.zeros(1, 1, 32, 32), share[None])
    assert torch.allclose(painted, painted[..., 16:17, 16:17].expand_as(painted), atol=1e-3)


def test_moments_are_those_of_every_level() -> None:
    found = moments(encoder(), style())
    assert found.shape == Predictor().mean.shape
    first = next(iter(encoder().walk(style()[None])))[1][0].flatten(1)
    assert torch.allclose(found[:64], first.mean(1), atol=1e-5)
    assert torch.allclose(found[64:128], first.std(1, correction=0).clamp_min(1e-3).log(), atol=1e-4)


def test_a_style_is_looked_at_at_one_size_whatever_its_own() -> None:
    for height, width in ((100, 200), (2000, 1000)):
        looked_at = scaled_style(torch.rand(3, height, width))
        assert looked_at.shape[1] * looked_at.shape[2] == pytest.approx(SIDE**2, rel=0.02)
        assert looked_at.shape[2] / looked_at.shape[1] == pytest.approx(width / height, rel=0.02)
    assert scaled_style(torch.rand(3, 500, 500), 0.5).shape == (3, SIDE // 2, SIDE // 2)


def test_what_is_like_nothing_known_gets_a_code_all_the_same() -> None:
    predictor = load_predicted().predictor
    wild = predictor(torch.full_like(predictor.mean, 1e6)[None])
    assert wild.shape == (1, CODES)
    assert wild.abs().max() < 50


def test_the_shipped_file_is_what_is_built_and_small() -> None:
    both = load_predicted()
    share = both.shares(encoder(), style())
    assert share.shape == (CODES + 9,)
    assert torch.equal(share[CODES:], palette_of(style()))
    assert not any(parameter.requires_grad for parameter in both.parameters())
    assert sum(embedded(name).stat().st_size for name in (PREDICTOR_FILE, DECODERS_FILE)) < 6e6


def test_another_file_is_refused_in_one_line() -> None:
    with pytest.raises(WeightsError, match="style prediction") as error:
        load_predicted(embedded(DECODERS_FILE))
    assert "\n" not in str(error.value)


def test_codes_follow_moments_and_palettes_pictures() -> None:
    torch.manual_seed(1)
    both = PredictedStyles()
    seen = torch.randn(2, len(both.predictor.mean))
    assert not torch.allclose(both.blend(seen[0], style()), both.blend(seen[1], style()))
    assert torch.equal(both.blend(seen[0], style())[CODES:], both.blend(seen[1], style())[CODES:])
