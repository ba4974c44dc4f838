"""Flow as colour: the wheel of Baker et al. (2007, Middlebury). Hue says where to, strength how far."""

from __future__ import annotations

import math

import numpy as np

from vidstyle.flow._cv2 import cv2
from vidstyle.view.text import FAINT, INK, PAPER, draw_text, text_width

SEGMENTS = (
    (15, (255, 0, 0), (255, 255, 0)),
    (6, (255, 255, 0), (0, 255, 0)),
    (4, (0, 255, 0), (0, 255, 255)),
    (11, (0, 255, 255), (0, 0, 255)),
    (13, (0, 0, 255), (255, 0, 255)),
    (6, (255, 0, 255), (255, 0, 0)),
)
"""Steps from one hue to the next, as many as the eye tells apart: red, yellow, green, cyan, blue, magenta."""

BEYOND = 0.75
"""Brightness of motion that is longer than the scale."""


def color_wheel() -> np.ndarray:
    """The 55 hues, float32 in [0, 1], (55, 3), clockwise from red = to the right."""
    parts = []
    for steps, start, end in SEGMENTS:
        share = np.arange(steps, dtype=np.float32)[:, None] / steps
        parts.append((1 - share) * np.array(start, np.float32) + share * np.array(end, np.float32))
    return np.concatenate(parts) / 255


def flow_to_color(flow: np.ndarray, max_magnitude: float) -> np.ndarray:
    """Colour a flow (2, H, W), pixels: uint8 RGB (H, W, 3).

    White is no motion and full colour ``max_magnitude`` pixels; give all frames of a shot the same, or they
    cannot be compared. Longer motion has the colour of its direction, darkened. Unknown flow (not finite, or
    beyond 1e9) is black. Raises ValueError where the shape does not fit or the scale is not positive.
    """
    if flow.ndim != 3 or flow.shape[0] != 2:
        raise ValueError(f"flow is (2, H, W), not {flow.shape}")
    if not max_magnitude > 0:
        raise ValueError(f"max_magnitude must be positive, not {max_magnitude}")
    known = (np.abs(flow) < 1e9).all(axis=0)
    dx, dy = np.where(known, flow, 0).astype(np.float32)
    length = np.hypot(dx, dy)[..., None] / np.float32(max_magnitude)
    hue = _hue(dx, dy)
    color = np.where(length <= 1, 1 - length * (1 - hue), BEYOND * hue)
    return np.rint(255 * color * known[..., None]).astype(np.uint8)


def _hue(dx: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """The full colour of each direction, float32 (H, W, 3), between the two nearest hues of the wheel."""
    wheel = color_wheel()
    turn = np.arctan2(dy, dx) / (2 * np.pi) % 1 * len(wheel)
    below = np.floor(turn).astype(np.intp)
    share = (turn - below)[..., None]
    return (1 - share) * wheel[below % len(wheel)] + share * wheel[(below + 1) % len(wheel)]


def round_scale(magnitude: float) -> float:
    """The next round number of pixels (1, 1.5, 2, 3, 4, 5, 6, 8 times a power of ten), for round ticks.

    0.5 at least, so that the noise of a still shot stays pale.
    """
    if not magnitude > 0.5:
        return 0.5
    power = 10.0 ** math.floor(math.log10(magnitude))
    return next(step * power for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * power >= magnitude * (1 - 1e-9))


def legend(max_magnitude: float, size: int = 128) -> np.ndarray:
    """The wheel with a ruler in pixels below it: uint8 RGB (size, size, 3). Legible from 80 pixels on."""
    picture = np.full((size, size, 3), PAPER, dtype=np.uint8)
    letters = max(8.0, size / 16)
    radius = (size - 3.4 * letters) / 2 - 2
    centre = (size / 2, radius + 2)
    _draw_wheel(picture, centre, radius)
    _draw_ruler(picture, centre, radius, max_magnitude, letters)
    return picture


def _draw_wheel(picture: np.ndarray, centre: tuple[float, float], radius: float) -> None:
    """A disc of all motions up to the scale, with a soft edge and a ring at half of it."""
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]].astype(np.float32)
    flow = np.stack((x - centre[0], y - centre[1])) / np.float32(radius)
    length = np.hypot(*flow)
    inside = np.clip((1 - length) * radius + 0.5, 0, 1)[..., None]
    disc = flow_to_color(flow / np.maximum(length, 1), 1 + 1e-4)
    ring = 0.3 * np.clip(1 - np.abs(length - 0.5) * radius, 0, 1)[..., None]
    picture[:] = np.rint(inside * (1 - ring) * disc + (1 - inside) * picture).astype(np.uint8)


def _draw_ruler(
    picture: np.ndarray, centre: tuple[float, float], radius: float, max_magnitude: float, letters: float
) -> None:
    """The radius from the centre to the right, laid below the wheel, with 0, half and all of the scale."""
    line = round(centre[1] + radius + 0.9 * letters)
    cv2.line(picture, (round(centre[0]), line), (round(centre[0] + radius), line), FAINT, 1)
    for share in (0.0, 0.5, 1.0):
        x = round(centre[0] + share * radius)
        cv2.line(picture, (x, line - 3), (x, line + 3), FAINT, 1)
        label = f"{share * max_magnitude:g}"
        draw_text(picture, label, x - text_width(label, letters) / 2, line + 1.9 * letters, letters)
    unit = "motion, px"
    left = centre[0] - text_width(unit, letters) - 1.3 * text_width("0", letters)
    draw_text(picture, unit, max(2.0, left), line + 1.9 * letters, letters, INK)
