"""Movement made from still photos, with exact flow: shift, zoom, rotation, deformation, and things that pass in front.

Everything is a function of positions, not of pixels: a clip's frame t shows its photo at M₀(m(m(…p))), with the step m
applied t times, so that frame t at p shows what frame t−1 showed at m(p). The backward flow is m(p) − p, to the last
digit, and nothing is resampled twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vidstyle.flow.consistency import eroded

Map = Callable[[Tensor], Tensor]
"""Positions (2, H, W), x and y in pixels → positions."""


@dataclass(frozen=True)
class Clip:
    """A few consecutive frames and how they hang together."""

    frames: Tensor  # (T, 3, H, W) in [0, 1]
    backward_flow: Tensor  # (T - 1, 2, H, W): from frame t to t - 1, for t = 1 …
    consistency: Tensor  # (T - 1, 1, H, W), on frame t's grid, 0 or 1


def grid(size: int) -> Tensor:
    """The positions of a square frame's pixels, (2, size, size)."""
    line = torch.arange(size, dtype=torch.float32)
    return torch.stack(torch.meshgrid(line, line, indexing="xy"))


def affine(matrix: np.ndarray, centre: tuple[float, float], target: tuple[float, float]) -> Map:
    """p → matrix · (p − centre) + target; ``matrix`` is 2×2."""
    m = torch.from_numpy(matrix.astype(np.float32))
    c, t = (torch.tensor(point, dtype=torch.float32)[:, None, None] for point in (centre, target))
    return lambda p: torch.tensordot(m, p - c, 1) + t


def rotation(angle: float, scale: float) -> np.ndarray:
    return scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])


def placement(picture: Tensor, size: int, rng: np.random.Generator) -> Map:
    """Where a frame lies on its photo: at random, enlarged up to 1.8 times, turned a little, mirrored or not."""
    height, width = picture.shape[-2:]
    scale = min(1 / rng.uniform(0.9, 1.8), (min(height, width) - 1) / size)
    matrix = rotation(rng.normal(0, 0.06), scale) @ np.diag([rng.choice([-1, 1]), 1])
    reach = scale * size / 2
    target = tuple(
        float(rng.uniform(reach, side - reach)) if side > 2 * reach else side / 2 for side in (width, height)
    )
    return affine(matrix, (size / 2, size / 2), (target[0], target[1]))


def step(size: int, rng: np.random.Generator, deform: bool) -> Map:
    """What a thing moves by from frame t to t − 1: a small affine map and, perhaps, a smooth wobble."""
    speed, direction = size / 16 * rng.random() ** 2, rng.uniform(0, 2 * math.pi)
    centre = (float(rng.uniform(0, size)), float(rng.uniform(0, size)))
    target = (centre[0] + speed * math.cos(direction), centre[1] + speed * math.sin(direction))
    turn, zoom = (rng.normal(0, 0.012), rng.normal(0, 0.012)) if rng.random() < 0.5 else (0.0, 0.0)
    move = affine(rotation(turn, 1 + zoom), centre, target)
    if not deform:
        return move
    waves = torch.from_numpy(rng.normal(0, 2 * math.pi / (0.7 * size), (3, 2)).astype(np.float32))
    phases = torch.from_numpy(rng.uniform(0, 2 * math.pi, (3, 2)).astype(np.float32))
    heights = torch.from_numpy(rng.normal(0, size / 250, (3, 2)).astype(np.float32))

    def wobble(p: Tensor) -> Tensor:
        angle = torch.tensordot(waves, p, 1)[:, None] + phases[..., None, None]
        return move(p) + (heights[..., None, None] * angle.sin()).sum(0)

    return wobble


def blob(size: int, rng: np.random.Generator) -> Callable[[Tensor], Tensor]:
    """A random smooth outline around the frame's middle: positions → opacity in [0, 1], an edge of about 1.5 pixels."""
    radius = size * rng.uniform(0.12, 0.3)
    bumps = [(k, rng.normal(0, 0.22 / k), rng.uniform(0, 2 * math.pi)) for k in range(2, 6)]

    def opacity(p: Tensor) -> Tensor:
        x, y = p - size / 2
        angle = torch.atan2(y, x)
        outline = radius * (1 + sum(height * torch.cos(k * angle + phase) for k, height, phase in bumps))
        return ((outline - torch.hypot(x, y)) / 1.5 + 0.5).clamp(0, 1)

    return opacity


def look(picture: Tensor, positions: Tensor) -> Tensor:
    """``picture`` (3, h, w) at ``positions`` (2, H, W), bilinearly; mirrored beyond its border."""
    height, width = picture.shape[-2:]
    x = positions[0] * (2 / (width - 1)) - 1
    y = positions[1] * (2 / (height - 1)) - 1
    where = torch.stack([x, y], -1)[None]
    return F.grid_sample(picture[None], where, padding_mode="reflection", align_corners=True)[0]


def repeated(move: Map, times: int, p: Tensor) -> Tensor:
    for _ in range(times):
        p = move(p)
    return p


@dataclass(frozen=True)
class Thing:
    """A picture that moves: the background, or something before it."""

    picture: Tensor  # (3, h, w)
    start: Map  # frame 0's positions → the picture's
    move: Map  # a step back in time
    opacity: Callable[[Tensor], Tensor] | None = None  # of frame 0's positions; None: everywhere

    def frame(self, t: int, p: Tensor) -> Tensor:
        return look(self.picture, self.start(repeated(self.move, t, p)))

    def cover(self, t: int, p: Tensor) -> Tensor:
        """How opaque it is at positions p of frame t, (H, W)."""
        assert self.opacity is not None
        return self.opacity(repeated(self.move, t, p))


def synthetic_clip(
    picture: Tensor, other: Tensor | None, size: int, length: int, rng: np.random.Generator, erode: int = 1
) -> Clip:
    """A clip of ``length`` square frames made from a photo.

    Args:
        picture: the background, (3, h, w) in [0, 1].
        other: a second photo; a piece of it moves in front and uncovers the background. None: no such thing.
        erode: the consistency's minimum over so many pixels each way (odd), since real masks are wider than exact ones.
    """
    still = rng.random() < 0.15  # nothing moves: most of most movies
    p = grid(size)
    background = Thing(picture, placement(picture, size, rng), (lambda q: q) if still else step(size, rng, True))
    things = [background]
    if other is not None:
        shift = affine(np.eye(2), (0, 0), (float(rng.uniform(-0.3, 0.3) * size), float(rng.uniform(-0.3, 0.3) * size)))
        outline = blob(size, rng)
        move = step(size, rng, rng.random() < 0.3)
        things.append(Thing(other, placement(other, size, rng), move, lambda q: outline(shift(q))))
    frames, flows, trusted = [], [], []
    for t in range(length):
        frames.append(compose(things, t, p))
        if t:
            flow, consistency = connect(things, t, p)
            flows.append(flow)
            trusted.append(eroded(consistency, erode))
    empty = torch.empty(0, 2, size, size), torch.empty(0, 1, size, size)
    return Clip(
        torch.stack(frames).clamp(0, 1),
        torch.stack(flows) if flows else empty[0],
        torch.stack(trusted)[:, None] if trusted else empty[1],
    )


def compose(things: list[Thing], t: int, p: Tensor) -> Tensor:
    """Frame t, (3, H, W)."""
    background, *front = things
    frame = background.frame(t, p)
    for thing in front:
        frame = torch.lerp(frame, thing.frame(t, p), thing.cover(t, p))
    return frame


def connect(things: list[Thing], t: int, p: Tensor) -> tuple[Tensor, Tensor]:
    """Exact backward flow (2, H, W) from frame t, and consistency (H, W): 0 where the flow leaves the frame, where
    the background was covered a frame ago, and along outlines, where a pixel shows two things at once."""
    size = p.shape[-1]
    background, *front = things
    target = background.move(p)
    trusted = torch.ones(size, size)
    for thing in front:
        now, before = thing.cover(t, p), thing.cover(t - 1, target)
        target = torch.where(now >= 0.5, thing.move(p), target)
        mixed = (now > 0.01) & (now < 0.99)
        uncovered = (now < 0.5) & (before > 0.01)
        trusted = trusted * (~(mixed | uncovered)).float()
    inside = ((target >= 0) & (target <= size - 1)).all(0)
    return target - p, trusted * inside.float()
