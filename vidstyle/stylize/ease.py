"""What is known of the loss's curvature before anything is measured: how freely each pixel moves."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vidstyle.config import OptimizeSettings
from vidstyle.stylize.base import Prior

# What the other terms add to a pixel's curvature, by their weights, in units of the temporal weight. Total variation:
# the diagonal of its Hessian (4, where the temporal term has 2/3). With less, pixels that nothing holds overshoot into
# specks; the most it has, against a checkerboard, is twice that, and takes a quarter more iterations. Style and
# content, which bend the loss in a few directions of all pixels: by trial.
TV_CURVATURE, PAINT_CURVATURE = 6.0, 1e-5


def pixel_ease(settings: OptimizeSettings, priors: Sequence[Prior]) -> Tensor | None:
    """How far each pixel goes in a step compared with the freest one, ``(H, W)`` in (0, 1]; None without priors.

    The temporal term holds a pixel by its consistency: without a hint, what has come into view and must be painted
    anew would move at the pace of the pixels that are held, and take several times as many iterations.
    """
    if not priors:
        return None
    held = settings.temporal_weight * torch.stack([prior.consistency for prior in priors]).sum(0)
    paint = PAINT_CURVATURE * (settings.style_weight + settings.content_weight)
    free = max(TV_CURVATURE * settings.tv_weight + paint, 1e-12)
    return 1 / (1 + held / free)
