"""The terms of style transfer as pure functions on tensors.

Frames are RGB in [0, 1]. The papers' weights belong to pixel values 0–255, so every term that compares pixels is
multiplied by 255² (``PIXEL_SCALE``): weights then mean what they mean there.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

PIXEL_SCALE = 255.0**2


def gram_matrix(features: Tensor) -> Tensor:
    """Correlations between channels: ``(N, C, H, W)`` → ``(N, C, C)``, F Fᵀ / (C·H·W).

    Gatys, Ecker, Bethge 2016, normalised as the programs of Johnson 2016 and Ruder 2016 do. Features in bfloat16 are
    multiplied as such; the result is float32.
    """
    # Channels last, as the encoders' features lie in memory: neither this nor its gradient copies anything.
    flat = features.permute(0, 2, 3, 1).flatten(1, 2)
    gram: Tensor = _SymmetricProduct.apply(flat)
    return gram / (flat.shape[1] * flat.shape[2])


class _SymmetricProduct(torch.autograd.Function):
    """FᵀF, ``(N, M, C)`` → ``(N, C, C)``, with one product for the gradient where autograd would take two.

    bfloat16 comes out as float32, one picture after the other: as a batch the CPU would copy the features first.
    """

    @staticmethod
    def forward(ctx: Any, flat: Tensor) -> Tensor:
        ctx.save_for_backward(flat)
        if flat.dtype is torch.bfloat16:
            return torch.stack([one.t() @ one for one in flat]).float()
        return flat.transpose(1, 2) @ flat

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (flat,) = ctx.saved_tensors
        return flat @ (gradient + gradient.transpose(1, 2)).to(flat.dtype)


def content_loss(features: Tensor, target: Tensor) -> Tensor:
    """Mean squared difference of features ``(N, C, H, W)`` at one level (Gatys 2016). Scalar."""
    return (features - target).square().mean()


def style_loss(features: Tensor, target_gram: Tensor) -> Tensor:
    """Mean squared difference of the Gram matrix of features and a style's, at one level (Gatys 2016). Scalar."""
    return (gram_matrix(features) - target_gram).square().mean()


def energy(target: Tensor) -> Tensor:
    """Mean square of a target: a loss divided by it is 1 where the output has nothing of the target at all.

    With it a weight means the same for every level, style and encoder, whose scales differ by orders of magnitude.
    """
    return target.square().mean().clamp_min(1e-12)


def temporal_loss(stylized: Tensor, prior: Tensor, consistency: Tensor) -> Tensor:
    """Mean over all values of c·(x − prior)², in units of 0–255 (Ruder 2016, eq. 5). Scalar.

    Args:
        stylized: the frame that is being painted, ``(N, 3, H, W)``.
        prior: an earlier stylized frame warped to now, same shape.
        consistency: c in [0, 1], ``(N, 1, H, W)`` or ``(H, W)``; 0 where the prior cannot be trusted.
    """
    return PIXEL_SCALE * (consistency * (stylized - prior).square()).mean()


def total_variation(frames: Tensor) -> Tensor:
    """½ Σ of squared differences of neighbours, right and below, per pixel, in units of 0–255. Scalar.

    The papers leave out "per pixel": divided by H·W, a weight smooths as much at every size of frame.
    """
    right = (frames[..., :, 1:] - frames[..., :, :-1]).square().sum()
    below = (frames[..., 1:, :] - frames[..., :-1, :]).square().sum()
    return 0.5 * PIXEL_SCALE * (right + below) / (frames.shape[-2] * frames.shape[-1])


def weighted_sum(terms: dict[str, Tensor], weights: dict[str, float]) -> Tensor:
    """Σ weight × term over the terms that are there; every term needs a weight."""
    return torch.stack([weights[name] * value for name, value in terms.items()]).sum()
