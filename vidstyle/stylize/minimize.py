"""Minimising a loss over the pixels of one frame."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

DEFAULT_LEARNING_RATE = {"lbfgs": 1.0, "adam": 0.02}


def minimize(
    loss: Callable[[Tensor], Tensor],
    start: Tensor,
    *,
    optimizer: str,
    iterations: int,
    learning_rate: float | None = None,
    history: int = 100,
    stop_change: float = 0.0,
    stop_window: int = 50,
    progress: Callable[[float], None] = lambda share: None,
) -> Tensor:
    """Minimise ``loss`` from ``start`` by at most ``iterations`` evaluations.

    Args:
        loss: frames ``(N, 3, H, W)`` → scalar.
        optimizer: "lbfgs" (no line search, as Gatys and Ruder run it) or "adam".
        history: L-BFGS's memory, in steps.
        stop_change: end when the loss has changed by less than this share over ``stop_window`` iterations.
        progress: called with the share done before every evaluation; may raise to stop.
    Returns:
        The pixels found, of ``start``'s shape; not clipped.
    """
    x = start.detach().clone(memory_format=torch.contiguous_format).requires_grad_()  # as L-BFGS needs it
    rate = DEFAULT_LEARNING_RATE[optimizer] if learning_rate is None else learning_rate
    steps: torch.optim.Optimizer
    if optimizer == "lbfgs":
        # One iteration a call: then a call is one evaluation, and we see the loss between iterations.
        steps = torch.optim.LBFGS([x], lr=rate, max_iter=1, history_size=history, tolerance_grad=0, tolerance_change=0)
    else:
        steps = torch.optim.Adam([x], lr=rate)

    def closure() -> Tensor:
        steps.zero_grad()
        # L-BFGS drops curvature pairs below an absolute 1e-10; a sum over pixels stays clear of it at every size.
        value = loss(x) * x.numel()
        value.backward()
        return value.detach()

    window_start: Tensor | None = None
    for iteration in range(iterations):
        progress(iteration / iterations)
        value = steps.step(closure)
        # Looked at once a window only: reading a number back makes a GPU wait.
        if iteration % stop_window == 0:
            if window_start is not None and abs(window_start - value) < stop_change * abs(window_start):
                break
            window_start = value
    return x.detach()
