"""Checkpoints of PyTorch's example fast_neural_style."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from vidstyle.errors import WeightsError
from vidstyle.nets.fast_neural_style import FastNeuralStyle, build_fast_neural_style, is_fast_neural_style, used_tensors
from vidstyle.nets.weights import WeightFile


def random_tensors(seed: int = 0) -> dict[str, Tensor]:
    """Weights that are not all alike, biases too."""
    torch.manual_seed(seed)
    network = FastNeuralStyle()
    tensors = {name: value + 0.1 * torch.randn_like(value) for name, value in network.state_dict().items()}
    tensors["deconv3.conv2d.weight"] *= 10  # in 0–255
    tensors["deconv3.conv2d.bias"] += 120
    return tensors


def weight_file(**changes: Tensor) -> WeightFile:
    return WeightFile({**random_tensors(), **changes}, {}, "")


def written_out(w: dict[str, Tensor], frame: Tensor) -> Tensor:
    """The network of the example, from its description: padded, convolved, normalised, one after the other."""

    def conv(x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight = w[f"{name}.conv2d.weight"]
        side = weight.shape[-1] // 2
        return F.conv2d(F.pad(x, (side, side, side, side), "reflect"), weight, w[f"{name}.conv2d.bias"], stride)

    def norm(x: Tensor, name: str) -> Tensor:
        mean, variance = x.mean((2, 3), keepdim=True), x.var((2, 3), keepdim=True, correction=0)
        gain, bias = w[f"{name}.weight"][:, None, None], w[f"{name}.bias"][:, None, None]
        return (x - mean) / (variance + 1e-5).sqrt() * gain + bias

    x = frame * 255
    for number, stride in ((1, 1), (2, 2), (3, 2)):
        x = norm(conv(x, f"conv{number}", stride), f"in{number}").relu()
    for number in range(1, 6):
        inner = norm(conv(x, f"res{number}.conv1"), f"res{number}.in1").relu()
        x = x + norm(conv(inner, f"res{number}.conv2"), f"res{number}.in2")
    for number in (1, 2):
        large = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
        x = norm(conv(large, f"deconv{number}"), f"in{number + 3}").relu()
    return (conv(x, "deconv3") / 255).clamp(0, 1)


def picture(height: int = 24, width: int = 40) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(3))


def paint(network: FastNeuralStyle, frame: Tensor) -> Tensor:
    painted: Tensor = network(frame, torch.zeros_like(frame), torch.zeros_like(frame[:, :1]))
    return painted


def test_it_computes_what_the_example_computes() -> None:
    network = build_fast_neural_style(weight_file())
    wanted = written_out(random_tensors(), picture())
    assert wanted.std() > 0.02
    torch.testing.assert_close(paint(network, picture()), wanted, atol=1e-4, rtol=0)


def test_it_sees_nothing_but_the_frame() -> None:
    network = build_fast_neural_style(weight_file())
    assert torch.equal(
        paint(network, picture()), network(picture(), torch.rand(1, 3, 24, 40), torch.rand(1, 1, 24, 40))
    )


@pytest.mark.parametrize("size", [(25, 41), (18, 23), (16, 16)])
def test_frames_keep_their_size(size: tuple[int, int]) -> None:
    painted = paint(build_fast_neural_style(weight_file()), picture(*size))
    assert painted.shape == (1, 3, *size)


def test_what_old_checkpoints_hold_besides_is_left_out() -> None:
    old = {"in1.running_mean": torch.zeros(32), "res2.in1.running_var": torch.ones(128)}
    file = weight_file(**old)
    assert is_fast_neural_style(file)
    assert used_tensors(file).keys() == random_tensors().keys()
    torch.testing.assert_close(
        paint(build_fast_neural_style(file), picture()), paint(build_fast_neural_style(weight_file()), picture())
    )


def test_half_precision_will_do() -> None:
    halves = WeightFile({name: value.half() for name, value in random_tensors().items()}, {}, "")
    assert build_fast_neural_style(halves).conv1.conv2d.weight.dtype == torch.float32


def without(name: str) -> WeightFile:
    return WeightFile({key: value for key, value in random_tensors().items() if key != name}, {}, "")


@pytest.mark.parametrize(
    ("file", "says"),
    [
        (without("res5.in2.bias"), "it has no res5.in2.bias"),
        (weight_file(**{"res6.conv1.conv2d.bias": torch.zeros(128)}), "it has an unknown res6.conv1.conv2d.bias"),
        (weight_file(**{"in1.weight": torch.zeros(16)}), "in1.weight is (16,), not (32,)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_another_network_is_refused_in_one_line(file: WeightFile, says: str) -> None:
    with pytest.raises(WeightsError) as refused:
        build_fast_neural_style(file)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_other_weights_are_told_apart() -> None:
    assert not is_fast_neural_style(WeightFile({"features.0.weight": torch.zeros(1)}, {}, ""))
