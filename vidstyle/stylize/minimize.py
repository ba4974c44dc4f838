"""Minimising a loss over the pixels of one frame."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from vidstyle.stylize.lbfgs import Lbfgs

DEFAULT_LEARNING_RATE = {"lbfgs": 1.0, "adam": 0.02}
FULL_HD, HISTORY_THERE = 3 * 1920 * 1080, 16
"""Numbers in a frame of 1080p, and how many steps L-BFGS remembers of it: 0.8 GB, as for smaller frames. For larger
ones that grows with their side: 8 steps at 4K, 1.6 GB. The paper's 100 would be 5 and 20 GB."""
LEAST_HISTORY = 4

# Moves the pixels, in place, by one step, given the gradient there.
Step = Callable[[Tensor], None]


def lbfgs_step(x: Tensor, rate: float, history: int, ease: Tensor | None) -> Step:
    memory = Lbfgs(affordable_history(history, x), rate, None if ease is None else ease.expand_as(x))
    return lambda gradient: memory.step(x, gradient)


def adam_step(x: Tensor, rate: float, history: int, ease: Tensor | None) -> Step:
    adam = torch.optim.Adam([x], lr=rate)

    def step(gradient: Tensor) -> None:
        x.grad = gradient
        adam.step()

    return step


STEPS: dict[str, Callable[[Tensor, float, int, Tensor | None], Step]] = {"lbfgs": lbfgs_step, "adam": adam_step}


def minimize(
    loss: Callable[[Tensor], Tensor],
    start: Tensor,
    *,
    optimizer: str,
    iterations: int,
    learning_rate: float | None = None,
    history: int = 20,
    ease: Tensor | None = None,
    stop_change: float = 0.0,
    stop_window: int = 50,
    progress: Callable[[float], None] = lambda share: None,
) -> Tensor:
    """Minimise ``loss`` from ``start`` by at most ``iterations`` evaluations.

    Args:
        loss: frames ``(N, 3, H, W)`` → scalar.
        optimizer: a name of ``STEPS``: "lbfgs" or "adam".
        history: L-BFGS's memory, in steps; fewer where they would not fit (``affordable_history``).
        ease: L-BFGS's guess of how far each pixel goes compared with the others, broadcast to ``start``.
        stop_change: end when the loss has changed by less than this share over ``stop_window`` iterations.
        progress: called with the share done before every evaluation; may raise to stop.
    Returns:
        The pixels found, of ``start``'s shape; not clipped.
    """
    x = start.detach().clone(memory_format=torch.contiguous_format).requires_grad_()
    rate = DEFAULT_LEARNING_RATE[optimizer] if learning_rate is None else learning_rate
    step = STEPS[optimizer](x, rate, history, ease)
    window_start: Tensor | None = None
    for iteration in range(iterations):
        progress(iteration / iterations)
        value = loss(x)
        (gradient,) = torch.autograd.grad(value, x)
        step(gradient)
        value = value.detach()
        # Looked at once a window only: reading a number back makes a GPU wait.
        if iteration % stop_window == 0:
            if window_start is not None and abs(window_start - value) < stop_change * abs(window_start):
                break
            window_start = value
    return x.detach()


def affordable_history(history: int, pixels: Tensor) -> int:
    """As many of ``history`` steps as are remembered of frames like ``pixels``: two float32 copies each."""
    smaller = FULL_HD / pixels.numel()
    return min(history, max(LEAST_HISTORY, int(HISTORY_THERE * (smaller if smaller > 1 else smaller**0.5))))
