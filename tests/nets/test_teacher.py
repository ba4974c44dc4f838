"""The published networks, from the files that taught the compact encoder."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from tests.flow.data import data, read_rgb
from vidstyle.nets.teacher import caffe_input, exact_features, small_features


@pytest.fixture(scope="module")
def small() -> dict[str, Tensor]:
    return load_file(data("weights/vgg19_16x_encoder_relu5_1.safetensors"))


@pytest.fixture(scope="module")
def frames() -> Tensor:
    return torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(0))


def test_caffe_input_is_bgr_without_its_mean() -> None:
    red = torch.tensor([1.0, 0.5, 0.0]).view(1, 3, 1, 1)
    expected = [0 - 103.939, 127.5 - 116.779, 255 - 123.68]
    assert caffe_input(red).flatten().tolist() == pytest.approx(expected, abs=1e-4)


def test_the_small_network_gives_wide_features_through_its_heads(small: dict[str, Tensor], frames: Tensor) -> None:
    layers = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu4_2", "relu5_1")
    features = small_features(small, frames, layers)
    shapes = {layer: tuple(value.shape) for layer, value in features.items()}
    assert shapes == {
        "relu1_1": (1, 64, 32, 48),
        "relu2_1": (1, 128, 16, 24),
        "relu3_1": (1, 256, 8, 12),
        "relu4_1": (1, 512, 4, 6),
        "relu4_2": (1, 128, 4, 6),  # no head: the 128 channels of its own
        "relu5_1": (1, 512, 2, 3),
    }
    assert all((value >= 0).all() and value.any() for value in features.values())


def test_a_head_does_not_change_what_goes_on_to_the_next_level(small: dict[str, Tensor], frames: Tensor) -> None:
    headless = {name: value for name, value in small.items() if not name.startswith("conv41_aux")}
    with_head, without = (small_features(w, frames, ["relu4_1", "relu5_1"]) for w in (small, headless))
    assert with_head["relu4_1"].shape[1] == 512
    assert without["relu4_1"].shape[1] == 128
    assert torch.equal(with_head["relu5_1"], without["relu5_1"])


def test_the_heads_resemble_the_exact_network(small: dict[str, Tensor]) -> None:
    """After one scale per channel, the heads explain most of VGG-19's features on a real picture."""
    exact = load_file(data("weights/vgg19_caffe_conv1_1-conv3_4.safetensors"))
    picture = torch.from_numpy(read_rgb(sorted(data("photos").glob("*.jpg"))[-1]))
    frame = picture.permute(2, 0, 1)[None, :, :128, :128].float() / 255
    bounds = {"relu1_1": 0.1, "relu2_1": 0.25, "relu3_1": 0.4}
    ours, theirs = small_features(small, frame, bounds), exact_features(exact, frame, bounds, border="reflect")
    for layer, bound in bounds.items():
        f, t = ours[layer].double().flatten(2)[0], theirs[layer].double().flatten(2)[0]
        explained = ((f * t).sum(1).square() / (f * f).sum(1).clamp_min(1e-12)).sum() / t.square().sum()
        assert 1 - explained.item() <= bound, layer


def test_the_border_matters_at_the_border_only(frames: Tensor) -> None:
    exact = load_file(data("weights/vgg19_caffe_conv1_1-conv3_4.safetensors"))
    zeros = exact_features(exact, frames, ["relu1_2"])["relu1_2"]
    replicate = exact_features(exact, frames, ["relu1_2"], border="replicate")["relu1_2"]
    torch.testing.assert_close(zeros[..., 2:-2, 2:-2], replicate[..., 2:-2, 2:-2], rtol=1e-4, atol=1e-2)
    assert not torch.allclose(zeros[..., 0, :], replicate[..., 0, :], rtol=0.01)
