"""RAFT's correlation of all pairs of pixels (Teed and Deng 2020, section 3.2), within a fixed amount of memory.

A level of the pyramid is either a volume that is computed once and looked up in, or, where that would take too much
memory, is looked up by computing the few products that are asked for. Both give the same numbers: the product of two
feature vectors is linear in the second, so pooling the volume is pooling the second picture's features.
"""

from __future__ import annotations

import math
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

VOLUME_BYTES = 1 << 30
"""A level whose volume takes more is computed on demand. 1080p takes 4.2 GB for the first, 1.0 for the second."""
CHUNK_BYTES = 1 << 28
"""Of feature vectors that are gathered at once on demand."""


class Level(Protocol):
    """Products of every source pixel with some target pixels: ``(P, K)`` flat target indices → ``(P, K)`` values."""

    height: int
    width: int

    def values(self, index: Tensor) -> Tensor: ...


class Volume:
    """All products, computed once: float ``(P, height * width)``."""

    def __init__(self, source: Tensor, target: Tensor) -> None:
        self.height, self.width = target.shape[-2:]
        self.products = source @ target.flatten(1)

    def values(self, index: Tensor) -> Tensor:
        """See ``Level``."""
        return self.products.gather(1, index)


class OnDemand:
    """Each product when it is asked for."""

    def __init__(self, source: Tensor, target: Tensor) -> None:
        self.height, self.width = target.shape[-2:]
        self.source, self.target = source, target.flatten(1).t().contiguous()

    def values(self, index: Tensor) -> Tensor:
        """See ``Level``."""
        count, channels = self.source.shape
        rows = max(1, CHUNK_BYTES // (index.shape[1] * channels * self.source.element_size()))
        products = []
        for start in range(0, count, rows):
            vectors = self.target[index[start : start + rows]]  # (rows, K, C)
            products.append(torch.bmm(vectors, self.source[start : start + rows, :, None])[..., 0])
        return torch.cat(products)


class Correlation:
    """The pyramid for one pair of feature maps ``(C, h, w)``.

    Args:
        levels: how many, each half as large as the one before.
        radius: how far around a position is looked, in pixels of each level.
    """

    def __init__(
        self, source: Tensor, target: Tensor, levels: int = 4, radius: int = 4, volume_bytes: int = VOLUME_BYTES
    ) -> None:
        channels, self.height, self.width = source.shape
        self.radius = radius
        vectors = source.flatten(1).t() / math.sqrt(channels)
        self.levels: list[Level] = []
        for number in range(levels):
            if number:
                target = F.avg_pool2d(target[None], 2, 2)[0]
            size = vectors.shape[0] * target[0].numel() * target.element_size()
            self.levels.append((Volume if size <= volume_bytes else OnDemand)(vectors, target))

    def around(self, positions: Tensor) -> Tensor:
        """The products around where each source pixel is thought to be in the target.

        ``positions``: float32 (2, h, w), x and y in pixels of the first level. Returns float32
        ``(1, levels * (2 * radius + 1)**2, h, w)``: bilinear, zero beyond the border; in a level, x varies slowest.
        """
        flat = positions.flatten(1)
        found = [self._window(level, flat / 2**number) for number, level in enumerate(self.levels)]
        return torch.cat(found, 1).t().reshape(1, -1, self.height, self.width)

    def _window(self, level: Level, positions: Tensor) -> Tensor:
        """``(P, (2 * radius + 1)**2)`` of one level, at ``positions`` (2, P) in its own pixels."""
        side = 2 * self.radius + 2  # whole positions that the bilinear ones lie between
        corner = positions.floor()
        offsets = torch.arange(side, device=positions.device) - self.radius
        # Far outside everything is zero: clamped, so that a wild position stays a number.
        x = corner[0].clamp(-2 * side, level.width + 2 * side).long()[:, None] + offsets
        y = corner[1].clamp(-2 * side, level.height + 2 * side).long()[:, None] + offsets
        inside = ((x >= 0) & (x < level.width))[:, :, None] & ((y >= 0) & (y < level.height))[:, None, :]
        index = (y.clamp(0, level.height - 1) * level.width)[:, None, :] + x.clamp(0, level.width - 1)[:, :, None]
        values = level.values(index.flatten(1)).float().view(-1, side, side) * inside
        right, below = (positions - corner)[:, :, None, None]
        values = values[:, :-1] * (1 - right) + values[:, 1:] * right
        return (values[..., :-1] * (1 - below) + values[..., 1:] * below).flatten(1)
