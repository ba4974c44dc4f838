"""Features of frames that are too large for an encoder's memory: tile by tile, with exactly the same values.

A network keeps what every layer computes until its gradient has gone back through it. Here only the levels that were
asked for are kept whole; what lies between is computed a tile at a time, and once more when the gradient comes back.
Losses see the features of the whole frame, so its statistics are those of the whole frame, whatever they are. Of levels
that only sums over positions are asked of, such as Gram matrices, nothing is kept but these.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
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


#: What is summed over the tiles of a level: features of a tile ``(1, C, h, w)``, its rows and columns in the level, and
#: the level's height and width → a tensor of the same shape for all tiles.
Measure = Callable[[Tensor, tuple[slice, slice], tuple[int, int]], Tensor]


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
        if not self.divides(frames):
            return self.encoder(frames, names)
        # One at a time for the finest level: its gradient need not wait in memory for that of the others.
        groups = [[name] for name in names if stride_of(name) == 1] + [[n for n in names if stride_of(n) > 1]]
        features: dict[str, Tensor] = {}
        for group in filter(None, groups):
            features |= self.measured(frames, group, {})[0]
        return {name: features[name] for name in names}

    def divides(self, frames: Tensor) -> bool:
        """Whether frames of this size are computed in tiles."""
        return len(tiles(frames.shape[-2], frames.shape[-1], self.pixels)) > 1

    def measured(
        self, frames: Tensor, layers: Sequence[str], measures: Mapping[str, Measure]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Whole features at ``layers``, and at others what ``measures`` says of each, summed over the tiles."""
        parts = tiles(frames.shape[-2], frames.shape[-1], self.pixels)
        values = _Tiled.apply(frames, self.encoder, tuple(layers), dict(measures), parts)
        count = len(layers)
        return dict(zip(layers, values[:count], strict=True)), dict(zip(measures, values[count:], strict=True))


def stride_of(layer: str) -> int:
    """How many times a level is coarser than the frame, by its VGG name: "relu3_1" is 4."""
    return int(2 ** (int(layer.removeprefix("relu").partition("_")[0]) - 1))


class _Tiled(torch.autograd.Function):
    """Frames → features of some levels and sums over others; nothing but the frames is kept for the way back."""

    @staticmethod
    def forward(
        ctx: Any,
        frames: Tensor,
        encoder: Encoder,
        layers: tuple[str, ...],
        measures: Mapping[str, Measure],
        parts: list[tuple[Span, Span]],
    ) -> tuple[Tensor, ...]:
        names = tuple(dict.fromkeys((*layers, *measures)))
        whole: dict[str, Tensor] = {}
        sums: dict[str, Tensor] = {}
        sizes: dict[str, tuple[int, int]] = {}
        for part in reversed(parts):  # the last tile tells how large a level is: networks round odd sizes up or down
            for name, value in encoder(crop(frames, part), names).items():
                size = sizes.setdefault(name, level_size(value, part, stride_of(name)))
                target, source = places(part, stride_of(name), size)
                if name in layers:
                    if name not in whole:
                        whole[name] = empty_level(value, size)
                    whole[name][..., *target] = value[..., *source]
                if name in measures:
                    measured = measures[name](value[..., *source], target, size)
                    sums[name] = sums[name] + measured if name in sums else measured
        ctx.save_for_backward(frames)
        ctx.encoder, ctx.layers, ctx.measures, ctx.parts, ctx.sizes = encoder, layers, measures, parts, sizes
        return (*(whole[name] for name in layers), *(sums[name] for name in measures))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (frames,) = ctx.saved_tensors
        total = torch.zeros_like(frames)
        of_whole, of_sums = gradients[: len(ctx.layers)], gradients[len(ctx.layers) :]
        for part in ctx.parts:
            with torch.enable_grad():
                tile = crop(frames, part).detach().requires_grad_()
                features = ctx.encoder(tile, tuple(dict.fromkeys((*ctx.layers, *ctx.measures))))
                own = {}
                for name, value in features.items():
                    target, source = places(part, stride_of(name), ctx.sizes[name])
                    own[name] = value[..., *source], target
                sums = [measure(*own[name], ctx.sizes[name]) for name, measure in ctx.measures.items()]
            values = [*(own[name][0] for name in ctx.layers), *sums]
            given = [gradient[..., *own[name][1]] for name, gradient in zip(ctx.layers, of_whole, strict=True)]
            (pulled,) = torch.autograd.grad(values, tile, [*given, *of_sums])
            crop(total, part).add_(pulled)
        return total, None, None, None, None


def crop(frames: Tensor, part: tuple[Span, Span]) -> Tensor:
    """What is computed of ``(N, C, H, W)`` for a tile: a view."""
    row, column = part
    return frames[..., row.outer_begin : row.outer_end, column.outer_begin : column.outer_end]


def level_size(of_last: Tensor, last: tuple[Span, Span], stride: int) -> tuple[int, int]:
    """Height and width of a level of the whole frame, by what the network gave for the last tile."""
    height, width = (span.outer_begin // stride + side for span, side in zip(last, of_last.shape[-2:], strict=True))
    return height, width


def empty_level(like: Tensor, size: tuple[int, int]) -> Tensor:
    """Room for a whole level, of as many channels as what the network gave for a tile."""
    shape = (*like.shape[:2], *size)
    return torch.empty(shape, dtype=like.dtype, device=like.device, memory_format=torch.channels_last)


def places(
    part: tuple[Span, Span], stride: int, size: tuple[int, int]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Rows and columns of a tile's own part: in a level of ``size``, and in what was computed for the tile."""
    rows, columns = (span.level(stride, side) for span, side in zip(part, size, strict=True))
    return (rows[0], columns[0]), (rows[1], columns[1])
