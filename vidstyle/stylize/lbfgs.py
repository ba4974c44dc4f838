"""L-BFGS without a line search, as Gatys and Ruder run it, with steps that cannot run away."""

from __future__ import annotations

from collections import deque

import torch
from torch import Tensor

FIRST_CHANGE = 0.01  # of the pixel that changes most, in the first step, before any curvature is known
MOST_CHANGE = 0.1  # of any pixel in any step
LEAST_CURVATURE = 1e-4  # cosine between a step and the gradient's change below which the pair teaches nothing
BOLDNESS = 2.0  # factor on the inverse Hessian before the pairs: its usual scale suits the steepest direction seen


class Lbfgs:
    """Limited-memory BFGS (Nocedal, Wright, Numerical Optimization, algorithm 7.4).

    One evaluation a step. Without a line search, torch's own takes a first step so short that rounding decides the
    curvature, or goes off by the bare gradient when that curvature is negative; so here the first step has a set
    length in pixels, a pair without positive curvature is left out by a test that knows no units, and no step
    moves a pixel by more than ``MOST_CHANGE``. Nothing is read back from the device.

    Args:
        history: pairs of steps and gradient changes that are remembered.
        rate: factor on every step.
        ease: how far each value goes compared with the others where no pair says otherwise, of the shape of what is
            moved: the diagonal of the inverse Hessian before the pairs, up to a factor. None: all alike.
        boldness: see ``BOLDNESS``; 1 is the textbook.
    """

    def __init__(self, history: int, rate: float = 1.0, ease: Tensor | None = None, boldness: float = BOLDNESS) -> None:
        self.rate, self.boldness = rate, boldness
        self.ease = None if ease is None else ease.flatten()
        self.pairs: deque[tuple[Tensor, Tensor, Tensor]] = deque(maxlen=history)  # step, change, 1 / (step·change)
        self.scale = torch.ones(())  # of the inverse Hessian before the pairs, besides ``ease``
        self.before: tuple[Tensor, Tensor] | None = None

    @torch.no_grad()
    def step(self, x: Tensor, gradient: Tensor) -> None:
        """Move ``x`` (in place, any shape) by one step, given the gradient there."""
        point, slope = x.flatten().clone(), gradient.flatten().clone()
        if self.before is None:
            self.scale = FIRST_CHANGE / self.eased(slope).abs().max().clamp_min(1e-30)
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
        self.scale = torch.where(enough, self.boldness * product / (change @ self.eased(change)), self.scale)

    def eased(self, values: Tensor) -> Tensor:
        return values if self.ease is None else values * self.ease

    def direction(self, slope: Tensor) -> Tensor:
        """−H·slope by the two-loop recursion."""
        q = slope.clone()
        weights = []
        for step, change, inverse in reversed(self.pairs):
            weights.append(inverse * (step @ q))
            q.addcmul_(change, weights[-1], value=-1)
        q = self.eased(q) * self.scale
        for (step, change, inverse), weight in zip(self.pairs, reversed(weights), strict=True):
            q.addcmul_(step, weight - inverse * (change @ q))
        return -q
