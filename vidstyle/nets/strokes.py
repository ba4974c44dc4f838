"""What the last layer of a painting network says: three colours, and how much of the painting before is kept."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

OUTPUT_SCALE = 0.1
"""Of the last layer, which has no norm: Adam walks in equal steps, and these would be too large for it."""
LEAST_KEPT, MOST_KEPT = 0.3, 0.895
"""How much of the prior is kept where it can be trusted: at least some, which is calmer, and at most so much, for the
rest is painted anew, so that blur and wrong flow fade away."""


def strokes_of(x: Tensor) -> tuple[Tensor, Tensor]:
    """Colours (N, 3, H, W), not clamped to [0, 1], and gate (N, 1, H, W) of ``x`` (N, 4, H, W), both float32.

    The gate is how much of the prior is kept as it is, where it can be trusted: without it the network would have to
    squeeze the prior through its coarse middle.
    """
    x = x.float() * OUTPUT_SCALE
    gate = torch.sigmoid(4 * x[:, 3:]) * (MOST_KEPT - LEAST_KEPT) + LEAST_KEPT
    return 0.5 + x[:, :3], gate


def padded(x: Tensor) -> Tensor:
    """Right and lower border repeated until both sides are multiples of 4."""
    height, width = x.shape[-2:]
    if height % 4 == 0 and width % 4 == 0:
        return x
    return F.pad(x, (0, -width % 4, 0, -height % 4), mode="replicate")
