#!/usr/bin/env python3
"""Render the sample movies: small painted worlds whose optical flow is known exactly.

A shot is a stack of flat layers, like a paper theatre. Each layer is a picture painted once by procedural
code (a *sheet*: premultiplied RGBA) and moved by one affine matrix per instant; the camera adds its pan and
zoom, more for near layers than for far ones. So for every pixel the front-most layer says exactly where it
goes, and the layers above that one say whether it can still be seen there.

    python scripts/make_samples.py                    # write sample_videos/*.mp4
    python scripts/make_samples.py --truth DIR        # also exact flow (.flo) and occlusion (.png)
    python scripts/make_samples.py --only tiny --size 192x108 --out /tmp

Units: the world is measured in *units*, 640 x 360 of which fill the frame of a camera at rest, x to the
right and y down. Pixel (i, j) has its centre at (i + 0.5, j + 0.5). Flow is in pixels, (2, H, W), channel 0
= dx and 1 = dy, on the grid of the first frame. Time is in seconds from the start of a shot.
"""

from __future__ import annotations

import argparse
import math
import shutil
import struct
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np

Array = np.ndarray
Box = tuple[float, float, float, float]  # x0, y0, x1, y1 in units

VIEW = (640.0, 360.0)  # units that fill the frame of a camera at rest
SUPERSAMPLE = 2  # samples per pixel along each axis
MAX_DENSITY = 4  # texels per unit of the finest sheets: above that, memory says no
SAMPLE_RATE = 48_000
BELL_HZ = 2093.0  # struck exactly at each cut, so that sync can be heard; nothing else sounds there


# ---------------------------------------------------------------------------------------------------------
# Painting: a canvas, shapes, noise
# ---------------------------------------------------------------------------------------------------------


def ink(code: str) -> Array:
    """'#rrggbb' -> (3,) float32 in [0, 1]."""
    return np.array([int(code[i : i + 2], 16) / 255 for i in (1, 3, 5)], np.float32)


def mix(a: Array, b: Array, amount: Array | float) -> Array:
    """From colour a to colour b, (3,) or (H, W, 3) each, by amount (H, W) or scalar in [0, 1]."""
    amount = np.clip(np.asarray(amount, np.float32), 0, 1)[..., None]
    return a * (1 - amount) + b * amount


def tint(colour: Array, change: Array | float) -> Array:
    """A colour made lighter or darker by a relative change (H, W)."""
    return colour * (1 + np.asarray(change, np.float32))[..., None]


def ramp(value: Array, *stops: tuple[float, str]) -> Array:
    """Colour gradient: value (...) -> (..., 3) through (position, '#rrggbb') stops."""
    places = [place for place, _ in stops]
    colours = np.stack([ink(code) for _, code in stops])
    channels = [np.interp(value, places, colours[:, i]) for i in range(3)]
    return np.stack(channels, -1).astype(np.float32)


class Canvas:
    """A sheet being painted: `x` (1, W) and `y` (H, 1) are texel centres (units), `rgba` is premultiplied."""

    def __init__(self, x: Array, y: Array, density: float, rgba: Array | None = None) -> None:
        self.x, self.y, self.density = x, y, density
        self.rgba = np.zeros((y.size, x.size, 4), np.float32) if rgba is None else rgba

    @classmethod
    def over(cls, box: Box, density: float) -> Canvas:
        """An empty canvas; its sides are rounded up to multiples of 8 texels, so that it can be halved."""
        width, height = (math.ceil((box[i + 2] - box[i]) * density / 8) * 8 for i in (0, 1))
        x = box[0] + (np.arange(width, dtype=np.float32) + 0.5) / density
        y = box[1] + (np.arange(height, dtype=np.float32) + 0.5) / density
        return cls(x[None, :], y[:, None], density)

    def window(self, x0: float, y0: float, x1: float, y1: float) -> Canvas:
        """The part of this canvas inside a box: shares its texels, so that small shapes cost little."""
        cols = slice(*np.searchsorted(self.x[0], (x0 - 1, x1 + 1)))
        rows = slice(*np.searchsorted(self.y[:, 0], (y0 - 1, y1 + 1)))
        return Canvas(self.x[:, cols], self.y[rows], self.density, self.rgba[rows, cols])

    def edge(self, distance: Array, soft: float = 1.0) -> Array:
        """Signed distance in units (negative inside) -> coverage in [0, 1], softened over `soft` texels."""
        return np.clip(0.5 - distance * (self.density / soft), 0, 1)

    def fill(self, cover: Array | float, colour: Array) -> None:
        """Lay a colour, (3,) or (H, W, 3), over what is there."""
        cover = np.broadcast_to(np.asarray(cover, np.float32), self.rgba.shape[:2])[..., None]
        self.rgba *= 1 - cover
        self.rgba[..., :3] += colour * cover
        self.rgba[..., 3:] += cover

    def stain(self, cover: Array | float, colour: Array) -> None:
        """Lay a colour only where something is already painted."""
        alpha = self.rgba[..., 3].copy()
        self.fill(np.asarray(cover) * alpha, colour)
        self.rgba[..., 3] = alpha

    def noise(self, period_x: float, period_y: float, seed: int, octaves: int = 4, gain: float = 0.5) -> Array:
        """Multi-octave value noise (H, W), about [-1, 1]; the periods (units) are the coarsest octave's."""
        total, weight, norm = np.zeros((self.y.size, self.x.size), np.float32), 1.0, 0.0
        for octave in range(octaves):
            shrink = 2.0**octave
            if min(period_x, period_y) / shrink * self.density < 1.5:
                break  # finer than the texels: would only alias
            total += weight * self._octave(period_x / shrink, period_y / shrink, seed * 31 + octave)
            norm += weight**2
            weight *= gain
        return total * (1.6 / math.sqrt(max(norm, 1e-6)))

    def _octave(self, period_x: float, period_y: float, seed: int) -> Array:
        table = _lattice(seed)
        i, f = _taps(self.x[0] / period_x + 17.3 * (seed % 7))
        j, g = _taps(self.y[:, 0] / period_y + 11.7 * (seed % 5))
        rows = table[j % 64] * (1 - g)[:, None] + table[(j + 1) % 64] * g[:, None]
        return rows[:, i % 64] * (1 - f) + rows[:, (i + 1) % 64] * f


@lru_cache(maxsize=512)
def _lattice(seed: int) -> Array:
    return np.random.default_rng(seed).uniform(-1, 1, (64, 64)).astype(np.float32)


def _taps(place: Array) -> tuple[Array, Array]:
    """Lattice index and smooth weight of the next one, per coordinate."""
    whole = np.floor(place)
    part = place - whole
    return whole.astype(np.int64), part * part * (3 - 2 * part)


def curve(x: Array, period: float, seed: int, octaves: int = 4) -> Array:
    """One-dimensional noise along x, about [-1, 1]: outlines of hills and waves."""
    table, total = _lattice(seed).ravel(), np.zeros_like(x)
    for octave in range(octaves):
        i, f = _taps(x * (2**octave / period) + 37.9 * octave)
        total += 0.5**octave * (table[i % 4096] * (1 - f) + table[(i + 1) % 4096] * f)
    return total


def disc(c: Canvas, x: float, y: float, radius: float, squash: float = 1.0) -> Array:
    """Coverage of a disc, or of an ellipse `squash` times as high as wide."""
    return c.edge(np.hypot(c.x - x, (c.y - y) / squash) - radius)


def polygon(c: Canvas, *points: tuple[float, float]) -> Array:
    """Coverage of a convex polygon, its corners in either sense of rotation."""
    area = sum(p[0] * q[1] - q[0] * p[1] for p, q in _sides(points))
    sense = 1.0 if area > 0 else -1.0
    distance = np.full((c.y.size, c.x.size), -1e9, np.float32)
    for (px, py), (qx, qy) in _sides(points):
        nx, ny = sense * (qy - py), -sense * (qx - px)
        distance = np.maximum(distance, ((c.x - px) * nx + (c.y - py) * ny) / math.hypot(nx, ny))
    return c.edge(distance)


def _sides(points: tuple[tuple[float, float], ...]) -> Iterator[tuple[tuple[float, float], ...]]:
    return zip(points, points[1:] + points[:1], strict=True)


def shape(c: Canvas, colour: Array, *points: tuple[float, float], grain: float = 0.1, seed: int = 1) -> None:
    """Fill a convex polygon with a lightly brushed colour."""
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    c = c.window(min(xs), min(ys), max(xs), max(ys))
    c.fill(polygon(c, *points), tint(colour, grain * c.noise(14, 5, seed, 3)))


def slab(c: Canvas, colour: Array, x0: float, y0: float, x1: float, y1: float, grain: float = 0.1) -> None:
    """Fill an upright rectangle with a lightly brushed colour."""
    shape(c, colour, (x0, y0), (x1, y0), (x1, y1), (x0, y1), grain=grain)


def puff(
    c: Canvas,
    x: float,
    y: float,
    radius: float,
    dark: Array,
    lit: Array,
    seed: int,
    rough: float = 0.2,
    soft: float = 1.5,
) -> None:
    """One rounded lump lit from the upper left: clouds, smoke, crowns of trees."""
    c = c.window(x - radius * 1.5, y - radius * 1.5, x + radius * 1.5, y + radius * 1.5)
    if not c.rgba.size:
        return
    texture = c.noise(radius * 0.5, radius * 0.5, seed, 4, 0.65)
    dx, dy = (c.x - x) / radius, (c.y - y) / radius
    light = 0.5 - 0.32 * dx - 0.5 * dy + 0.28 * texture
    c.fill(c.edge((np.hypot(dx, dy) - 1 + rough * texture) * radius, soft), mix(dark, lit, light))


def courses(c: Canvas, high: float, wide: float, joint: float, seed: int) -> tuple[Array, Array]:
    """Masonry: coverage of the joints (H, W) and one random number in [-1, 1] per stone (H, W)."""
    row = np.floor(c.y / high)
    along = c.x / wide + 0.5 * (row % 2) + 0.13 * row
    across_joint = np.minimum(along % 1, 1 - along % 1) * wide
    along_joint = np.minimum(c.y / high % 1, 1 - c.y / high % 1) * high
    joints = c.edge(np.minimum(across_joint, along_joint) - joint / 2)
    stones = _lattice(seed)[row.astype(int) % 64, np.floor(along).astype(int) % 64]
    return joints, stones


# ---------------------------------------------------------------------------------------------------------
# Things seen in both places
# ---------------------------------------------------------------------------------------------------------


def cumulus(c: Canvas, x: float, y: float, size: float, dark: str, lit: str, seed: int) -> None:
    """A heap of lumps with a flat foot, about 2.4 sizes wide."""
    random = np.random.default_rng(seed)
    foot, crown = ink(dark), ink(lit)
    for i in range(22):
        across = random.uniform(-1, 1)
        up = random.uniform(0, 1) * (1 - across**2) * (1 - i / 26)
        radius = size * (0.2 + 0.26 * (1 - abs(across))) * random.uniform(0.7, 1.1)
        shade = mix(foot, crown, 0.15 + 0.5 * up)
        puff(c, x + across * size * 1.15, y - up * size * 0.72, radius, shade, crown, seed + i, 0.16, 3)


def crown(c: Canvas, x: float, y: float, size: float, dark: str, lit: str, seed: int, tall: float = 1.0) -> None:
    """The leaves of a tree: lumps around (x, y), `tall` times as high as wide."""
    random = np.random.default_rng(seed)
    for i in range(round(16 * max(1.0, tall))):
        turn, reach = random.uniform(0, 2 * math.pi), math.sqrt(random.uniform(0, 1)) * size * 0.7
        px, py = x + math.cos(turn) * reach, y + math.sin(turn) * reach * tall
        height = 0.5 - (py - y) / (2 * size * tall)
        light = mix(ink(dark), ink(lit), 0.25 + 0.75 * height)
        puff(c, px, py, size * random.uniform(0.3, 0.46), ink(dark), light, seed * 17 + i, 0.34)


def tree(c: Canvas, x: float, foot: float, size: float, dark: str, lit: str, seed: int, tall: float = 1.0) -> None:
    """A trunk and its crown; `size` is half the crown's width."""
    top = foot - size * (0.7 + tall)
    shape(
        c,
        ink("#4a3226"),
        (x - size * 0.13, foot),
        (x - size * 0.06, top),
        (x + size * 0.06, top),
        (x + size * 0.13, foot),
    )
    crown(c, x, top - size * 0.1, size, dark, lit, seed, tall)


def balloon_sheet(dark: str, light: str, band: str) -> Callable[[Canvas], None]:
    """A hot-air balloon of radius 40 around (0, 0), its basket at y = 68."""

    def paint(c: Canvas) -> None:
        narrowing = np.clip((c.y - 8) / 46, 0, 1)
        half = np.sqrt(np.clip(1 - (np.minimum(c.y, 8) - 8) ** 2 / 46**2, 1e-4, 1)) * 40 * (1 - 0.72 * narrowing**1.6)
        around = np.arcsin(np.clip(c.x / half, -1, 1)) / math.pi * 8
        gores = np.clip(0.5 + 6 * np.sin(around * math.pi), 0, 1)
        cloth = mix(ink(dark), ink(light), gores)
        belt = c.edge(np.abs(c.y + 2) - 7 - 3 * np.cos(around * 2 * math.pi))
        cloth = mix(cloth, ink(band), belt)
        shadow = 0.12 * c.noise(12, 7, 5, 3) - 0.5 * np.clip(c.x / half, -1, 1) ** 3
        body = c.edge(np.maximum(np.abs(c.x) - half, np.maximum(-38 - c.y, c.y - 54)))
        for side in (-1, 1):
            shape(c, ink("#3b2a24"), (side * 10, 53), (side * 11.4, 53), (side * 7, 69), (side * 5.8, 69))
        c.fill(body, tint(cloth, shadow - 0.05))
        weave = ramp(0.5 + 0.5 * np.sin(c.x * 2.1) * np.sin(c.y * 2.1), (0, "#6b4526"), (1, "#c08a4d"))
        c.fill(c.edge(np.maximum(np.abs(c.x) - 7.5, np.abs(c.y - 73) - 5.5)), weave)

    return paint


def gull_wing(c: Canvas) -> None:
    """One wing from the shoulder at (0, 0) out to (30, -6); the other one is its mirror image."""
    span = np.clip(c.x / 30, 0, 1)
    middle = -10 * np.sin(span * 2.6) + 4 * span
    thick = 4.6 * (1 - span) ** 0.7 + 0.3
    cover = c.edge(np.maximum(np.abs(c.y - middle) - thick, np.maximum(-c.x, c.x - 30)))
    feathers = 0.05 * np.sin(c.x * 1.4 + 0.8 * c.y)
    c.fill(cover, tint(ramp(span, (0, "#fbf7ee"), (0.6, "#d5d9df"), (0.85, "#5b6470"), (1, "#2c3037")), feathers))


def gull_body(c: Canvas) -> None:
    """Body of a gull flying to the right, its shoulder at (0, 0)."""
    shape(c, ink("#d3d6dc"), (-17, -2.5), (-6, -1), (-6, 4), (-16, 3))
    c.fill(disc(c, 0, 1.5, 13, 0.34), ramp(c.y, (-2, "#fffdf6"), (6, "#b9c3cf")))
    c.fill(disc(c, 13, 0, 4), ink("#fffdf6"))
    shape(c, ink("#f0a22e"), (16, -0.8), (22, 1.3), (16, 2.1))
    c.fill(disc(c, 14, -0.8, 0.9), ink("#1d1d22"))


# ---------------------------------------------------------------------------------------------------------
# The harbour: morning by the sea
# ---------------------------------------------------------------------------------------------------------


def harbour_sky(c: Canvas) -> None:
    """Long brushed streaks around a low sun at (420, 138)."""
    streaks = c.noise(170, 13, 3, 5, 0.6)
    colour = ramp(
        c.y + 16 * streaks,
        (-60, "#1d5c92"), (40, "#3f93b8"), (105, "#8fc7bd"), (150, "#f6d79a"), (185, "#f9b27c"),
        (230, "#ee8f72"),
    )  # fmt: skip
    away = np.hypot(c.x - 420, c.y - 138)
    rings = 0.5 + 0.5 * np.cos(away / 5.5 + 1.5 * c.noise(60, 60, 8, 2))
    glow = np.exp(-away / 62)
    colour = mix(colour, ink("#fff0b8"), glow * (0.72 + 0.25 * rings))
    colour = tint(colour, 0.05 * streaks + 0.035 * c.noise(9, 4, 4, 2))
    c.fill(1, mix(colour, ink("#fffbe0"), c.edge(away - 25)))


def harbour_clouds_far(c: Canvas) -> None:
    for x, y, size, seed in ((-20, 120, 34, 40), (150, 96, 42, 70), (330, 132, 26, 130), (610, 112, 44, 160)):
        cumulus(c, x, y, size, "#c98f9a", "#ffe6c4", seed)


def harbour_clouds_near(c: Canvas) -> None:
    for x, y, size, seed in ((40, 50, 54, 210), (500, 56, 62, 260), (760, 40, 50, 300)):
        cumulus(c, x, y, size, "#b48fb0", "#fff3dc", seed)


def mountains(c: Canvas) -> None:
    """A blue range with snow on its lit flanks, fading into mist."""
    ridge = 158 - 26 * curve(c.x, 120, 12, 6) - 10 * np.sin(c.x / 70)
    flank = c.noise(34, 60, 14, 5, 0.6) + 0.7 * c.noise(90, 140, 15, 2)
    rock = mix(ink("#3d5b8f"), ink("#a58fb4"), 0.5 + 0.9 * flank)
    snow = c.edge((c.y - ridge - 13 - 16 * flank) * 0.3)
    rock = mix(rock, ink("#fdeee0"), snow * (0.55 + 0.45 * flank))
    c.fill(c.edge(ridge - c.y), mix(rock, ink("#f2b795"), (c.y - 160) / 60))


def headland(c: Canvas) -> None:
    """A green cape on striped rock, with a lighthouse on it."""
    ground = (
        176 - 30 * np.clip((c.x - 440) / 120, 0, 1) - 12 * curve(c.x, 90, 21, 4) + 40 * np.clip((460 - c.x) / 60, 0, 1)
    )
    grass = mix(ink("#2e6b4f"), ink("#b7b64a"), 0.5 + 0.55 * c.noise(26, 9, 22, 5, 0.7))
    strata = 0.5 + 0.5 * np.sin(c.y * 0.8 + 3 * c.noise(60, 30, 23, 3))
    rock = tint(mix(ink("#6b4b4f"), ink("#d99a72"), strata), 0.25 * c.noise(12, 20, 24, 4))
    cliff = c.edge((192 + 7 * c.noise(30, 20, 25, 3) - c.y) * 0.5)
    c.fill(c.edge(ground - c.y), mix(grass, rock, cliff))
    for i, (x, y) in enumerate(((520, 158), (546, 152), (628, 150), (650, 146), (676, 142), (704, 140), (590, 160))):
        crown(c, x, y, 13 + i % 3 * 3, "#1f4a3d", "#8fae4c", 600 + i, 0.8)
    lighthouse(c, 598, 150)


def lighthouse(c: Canvas, x: float, foot: float) -> None:
    """Red and white, 104 units high."""
    top = foot - 84
    tower = c.window(x - 16, top - 30, x + 16, foot + 4)
    spiral = np.clip(0.5 + 5 * np.sin((tower.y + 0.45 * (tower.x - x)) * math.pi / 15), 0, 1)
    paint = mix(ink("#c9352f"), ink("#fbf3e2"), spiral)
    light = -0.4 * np.clip((tower.x - x) / 14, -0.4, 1) + 0.06 * tower.noise(6, 9, 31, 3)
    tower.fill(polygon(tower, (x - 13, foot), (x - 8, top), (x + 8, top), (x + 13, foot)), tint(paint, light))
    slab(c, ink("#33363f"), x - 12, top - 3, x + 12, top + 1)
    slab(c, ink("#ffe58a"), x - 6, top - 15, x + 6, top - 3, 0.3)
    for offset in (-6, -1, 4):
        slab(c, ink("#33363f"), x + offset, top - 15, x + offset + 1.6, top - 3)
    shape(c, ink("#a3292a"), (x - 9, top - 15), (x, top - 26), (x + 9, top - 15))
    for rise in (20, 46):
        slab(c, ink("#2b3550"), x - 2.5, top + rise, x + 2.5, top + rise + 9)


def house(c: Canvas, x: float, foot: float, wide: float, high: float, wall: str, roof: str, seed: int) -> None:
    """A narrow front with a gable: plaster, brick or planks, windows with shutters, a chimney."""
    top, ridge = foot - high, foot - high - wide * 0.62
    slab(c, ink("#8c4a3c"), x + wide * 0.68, ridge - 2, x + wide * 0.82, top, 0.3)
    front = c.window(x, ridge, x + wide, foot)
    cover = polygon(front, (x, foot), (x, top), (x + wide / 2, ridge), (x + wide, top), (x + wide, foot))
    colour = tint(ink(wall), 0.16 * front.noise(16, 16, seed, 4) + 0.1 * (0.5 - (front.x - x) / wide))
    if seed % 3 == 0:
        joints, stones = courses(front, 4, 9, 0.9, seed)
        colour = mix(tint(colour, 0.16 * stones), ink("#e9d3b4"), 0.55 * joints)
    elif seed % 3 == 1:
        colour = tint(colour, -0.16 * (np.sin(front.x * math.pi / 2.5) > 0.6))
    front.fill(cover, colour)
    eaves = wide * 0.07
    for side, edge in ((1, x - eaves), (-1, x + wide + eaves)):
        lean, drop = (x + wide / 2, ridge - 3), top + 3
        lit = tint(ink(roof), 0.15 * side)
        shape(
            c,
            lit,
            (edge, drop),
            lean,
            (lean[0], lean[1] + 8),
            (edge + side * 3, drop + 6),
            grain=0.3,
            seed=seed,
        )
    for row in range(int((high - 10) // 27)):
        for col in range(2):
            window(c, x + wide * (0.17 + 0.4 * col), top + 8 + 27 * row, wide * 0.24, 15, seed + row * 2 + col)
    slab(c, ink("#3c2a2a"), x + wide * 0.4, foot - 17, x + wide * 0.62, foot, 0.3)
    small = c.window(x + wide * 0.3, ridge, x + wide * 0.7, top)
    small.fill(disc(small, x + wide / 2, top - wide * 0.2, wide * 0.1), ink("#24344d"))


def window(c: Canvas, x: float, y: float, wide: float, high: float, seed: int) -> None:
    """A window with a cross bar and shutters; some are lit."""
    shutter = ("#2f6f73", "#a43b36", "#355a8c", "#e8e0cc")[seed % 4]
    slab(c, ink(shutter), x - wide * 0.4, y, x + wide * 1.4, y + high, 0.25)
    slab(c, ink("#f7efdd"), x - 0.8, y - 0.8, x + wide + 0.8, y + high + 1.2)
    slab(c, ink("#ffd36b" if seed % 5 == 0 else "#2b405f"), x, y, x + wide, y + high, 0.35)
    slab(c, ink("#f7efdd"), x + wide / 2 - 0.6, y, x + wide / 2 + 0.6, y + high)
    slab(c, ink("#f7efdd"), x, y + high * 0.45, x + wide, y + high * 0.45 + 1.2)


TOWN = (  # width, height, wall, roof
    (44, 66, "#d98b4a", "#7d3b35"), (38, 84, "#5f9ea0", "#8a4637"), (46, 60, "#f0dcb0", "#a14a36"),
    (40, 98, "#c4574a", "#5d3b45"), (36, 72, "#e9b949", "#7d3b35"), (48, 88, "#7f9fc4", "#934a3a"),
    (40, 58, "#e7a79a", "#6c3a3c"), (42, 92, "#f3e6cf", "#b0553b"), (38, 70, "#7fae84", "#7d3b35"),
    (46, 80, "#cf6a4d", "#5d3b45"), (40, 54, "#e8c46a", "#934a3a"),
)  # fmt: skip


def town(c: Canvas) -> None:
    """A row of gabled houses on a stone quay, from x = -130 to 310."""
    x = -130.0
    for i, (wide, high, wall, roof) in enumerate(TOWN):
        house(c, x, 208, wide, high, wall, roof, 700 + i)
        x += wide - 2
    quay = c.window(-150, 206, x + 20, 250)
    joints, stones = courses(quay, 9, 22, 1.4, 33)
    stone = tint(mix(ink("#8d8175"), ink("#cdb892"), 0.5 + 0.5 * stones), 0.14 * quay.noise(8, 8, 34, 3))
    quay.fill(c.edge(np.maximum(206 - quay.y, quay.x - (x + 14))), mix(stone, ink("#4b4848"), 0.8 * joints))
    slab(c, ink("#ecdcb8"), -150, 205, x + 17, 210, 0.2)
    for i in range(9):
        tree_x = -112 + 51 * i
        crown(c, tree_x, 196, 8, "#2f5b3a", "#a9bd58", 800 + i)


def sea(
    level: float, height: float, length: float, crest: str, body: str, deep: str, seed: int
) -> Callable[[Canvas], None]:
    """A strip of sea with a waved upper edge, streaks along it, foam and a glint of the sun."""

    def paint(c: Canvas) -> None:
        swell = np.abs(np.sin(c.x * math.pi / length + 0.6 * curve(c.x, length * 2.3, seed, 2)))
        top = level - height * (1 - swell) - 0.3 * height * curve(c.x, length, seed + 1, 2)
        below = c.y - top
        streaks = c.noise(length * 0.8, 3.5 + height * 0.55, seed + 2, 4, 0.65)
        arcs = np.sin((below + 0.25 * height * streaks) * 2 * math.pi / (5 + 1.1 * height))
        colour = mix(
            ramp(below / (height * 7), (0, crest), (0.35, body), (1, deep)),
            ink(crest),
            0.16 + 0.3 * arcs * (streaks > 0),
        )
        colour = tint(colour, 0.17 * streaks)
        glint = np.exp(-(((c.x - 420) / (46 + 0.3 * (level - 200))) ** 2)) * (streaks + 0.25 * arcs > 0.22)
        colour = mix(colour, ink("#ffe9ae"), 0.75 * glint)
        foam = c.edge(below - 1.0 - 0.16 * height * (1 + c.noise(9, 9, seed + 3, 3)))
        c.fill(c.edge(-below), mix(colour, ink("#fff7e4"), foam * 0.9))

    return paint


def sail_boat(c: Canvas) -> None:
    """A two-masted boat with striped sails, sailing right; the water line is y = 0."""
    slab(c, ink("#6b4326"), -3, -132, 1, -8)
    slab(c, ink("#6b4326"), 44, -96, 47, -8)
    sail(c, ("#c8402f", "#f6e3bd"), (-7, -124), (-7, -20), (-62, -22), band=15)
    sail(c, ("#f6e3bd", "#e0932f"), (5, -120), (5, -18), (42, -20), band=15)
    sail(c, ("#2d6f86", "#f6e3bd"), (50, -92), (50, -18), (84, -20), band=13)
    shape(c, ink("#e8b23a"), (-3, -132), (-3, -141), (-24, -135), grain=0.3)
    hull = c.window(-80, -18, 92, 14)
    planks = np.clip(0.5 + 4 * np.sin(hull.y * math.pi / 3), 0, 1)
    wood = mix(ink("#3a2430"), ink("#8d4a36"), 0.25 + 0.6 * planks + 0.25 * hull.noise(20, 4, 51, 3))
    hull.fill(polygon(hull, (-74, -14), (92, -18), (66, 12), (-60, 12)), wood)
    shape(c, ink("#f2d9a0"), (-75, -16), (93, -20), (90, -14), (-73, -11), grain=0.25)
    for i in range(6):
        port = c.window(-50 + 20 * i, -8, -40 + 20 * i, 2)
        port.fill(disc(port, -45 + 20 * i, -4, 2.6), ink("#f4c95d"))


def sail(c: Canvas, inks: tuple[str, str], *corners: tuple[float, float], band: float) -> None:
    """A triangular sail with stripes across, seams, and a soft fold of light."""
    xs, ys = zip(*corners, strict=True)
    c = c.window(min(xs), min(ys), max(xs), max(ys))
    stripes = np.clip(0.5 + 6 * np.sin((c.y + 0.12 * c.x) * math.pi / band), 0, 1)
    fold = 0.22 * np.sin((c.x - min(xs)) / (max(xs) - min(xs)) * 3.4 + 0.4) - 0.12
    cloth = tint(mix(ink(inks[0]), ink(inks[1]), stripes), fold + 0.09 * c.noise(10, 18, 52, 4))
    c.fill(polygon(c, *corners), cloth)


def fishing_boat(c: Canvas) -> None:
    """A stout moored boat with a wheelhouse, floats and a derrick; the water line is y = 0."""
    slab(c, ink("#4d3a30"), 8, -84, 11, -14)
    shape(c, ink("#4d3a30"), (9, -66), (11, -68), (54, -38), (52, -36))
    shape(c, ink("#4d3a30"), (-38, -26), (9, -82), (10, -81), (-36, -26))
    slab(c, ink("#f4ead2"), -36, -46, -4, -14, 0.16)
    slab(c, ink("#d2553c"), -40, -51, 0, -45, 0.25)
    for x in (-32, -20):
        slab(c, ink("#27405c"), x, -41, x + 8, -30, 0.4)
    for i, colour in enumerate(("#ef7f2e", "#f3d04f", "#ef7f2e", "#d2553c", "#f3d04f")):
        puff(c, 20 + 9 * i, -17 - 3 * (i % 2), 6, ink("#7b3a1d"), ink(colour), 60 + i, 0.05)
    hull = c.window(-66, -26, 78, 16)
    stripe = ramp(
        hull.y,
        (-20, "#1f7f80"),
        (-8.2, "#1f7f80"),
        (-7.8, "#f4ead2"),
        (-3, "#f4ead2"),
        (-2.6, "#b8392f"),
        (12, "#6d2429"),
    )
    bow = polygon(hull, (-60, -16), (76, -24), (58, 14), (-52, 14))
    hull.fill(bow, tint(stripe, 0.16 * hull.noise(18, 5, 61, 4)))
    shape(c, ink("#f7e7bd"), (-62, -18), (78, -26), (77, -21), (-61, -13.5), grain=0.2)


def pier(c: Canvas) -> None:
    """The near end of a pier: planks, posts, a lantern with flowers, a lifebuoy."""
    deck = c.window(-400, 322, 1100, 420)
    board = np.floor((deck.x + 0.35 * deck.y) / 15)
    gap = np.abs((deck.x + 0.35 * deck.y) / 15 % 1 - 0.5) > 0.45
    tone = _lattice(70)[3, board.astype(int) % 64]
    wood = mix(ink("#6e4a35"), ink("#c99a68"), 0.5 + 0.3 * tone + 0.3 * deck.noise(7, 40, 71, 4))
    deck.fill(c.edge(np.broadcast_to(330 - deck.y, (deck.y.size, deck.x.size))), tint(wood, -0.6 * gap))
    slab(c, ink("#f0cf97"), -400, 328, 1100, 333, 0.25)
    for i, x in enumerate(range(-330, 1100, 118)):
        post = c.window(x, 292, x + 20, 420)
        shade = tint(mix(ink("#4a3029"), ink("#a9754c"), 0.55 - (post.x - x) / 26), 0.3 * post.noise(5, 30, 72 + i, 4))
        post.fill(polygon(post, (x, 420), (x, 296), (x + 18, 296), (x + 18, 420)), shade)
        post.fill(disc(post, x + 9, 296, 9, 0.34), ink("#e2b987"))
        post.fill(
            c.edge(np.broadcast_to(np.abs(post.y - 312) - 3.5, (post.y.size, post.x.size)))
            * (np.abs(post.x - x - 9) < 9.5),
            ink("#e9dcc0"),
        )
    lantern(c, 512)
    lifebuoy(c, 134, 318)


def lantern(c: Canvas, x: float) -> None:
    """A tall iron lamp with baskets of flowers: it sweeps across everything behind it."""
    slab(c, ink("#20313a"), x - 3.5, 130, x + 3.5, 336, 0.35)
    slab(c, ink("#20313a"), x - 30, 168, x + 30, 172, 0.35)
    shape(c, ink("#20313a"), (x - 12, 108), (x, 92), (x + 12, 108))
    shape(c, ink("#ffdf8a"), (x - 10, 108), (x + 10, 108), (x + 6, 131), (x - 6, 131), grain=0.3)
    slab(c, ink("#20313a"), x - 1, 106, x + 1, 131)
    slab(c, ink("#20313a"), x - 8, 130, x + 8, 134)
    for side in (-27, 27):
        slab(c, ink("#20313a"), x + side - 0.8, 170, x + side + 0.8, 186)
        crown(c, x + side, 196, 17, "#1f4a35", "#7fa84a", 900 + side, 0.75)
        random = np.random.default_rng(90 + side)
        for i in range(26):
            dx, dy = random.normal(0, 8), random.normal(0, 5.5)
            colour = ("#e8345a", "#ff7fa0", "#ffd0d8", "#f7b32b")[i % 4]
            puff(c, x + side + dx, 197 + dy, 3.1, ink("#8d1f45"), ink(colour), 950 + i, 0.1)


def lifebuoy(c: Canvas, x: float, y: float) -> None:
    ring = c.window(x - 24, y - 24, x + 24, y + 24)
    turn = np.arctan2(ring.y - y, ring.x - x)
    paint = mix(ink("#d8392f"), ink("#fbf4e4"), np.clip(0.5 + 6 * np.sin(turn * 4 + 0.6), 0, 1))
    away = np.hypot(ring.x - x, ring.y - y)
    ring.fill(c.edge(np.abs(away - 16) - 6), tint(paint, 0.1 * ring.noise(6, 6, 77, 3) - 0.05 * (away - 16)))


# ---------------------------------------------------------------------------------------------------------
# The valley: an afternoon with a train
# ---------------------------------------------------------------------------------------------------------


def valley_sky(c: Canvas) -> None:
    """Deep blue above, pale gold at the horizon, swept by high thin cloud."""
    sweep = c.noise(130, 34, 101, 5, 0.6)
    colour = ramp(
        c.y + 26 * sweep,
        (-70, "#1f4fa8"),
        (30, "#3f86d0"),
        (100, "#8cc6e6"),
        (150, "#f4eec6"),
        (200, "#ffe3a0"),
    )
    wisps = np.clip(c.noise(150, 16, 102, 5, 0.62) - 0.35, 0, 1) * 0.9
    c.fill(1, tint(mix(colour, ink("#ffffff"), wisps), 0.04 * c.noise(10, 6, 103, 3)))


def valley_clouds(c: Canvas) -> None:
    for x, y, size, seed in (
        (-60, 84, 60, 310),
        (160, 62, 82, 340),
        (432, 92, 60, 370),
        (640, 54, 74, 430),
        (800, 96, 58, 460),
    ):
        cumulus(c, x, y, size, "#7f9cc9", "#ffffff", seed)


def violet_hills(c: Canvas) -> None:
    ridge = 142 - 24 * curve(c.x, 170, 112, 5) - 12 * np.sin(c.x / 95 + 1)
    slopes = c.noise(46, 22, 114, 5, 0.62)
    colour = mix(ink("#4b4a94"), ink("#a98fc6"), 0.45 + 0.55 * slopes)
    c.fill(c.edge(ridge - c.y), mix(colour, ink("#e8c9b0"), (c.y - 150) / 70))


FIELDS = ("#e7c24a", "#7fae3f", "#c98f3c", "#4f8f47", "#f0d878", "#a9bf4b", "#b0643a", "#8fb85e")


def patchwork(c: Canvas) -> None:
    """A rolling hillside of fields, each ploughed its own way, with hedges between."""
    ridge = 168 - 17 * np.sin(c.x / 120 + 0.6) - 8 * curve(c.x, 150, 121, 3)
    depth = np.log(np.clip(c.y - ridge + 16, 4, None)) * 3.1
    across = (c.x - 300) / (26 + 0.55 * (c.y - ridge)) + 0.5 * depth + 0.35 * c.noise(150, 60, 122, 2)
    row, col = np.floor(depth), np.floor(across * 0.8)
    pick = (_lattice(123)[row.astype(int) % 64, col.astype(int) % 64] * 0.5 + 0.5) * len(FIELDS)
    colour = np.stack([ink(code) for code in FIELDS])[np.clip(pick.astype(int), 0, len(FIELDS) - 1)]
    lean = np.where(pick % 1 > 0.5, 1.0, -0.6)
    furrows = np.sin((c.x * lean + c.y * 2.2) * 0.85)
    colour = tint(colour, 0.13 * furrows + 0.15 * c.noise(16, 8, 124, 4))
    border = np.minimum(
        np.minimum(depth % 1, 1 - depth % 1) * 8, np.minimum(across * 0.8 % 1, 1 - across * 0.8 % 1) * 30
    )
    hedge = np.clip(1.6 - border + 0.8 * c.noise(7, 5, 125, 3), 0, 1)
    c.fill(c.edge(ridge - c.y), mix(colour, ink("#2f5a37"), 0.85 * hedge))
    random = np.random.default_rng(126)
    for i in range(26):
        x, y = random.uniform(-150, 800), random.uniform(172, 214)
        crown(c, x, y, random.uniform(5, 9), "#244d33", "#86a848", 1000 + i)


RAIL = 197.0  # the height of the rails on the viaduct


def viaduct(c: Canvas) -> None:
    """A stone viaduct with round arches, open between its piers."""
    pitch, half, spring = 74.0, 28.0, 236.0
    inside = np.abs((c.x % pitch) - pitch / 2)
    arch = np.where(c.y > spring, inside - half, np.hypot(inside, c.y - spring) - half)
    joints, stones = courses(c, 6, 14, 1, 131)
    stone = tint(mix(ink("#8f6f5f"), ink("#e2bd8d"), 0.5 + 0.5 * stones), 0.16 * c.noise(22, 22, 132, 4))
    stone = mix(stone, ink("#5d4a4a"), 0.7 * joints)
    stone = mix(stone, ink("#f3dcae"), c.edge(np.abs(arch - 3) - 3) * 0.75)
    stone = tint(stone, -0.3 * np.clip(1 - np.abs((c.x % pitch) - pitch / 2 + 34) / 12, 0, 1))
    c.fill(c.edge(np.maximum(RAIL + 2 - c.y, -arch)), stone)
    for high, low, colour in ((RAIL + 1, RAIL + 3, "#4a4046"), (RAIL + 5, RAIL + 9, "#f0d6a4")):
        slab(c, ink(colour), -200, high, 860, low, 0.15)


def locomotive(c: Canvas) -> None:
    """A green steam engine going left; the rails are y = 0, the front x = -46."""
    slab(c, ink("#26262c"), -44, -10, 46, -6, 0.3)
    boiler = c.window(-42, -31, 14, -9)
    green = ramp(boiler.y, (-31, "#3f9a68"), (-26, "#7cd39a"), (-18, "#2c7a50"), (-9, "#123f2d"))
    bands = c.edge(np.abs((boiler.x + 42) % 14 - 7) - 1)
    green = mix(tint(green, 0.1 * boiler.noise(8, 5, 141, 3)), ink("#f2c14b"), bands)
    boiler.fill(boiler.edge(np.maximum(np.abs(boiler.x + 14) - 27, np.abs(boiler.y + 20) - 10.5)), green)
    shape(c, ink("#2a2a30"), (-35, -30), (-38, -44), (-27, -44), (-30, -30))
    puff(c, -6, -31, 5, ink("#a3762a"), ink("#ffe08a"), 142, 0.05)
    slab(c, ink("#2c7a50"), 13, -40, 40, -9, 0.2)
    slab(c, ink("#f7e6b0"), 18, -35, 34, -23, 0.2)
    slab(c, ink("#a5322c"), 9, -45, 44, -40, 0.25)
    shape(c, ink("#a5322c"), (-44, -12), (-54, -1), (-42, -2), grain=0.3)
    puff(c, -43, -22, 3.4, ink("#d59a2c"), ink("#fff2b0"), 143, 0.05)


def wagon_sheet(body: str, trim: str) -> Callable[[Canvas], None]:
    """A passenger wagon 74 long around x = 0; the rails are y = 0."""

    def paint(c: Canvas) -> None:
        slab(c, ink("#2a262b"), -40, -9, 40, -6, 0.2)
        slab(c, ink(body), -36, -35, 36, -9, 0.16)
        slab(c, ink(trim), -36, -17, 36, -14, 0.2)
        shape(c, ink("#5b4750"), (-39, -35), (-34, -40), (34, -40), (39, -35), grain=0.25)
        for i in range(5):
            slab(c, ink("#ffe9a8" if i % 2 else "#34506f"), -31 + 13 * i, -31, -22 + 13 * i, -20, 0.4)

    return paint


def wheel(c: Canvas) -> None:
    """A spoked wheel of radius 8 around (0, 0)."""
    away, turn = np.hypot(c.x, c.y), np.arctan2(c.y, c.x)
    spokes = np.abs(np.sin(turn * 3)) * away < 1.6
    colour = mix(ink("#3b2328"), ink("#d9473a"), np.maximum(spokes, np.abs(away - 6) < 1.0))
    c.fill(c.edge(away - 8), mix(colour, ink("#d9d4c8"), away > 7))


def smoke(c: Canvas) -> None:
    """One cloud of steam of radius 20 around (0, 0)."""
    random = np.random.default_rng(151)
    for i in range(14):
        turn, reach = random.uniform(0, 2 * math.pi), random.uniform(0, 11)
        x, y = math.cos(turn) * reach, math.sin(turn) * reach
        shade = mix(ink("#9a93b0"), ink("#fffaf0"), 0.5 - y / 20)
        puff(c, x, y, random.uniform(7, 10), ink("#9a93b0"), shade, 152 + i, 0.2, 3)


def near_hill(c: Canvas) -> None:
    """The hill of the windmill, with a path, bushes and a cottage."""
    ridge = (
        262
        - 46 * np.exp(-(((c.x - 500) / 130) ** 2))
        - 5 * curve(c.x, 80, 161, 4)
        + 26 * np.clip((300 - c.x) / 200, 0, 1)
    )
    grass = mix(ink("#3f7a35"), ink("#cfd256"), 0.5 + 0.6 * c.noise(40, 14, 162, 6, 0.72))
    centre = 505 + 34 * np.sin((c.y - 200) / 20) + (c.y - 215) * -0.4
    path = c.edge(np.abs(c.x - centre) - (2 + 0.1 * (c.y - 205)), 2)
    grass = mix(grass, tint(ink("#ecd199"), 0.15 * c.noise(9, 5, 163, 3)), path)
    c.fill(c.edge(ridge - c.y), grass)
    for i, (x, y, size) in enumerate(((430, 238, 13), (452, 232, 9), (560, 236, 12), (585, 244, 15), (612, 250, 12))):
        crown(c, x, y, size, "#23502f", "#a3bf4e", 1100 + i, 0.8)


def mill_tower(c: Canvas) -> None:
    """A whitewashed tower around x = 0 standing on y = 0, its hub at (0, -96)."""
    tower = c.window(-30, -92, 30, 4)
    joints, stones = courses(tower, 5, 11, 0.8, 171)
    light = -0.38 * np.clip((tower.x + 6) / 30, -0.3, 1) + 0.07 * stones + 0.06 * tower.noise(14, 14, 172, 3)
    wall = mix(tint(ink("#fbf1dc"), light), ink("#c2a98c"), 0.4 * joints)
    tower.fill(polygon(tower, (-28, 0), (-18, -88), (18, -88), (28, 0)), wall)
    shape(c, ink("#b5402f"), (-22, -86), (-15, -104), (15, -104), (22, -86), grain=0.3)
    shape(c, ink("#963226"), (-15, -104), (0, -114), (15, -104), grain=0.3)
    slab(c, ink("#4a3029"), -6, -22, 6, 0, 0.3)
    for x, y in ((-7, -44), (6, -66), (8, -40)):
        slab(c, ink("#2b405f"), x - 3.5, y - 5, x + 3.5, y + 5, 0.3)


def mill_sails(c: Canvas) -> None:
    """Four latticed sails of length 74 around (0, 0)."""
    for cos, sin in ((1, 0), (0, 1), (-1, 0), (0, -1)):
        along, aside = c.x * cos + c.y * sin, -c.x * sin + c.y * cos
        cloth = np.maximum(np.abs(along - 45) - 28, np.abs(aside - 8) - 8)
        stripes = np.clip(0.5 + 5 * np.sin(along * math.pi / 9.3 + 1), 0, 1)
        colour = tint(mix(ink("#f9ecd0"), ink("#cf4436"), stripes), 0.12 * c.noise(7, 7, 181, 4))
        frame = np.minimum(np.abs(aside - 8), np.abs(np.abs(aside - 8) - 7.4)) < 0.8
        c.fill(c.edge(cloth), mix(colour, ink("#6b4226"), frame))
        c.fill(c.edge(np.maximum(np.abs(along - 37) - 38, np.abs(aside) - 1.9)), ink("#5a3620"))
    c.fill(disc(c, 0, 0, 5), ink("#3b2418"))
    c.fill(disc(c, 0, 0, 2.4), ink("#e8b23a"))


def orchard(c: Canvas) -> None:
    """Trees between the viaduct and the meadow: poplars, and round ones in autumn colours."""
    for i, (x, foot, size, tall, dark, lit) in enumerate(
        (
            (-150, 292, 26, 1.0, "#2b5a35", "#a9c052"), (-84, 296, 15, 2.7, "#23502f", "#8db04a"),
            (-20, 298, 30, 1.0, "#8a3a22", "#f2a03a"), (46, 292, 14, 2.9, "#23502f", "#98b84e"),
            (72, 296, 15, 2.5, "#2b5a35", "#a9c052"), (214, 296, 31, 1.05, "#7d2f22", "#ee7f35"),
            (262, 292, 22, 1.0, "#3b6a33", "#c6cf5a"), (352, 300, 15, 2.7, "#23502f", "#8db04a"),
            (640, 300, 32, 1.0, "#8a3a22", "#f5b545"), (706, 296, 15, 2.6, "#23502f", "#98b84e"),
            (770, 298, 30, 1.0, "#2b5a35", "#a9c052"),
        )
    ):  # fmt: skip
        tree(c, x, foot, size, dark, lit, 1200 + i, tall)


def meadow(c: Canvas) -> None:
    """Long grass with poppies, daisies and cornflowers, closer ones larger."""
    top = 290 - 5 * curve(c.x, 110, 191, 4) - 1.5 * curve(c.x, 9, 192, 2)
    blades = c.noise(5, 26, 193, 4, 0.75)
    grass = mix(ink("#2f6b2e"), ink("#b9cf4a"), 0.48 + 0.42 * blades + 0.3 * c.noise(90, 22, 194, 3))
    c.fill(c.edge(top - c.y), mix(grass, ink("#eadf7a"), 0.5 - (c.y - 286) / 34))
    random = np.random.default_rng(195)
    for y in np.sort(random.uniform(297, 400, 420)):
        x, size = random.uniform(-200, 860), 1.2 + (y - 290) / 30
        colour, heart = (
            ("#e5352b", "#5a1016"),
            ("#fdf7ea", "#f2b72c"),
            ("#e5352b", "#5a1016"),
            ("#4a62d8", "#23307c"),
        )[random.integers(4)]
        puff(c, x, y, size, tint(ink(colour), -0.35), ink(colour), int(y * 7) % 211, 0.3)
        spot = c.window(x - 3, y - 3, x + 3, y + 3)
        spot.fill(disc(spot, x, y, size * 0.34), ink(heart))


def ball(c: Canvas) -> None:
    """A striped ball of radius 30 around (0, 0), shaded alike from every side so that it may roll."""
    away, turn = np.hypot(c.x, c.y), np.arctan2(c.y, c.x)
    paints = np.stack([ink(code) for code in ("#e23b35", "#fbf3df", "#2f72c4", "#fbf3df", "#f4b92f", "#fbf3df")])
    swirl = (turn + 0.5 * np.sin(away / 30 * 1.6)) / (2 * math.pi) * 6 % 6
    colour = tint(paints[swirl.astype(int) % 6], 0.09 * c.noise(9, 9, 201, 4) - 0.42 * (away / 30) ** 5)
    colour = mix(colour, ink("#2b2f52"), c.edge(away - 6.5))
    c.fill(c.edge(away - 30), mix(colour, ink("#fbf3df"), c.edge(away - 4)))


def sunflower(c: Canvas) -> None:
    """A sunflower 128 high rooted at (0, 0)."""
    shape(c, ink("#3d6b2a"), (-4.5, 10), (-2.5, -104), (2.5, -104), (4.5, 10), grain=0.25)
    for side, y in ((1, -34), (-1, -52), (1, -68)):
        leaf = c.window(min(0, side * 40), y - 22, max(0, side * 40), y + 12)
        span = np.clip(leaf.x * side / 38, 0, 1)
        middle = y - 12 * np.sin(span * 2.4)
        cover = leaf.edge(np.maximum(np.abs(leaf.y - middle) - 9 * np.sin(span * 3.14) ** 0.8, -leaf.x * side))
        veins = 0.16 * np.sin((leaf.x * side + np.abs(leaf.y - middle)) * 1.1) + 0.2 * leaf.noise(6, 6, 211, 3)
        leaf.fill(
            cover,
            tint(
                ramp(
                    leaf.y - middle,
                    (-8, "#8cc04a"),
                    (-1, "#6fa83e"),
                    (0, "#c9de7a"),
                    (1, "#4f8a35"),
                    (8, "#2a5a2c"),
                ),
                veins,
            ),
        )
    head = c.window(-40, -150, 40, -70)
    x, y = head.x, head.y + 110
    away, turn = np.hypot(x, y), np.arctan2(y, x)
    for petals, reach, dark, lit in ((15, 34, "#c9731a", "#f0a526"), (13, 29, "#e89a1c", "#ffdf4d")):
        wave = np.abs(np.cos(turn * petals / 2 + reach))
        paint = tint(mix(ink(dark), ink(lit), wave * 1.1 * (0.3 + away / 34)), 0.1 * head.noise(4, 4, 212, 3))
        head.fill(head.edge(away - 14 - (reach - 14) * wave**0.8), paint)
    seeds = 0.5 + 0.5 * np.sin(away * 2.2) * np.cos(turn * 11 + away * 0.8)
    head.fill(head.edge(away - 15), mix(ink("#2e1a14"), ink("#8a5426"), seeds * (0.35 + away / 18)))


# ---------------------------------------------------------------------------------------------------------
# The theatre: sheets, layers, shots, scenes
# ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Sheet:
    """A picture in its own units, painted on demand at the density that is asked for."""

    paint: Callable[[Canvas], None]
    box: Box

    @lru_cache(maxsize=128)  # noqa: B019 (sheets are constants of this module)
    def texels(self, density: float) -> Array:
        """(h + 2, w + 2, 4) float32, premultiplied, with an empty border one texel wide."""
        canvas = Canvas.over(self.box, max(1.0, density))
        self.paint(canvas)
        rgba = canvas.rgba
        for _ in range(round(math.log2(max(1.0, density) / density))):  # fine patterns would alias if painted small
            rgba = (rgba[::2, ::2] + rgba[1::2, ::2] + rgba[::2, 1::2] + rgba[1::2, 1::2]) / 4
        return np.pad(rgba, ((1, 1), (1, 1), (0, 0)))


Pose = Callable[[float], Array]  # seconds -> (3, 3) matrix from sheet units to world units


@dataclass(frozen=True, eq=False)
class Layer:
    """A sheet, how it moves, and how much of the camera's movement it takes part in (0 = infinitely far)."""

    sheet: Sheet
    near: float
    pose: Pose


@dataclass(frozen=True, eq=False)
class Shot:
    """Layers from back to front, and a camera: seconds -> (x, y, zoom) off its place at rest."""

    layers: tuple[Layer, ...]
    camera: Callable[[float], tuple[float, float, float]]


@dataclass(frozen=True, eq=False)
class Scene:
    """A movie: shots one after the other with a hard cut between."""

    name: str
    shots: tuple[Shot, ...]
    frames: tuple[int, ...]  # per shot
    fps: Fraction
    size: tuple[int, int]  # width and height of the clip in sample_videos
    crf: int
    speed: float = 1.0  # world seconds per second of movie
    crop: float = 1.0  # constant zoom about the middle of the picture

    @property
    def count(self) -> int:
        """Number of frames."""
        return sum(self.frames)

    def at(self, frame: int) -> tuple[int, float]:
        """Frame -> (index of its shot, world seconds since that shot began)."""
        if not 0 <= frame < self.count:
            raise IndexError(f"{self.name} has frames 0 to {self.count - 1}, not {frame}")
        shot = 0
        while frame >= self.frames[shot]:
            frame -= self.frames[shot]
            shot += 1
        return shot, frame * self.speed / float(self.fps)


def place(x: float, y: float, angle: float = 0.0, sx: float = 1.0, sy: float | None = None) -> Array:
    """Matrix (3, 3): scale, turn (radians, clockwise on the screen), move."""
    sy = sx if sy is None else sy
    cos, sin = (math.cos(angle), math.sin(angle)) if angle else (1.0, 0.0)
    return np.array([[sx * cos, -sy * sin, x], [sx * sin, sy * cos, y], [0, 0, 1.0]])


def moving(
    x: float = 0.0,
    y: float = 0.0,
    vx: float = 0.0,
    vy: float = 0.0,
    *,
    scale: float = 1.0,
    spin: float = 0.0,  # radians per second
    bob: float = 0.0,  # up and down, units
    sway: float = 0.0,  # left and right, units
    roll: float = 0.0,  # to and fro, radians
    rate: float = 2.0,  # of bob, sway and roll, radians per second
    phase: float = 0.0,
) -> Pose:
    """A steady course with a swing on top."""

    def pose(t: float) -> Array:
        swing, lag = math.sin(rate * t + phase), math.cos(rate * t + phase)
        return place(x + vx * t + sway * lag, y + vy * t + bob * swing, spin * t + roll * lag, scale)

    return pose


def steam(born: float, x: float, y: float, vx: float) -> Pose:
    """A cloud, hidden in the funnel of an engine at (x + vx t, y) until born, that rises and grows."""

    def pose(t: float) -> Array:
        age = max(0.0, t - born)
        out = x + vx * min(t, born)
        return place(out + 14 * age, y - 34 * age / (1 + 0.35 * age), 0.5 * age, 0.2 + 1.1 * age / (1 + 0.45 * age))

    return pose


def gull(x: float, y: float, vx: float, vy: float, scale: float, near: float, phase: float) -> tuple[Layer, ...]:
    """A gull beating its wings: far wing, body, near wing."""
    course = moving(x, y, vx, vy, bob=2, rate=7, phase=phase)
    side = 1.0 if vx > 0 else -1.0

    def wing(lean: float) -> Pose:
        def pose(t: float) -> Array:
            beat = 0.95 + 0.45 * math.sin(7 * t + phase)
            return course(t) @ place(0, 0, 0, side * scale, scale) @ place(0, 0, lean, 1, beat)

        return pose

    body = Layer(Sheet(gull_body, (-20, -6, 25, 8)), near, lambda t: course(t) @ place(0, 0, 0, side * scale, scale))
    mirrored = lambda t: wing(0.0)(t) @ place(0, 0, 0.25, -1, 1)  # noqa: E731
    return Layer(WING, near, wing(-0.35)), body, Layer(WING, near, mirrored)


WING = Sheet(gull_wing, (-2, -18, 32, 10))


def harbour() -> Shot:
    """A sailing boat passes between a quay and a moored boat; a lantern in front sweeps across."""
    strips = (
        (Sheet(sea(198, 2, 26, "#8fd0c4", "#3e9fae", "#1f6f8f", 310), (-160, 190, 800, 300)), 0.3, 0.8, 0.0),
        (Sheet(sea(224, 5, 34, "#9adfd0", "#2f93a5", "#185f83", 320), (-180, 212, 820, 320)), 0.62, 1.6, 0.7),
        (Sheet(sea(252, 8, 50, "#a6ead4", "#22859d", "#134f78", 330), (-200, 234, 840, 350)), 0.78, 2.4, 2.4),
        (
            Sheet(sea(284, 11, 68, "#b5f2da", "#1c7794", "#0f426a", 340), (-230, 260, 870, 400)),
            0.98,
            3.2,
            4.1,
        ),
        (
            Sheet(sea(316, 14, 92, "#c4f7df", "#196a8a", "#0c3760", 350), (-260, 284, 900, 420)),
            1.16,
            4.0,
            5.6,
        ),
    )
    wave = [Layer(sheet, near, moving(sway=3 * lift, bob=lift, rate=2.2, phase=p)) for sheet, near, lift, p in strips]
    far_balloon = Sheet(balloon_sheet("#2d7f8f", "#fbe6b2", "#e0503a"), (-44, -42, 44, 82))
    near_balloon = Sheet(balloon_sheet("#d8402f", "#ffd873", "#34427f"), (-44, -42, 44, 82))
    layers = (
        Layer(Sheet(harbour_sky, (-100, -60, 740, 230)), 0.04, moving()),
        Layer(Sheet(harbour_clouds_far, (-130, 40, 760, 200)), 0.09, moving(vx=-5)),
        Layer(far_balloon, 0.12, moving(500, 84, 9, -5, scale=0.62, roll=0.03)),
        Layer(Sheet(harbour_clouds_near, (-130, -50, 900, 150)), 0.16, moving(vx=-13)),
        Layer(Sheet(mountains, (-130, 90, 770, 230)), 0.2, moving()),
        wave[0],
        Layer(Sheet(headland, (400, 30, 860, 260)), 0.42, moving()),
        Layer(near_balloon, 0.5, moving(330, 92, 16, -9, scale=1.1, roll=0.05, rate=1.7)),
        Layer(Sheet(town, (-160, 60, 340, 260)), 0.55, moving()),
        wave[1],
        Layer(
            Sheet(sail_boat, (-84, -146, 98, 16)),
            0.72,
            moving(120, 248, 92, scale=1.02, bob=2, roll=0.035, rate=2.6),
        ),
        wave[2],
        Layer(
            Sheet(fishing_boat, (-70, -90, 84, 20)),
            0.92,
            moving(352, 282, bob=3, roll=0.05, rate=2.9, phase=1),
        ),
        wave[3],
        *gull(450, 150, -66, 10, 0.8, 0.9, 0.4),
        wave[4],
        Layer(Sheet(pier, (-300, 86, 1000, 420)), 1.4, moving()),
        *gull(10, 92, 112, 14, 1.35, 1.2, 0.0),
        *gull(-80, 140, 96, -6, 1.0, 1.2, 2.2),
    )
    return Shot(layers, lambda t: (-104 + 104 * t, 4 - 4 * t, 1 + 0.05 * t))


def train(x: float, vx: float, near: float) -> tuple[Layer, ...]:
    """Steam, three wagons and an engine going left, with turning wheels."""
    level, wheels = RAIL - 1, Sheet(wheel, (-9, -9, 9, 9))
    wagons = [
        Sheet(wagon_sheet(*inks), (-42, -42, 42, -4)) for inks in (("#a8322e", "#f2d9a0"), ("#2f5f8f", "#f2d9a0"))
    ]
    cloud = Sheet(smoke, (-28, -28, 28, 28))
    steams = [Layer(cloud, near, steam(-2.4 + 0.2 * i, x - 33, level - 38, vx)) for i in range(22)]
    cars = [Layer(wagons[i % 2], near, moving(x + 86 + 78 * i, level, vx)) for i in range(3)]
    car_axles = [x + 86 + 78 * i + side for i in range(3) for side in (-24, 24)]
    small = [Layer(wheels, near, moving(a, level - 5.5, vx, spin=vx / 5.6, scale=0.7)) for a in car_axles]
    large = [Layer(wheels, near, moving(x + a, level - 8, vx, spin=vx / 8)) for a in (-28, -8, 12, 32)]
    engine = Layer(Sheet(locomotive, (-58, -50, 50, 0)), near, moving(x, level, vx))
    return *steams, *cars, *small, engine, *large


def valley() -> Shot:
    """A train crosses a viaduct behind autumn trees; a windmill turns; a ball rolls behind sunflowers."""
    rolling, shadow = (
        -118.0,
        Sheet(
            lambda c: c.fill(disc(c, 0, 0, 30, 0.24), tint(ink("#1f4a24"), 0.3 * c.noise(5, 9, 221, 3))),
            (-34, -10, 34, 10),
        ),
    )
    flower = Sheet(sunflower, (-44, -150, 44, 12))
    stems = (
        (-140, 402, 1.25),
        (-58, 398, 1.12),
        (18, 404, 1.3),
        (92, 412, 1.0),
        (470, 410, 1.2),
        (560, 400, 1.35),
        (640, 408, 1.1),
        (716, 400, 1.3),
    )
    sunflowers = [
        Layer(flower, 1.35, moving(x, y, scale=s, roll=0.07, rate=2.1, phase=1.3 * i))
        for i, (x, y, s) in enumerate(stems)
    ]
    bright = Sheet(balloon_sheet("#7b3fa0", "#ffdf6b", "#e8483a"), (-44, -42, 44, 82))
    layers = (
        Layer(Sheet(valley_sky, (-100, -70, 740, 220)), 0.04, moving()),
        Layer(Sheet(valley_clouds, (-170, -40, 920, 190)), 0.1, moving(vx=12)),
        Layer(Sheet(violet_hills, (-120, 80, 760, 240)), 0.18, moving()),
        Layer(Sheet(patchwork, (-150, 120, 790, 320)), 0.34, moving()),
        *train(450, -112, 0.52),
        Layer(Sheet(viaduct, (-190, 190, 840, 330)), 0.52, moving()),
        Layer(bright, 0.6, moving(150, 92, 12, -8, scale=1.2, roll=0.05, rate=1.8)),
        Layer(Sheet(orchard, (-210, 180, 850, 320)), 0.7, moving()),
        Layer(Sheet(near_hill, (-220, 190, 860, 350)), 0.82, moving()),
        Layer(Sheet(mill_tower, (-34, -118, 34, 6)), 0.82, moving(500, 224)),
        Layer(Sheet(mill_sails, (-78, -78, 78, 78)), 0.82, moving(500, 128, spin=1.0)),
        Layer(Sheet(meadow, (-240, 276, 880, 430)), 1.0, moving()),
        Layer(shadow, 1.06, moving(434, 337, rolling)),
        Layer(Sheet(ball, (-32, -32, 32, 32)), 1.06, moving(430, 308, rolling, spin=rolling / 30)),
        *sunflowers,
    )
    return Shot(layers, lambda t: (92 - 92 * t, -3 + 3 * t, 1.1 - 0.045 * t))


HARBOUR, VALLEY = harbour(), valley()

SCENES: dict[str, Scene] = {
    scene.name: scene
    for scene in (
        Scene("harbor", (HARBOUR, VALLEY), (50, 50), Fraction(25), (640, 360), crf=18),
        Scene("short", (VALLEY, HARBOUR), (24, 24), Fraction(24), (320, 180), crf=16, speed=1.2, crop=1.08),
        Scene("tiny", (HARBOUR, VALLEY), (8, 8), Fraction(25, 2), (96, 54), crf=12, speed=1.2, crop=1.2),
    )
}


# ---------------------------------------------------------------------------------------------------------
# Pictures and the truth about them
# ---------------------------------------------------------------------------------------------------------


def pixels_from_sheet(scene: Scene, layer: Layer, frame: int, width: int, height: int) -> Array:
    """Matrix (3, 3) from a layer's sheet units to pixel coordinates in one frame."""
    shot, t = scene.at(frame)
    x, y, zoom = scene.shots[shot].camera(t)
    scale = max(width / VIEW[0], height / VIEW[1]) * scene.crop * zoom**layer.near
    middle = place(-VIEW[0] / 2 - layer.near * x, -VIEW[1] / 2 - layer.near * y)
    return place(width / 2, height / 2, 0, scale) @ middle @ layer.pose(t)


def density_for(scene: Scene, width: int, height: int) -> float:
    """Texels per unit, a power of two: at least one per sample of the supersampled picture."""
    rate = SUPERSAMPLE * max(width / VIEW[0], height / VIEW[1]) * scene.crop
    return min(float(MAX_DENSITY), 2.0 ** math.ceil(math.log2(rate) - 0.2))


def texels_from_pixels(layer: Layer, matrix: Array, density: float) -> Array:
    """Matrix (3, 3) from pixel coordinates to texel indices (the border counts, hence the + 1)."""
    x0, y0 = layer.sheet.box[:2]
    return place(0.5, 0.5) @ place(0, 0, 0, density) @ place(-x0, -y0) @ np.linalg.inv(matrix)


def footprint(layer: Layer, matrix: Array, width: int, height: int) -> tuple[slice, slice]:
    """Rows and columns of the frame that a layer's box can touch."""
    x0, y0, x1, y1 = layer.sheet.box
    corners = matrix @ np.array([[x0, x1, x0, x1], [y0, y0, y1, y1], [1, 1, 1, 1]])
    low, high = np.floor(corners.min(1)).astype(int) - 1, np.ceil(corners.max(1)).astype(int) + 1
    return (
        slice(int(np.clip(low[1], 0, height)), int(np.clip(high[1], 0, height))),
        slice(int(np.clip(low[0], 0, width)), int(np.clip(high[0], 0, width))),
    )


def bilinear(texels: Array, u: Array, v: Array) -> Array:
    """Sample (h, w, C) at texel indices u, v (...) -> (..., C); outside is the empty border."""
    high, wide = texels.shape[:2]
    u, v = (np.clip(p, 0, n - 1.001).astype(np.float32) for p, n in ((u, wide), (v, high)))
    i, j = u.astype(np.int32), v.astype(np.int32)
    f, g = (u - i)[..., None], (v - j)[..., None]
    flat, at = texels.reshape(high * wide, -1), j * wide + i
    upper = flat[at] * (1 - f) + flat[at + 1] * f
    lower = flat[at + wide] * (1 - f) + flat[at + wide + 1] * f
    return upper * (1 - g) + lower * g


def bilinear_upright(texels: Array, u: Array, v: Array) -> Array:
    """The same for a layer that is not turned: u (w,) and v (h,) -> (h, w, C), one axis after the other."""
    high, wide = texels.shape[:2]
    u, v = (np.clip(p, 0, n - 1.001).astype(np.float32) for p, n in ((u, wide), (v, high)))
    i, j = u.astype(np.int32), v.astype(np.int32)
    f, g = (u - i)[:, None], (v - j)[:, None, None]
    columns = slice(i.min(), i.max() + 2)
    rows = texels[j, columns] * (1 - g) + texels[j + 1, columns] * g
    i = i - columns.start
    return rows[:, i] * (1 - f) + rows[:, i + 1] * f


def sample_layer(layer: Layer, texels: Array, inverse: Array, area: tuple[slice, slice], step: int) -> Array:
    """A layer on the pixels of `area`, `step` samples per pixel and axis -> (h * step, w * step, C)."""
    y, x = ((np.arange(s.start * step, s.stop * step) + 0.5) / step for s in area)
    if inverse[0, 1] == 0 and inverse[1, 0] == 0:
        return bilinear_upright(texels, inverse[0, 0] * x + inverse[0, 2], inverse[1, 1] * y + inverse[1, 2])
    grid_y, grid_x = y[:, None], x[None, :]
    u = inverse[0, 0] * grid_x + inverse[0, 1] * grid_y + inverse[0, 2]
    v = inverse[1, 0] * grid_x + inverse[1, 1] * grid_y + inverse[1, 2]
    return bilinear(texels, u, v)


def visible_layers(
    scene: Scene, frame: int, width: int, height: int
) -> Iterator[tuple[int, Layer, Array, Array, tuple[slice, slice]]]:
    """Yield (index, layer, texels, matrix pixels -> texels, footprint) of what is in sight, back to front."""
    density = density_for(scene, width, height)
    shot, _ = scene.at(frame)
    for index, layer in enumerate(scene.shots[shot].layers):
        matrix = pixels_from_sheet(scene, layer, frame, width, height)
        area = footprint(layer, matrix, width, height)
        if area[0].start < area[0].stop and area[1].start < area[1].stop:
            yield index, layer, layer.sheet.texels(density), texels_from_pixels(layer, matrix, density), area


def render(scene: Scene, frame: int, width: int, height: int) -> Array:
    """One frame as (H, W, 3) uint8 RGB."""
    step = SUPERSAMPLE
    picture = np.zeros((height * step, width * step, 3), np.float32)
    for _, layer, texels, inverse, area in visible_layers(scene, frame, width, height):
        rgba = sample_layer(layer, texels, inverse, area, step)
        part = picture[tuple(slice(s.start * step, s.stop * step) for s in area)]
        part *= 1 - rgba[..., 3:]
        part += rgba[..., :3]
    picture = picture.reshape(height, step, width, step, 3).mean((1, 3))
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)


def front_layer(scene: Scene, frame: int, width: int, height: int) -> Array:
    """Index of the front-most layer at each pixel centre (H, W): the last one that covers at least half."""
    label = np.full((height, width), -1, np.int32)
    for index, layer, texels, inverse, area in visible_layers(scene, frame, width, height):
        label[area][sample_layer(layer, texels[..., 3:], inverse, area, 1)[..., 0] >= 0.5] = index
    return label


def true_flow(scene: Scene, a: int, b: int, width: int, height: int) -> Array:
    """Exact flow from frame a to frame b of the same shot, on a's grid: (2, H, W) float32, pixels."""
    shot, _ = scene.at(a)
    if shot != scene.at(b)[0]:
        raise ValueError(f"frames {a} and {b} of {scene.name} lie in different shots: there is no flow across a cut")
    label = front_layer(scene, a, width, height)
    y, x = np.mgrid[0:height, 0:width] + 0.5
    flow = np.zeros((2, height, width), np.float32)
    for index in np.unique(label):
        layer = scene.shots[shot].layers[index]
        here, there = (pixels_from_sheet(scene, layer, frame, width, height) for frame in (a, b))
        move = there @ np.linalg.inv(here) - np.eye(3)
        mine = label == index
        for axis in (0, 1):
            flow[axis][mine] = move[axis, 0] * x[mine] + move[axis, 1] * y[mine] + move[axis, 2]
    return flow


def true_occlusion(scene: Scene, a: int, b: int, width: int, height: int) -> Array:
    """Pixels of frame a that cannot be seen in frame b: (H, W) bool. Across a cut, all of them."""
    if scene.at(a)[0] != scene.at(b)[0]:
        return np.ones((height, width), bool)
    label = front_layer(scene, a, width, height)
    y, x = np.mgrid[0:height, 0:width] + 0.5
    x, y = np.stack([x, y]) + true_flow(scene, a, b, width, height)
    hidden = (x < 0) | (x > width) | (y < 0) | (y > height)
    for index, _, texels, inverse, area in visible_layers(scene, b, width, height):
        rows, cols = area
        over = (label < index) & ~hidden & (x >= cols.start) & (x <= cols.stop) & (y >= rows.start) & (y <= rows.stop)
        px, py = x[over], y[over]
        u = inverse[0, 0] * px + inverse[0, 1] * py + inverse[0, 2]
        v = inverse[1, 0] * px + inverse[1, 1] * py + inverse[1, 2]
        hidden[over] = bilinear(texels[..., 3:], u, v)[..., 0] >= 0.5
    return hidden


def cuts(scene: Scene) -> list[int]:
    """First frame of every shot but the first."""
    return [int(total) for total in np.cumsum(scene.frames)[:-1]]


# ---------------------------------------------------------------------------------------------------------
# Sound
# ---------------------------------------------------------------------------------------------------------

BEAT = 0.25  # seconds
TUNE = (  # per shot: semitones above A3 (220 Hz), one note per beat; None is a rest
    (3, 7, 10, 15, 12, 10, 7, 10, 5, 8, 12, 17, 15, 12, 10, 7),
    (0, 4, 7, 12, 11, 7, 4, 7, 2, 5, 9, 14, 12, 9, 7, 4),
)
BASS = ((-9, -9, -2, -4), (-12, -5, -10, -3))  # semitones, one note per four beats


def audio(scene: Scene) -> Array:
    """The sound track, as long as the picture: (samples, 2) float32 at SAMPLE_RATE, within [-1, 1].

    A plucked tune over a bass and a soft beat, one key per shot; at each cut they fall silent and a bell of
    BELL_HZ is struck on the very sample at which the new shot begins.
    """
    bounds = [0, *cuts(scene), scene.count]
    starts = [round(frame * SAMPLE_RATE / scene.fps) for frame in bounds]
    mixed = np.zeros((starts[-1], 2), np.float64)
    for shot, (start, end) in enumerate(pairwise(starts)):
        mixed[start:end] = _music(shot, end - start)
    for start in starts[1:-1]:
        mixed[start:] += _bell(len(mixed) - start)
    return np.clip(mixed, -1, 1).astype(np.float32)


def _music(shot: int, length: int) -> Array:
    """One shot's worth of music (length, 2), faded in and out over 40 ms."""
    music, step = np.zeros((length, 2)), round(BEAT * SAMPLE_RATE)
    tune, bass = TUNE[shot % len(TUNE)], BASS[shot % len(BASS)]
    random = np.random.default_rng(1000 + shot)
    for beat, start in enumerate(range(0, length, step)):
        rest = length - start
        side = 0.5 + 0.3 * math.sin(beat * 1.9)
        note = 0.2 * _pluck(220 * 2 ** (tune[beat % 16] / 12), rest, 0.32)
        music[start:] += note[:, None] * (1 - side, side)
        if beat % 4 == 0:
            music[start:] += 0.2 * _pluck(220 * 2 ** (bass[beat // 4 % 4] / 12), rest, 0.7)[:, None]
        music[start:] += (_drum(rest) if beat % 2 == 0 else _brush(rest, random))[:, None]
    fade = np.minimum(1, np.minimum(np.arange(length), np.arange(length)[::-1]) / (0.04 * SAMPLE_RATE))
    return music * fade[:, None]


def _seconds(length: int) -> Array:
    return np.arange(length) / SAMPLE_RATE


def _pluck(pitch: float, length: int, decay: float) -> Array:
    """A soft string: a few harmonics, the higher ones dying sooner, none near the bell."""
    t = _seconds(length)
    partials = [(1, 1.0), (2, 0.4), (3, 0.12)]
    tone = sum(a * np.exp(-t * k / decay) * np.sin(2 * np.pi * k * pitch * t) for k, a in partials if k * pitch < 1500)
    return tone * np.minimum(1, t / 0.006)


def _drum(length: int) -> Array:
    """A soft low thump that falls in pitch."""
    t = _seconds(length)
    return 0.24 * np.sin(2 * np.pi * (52 * t - 2.6 * np.exp(-t / 0.03))) * np.exp(-t / 0.09) * np.minimum(1, t / 0.003)


def _brush(length: int, random: np.random.Generator) -> Array:
    """A short hiss, high above the bell: noise differenced twice."""
    short = min(length, SAMPLE_RATE // 8)
    hiss = np.diff(random.normal(0, 1, short + 2), 2) * np.exp(-_seconds(short) / 0.025)
    return np.pad(0.016 * hiss, (0, length - short))


def _bell(length: int) -> Array:
    """A clear bell (length, 2), at full strength within 2 ms."""
    t = _seconds(length)
    tone = 0.34 * np.sin(2 * np.pi * BELL_HZ * t) * np.exp(-t / 0.16) * np.minimum(1, t / 0.002)
    return np.stack([tone, tone], 1)


# ---------------------------------------------------------------------------------------------------------
# Files
# ---------------------------------------------------------------------------------------------------------


def ffmpeg_program() -> str:
    """The ffmpeg on PATH, else the one in imageio-ffmpeg's wheel."""
    found = shutil.which("ffmpeg")
    if found:
        return found
    import imageio_ffmpeg

    return imageio_ffmpeg.get_ffmpeg_exe()


def encode(scene: Scene, path: Path, width: int, height: int) -> None:
    """Write a scene as H.264 and AAC; one thread and bit-exact flags: the same ffmpeg repeats itself."""
    tags = "colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv"
    picture = "scale=out_color_matrix=bt709:out_range=tv:flags=accurate_rnd+full_chroma_int+bitexact,format=yuv420p"
    with tempfile.TemporaryDirectory() as folder:
        sound = Path(folder) / "sound.f32"
        sound.write_bytes(audio(scene).astype("<f4").tobytes())
        command = [
            ffmpeg_program(), "-v", "error", "-y",
            "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(scene.fps), "-i", "-",
            "-f", "f32le", "-ar", str(SAMPLE_RATE), "-ac", "2", "-i", str(sound),
            "-vf", f"{picture},setparams={tags}",
            "-c:v", "libx264", "-preset", "veryslow", "-crf", str(scene.crf), "-threads", "1",
            "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv",
            "-c:a", "aac", "-b:a", "96k", "-map_metadata", "-1", "-movflags", "+faststart",
            "-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact", str(path),
        ]  # fmt: skip
        with tempfile.TemporaryFile() as messages:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=messages)
            assert process.stdin is not None
            try:
                for frame in range(scene.count):
                    process.stdin.write(render(scene, frame, width, height).tobytes())
                process.stdin.close()
            except BrokenPipeError:
                pass  # ffmpeg says why on its way out
            if process.wait() != 0:
                messages.seek(0)
                raise RuntimeError(f"ffmpeg could not write {path}: {messages.read().decode(errors='replace').strip()}")


def write_flo(path: Path, flow: Array) -> None:
    """Middlebury .flo: magic number, width, height, then dx and dy of each pixel, little-endian float32."""
    _, height, width = flow.shape
    path.write_bytes(struct.pack("<fii", 202021.25, width, height) + flow.transpose(1, 2, 0).astype("<f4").tobytes())


def write_png(path: Path, image: Array) -> None:
    """A grey 8-bit PNG of (H, W) uint8."""
    height, width = image.shape

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = np.pad(image, ((0, 0), (1, 0))).tobytes()  # each row is preceded by its filter type, 0
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def write_truth(scene: Scene, folder: Path, width: int, height: int) -> None:
    """Flow and occlusion between neighbours of a shot, both ways.

    `flow_AAAA_BBBB.flo` and `occlusion_AAAA_BBBB.png` (white: hidden or outside) go from frame A to frame B,
    on A's grid. Pairs that straddle a cut are left out: nothing is seen in both.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for frame in range(1, scene.count):
        if frame in cuts(scene):
            continue
        for a, b in ((frame - 1, frame), (frame, frame - 1)):
            write_flo(folder / f"flow_{a:04d}_{b:04d}.flo", true_flow(scene, a, b, width, height))
            hidden = true_occlusion(scene, a, b, width, height)
            write_png(folder / f"occlusion_{a:04d}_{b:04d}.png", hidden.astype(np.uint8) * 255)


def parse_size(text: str) -> tuple[int, int]:
    """'640x360' -> (640, 360); both even, as yuv420p needs."""
    try:
        width, height = (int(part) for part in text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size: write WIDTHxHEIGHT, such as 640x360") from None
    if min(width, height) < 16 or width % 2 or height % 2:
        raise argparse.ArgumentTypeError(f"{text}: width and height must be even, and 16 at least")
    return width, height


def main() -> None:
    """Write the clips, and the truth about them when asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", choices=sorted(SCENES), action="append", help="this scene only (may be repeated)")
    parser.add_argument("--size", type=parse_size, metavar="WxH", help="size of the picture (default: each clip's own)")
    home = Path(__file__).resolve().parent.parent / "sample_videos"
    parser.add_argument(
        "--out", type=Path, default=home, metavar="DIR", help="where the clips go (default: sample_videos)"
    )
    parser.add_argument("--truth", type=Path, metavar="DIR", help="also write exact flow and occlusion to DIR/NAME")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.only or SCENES:
        scene = SCENES[name]
        size = options.size or scene.size
        path = options.out / f"{name}.mp4"
        encode(scene, path, *size)
        print(f"{path}: {size[0]}x{size[1]}, {scene.count} frames, {path.stat().st_size / 1024:.0f} KiB")
        if options.truth:
            write_truth(scene, options.truth / name, *size)
            print(f"{options.truth / name}: flow and occlusion")


if __name__ == "__main__":
    main()
