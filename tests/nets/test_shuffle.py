"""Pixel shuffle and its inverse."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from vidstyle.nets.shuffle import shuffle, unshuffle


def numbers(*shape: int, dtype: torch.dtype) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(dtype)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_they_are_torchs_to_the_bit(dtype: torch.dtype, count: int) -> None:
    planes = numbers(count, 7, 12, 20, dtype=dtype)
    features = numbers(count, 16, 6, 10, dtype=dtype).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        small, large = unshuffle(planes), shuffle(features)
    assert torch.equal(small, F.pixel_unshuffle(planes, 2))
    assert torch.equal(large, F.pixel_shuffle(features, 2))
    assert small.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_any_layout_will_do(memory_format: torch.memory_format) -> None:
    planes = numbers(1, 7, 12, 20, dtype=torch.float32).contiguous(memory_format=memory_format)
    many = numbers(1, 64, 6, 10, dtype=torch.float32).contiguous(memory_format=memory_format)
    with torch.inference_mode():
        assert torch.equal(unshuffle(planes), F.pixel_unshuffle(planes, 2))
        assert torch.equal(shuffle(many), F.pixel_shuffle(many, 2))
        assert torch.equal(shuffle(many[:, :16]), F.pixel_shuffle(many[:, :16], 2))


def test_gradients_pass() -> None:
    x = numbers(1, 4, 6, 6, dtype=torch.float32).requires_grad_()
    shuffle(unshuffle(x)).square().sum().backward()
    torch.testing.assert_close(x.grad, 2 * x.detach())
