"""Keeping the colours of the frame (Gatys et al. 2016, Preserving Color in Neural Artistic Style Transfer)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from vidstyle.stylize.base import CANVAS, State

LUMA = (0.299, 0.587, 0.114)  # the Y of YIQ, as in the paper


def luma(frames: Tensor) -> Tensor:
    """``(…, 3, H, W)`` → ``(…, 1, H, W)``."""
    red, green, blue = (frames.narrow(-3, channel, 1) for channel in range(3))
    return LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue


def grey(frames: Tensor) -> Tensor:
    """The luma of frames ``(…, 3, H, W)`` as frames."""
    return luma(frames).expand(frames.shape)


def with_luma(frame: Tensor, wanted: Tensor) -> Tensor:
    """``frame`` ``(3, H, W)`` with another luma ``(1, H, W)``, in [0, 1].

    Where a colour is too strong to be so light or so dark it becomes paler, at the same hue: the luma is always the
    one that was wanted, so that it can be taken from the result again.
    """
    chroma = frame - luma(frame)
    lighter = (1 - wanted) / chroma.amax(0, keepdim=True).clamp_min(1e-6)
    darker = wanted / (-chroma.amin(0, keepdim=True)).clamp_min(1e-6)
    return (wanted + chroma * torch.minimum(lighter, darker).clamp(0, 1)).clamp(0, 1)


def in_colors_of(frame: Tensor, painted: Tensor) -> tuple[Tensor, State]:
    """The light and dark of what was painted in the colours of ``frame``, both ``(3, H, W)`` in [0, 1]; and, as the
    state carries it, the painting itself, which later frames take up: in other colours they would not know it again."""
    canvas = (painted * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous()
    return with_luma(frame, luma(painted)), {CANVAS: canvas}


def match_luma(style: Tensor, frame: Tensor) -> Tensor:
    """The luma of a style ``(1, 3, h, w)``, as a picture, with mean and deviation of that of ``frame``."""
    ours, theirs = luma(style), luma(frame)
    scale = theirs.std() / ours.std().clamp_min(1e-3)
    return ((ours - ours.mean()) * scale + theirs.mean()).clamp(0, 1).expand(style.shape)


def match_colors(style: Tensor, frame: Tensor) -> Tensor:
    """A style ``(1, 3, h, w)`` with the mean and the covariance of the colours of ``frame``, as far as [0, 1] reaches.

    The map is A = C_frame^½ C_style^−½, which turns no colour further than it must.
    """
    ours, theirs = style[0].flatten(1).cpu().double(), frame[0].flatten(1).cpu().double()
    transform = power(torch.cov(theirs), 0.5) @ power(torch.cov(ours), -0.5)
    matched = transform @ (ours - ours.mean(1, keepdim=True)) + theirs.mean(1, keepdim=True)
    return matched.clamp(0, 1).to(style).view(style.shape)


#: How a style is fitted to the frame that is painted in it, where colours are kept. The colours of a frame as a whole
#: change no faster than the movie does, so nothing needs to be carried from frame to frame.
FITTED_STYLES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"luminance": match_luma, "match": match_colors}


def power(covariance: Tensor, exponent: float) -> Tensor:
    """A power of a symmetric positive matrix; of one that is nearly flat, as if it had a spread of half a level."""
    values, vectors = torch.linalg.eigh(covariance)
    result: Tensor = (vectors * values.clamp_min((0.5 / 255) ** 2) ** exponent) @ vectors.T
    return result
