"""The compact encoder: its shapes, the file that the package carries, and how near it comes to its teacher."""

from __future__ import annotations

from math import ceil
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from tests.flow.data import data, read_rgb
from vidstyle.config import CONTENT_LAYERS, STYLE_LAYERS
from vidstyle.errors import WeightsError
from vidstyle.nets.calibration import dead_leaves
from vidstyle.nets.compact import CHANNELS, STRIDES, CompactEncoder, parameter_count, pool, repeat_border
from vidstyle.nets.encoder import Encoder, check_layers, find_weights, load_encoder
from vidstyle.nets.teacher import exact_features

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder("compact", find_weights("compact"), CPU)


def frames(height: int, width: int, count: int = 1) -> Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(0))


def test_it_has_at_most_a_million_and_a_half_parameters() -> None:
    network = CompactEncoder()
    assert parameter_count(network) == sum(value.numel() for value in network.state_dict().values())
    assert parameter_count(network) <= 1_500_000


def test_it_has_every_level_that_the_methods_use_by_default() -> None:
    assert {*STYLE_LAYERS, *CONTENT_LAYERS} <= set(CompactEncoder().layers)
    assert CHANNELS.keys() == STRIDES.keys()


@pytest.mark.parametrize(("height", "width"), [(16, 16), (17, 23), (33, 16), (48, 64)])
def test_every_level_has_its_channels_and_size(encoder: Encoder, height: int, width: int) -> None:
    features = encoder(frames(height, width, count=2), CHANNELS)
    shapes = {layer: tuple(value.shape) for layer, value in features.items()}
    assert shapes == {
        layer: (2, channels, ceil(height / STRIDES[layer]), ceil(width / STRIDES[layer]))
        for layer, channels in CHANNELS.items()
    }
    assert all(torch.isfinite(value).all() and (value >= 0).all() for value in features.values())


@pytest.mark.parametrize("layer", CHANNELS)
def test_one_level_alone_is_the_same_as_among_all(encoder: Encoder, layer: str) -> None:
    alone = encoder(frames(24, 32), [layer])
    assert list(alone) == [layer]
    torch.testing.assert_close(alone[layer], encoder(frames(24, 32), CHANNELS)[layer], rtol=0, atol=0)


@pytest.mark.parametrize("layer", CHANNELS)
def test_nothing_deeper_than_the_level_asked_for_is_computed(layer: str) -> None:
    network = CompactEncoder()
    network(frames(16, 16), [layer])[layer].sum().backward()
    touched = {name.split(".")[0] for name, value in network.named_parameters() if value.grad is not None}
    blocks = {
        "relu1_1": [],
        "relu2_1": ["reduce", "trunk1", "trunk2a", "heads"],
        "relu3_1": ["trunk2b", "trunk3a"],
        "relu4_1": ["trunk3b", "trunk4a"],
        "relu4_2": ["trunk4b"],
        "relu5_1": ["trunk4c", "trunk5a"],
    }
    needed = {"stem"}
    for name, its_blocks in blocks.items():
        needed |= set(its_blocks)
        if name == layer:
            break
    assert touched == needed


def test_the_deepest_block_does_not_run_for_a_shallow_level() -> None:
    network, ran = CompactEncoder(), []
    for name in ("trunk2b", "trunk5a"):
        getattr(network, name).register_forward_hook(lambda *_, name=name: ran.append(name))
    network(frames(16, 16), ["relu2_1"])
    assert ran == []
    network(frames(16, 16), ["relu5_1"])
    assert ran == ["trunk2b", "trunk5a"]


def test_the_memory_layout_changes_nothing_but_rounding(encoder: Encoder) -> None:
    contiguous = frames(40, 56)
    other = contiguous.contiguous(memory_format=torch.channels_last)
    first, second = encoder(contiguous, CHANNELS), encoder(other, CHANNELS)
    for layer in CHANNELS:
        torch.testing.assert_close(first[layer], second[layer], rtol=1e-4, atol=1e-4 * first[layer].max().item())


def test_the_same_frames_give_the_same_features_bit_for_bit(encoder: Encoder) -> None:
    again = load_encoder("compact", find_weights("compact"), CPU)
    first, second = encoder(frames(32, 48), CHANNELS), again(frames(32, 48), CHANNELS)
    assert all(torch.equal(first[layer], second[layer]) for layer in CHANNELS)


def test_a_flat_frame_has_flat_features(encoder: Encoder) -> None:
    """Borders must not look like edges: they would paint a frame around the movie."""
    features = encoder(torch.full((1, 3, 32, 48), 0.6), CHANNELS)
    for value in features.values():
        spread = value.amax((2, 3)) - value.amin((2, 3))
        assert spread.max() <= 1e-4 * value.max()


def test_a_loaded_encoder_is_frozen(encoder: Encoder) -> None:
    assert isinstance(encoder, CompactEncoder)
    assert not encoder.training
    assert not any(value.requires_grad for value in encoder.parameters())


def test_its_levels_have_mean_activations_of_the_same_order(encoder: Encoder) -> None:
    """Each was scaled to about 1 on photographs; the drawn ones come near."""
    means = {layer: value.mean().item() for layer, value in encoder(dead_leaves(2, 96), CHANNELS).items()}
    assert all(0.2 < mean < 5 for mean in means.values()), means


def test_the_package_carries_its_weights_in_half_precision() -> None:
    path = find_weights("compact")
    assert path.stat().st_size <= 3_000_000
    tensors = load_file(path)
    assert {value.dtype for value in tensors.values()} == {torch.float16}
    assert {name: tuple(value.shape) for name, value in tensors.items()} == {
        name: tuple(value.shape) for name, value in CompactEncoder().state_dict().items()
    }
    assert all(torch.isfinite(value).all() for value in tensors.values())
    with safe_open(path, framework="pt") as file:
        assert file.metadata()["network"] == "compact"


def test_a_file_of_another_network_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"features.0.weight": torch.zeros(64, 3, 3, 3)}, path)
    with pytest.raises(WeightsError, match="not of the compact encoder") as caught:
        load_encoder("compact", path, CPU)
    assert "\n" not in str(caught.value)


def test_a_level_that_it_does_not_reach_is_said(encoder: Encoder) -> None:
    check_layers(encoder, CHANNELS)
    with pytest.raises(WeightsError, match=r"no relu6_1; they have relu1_1, .*relu5_1$"):
        check_layers(encoder, ["relu1_1", "relu6_1"])


def test_weights_of_ones_own_come_before_the_embedded_ones(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    torch.manual_seed(3)
    save_file(CompactEncoder().state_dict(), path)
    assert find_weights("compact", path) == path
    own = load_encoder("compact", path, CPU)
    expected = load_file(path)["stem.weight"]
    assert isinstance(own, CompactEncoder)
    assert torch.equal(own.stem.weight, expected)


def relative_error(features: Tensor, target: Tensor) -> float:
    """min over one scale a per channel of Σ (a F − T)² / Σ T²."""
    f, t = features.double().flatten(2)[0], target.double().flatten(2)[0]
    scale = (f * t).sum(1) / (f * f).sum(1).clamp_min(1e-12)
    return ((scale[:, None] * f - t).square().sum() / t.square().sum()).item()


def test_its_features_are_near_the_exact_vgg19s_on_a_photograph(encoder: Encoder) -> None:
    weights = load_file(data("weights/vgg19_caffe_conv1_1-conv3_4.safetensors"))
    photo = sorted(data("photos").glob("*.jpg"))[-1]  # the last ones are not trained on
    frame = torch.from_numpy(read_rgb(photo)).permute(2, 0, 1)[None].float() / 255
    frame = frame[..., : frame.shape[2] // 16 * 16, : frame.shape[3] // 16 * 16]  # both round sizes alike then
    bounds = {"relu1_1": 0.05, "relu2_1": 0.10, "relu3_1": 0.22}
    target, features = exact_features(weights, frame, bounds), encoder(frame, bounds)
    errors = {layer: relative_error(features[layer], target[layer]) for layer in bounds}
    assert all(errors[layer] <= bound for layer, bound in bounds.items()), errors


@pytest.mark.parametrize("size", [(1, 1), (5, 8)])
def test_the_borders_that_cuda_repeats_are_those_of_the_cpu(size: tuple[int, int]) -> None:
    x = torch.rand(2, 3, *size, requires_grad=True, dtype=torch.float64)
    expected = F.pad(x, (1, 1, 1, 1), mode="replicate")
    assert torch.equal(repeat_border(x), expected)
    weight = torch.rand_like(expected)
    (ours,) = torch.autograd.grad((repeat_border(x) * weight).sum(), x)
    (theirs,) = torch.autograd.grad((expected * weight).sum(), x)
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("size", [(8, 12), (7, 12), (8, 11)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_pooling_is_torchs(size: tuple[int, int], dtype: torch.dtype) -> None:
    x = torch.rand(2, 5, *size).sub(0.3).clamp_min(0).to(dtype).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        pooled = pool(x)
    assert torch.equal(pooled, F.max_pool2d(x, 2, ceil_mode=True))
    assert pooled.is_contiguous(memory_format=torch.channels_last)
