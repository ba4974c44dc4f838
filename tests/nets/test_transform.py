"""The network that paints: folding, blending, borders, any size of frame."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from vidstyle.nets.folded import FoldedNet
from vidstyle.nets.strokes import OUTPUT_SCALE
from vidstyle.nets.transform import (
    Layer,
    ReferenceNet,
    StyleNorm,
    TransformNet,
    phase_matrix,
)


def trained(styles: int = 3, width: int = 16, blocks: int = 2) -> TransformNet:
    """A small network whose styles differ in everything that may differ."""
    torch.manual_seed(0)
    network = TransformNet(styles, width, blocks).eval()
    with torch.no_grad():
        for layer in network.parts:
            if layer.own is not None:
                layer.own.normal_(0, 0.02)
            if layer.norm is not None:
                layer.norm.gain.uniform_(0.5, 1.5)
                layer.norm.shift.normal_(0, 0.5)
            if layer.bias is not None:
                layer.bias.normal_(0, 0.5)
    return network.requires_grad_(False)


def scene(height: int, width: int, count: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    frame, prior = torch.rand(2, count, 3, height, width, generator=generator)
    return frame, prior, torch.rand(count, 1, height, width, generator=generator).round()


BLEND = torch.tensor([0.2, 0.5, 0.3])


@pytest.mark.parametrize(
    ("mode", "kernel"), [("nearest", 3), ("nearest", 5), ("nearest", 7), ("bilinear", 3), ("bilinear", 5)]
)
def test_a_layer_that_enlarges_is_enlarging_and_then_convolving(mode: str, kernel: int) -> None:
    torch.manual_seed(0)
    layer = Layer(1, 4, 3, kernel, enlarge=mode, norm=False)
    x = torch.rand(2, 4, 9, 7)
    large = F.interpolate(x, scale_factor=2, mode=mode)
    expected = F.conv2d(F.pad(large, (kernel // 2,) * 4, mode="replicate"), layer.weight)
    torch.testing.assert_close(layer(x, torch.ones(1)), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("mode", "kernel", "taps"), [("nearest", 3, 2), ("bilinear", 5, 4)])
def test_both_phases_see_each_tap_once(mode: str, kernel: int, taps: int) -> None:
    matrix = phase_matrix(kernel, mode)
    assert matrix.shape == (2, taps, kernel)
    torch.testing.assert_close(matrix.sum(1), torch.ones(2, kernel))


@pytest.mark.parametrize("size", [(32, 48), (33, 47), (5, 6)])
def test_folded_paints_the_same_at_any_size(size: tuple[int, int]) -> None:
    network = trained()
    painted = network(*scene(*size), BLEND[None])
    assert painted.shape == (1, 3, *size)
    assert painted.min() >= 0 and painted.max() <= 1 and painted.std() > 0
    folded = network.folded(BLEND, network.statistics(*scene(*size), BLEND))
    torch.testing.assert_close(folded(*scene(*size)), painted, atol=1e-4, rtol=0)


def test_each_row_is_painted_in_its_own_blend() -> None:
    network, inputs = trained(), scene(16, 16, 2)
    shares = torch.stack([BLEND, torch.eye(3)[2]])
    both = network(*inputs, shares)
    for number in range(2):
        alone = network(*(value[number : number + 1] for value in inputs), shares[number : number + 1])
        torch.testing.assert_close(both[number : number + 1], alone)


def test_norms_and_own_weights_blend_linearly() -> None:
    layer = trained().parts[-3]
    assert layer.own is not None and layer.norm is not None
    ends, held = torch.eye(3), torch.rand(2, layer.norm.gain.shape[1])
    for value in (layer.kernel, lambda s: layer.norm.affine(s, held)[0], lambda s: layer.norm.affine(s, held)[1]):
        mixed = sum(share * value(end) for share, end in zip(BLEND, ends, strict=True))
        torch.testing.assert_close(value(BLEND), mixed)


def test_styles_differ_and_a_blend_is_none_of_them() -> None:
    network = trained()
    painted = [network(*scene(24, 24), share[None]) for share in (*torch.eye(3), BLEND)]
    for a in range(4):
        for b in range(a):
            assert (painted[a] - painted[b]).abs().mean() > 0.01


def test_held_statistics_make_a_network_without_state() -> None:
    """What lies far away cannot matter; with a picture's own statistics it does."""
    network = trained()
    frame, prior, consistency = scene(32, 256)
    other = frame.clone()
    other[..., 200:] = 0
    held = network.folded(BLEND, network.statistics(frame, prior, consistency, BLEND))
    near = [held(f, prior, consistency)[..., :32] for f in (frame, other)]
    assert torch.equal(near[0], near[1])
    near = [network(f, prior, consistency, BLEND[None])[..., :32] for f in (frame, other)]
    assert (near[0] - near[1]).abs().max() > 1e-3


def test_a_flat_frame_is_painted_flat_up_to_its_border() -> None:
    network = trained()
    frame = torch.full((1, 3, 40, 40), 0.3)
    painted = network(frame, frame, torch.zeros(1, 1, 40, 40), BLEND[None])
    torch.testing.assert_close(painted, painted[..., 20:21, 20:21].expand_as(painted), atol=1e-5, rtol=0)


def test_the_prior_counts_only_where_it_can_be_trusted() -> None:
    network = trained()
    frame, prior, consistency = scene(32, 64)
    consistency[:] = 0
    nothing = network(frame, torch.zeros_like(prior), consistency, BLEND[None])
    assert torch.equal(network(frame, prior, consistency, BLEND[None]), nothing)
    consistency[:] = 1
    assert (network(frame, prior, consistency, BLEND[None]) - nothing).abs().mean() > 0.01


@pytest.mark.parametrize(("opening", "kept"), [(-100.0, 0.3), (100.0, 0.895)])
def test_the_gate_never_opens_nor_shuts_entirely(opening: float, kept: float) -> None:
    network = TransformNet(1, width=16, blocks=1).eval()
    last = network.parts[-1]
    assert last.bias is not None
    with torch.no_grad():
        for weights in (last.weight, last.own, last.bias):
            assert weights is not None
            weights.zero_()
        last.bias[:, 3] = opening / OUTPUT_SCALE
    frame, prior = torch.rand(2, 1, 3, 16, 16)
    for trust in (0.0, 0.5, 1.0):  # painted grey
        painted = network(frame, prior, torch.full_like(frame[:, :1], trust), torch.ones(1, 1))
        torch.testing.assert_close(painted, torch.lerp(torch.full_like(prior, 0.5), prior, kept * trust))


def test_bfloat16_is_close() -> None:
    inputs = scene(32, 32)
    network = trained().folded(BLEND, trained().statistics(*inputs, BLEND))
    exact = network(*inputs)
    reduced = network.bfloat16()(*inputs)
    assert reduced.dtype == torch.float32
    assert 0 < (reduced - exact).abs().mean() < 0.01


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("gradients", [True, False])
def test_a_picture_normed_by_its_own_statistics_is_an_instance_norm(count: int, gradients: bool) -> None:
    norm = StyleNorm(1, 3).eval()
    x = 3 * torch.randn(count, 3, 16, 16, generator=torch.Generator().manual_seed(0)) + 1
    x[:, 2] = 0.25  # has no variance
    with torch.set_grad_enabled(gradients):
        normed, statistics = norm(x, torch.ones(1))
    torch.testing.assert_close(normed, F.instance_norm(x, eps=1e-4), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(statistics[0], x.mean((2, 3)))
    torch.testing.assert_close(statistics[1], x.var((2, 3), correction=0), atol=1e-6, rtol=1e-4)


def test_the_shipped_size_has_the_parameters_that_the_documents_say() -> None:
    parameters = sum(parameter.numel() for parameter in TransformNet(8).parameters())
    assert parameters == 710_176


def test_reference_has_the_published_size_and_paints() -> None:
    network = ReferenceNet()
    assert round(sum(p.numel() for p in network.parameters()) / 1e6, 2) == 1.68
    with torch.no_grad():
        painted = network(*scene(32, 48))
    assert painted.shape == (1, 3, 32, 48)


def test_folded_keeps_no_trace_of_the_network_it_came_from() -> None:
    network = trained()
    folded = network.folded(BLEND, network.statistics(*scene(16, 16), BLEND))
    assert isinstance(folded, FoldedNet) and not list(folded.parameters())
    before = folded(*scene(16, 16))
    with torch.no_grad():
        network.parts[0].weight.zero_()
    assert torch.equal(folded(*scene(16, 16)), before)
