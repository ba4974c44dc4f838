"""L-BFGS without a line search, as Gatys and Ruder run it, with steps that cannot run away."""

from __future__ import annotations

from collections import deque

import torch
from torch import Tensor

FIRST_CHANGE = 0.01  # of the pixel that changes most, in the first step, before any curvature is known
MOST_CHANGE = 0.25  # of any pixel in any step
LEAST_CURVATURE = 1e-4  # cosine between a step and the gradient's change below which the pair teaches nothing


class Lbfgs:
    """Limited-memory BFGS (Nocedal, Wright, Numerical Optimization, algorithm 7.4).

    One evaluation a step. Without a line search, torch's own takes a first step so short that rounding decides the
    curvature, or goes off by the bare gradient when that curvature is negative; so here the first step has a set
    length in pixels, a pair without positive curvature is left out by a test that knows no units, and no step
    moves a pixel by more than ``MOST_CHANGE``. Nothing is read back from the device.

    Args:
        history: pairs of steps and gradient changes that are remembered.
        rate: factor on every step.
    """

    def __init__(self, history: int, rate: float = 1.0) -> None:
        self.rate = rate
        self.pairs: deque[tuple[Tensor, Tensor, Tensor]] = deque(maxlen=history)  # step, change, 1 / (step·change)
        self.scale = torch.ones(())  # of the inverse Hessian before the pairs
        self.before: tuple[Tensor, Tensor] | None = None

    @torch.no_grad()
    def step(self, x: Tensor, gradient: Tensor) -> None:
        """Move ``x`` (in place, any shape) by one step, given the gradient there."""
        point, slope = x.flatten().clone(), gradient.flatten().clone()
        if self.before is None:
            self.scale = FIRST_CHANGE / slope.abs().max().clamp_min(1e-30)
        else:
            self.learn(point - self.before[0], slope - self.before[1])
        self.before = point, slope
        move = self.rate * self.direction(slope)
        move *= (MOST_CHANGE / move.abs().max().clamp_min(1e-30)).clamp(max=1)
        x += move.view_as(x)

    def learn(self, step: Tensor, change: Tensor) -> None:
        """Remember a pair; one without positive curvature gets weight zero, which takes no decision by the host."""
        product = step @ change
        enough = product > LEAST_CURVATURE * step.norm() * change.norm()
        self.pairs.append((step, change, torch.where(enough, 1 / product, torch.zeros_like(product))))
        self.scale = torch.where(enough, product / (change @ change), self.scale)

    def direction(self, slope: Tensor) -> Tensor:
        """−H·slope by the two-loop recursion."""
        q = slope.clone()
        weights = []
        for step, change, inverse in reversed(self.pairs):
            weights.append(inverse * (step @ q))
            q.addcmul_(change, weights[-1], value=-1)
        q *= self.scale
        for (step, change, inverse), weight in zip(self.pairs, reversed(weights), strict=True):
            q.addcmul_(step, weight - inverse * (change @ q))
        return -q
