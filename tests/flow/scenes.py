"""Scenes whose flow is known exactly."""

from __future__ import annotations

import torch
from torch import Tensor


def positions(height: int, width: int) -> tuple[Tensor, Tensor]:
    """x and y of each pixel, each (H, W)."""
    y, x = torch.meshgrid(torch.arange(height).float(), torch.arange(width).float(), indexing="ij")
    return x, y


def texture(x: Tensor, y: Tensor) -> Tensor:
    """A frame (3, H, W) in [0, 1]: a smooth pattern without repetition, taken at any positions."""
    waves = [
        (0.31, 0.11, 0.0),
        (-0.17, 0.29, 1.0),
        (0.071, -0.053, 2.0),
        (0.43, 0.37, 0.5),
        (-0.23, 0.05, 4.0),
    ]
    channels = [
        sum((torch.sin(a * x + b * y + c + shift) for a, b, c in waves), start=torch.zeros_like(x))
        for shift in (0.0, 0.4, 0.8)
    ]
    return torch.stack(channels) / (2 * len(waves)) + 0.5


def translation(height: int, width: int, dx: float, dy: float) -> tuple[Tensor, Tensor, Tensor]:
    """(previous, current, backward_flow): the picture moves by (dx, dy) from previous to current."""
    x, y = positions(height, width)
    flow = torch.stack((torch.full_like(x, -dx), torch.full_like(y, -dy)))
    return texture(x, y), texture(x - dx, y - dy), flow


def moving_square() -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """A square of 20 pixels that moves 6 to the right over a still background of 64×64.

    (previous, current, backward_flow, forward_flow, disoccluded): the last is boolean on current's grid.
    """
    size, side, step = 64, 20, 6
    left, top = 15, 22
    x, y = positions(size, size)

    def covered(at: int) -> Tensor:
        return (x >= at) & (x < at + side) & (y >= top) & (y < top + side)

    before, after = covered(left), covered(left + step)
    background, square = texture(x, y), texture(3 * x + 40, 2 * y)
    previous = torch.where(before, square, background)
    current = torch.where(after, torch.roll(square, step, dims=2), background)
    still = torch.zeros_like(x)
    backward = torch.stack((torch.where(after, -float(step), 0.0), still))
    forward = torch.stack((torch.where(before, float(step), 0.0), still))
    return previous, current, backward, forward, before & ~after


def similarity(height: int, width: int, zoom: float, degrees: float) -> tuple[Tensor, Tensor, Tensor]:
    """(previous, current, backward_flow): the picture grows by ``zoom`` and turns around its middle."""
    x, y = positions(height, width)
    dx, dy = x - (width - 1) / 2, y - (height - 1) / 2
    angle = torch.deg2rad(torch.tensor(degrees))
    cos, sin = torch.cos(angle) / zoom, torch.sin(angle) / zoom
    flow = torch.stack((cos * dx + sin * dy - dx, cos * dy - sin * dx - dy))
    return texture(x, y), texture(x + flow[0], y + flow[1]), flow
