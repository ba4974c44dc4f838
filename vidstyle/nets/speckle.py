"""Faint speckles where a frame is flat: what a painting's strokes may begin with there.

A network of convolutions can only paint the same at all pixels of a flat area, or what repeats with its own coarse
grid. The style wants strokes, so it weaves such a pattern. Speckles are something to begin a stroke with. They stay
where they are from frame to frame, and there are none where a frame has texture of its own.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

STRENGTH = 0.03  # standard deviation of the speckles, of the range from black to white
TEXTURE = 0.05  # deviation of a frame's luma, over about 20 pixels, from which on it needs none
LEAST_CONTRAST = 0.08  # ``contrast`` of a dim frame; below it speckles become fainter with it
SIZES = (4, 8)  # of the speckles, in pixels
PERIOD = 512  # pixels after which they repeat


def speckled(frame: Tensor) -> Tensor:
    """``frame`` (N, 3, H, W) in [0, 1], with speckles where it is flat; sides are multiples of 4.

    What is flat as a whole, such as black before it fades in, stays so.
    """
    return frame + speckling(frame)


def speckling(frame: Tensor) -> Tensor:
    """What ``speckled`` adds to all colours of a frame: (N, 1, H, W)."""
    height, width = frame.shape[2:]
    share = (contrast(frame[..., ::4, ::4]) / LEAST_CONTRAST).clamp(max=1)
    amount = flatness(frame) * share.view(-1, 1, 1, 1)
    return amount * speckles(height, width, frame.device).to(frame.dtype)


def contrast(pictures: Tensor) -> Tensor:
    """The deviation of the colours of each of ``pictures`` (N, 3, H, W) from their means, (N,)."""
    # Several times as fast as torch's own variance. Beginning with the first pixel, a flat picture has exactly none.
    apart = pictures.flatten(2) - pictures[..., :1, 0]
    return (apart - apart.mean(2, keepdim=True)).square().mean((1, 2)).sqrt()


def flatness(frame: Tensor) -> Tensor:
    """How flat a frame (N, 3, H, W) is around each pixel: (N, 1, H, W), 1 where nothing is to be seen, 0 in texture."""
    luma = frame.mean(1, keepdim=True)
    moments = torch.cat([small(luma), small(luma.square())], 1)
    mean, square = around(moments).split(1, 1)
    deviation = (square - mean.square()).clamp_min(0).sqrt()
    return F.interpolate((1 - deviation / TEXTURE).clamp_min(0), scale_factor=4, mode="bilinear")


def around(x: Tensor) -> Tensor:
    """Means over 5 × 5 pixels of (N, C, h, w), the same size: one direction after the other."""
    x = F.pad(x, (2,) * 4, mode="replicate")
    for side in (2, 3):
        x = torch.stack([x.narrow(side, first, x.shape[side] - 4) for first in range(5)]).mean(0)
    return x


def small(plane: Tensor) -> Tensor:
    """Means of 4 × 4 pixels of (N, 1, H, W): rows first, which torch sums quickly."""
    count, _, height, width = plane.shape
    return plane.view(count, 1, height // 4, 4, width).mean(3).view(count, 1, height // 4, width // 4, 4).mean(4)


@lru_cache(maxsize=4)
@torch.inference_mode(False)  # it may be made while painting and used in training
def speckles(height: int, width: int, device: torch.device | str = "cpu") -> Tensor:
    """The speckles of a frame of this size, (1, 1, H, W), always the same: of mean 0 and deviation ``STRENGTH``."""
    tile = torch.zeros(1, 1, PERIOD, PERIOD)
    generator = torch.Generator().manual_seed(0)
    for size in SIZES:
        coarse = torch.randn(1, 1, PERIOD // size, PERIOD // size, generator=generator)
        large = F.interpolate(F.pad(coarse, (2,) * 4, mode="circular"), scale_factor=size, mode="bicubic")
        tile += large[..., 2 * size : -2 * size, 2 * size : -2 * size]
    tile = (tile - tile.mean()) / tile.std() * STRENGTH
    return tile.repeat(1, 1, -(-height // PERIOD), -(-width // PERIOD))[..., :height, :width].contiguous().to(device)
