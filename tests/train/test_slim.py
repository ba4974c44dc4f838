"""Channels are left out of a trained network, and what is left makes up for them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from vidstyle.nets.transform import TransformNet
from vidstyle.train.slim import amplify, least_missed, patch_grams, patches, slimmed


def inputs(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    frame, prior = torch.rand(2, 1, 3, 32, 48, generator=generator)
    return frame, prior, torch.ones(1, 1, 32, 48)


def features(channels: int = 6) -> Tensor:
    return torch.randn(2, channels, 20, 24, generator=torch.Generator().manual_seed(3))


def gram(x: Tensor) -> Tensor:
    seen = patches(x)
    return (seen.T @ seen / len(seen))[None]


def applied(x: Tensor, weights: Tensor) -> Tensor:
    return patches(x) @ weights[0].T


def test_patches_are_what_a_convolution_sees() -> None:
    x, weight = features(), torch.randn(5, 6, 3, 3)
    convolved = F.conv2d(F.pad(x, (1,) * 4, mode="replicate"), weight)
    assert torch.allclose(applied(x, weight.flatten(1)[None]), convolved.permute(0, 2, 3, 1).flatten(0, 2), atol=1e-4)


def test_a_channel_that_others_add_up_to_is_not_missed() -> None:
    x = features()
    x[:, 2] = 0.5 * x[:, 0] - 2 * x[:, 4]
    weights = torch.randn(1, 5, 54, generator=torch.Generator().manual_seed(4))
    kept, fitted = least_missed(gram(x), weights, 5)
    assert len(kept) == 5 and len(set(kept) & {0, 2, 4}) == 2  # any one of the three goes
    apart = applied(x[:, kept], fitted) - applied(x, weights)
    assert apart.square().mean() < 1e-5 * applied(x, weights).square().mean()


def test_what_is_left_is_the_least_squares_solution_for_the_channels_kept() -> None:
    x = features()
    weights = torch.randn(1, 5, 54, generator=torch.Generator().manual_seed(5))
    kept, fitted = least_missed(gram(x), weights, 3)
    best = torch.linalg.lstsq(patches(x[:, kept]), applied(x, weights)).solution.T
    assert torch.allclose(fitted[0], best, atol=2e-3)


def test_the_channel_with_the_smallest_part_in_the_output_goes_first() -> None:
    x, weights = features(), torch.randn(1, 5, 6, 9, generator=torch.Generator().manual_seed(6))
    weights[:, :, 3] *= 0.01
    kept, _ = least_missed(gram(x), weights.flatten(2), 5)
    assert kept == [0, 1, 2, 4, 5]


@pytest.mark.parametrize("own_body", [True, False])
def test_a_network_with_half_its_channels_idle_paints_the_same_without_them(own_body: bool) -> None:
    torch.manual_seed(0)
    network = TransformNet(2, 8, 2, own_body=own_body, hidden=8).eval()
    idle = [1, 2, 4, 7]
    with torch.no_grad():
        for name, value in network.named_parameters():
            value += 0.1 * torch.randn_like(value)
            layer = int(name.split(".")[1])
            if layer in (3, 5) and name.endswith(("weight", "own")):  # second convolutions take nothing from them
                value[..., idle, :, :] = 0
    shares = torch.eye(2)
    pictures = [(shares[n % 2], patch_grams(network, inputs(n), shares[n % 2])) for n in range(6)]
    slim = slimmed(network, 4, pictures).eval()
    assert slim.hidden == 4 and slim.parts[3].weight.shape == (8, 4, 3, 3)
    for share in (*shares, torch.tensor([0.3, 0.7])):
        assert torch.allclose(slim(*inputs(9), share[None]), network(*inputs(9), share[None]), atol=1e-3)


def test_listening_leaves_nothing_behind() -> None:
    network = TransformNet(1, 8, 2)
    assert [tuple(g.shape) for g in patch_grams(network, inputs(0), torch.ones(1))] == [(36, 36)] * 2
    assert not any(layer._forward_pre_hooks for layer in network.parts)


def test_colours_are_amplified_about_grey_by_style() -> None:
    torch.manual_seed(1)
    network = TransformNet(2, 8, 2).eval()
    with torch.no_grad():
        for value in network.parameters():
            value += 0.1 * torch.randn_like(value)
    shares = torch.eye(2)
    before = [network.strokes(*inputs(4), share) for share in shares]
    amplify(network, torch.tensor([1.5, 0.5]))
    for share, factor, (colors, kept) in zip(shares, (1.5, 0.5), before, strict=True):
        now, kept_now = network.strokes(*inputs(4), share)
        assert torch.allclose(now - 0.5, factor * (colors - 0.5), atol=1e-5)
        assert torch.allclose(kept_now, kept, atol=1e-6)
