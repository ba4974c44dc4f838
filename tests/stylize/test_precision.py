"""Painting with the encoder in bfloat16: nearly the same numbers, the same ones every time."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from torch import Tensor

from tests.stylize.scene import FAST, SIZE, encoder, frame, paint, picture, prior, style
from vidstyle import losses
from vidstyle.nets.encoder import CHANNELS, ReducedEncoder, find_weights, load_encoder
from vidstyle.stylize.optimize import OptimizeStylizer, channels_last


@cache
def reduced() -> ReducedEncoder:
    found = load_encoder("compact", find_weights("compact"), torch.device("cpu"), precision="bfloat16")
    assert isinstance(found, ReducedEncoder)
    return found


def reduced_stylizer() -> OptimizeStylizer:
    return OptimizeStylizer(FAST, reduced(), (style(),), SIZE)


def relative(found: Tensor, exact: Tensor) -> float:
    return ((found - exact).norm() / exact.norm()).item()


def test_its_features_are_bfloat16_and_nearly_the_exact_ones() -> None:
    exact, found = encoder()(frame()[None], CHANNELS), reduced()(frame()[None], CHANNELS)
    assert found.keys() == exact.keys()
    for layer, value in found.items():
        assert value.dtype is torch.bfloat16
        assert relative(value.float(), exact[layer]) < 0.02


def test_it_has_the_levels_of_the_encoder_and_leaves_that_one_alone() -> None:
    assert reduced().layers == encoder().layers
    assert encoder()(frame()[None], ("relu1_1",))["relu1_1"].dtype is torch.float32


@pytest.mark.parametrize("batch", [1, 2])
def test_the_gram_matrix_of_bfloat16_is_float32_with_a_gradient_in_bfloat16(batch: int) -> None:
    exact = channels_last(torch.rand(batch, 24, 9, 11, generator=torch.Generator().manual_seed(0))).requires_grad_()
    rough = exact.detach().bfloat16().requires_grad_()
    target = torch.rand(batch, 24, 24, generator=torch.Generator().manual_seed(1))
    grams, gradients = [], []
    for features in (exact, rough):
        grams.append(losses.gram_matrix(features))
        gradients.append(torch.autograd.grad((grams[-1] * target).sum(), features)[0])
    assert grams[1].dtype is torch.float32
    assert gradients[1].dtype is torch.bfloat16
    assert relative(grams[1], grams[0]) < 0.01
    assert relative(gradients[1].float(), gradients[0]) < 0.01


def test_the_gradient_by_pixels_points_where_the_exact_one_does() -> None:
    gradients = []
    for network in (encoder(), reduced()):
        stylizer = OptimizeStylizer(FAST, network, (style(),), SIZE)
        with torch.no_grad():
            targets = stylizer.targets(channels_last(frame()[None]))
        x = picture(5)[None].requires_grad_()
        loss = losses.weighted_sum(stylizer.terms(x, targets, ()), stylizer.weights())
        gradients.append(torch.autograd.grad(loss, x)[0].flatten())
    assert gradients[1].dtype is torch.float32
    assert torch.cosine_similarity(*gradients, dim=0) > 0.99


def test_the_same_painting_comes_out_every_time() -> None:
    before = prior(picture(4), 0.7)
    once, again = (paint(reduced_stylizer(), frame(), before) for _ in range(2))
    assert torch.equal(once, again)
    assert once.dtype is torch.float32
