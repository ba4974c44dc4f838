"""Tile by tile, features and gradients are those of the whole frame."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from vidstyle.losses import gram_matrix
from vidstyle.nets.calibration import dead_leaves
from vidstyle.nets.compact import CHANNELS
from vidstyle.nets.encoder import Encoder, find_weights, load_encoder
from vidstyle.nets.tiled import ALIGNMENT, HALO, TILE_PIXELS, TiledEncoder, spans, tiles
from vidstyle.nets.vgg import CHANNELS_PER_BLOCK, Vgg19Encoder, layer_plan
from vidstyle.nets.weights import WeightFile

LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu4_2", "relu5_1")


def compact() -> Encoder:
    return load_encoder("compact", find_weights("compact"), torch.device("cpu"))


def vgg19() -> Encoder:
    """With random weights that keep the size of what goes through."""
    generator, tensors, inputs = torch.Generator().manual_seed(0), {}, 3
    for name, index, _ in layer_plan():
        outputs = CHANNELS_PER_BLOCK[int(name[4]) - 1]
        weight = torch.randn(outputs, inputs, 3, 3, generator=generator) * (2 / (9 * inputs)) ** 0.5
        tensors |= {f"features.{index}.weight": weight, f"features.{index}.bias": torch.zeros(outputs)}
        inputs = outputs
        if name == "relu5_1":
            break
    return Vgg19Encoder(WeightFile(tensors, {}, "")).requires_grad_(False)


def value_and_gradient(encoder: Encoder, frame: Tensor) -> tuple[Tensor, Tensor]:
    """Of a loss that looks at all of the frame (Gram matrices) and at single positions, by turns."""
    x = frame.clone().requires_grad_()
    total = torch.zeros(())
    for name, features in encoder(x, LAYERS).items():
        ramp = torch.linspace(0, 1, features.shape[-1])
        total = total + gram_matrix(features).square().sum().sqrt() + (features * ramp).mean() * CHANNELS[name]
    total.backward()
    assert x.grad is not None
    return total.detach(), x.grad


@pytest.mark.parametrize("make", [compact, vgg19])
@pytest.mark.parametrize("size", [(301, 417), (256, 130)])
def test_value_and_gradient_are_those_of_the_whole_frame(make: Callable[[], Encoder], size: tuple[int, int]) -> None:
    encoder, frame = make(), dead_leaves(1, 448, 3)[..., : size[0], : size[1]]
    tiled = TiledEncoder(encoder, 128 * 100)
    assert len(tiles(*size, 128 * 100)) > 1
    expected, ours = value_and_gradient(encoder, frame), value_and_gradient(tiled, frame)
    torch.testing.assert_close(ours[0], expected[0], rtol=1e-5, atol=0)
    assert (ours[1] - expected[1]).norm() < 1e-4 * expected[1].norm()


@pytest.mark.parametrize("make", [compact, vgg19])
def test_features_are_the_same_to_the_last_bits(make: Callable[[], Encoder]) -> None:
    encoder, frame = make(), dead_leaves(1, 320, 5)[..., :279, :310]
    expected, ours = (e(frame, LAYERS) for e in (encoder, TiledEncoder(encoder, 100 * 100)))
    assert list(ours) == list(LAYERS)
    for name, features in ours.items():
        assert features.shape == expected[name].shape
        torch.testing.assert_close(features, expected[name], rtol=1e-4, atol=1e-4)


def test_small_frames_go_through_as_they_are() -> None:
    encoder, frame = compact(), dead_leaves(1, 64, 1)
    expected, ours = (e(frame, ("relu2_1",))["relu2_1"] for e in (encoder, TiledEncoder(encoder)))
    assert torch.equal(ours, expected)


@pytest.mark.parametrize("size", [16, 17, 33, 100, 1080, 2160, 3841])
@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_spans_cover_an_axis_once(size: int, count: int) -> None:
    parts = spans(size, count)
    assert len(parts) <= count
    assert [p.begin for p in parts] == [0, *(p.end for p in parts[:-1])]
    assert parts[-1].end == size
    for part in parts:
        assert part.begin % ALIGNMENT == part.outer_begin % ALIGNMENT == 0
        assert part.end - part.begin >= min(size, ALIGNMENT)
        assert part.outer_begin == max(0, part.begin - HALO)
        assert part.outer_end == min(size, part.end + HALO)


@pytest.mark.parametrize("size", [(1080, 1920), (2160, 3840), (4320, 7680), (300, 20_000)])
def test_tiles_stay_small(size: tuple[int, int]) -> None:
    parts = tiles(*size)
    areas = [(row.end - row.begin) * (column.end - column.begin) for row, column in parts]
    assert sum(areas) == size[0] * size[1]
    assert max(areas) < 1.5 * TILE_PIXELS
