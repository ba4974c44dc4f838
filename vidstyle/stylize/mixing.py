"""How much of each style a frame is painted in: over time, and over its area."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import torch
from torch import Tensor

from vidstyle.config import StyleSettings

MOVED = 0.1
"""Of a blend: where so much of it is another, what was measured of frames painted in it says nothing any more."""

#: Of each style: one number for the whole frame, or one for each pixel, ``(H, W)`` in [0, 1].
Shares = Sequence[float] | Sequence[Tensor]


def weights_at(styles: Sequence[StyleSettings], time: Fraction) -> list[float]:
    """The weight of each style at a time of the movie, in seconds.

    Styles with a time of their own (``at``) follow one another: alone at that time and, the first and the last, before
    and after it; between two times one turns into the other. Styles without one are there all the time.
    """
    return [style.weight * there for style, there in zip(styles, presences(styles, time), strict=True)]


def presences(styles: Sequence[StyleSettings], time: Fraction) -> list[float]:
    """How far each style is there at a time, from 0 to 1."""
    times = sorted({style.at for style in styles if style.at is not None})
    return [presence(style.at, times, time) for style in styles]


def presence(at: Fraction | None, times: Sequence[Fraction], now: Fraction) -> float:
    """How far a style is there, from 0 to 1, that has the key frame ``at`` among all those ``times``, in order."""
    if at is None:
        return 1.0
    index = times.index(at)
    if now < at:
        before = times[index - 1] if index else None
        return 1.0 if before is None else max(0.0, float((now - before) / (at - before)))
    after = times[index + 1] if index + 1 < len(times) else None
    return 1.0 if after is None else max(0.0, float((after - now) / (after - at)))


def shares_at(styles: Sequence[StyleSettings], time: Fraction, masks: Sequence[Tensor | None]) -> list[Tensor]:
    """What each style has of each pixel at a time, ``(H, W)``: where masks (in [0, 1]) overlap, by weight.

    Styles without a mask have what the others leave. Where a pixel is nobody's, the shares sum to less than 1.
    """
    there = presences(styles, time)
    areas = [None if mask is None else part * mask for part, mask in zip(there, masks, strict=True)]
    rest = (1 - torch.stack([area for area in areas if area is not None]).sum(0)).clamp_min(0)
    filled = [part * rest if area is None else area for part, area in zip(there, areas, strict=True)]
    amounts = [style.weight * area for style, area in zip(styles, filled, strict=True)]
    covered = torch.stack(filled).sum(0).clamp(0, 1)
    total = torch.stack(amounts).sum(0).clamp_min(1e-9)
    return [amount / total * covered for amount in amounts]


def has_moved(shares: Sequence[float], before: Tensor | None) -> bool:
    """Whether a blend ``(S,)`` is another than the one ``before``, by more than ``MOVED``; None: there was none."""
    if before is None:
        return False
    before = before.cpu()
    return bool((torch.tensor(shares) - before).abs().sum() > MOVED * before.abs().sum())
