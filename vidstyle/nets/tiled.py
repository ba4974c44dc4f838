"""Features of frames that are too large for an encoder's memory: tile by tile, with exactly the same values.

A network keeps what every layer computes until its gradient has gone back through it. Here only the levels that were
asked for are kept whole; what lies between is computed a tile at a time, and once more when the gradient comes back.
Losses see the features of the whole frame, so its statistics are those of the whole frame, whatever they are.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vidstyle.nets.encoder import Encoder

HALO = 80
"""Pixels around a tile that are computed with it. The deepest level, VGG-19's relu5_1, sees 70 to any side."""
ALIGNMENT = 16
"""Tiles begin where the pooling of every level begins a new pixel."""
TILE_PIXELS = 1 << 19
"""About as many pixels are computed at once, the halo not counted."""


@dataclass(frozen=True)
class Span:
    """A tile along one axis of a frame, in pixels: the part that is its own, and the part that is computed."""

    begin: int
    end: int
    outer_begin: int
    outer_end: int

    def level(self, stride: int, size: int) -> tuple[slice, slice]:
        """Its own part at a level, first of the whole level of ``size``, then of what was computed."""
        begin = self.begin // stride
        end = size if self.end == self.outer_end else self.end // stride
        offset = self.outer_begin // stride
        return slice(begin, end), slice(begin - offset, end - offset)


def spans(size: int, count: int, halo: int = HALO) -> list[Span]:
    """Divide an axis into at most ``count`` tiles of about the same length; ``halo`` is a multiple of ``ALIGNMENT``."""
    step = -(-size // count)
    step = max(ALIGNMENT, -(-step // ALIGNMENT) * ALIGNMENT)
    edges = [*range(0, size, step), size]
    if len(edges) > 2 and edges[-1] - edges[-2] < ALIGNMENT:
        del edges[-2]  # too narrow for the deepest level
    return [Span(b, e, max(0, b - halo), min(size, e + halo)) for b, e in itertools.pairwise(edges)]


def tiles(height: int, width: int, pixels: int = TILE_PIXELS, halo: int = HALO) -> list[tuple[Span, Span]]:
    """Tiles (rows, columns) of a frame, about ``pixels`` each: of all such grids the one with the least to compute."""
    count = -(-height * width // pixels)
    grids = [(spans(height, rows, halo), spans(width, -(-count // rows), halo)) for rows in range(1, count + 1)]
    rows, columns = min(grids, key=lambda grid: outer_length(grid[0]) * outer_length(grid[1]))
    return [(row, column) for row in rows for column in columns]


def outer_length(parts: list[Span]) -> int:
    """How much is computed along an axis, halos counted."""
    return sum(part.outer_end - part.outer_begin for part in parts)


class TiledEncoder:
    """An ``Encoder`` that takes ``encoder`` to frames a tile at a time.

    Args:
        pixels: about as many are computed at once; smaller frames go through as they are.
    """

    def __init__(self, encoder: Encoder, pixels: int = TILE_PIXELS) -> None:
        self.encoder, self.pixels = encoder, pixels
        self.layers = encoder.layers

    def __call__(self, frames: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        """See ``Encoder``."""
        names = tuple(layers)
        parts = tiles(frames.shape[-2], frames.shape[-1], self.pixels)
        if len(parts) == 1:
            return self.encoder(frames, names)
        # One at a time for the finest level: its gradient need not wait in memory for that of the others.
        groups = [[name] for name in names if stride_of(name) == 1] + [[n for n in names if stride_of(n) > 1]]
        features: dict[str, Tensor] = {}
        for group in filter(None, groups):
            values = _Tiled.apply(frames, self.encoder, tuple(group), parts)
            features.update(zip(group, values, strict=True))
        return {name: features[name] for name in names}


def stride_of(layer: str) -> int:
    """How many times a level is coarser than the frame, by its VGG name: "relu3_1" is 4."""
    return int(2 ** (int(layer.removeprefix("relu").partition("_")[0]) - 1))


class _Tiled(torch.autograd.Function):
    """Frames → features of several levels, keeping nothing but the frames for the way back."""

    @staticmethod
    def forward(
        ctx: Any, frames: Tensor, encoder: Encoder, layers: tuple[str, ...], parts: list[tuple[Span, Span]]
    ) -> tuple[Tensor, ...]:
        ctx.save_for_backward(frames)
        ctx.encoder, ctx.layers, ctx.parts = encoder, layers, parts
        whole: dict[str, Tensor] = {}
        for part in reversed(parts):  # the last tile tells how large a level is: networks round odd sizes up or down
            for name, value in encoder(crop(frames, part), layers).items():
                if name not in whole:
                    whole[name] = empty_level(value, part, stride_of(name))
                target, source = places(part, stride_of(name), whole[name])
                whole[name][target] = value[source]
        return tuple(whole[name] for name in layers)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (frames,) = ctx.saved_tensors
        total = torch.zeros_like(frames)
        for part in ctx.parts:
            with torch.enable_grad():
                tile = crop(frames, part).detach().requires_grad_()
                features = ctx.encoder(tile, ctx.layers)
            given = []
            for name, gradient in zip(ctx.layers, gradients, strict=True):
                target, source = places(part, stride_of(name), gradient)
                given.append(torch.zeros_like(features[name]))
                given[-1][source] = gradient[target]
            (pulled,) = torch.autograd.grad([features[name] for name in ctx.layers], tile, given)
            crop(total, part).add_(pulled)
        return total, None, None, None


def crop(frames: Tensor, part: tuple[Span, Span]) -> Tensor:
    """What is computed of ``(N, C, H, W)`` for a tile: a view."""
    row, column = part
    return frames[..., row.outer_begin : row.outer_end, column.outer_begin : column.outer_end]


def empty_level(of_last: Tensor, last: tuple[Span, Span], stride: int) -> Tensor:
    """Room for a level of the whole frame, by what the network gave for the last tile."""
    sizes = [span.outer_begin // stride + side for span, side in zip(last, of_last.shape[-2:], strict=True)]
    shape = (*of_last.shape[:2], *sizes)
    return torch.empty(shape, dtype=of_last.dtype, device=of_last.device, memory_format=torch.channels_last)


def places(part: tuple[Span, Span], stride: int, level: Tensor) -> tuple[Any, Any]:
    """Indices of a tile's own part: in a level of the whole frame, and in what was computed for the tile."""
    rows, columns = (span.level(stride, size) for span, size in zip(part, level.shape[-2:], strict=True))
    return (..., rows[0], columns[0]), (..., rows[1], columns[1])
