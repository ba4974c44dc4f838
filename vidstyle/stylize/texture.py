"""Texture synthesis (Gatys, Ecker, Bethge 2015): the style term without a content, from noise."""

from __future__ import annotations

import torch
from torch import Tensor

from vidstyle import losses
from vidstyle.config import OptimizeSettings
from vidstyle.nets.encoder import Encoder
from vidstyle.stylize.base import Progress
from vidstyle.stylize.minimize import minimize
from vidstyle.stylize.optimize import noise
from vidstyle.stylize.style import StyleTerm, channels_last


def synthesize(
    settings: OptimizeSettings, encoder: Encoder, style: Tensor, size: tuple[int, int], progress: Progress
) -> Tensor:
    """A picture ``(3, H, W)`` in [0, 1] of ``size`` (width, height) that has of ``style`` what it has everywhere.

    Args:
        settings: how styles are compared, the optimiser, ``first_iterations`` and the seed; one style.
        style: ``(3, h, w)`` in [0, 1], on the encoder's device.
    """
    term = StyleTerm(settings, encoder, [style], size)
    goals = term.goals([1.0])

    def loss(x: Tensor) -> Tensor:
        terms = {"style": term(term.view(x, (), goals), goals), "tv": losses.total_variation(x)}
        # As in a painting; without the second, what the encoder does not see of the noise would stay.
        return losses.weighted_sum(terms, {"style": settings.style_weight, "tv": settings.tv_weight})

    start = noise((1, 3, size[1], size[0]), settings.seed).to(style.device)
    found = minimize(
        loss,
        channels_last(start),
        optimizer=settings.optimizer,
        iterations=settings.first_iterations,
        learning_rate=settings.learning_rate,
        history=settings.history,
        stop_change=settings.stop_change,
        stop_window=settings.stop_window,
        progress=progress,
    )
    return torch.clamp(found[0], 0, 1)
