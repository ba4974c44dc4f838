"""The terms of style transfer as pure functions on tensors.

Frames are RGB in [0, 1]. The papers' weights belong to pixel values 0–255, so every term that compares pixels is
multiplied by 255² (``PIXEL_SCALE``): weights then mean what they mean there.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

PIXEL_SCALE = 255.0**2


def gram_matrix(features: Tensor, mask: Tensor | None = None) -> Tensor:
    """Correlations between channels: ``(N, C, H, W)`` → ``(N, C, C)``, F Fᵀ / (C·H·W).

    Gatys, Ecker, Bethge 2016, normalised as the programs of Johnson 2016 and Ruder 2016 do. With a ``mask`` ``(H, W)``
    in [0, 1], each position counts by it, and its sum takes the place of H·W (Gatys 2017, guided Gram matrices).
    Features in bfloat16 are multiplied as such; the result is float32.
    """
    height, width = features.shape[2:]
    return gram_sum(features, mask) / ((height * width if mask is None else mask.sum()) * features.shape[1])


def gram_sum(features: Tensor, mask: Tensor | None = None) -> Tensor:
    """F Fᵀ of ``gram_matrix``, before it is divided: that of a frame is the sum of its tiles'. ``(N, C, C)``."""
    # Channels last, as the encoders' features lie in memory: neither this nor its gradient copies anything.
    flat = features.permute(0, 2, 3, 1).flatten(1, 2)
    if mask is not None:
        flat = flat * mask.sqrt().flatten()[:, None]
    gram: Tensor = _SymmetricProduct.apply(flat)
    return gram


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


def long_term_consistency(consistencies: Sequence[Tensor]) -> list[Tensor]:
    """What each of several priors is trusted with, given those nearer in time (Ruder 2016).

    max(0, c_j − Σ of the c of all nearer ones): a far frame speaks only for what no nearer one can tell. In the order
    nearest first, each ``(H, W)`` in [0, 1]; so are the results.
    """
    covered = accumulate(consistencies[:-1])
    further = [(c - nearer).clamp_min(0) for c, nearer in zip(consistencies[1:], covered, strict=True)]
    return [*consistencies[:1], *further]


def total_variation(frames: Tensor) -> Tensor:
    """½ Σ of squared differences of neighbours, right and below, per pixel, in units of 0–255. Scalar.

    The papers leave out "per pixel": divided by H·W, a weight smooths as much at every size of frame.
    """
    right = (frames[..., :, 1:] - frames[..., :, :-1]).square().sum()
    below = (frames[..., 1:, :] - frames[..., :-1, :]).square().sum()
    return 0.5 * PIXEL_SCALE * (right + below) / (frames.shape[-2] * frames.shape[-1])


def laplacian(frames: Tensor, pool: int = 4) -> Tensor:
    """Sum of the four neighbours minus four times the pixel, ``(N, 3, H, W)`` → ``(N, 3, h, w)``, of frames that were
    averaged over ``pool``² pixels before: where the edges and details are (Li et al. 2017, Lapstyle)."""
    coarse = F.avg_pool2d(frames, pool) if min(frames.shape[-2:]) >= 3 * pool else frames
    centre = coarse[..., 1:-1, 1:-1]
    across = coarse[..., 1:-1, :-2] + coarse[..., 1:-1, 2:]
    return across + coarse[..., :-2, 1:-1] + coarse[..., 2:, 1:-1] - 4 * centre


def weighted_sum(terms: dict[str, Tensor], weights: dict[str, float]) -> Tensor:
    """Σ weight × term over the terms that are there; every term needs a weight."""
    return torch.stack([weights[name] * value for name, value in terms.items()]).sum()
