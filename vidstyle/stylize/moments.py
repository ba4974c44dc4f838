"""Mean and covariance of features: what styles are, to methods that paint by giving features other statistics.

Every such method is an affine map of a level's features, f ↦ A (f − μ) + ν, with the content's mean μ. What A is:

========  =========================================================  ==============================
adain     σ_style / σ_content, channel by channel                    Huang, Belongie 2017
wct       C_style^½ C_content^−½                                     Li et al. 2017
transport C_content^−½ (C_content^½ C_style C_content^½)^½           Lu et al. 2019: of all maps that give the style's
          C_content^−½                                               covariance, the one that moves features least
whiten    C_content^−½ (ν = μ): what makes the content's own style,  Li et al. 2017, section 3.2
          its contrasts and colours, gone
color     C_style^½: the style's correlations on top of the          Li et al. 2017, section 3.2
          content's own
========  =========================================================  ==============================
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from vidstyle.nets.affine import Affine

FLOOR = 1e-3
"""Added to variances before they are divided by, as a share of their mean: what hardly varies is not blown up, and
nothing jumps where a small one crosses a threshold, as it would if they were cut off there."""
LEAST_VARIANCE = 1e-6
"""The same where nothing varies at all; activations are about 1 in size."""


@dataclass(frozen=True)
class Moments:
    """Of the features of a picture, or of a part of it. ``weight``: how many positions they are of.

    float64, and on the CPU: they are small, Apple's GPUs have no double precision, and everyone gets the same.
    """

    weight: float
    mean: Tensor  # (C,)
    covariance: Tensor  # (C, C)

    def __add__(self, other: Moments) -> Moments:
        """Those of both parts together (Chan, Golub, LeVeque 1979)."""
        total = self.weight + other.weight
        if total == 0:
            return self
        share = other.weight / total
        apart = other.mean - self.mean
        between = share * (1 - share) * torch.outer(apart, apart)
        covariance = torch.lerp(self.covariance, other.covariance, share) + between
        return Moments(total, self.mean + share * apart, covariance)

    def towards(self, aim: Moments, pace: float) -> Moments:
        """These, moved a share ``pace`` of the way to ``aim``."""
        mean, covariance = (
            torch.lerp(a, b, pace) for a, b in ((self.mean, aim.mean), (self.covariance, aim.covariance))
        )
        return Moments(aim.weight, mean, covariance)


def moments_of(features: Tensor, area: Tensor | None = None) -> Moments:
    """Of features ``(C, h, w)``; each position counts as far as ``area`` ``(h, w)`` in [0, 1] says, None: fully."""
    flat = features.flatten(1).float()
    if area is None:
        weights, total = None, float(flat.shape[1])
        mean = flat.mean(1)
    else:
        weights = area.flatten().to(flat)
        total = float(weights.sum())
        if total == 0:
            empty = torch.zeros(len(flat), dtype=torch.float64)
            return Moments(0.0, empty, torch.diag(empty))
        mean = (flat * weights).sum(1) / total
    # Around their mean single precision is enough for the sums; around zero it would not be.
    apart = flat - mean[:, None]
    covariance = (apart if weights is None else apart * weights) @ apart.T / total
    return Moments(total, mean.cpu().double(), covariance.cpu().double())


def around(matrix: Tensor, mean: Tensor, new_mean: Tensor) -> Affine:
    """f ↦ ``matrix`` (f − ``mean``) + ``new_mean``."""
    return Affine(matrix, new_mean - matrix @ mean)


class StyleMoments:
    """A style's moments at a level, and what follows from them alone: computed once per movie."""

    def __init__(self, moments: Moments) -> None:
        self.moments = moments
        self.deviation = moments.covariance.diagonal().clamp_min(0).sqrt()
        self.coloring = power(moments.covariance, 0.5)


def adain(content: Moments, style: StyleMoments) -> Affine:
    variance = content.covariance.diagonal()
    deviation = (variance + floor(variance)).sqrt()
    return around(torch.diag(style.deviation / deviation), content.mean, style.moments.mean)


def wct(content: Moments, style: StyleMoments) -> Affine:
    return around(style.coloring @ power(content.covariance, -0.5), content.mean, style.moments.mean)


def transport(content: Moments, style: StyleMoments) -> Affine:
    inverse = power(content.covariance, -0.5)
    half = torch.linalg.inv(inverse)  # and not power's: this one has the floor in it, too
    between = power(half @ style.moments.covariance @ half, 0.5)
    return around(inverse @ between @ inverse, content.mean, style.moments.mean)


def whiten(content: Moments, style: StyleMoments) -> Affine:
    return around(power(content.covariance, -0.5), content.mean, content.mean)


def color(content: Moments, style: StyleMoments) -> Affine:
    return around(style.coloring, content.mean, style.moments.mean)


TRANSFORMS: dict[str, Callable[[Moments, StyleMoments], Affine]] = {
    "adain": adain,
    "wct": wct,
    "transport": transport,
    "whiten": whiten,
    "color": color,
}


def power(covariance: Tensor, exponent: float) -> Tensor:
    """A power of a covariance (C, C), float64; negative ones bounded by the floor of its eigenvalues."""
    values, vectors = torch.linalg.eigh(covariance)
    values = values.clamp_min(0)
    if exponent < 0:
        values = values + floor(values)
    powered: Tensor = (vectors * values**exponent) @ vectors.T
    return powered


def floor(variances: Tensor) -> Tensor:
    """What is added to variances that are divided by."""
    return FLOOR * variances.mean() + LEAST_VARIANCE
