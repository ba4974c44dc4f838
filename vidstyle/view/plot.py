"""Curves over time: panels below each other with one time axis, so that what happens at once stands in one line."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vidstyle.flow._cv2 import cv2
from vidstyle.view.text import FAINT, INK, PAPER, Color, draw_text, fit_text, text_width

Curve = tuple[ArrayLike, ArrayLike]
"""x and y, of one length, x rising. Where y is not finite the curve has a gap."""
Panel = tuple[str, str, Mapping[str, Curve]]
"""Title, unit ("" for none) and the curves by label."""
Point = tuple[float, float, str]
"""x, y and what to write beside it."""

COLORS: tuple[Color, ...] = (
    (86, 180, 233),
    (240, 160, 50),
    (110, 205, 120),
    (240, 105, 145),
    (190, 150, 240),
    (225, 215, 95),
)
"""Of the curves of a panel, in their order; told apart also by most who see colours differently."""
GRID: Color = (44, 46, 51)
FRAME: Color = (92, 95, 101)
MARK: Color = (84, 80, 64)

MARGIN = 20
GAP = 18
TITLE, HEADING, LABEL = 15, 12, 10
"""Height of capitals, in pixels."""
SECONDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
"""Steps between ticks of a time axis."""


@dataclass(frozen=True)
class Box:
    """Where a panel's curves are drawn, in pixels, and what its edges stand for."""

    left: int
    right: int
    top: int
    bottom: int
    x: tuple[float, float]
    y: tuple[float, float]

    def across(self, x: ArrayLike) -> NDArray[np.float64]:
        return self.left + (np.asarray(x, np.float64) - self.x[0]) / (self.x[1] - self.x[0]) * (self.right - self.left)

    def down(self, y: ArrayLike) -> NDArray[np.float64]:
        return self.bottom - (np.asarray(y, np.float64) - self.y[0]) / (self.y[1] - self.y[0]) * (
            self.bottom - self.top
        )


def plot_curves(
    panels: Sequence[Panel],
    title: str | None = None,
    x_title: str = "time",
    seconds: bool = True,
    marks: Sequence[tuple[float, str]] = (),
    points: Mapping[str, Sequence[Point]] | None = None,
    width: int = 1600,
    panel_height: int = 230,
) -> np.ndarray:
    """Draw panels of curves below each other: uint8 RGB (any height, ``width``, 3).

    Args:
        panels: from top to bottom; they share the x axis.
        title: above all, its first line large.
        seconds: x is in seconds; from two minutes on it is shown as minutes and seconds.
        marks: vertical lines through all panels, each with a label at the top ("" for none): cuts.
        points: labelled points by the panel's title: the worst frames.
    Raises:
        ValueError: there is no panel, or x and y of a curve differ in length.
    """
    if not panels:
        raise ValueError("no panels")
    curves = [{label: checked(*curve) for label, curve in curves.items()} for _, _, curves in panels]
    span = x_span([x for panel in curves for x, _ in panel.values()])
    ranges = [y_range([y for _, y in panel.values()], unit) for panel, (_, unit, _) in zip(curves, panels, strict=True)]
    ticks = [even_ticks(*edges, count=5) for edges in ranges]
    texts = [tick_text(value) for panel in ticks for value in panel]
    left = MARGIN + max(text_width(text, LABEL) for text in texts) + 12
    lines = title.splitlines() if title else []
    top = MARGIN + round(1.8 * TITLE * len(lines)) + (GAP if lines else 0) + (2 * LABEL if marks else 0)
    heading = round(2.4 * HEADING)
    height = top + len(panels) * (heading + panel_height + GAP) + 4 * LABEL + MARGIN
    picture = np.full((height, width, 3), PAPER, np.uint8)
    draw_title(picture, lines)
    for number, (name, unit, _) in enumerate(panels):
        begin = top + number * (heading + panel_height + GAP)
        box = Box(left, width - MARGIN - 8, begin + heading, begin + heading + panel_height, span, ranges[number])
        draw_heading(picture, box, f"{name}, {unit}" if unit else name, list(curves[number]))
        draw_axes(picture, box, ticks[number], marks, label_marks=number == 0)
        draw_x_axis(picture, box, x_title, seconds, labels=number == len(panels) - 1)
        for (x, y), color in zip(curves[number].values(), cycled(COLORS, len(curves[number])), strict=True):
            draw_curve(picture, box, x, y, color)
        if not any(np.isfinite(y).any() for _, y in curves[number].values()):
            draw_text(picture, "nothing to show", left + GAP, (box.top + box.bottom + LABEL) / 2, LABEL, FAINT)
        draw_points(picture, box, (points or {}).get(name, ()))
    return picture


def checked(x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    xs, ys = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if xs.ndim != 1 or xs.shape != ys.shape:
        raise ValueError(f"x and y of a curve are (N,), not {xs.shape} and {ys.shape}")
    return xs, ys


def x_span(curves: Sequence[NDArray[np.float64]]) -> tuple[float, float]:
    """From the first to the last x of all curves; a single one stands in the middle."""
    known = np.concatenate([np.empty(0), *curves])
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def y_range(curves: Sequence[NDArray[np.float64]], unit: str) -> tuple[float, float]:
    """Edges of a panel: whole ticks around all values, from zero unless they all lie far above it."""
    values = np.concatenate([np.empty(0), *curves])
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    if 0 <= low < 0.7 * high:
        low = 0.0
    if high - low < 1e-3 * max(abs(high), abs(low)) or high == low:  # flat: not a picture of its noise
        room = 0.05 * abs(high) or 1.0
        low, high = (low - room, high + room) if low else (0.0, room)
    step = even_step(high - low, 5)
    low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    return low, min(high, 100.0) if unit == "%" and values.size and values.max() <= 100 else high


def even_step(span: float, count: int) -> float:
    """A round step (1, 2, 5 times a power of ten) of which at most about ``count`` fit into ``span``."""
    raw = span / count
    power = 10.0 ** math.floor(math.log10(raw))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= raw * (1 - 1e-9))


def even_ticks(low: float, high: float, count: int, steps: Sequence[float] | None = None) -> list[float]:
    """Round values from ``low`` to ``high``, about ``count``; their step is one of ``steps``, if given."""
    step = even_step(high - low, count)
    if steps is not None:
        step = next((s for s in steps if s >= (high - low) / count * (1 - 1e-9)), step)
    first, last = math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6)
    return [number * step for number in range(first, last + 1)]


def tick_text(value: float) -> str:
    return f"{value:.6g}"


def time_text(seconds: float) -> str:
    """Seconds as 2:05 or 1:02:05."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def cycled(colors: Sequence[Color], count: int) -> list[Color]:
    return [colors[i % len(colors)] for i in range(count)]


def draw_title(picture: np.ndarray, lines: Sequence[str]) -> None:
    room = picture.shape[1] - 2 * MARGIN
    for i, line in enumerate(lines):
        letters, color = (HEADING, FAINT) if i else (TITLE, INK)
        draw_text(picture, fit_text(line, letters, room), MARGIN, MARGIN + (1 + 1.8 * i) * TITLE, letters, color)


def draw_heading(picture: np.ndarray, box: Box, heading: str, labels: Sequence[str]) -> None:
    """What a panel shows, to the left above it; to the right the colours of its curves, where there are several."""
    baseline = box.top - HEADING
    draw_text(picture, heading, box.left, baseline, HEADING, INK)
    if len(labels) < 2:
        return
    room = (box.right - box.left) * 2 // 3 // len(labels) - 46
    labels = [fit_text(label, LABEL, room) for label in labels]
    x = box.right - sum(text_width(label, LABEL) + 46 for label in labels) + 20
    for label, color in zip(labels, cycled(COLORS, len(labels)), strict=True):
        cv2.line(picture, (x, baseline - LABEL // 2), (x + 18, baseline - LABEL // 2), color, 2, cv2.LINE_AA)
        draw_text(picture, label, x + 26, baseline, LABEL, FAINT)
        x += text_width(label, LABEL) + 46


def draw_axes(
    picture: np.ndarray, box: Box, ticks: Sequence[float], marks: Sequence[tuple[float, str]], label_marks: bool
) -> None:
    """Frame, horizontal grid with its values, and vertical marks."""
    for value, y in zip(ticks, np.rint(box.down(ticks)).astype(int).tolist(), strict=True):
        cv2.line(picture, (box.left, y), (box.right, y), GRID, 1)
        text = tick_text(value)
        draw_text(picture, text, box.left - 10 - text_width(text, LABEL), y + LABEL / 2, LABEL, FAINT)
    free = 0.0  # from where on a label has room
    for value, label in marks:
        x = round(float(box.across(value)))
        if not box.left <= x <= box.right:
            continue
        cv2.line(picture, (x, box.top), (x, box.bottom), MARK, 1)
        if label_marks and label and x >= free and x + text_width(label, LABEL) <= picture.shape[1]:
            draw_text(picture, label, x, box.top - 2.4 * HEADING - LABEL / 2, LABEL, FAINT)
            free = x + text_width(label, LABEL) + GAP
    cv2.line(picture, (box.left, box.top), (box.left, box.bottom), FRAME, 1)
    cv2.line(picture, (box.left, box.bottom), (box.right, box.bottom), FRAME, 1)


def draw_x_axis(picture: np.ndarray, box: Box, title: str, seconds: bool, labels: bool) -> None:
    """Ticks below a panel; below the last one with their values and what they are."""
    clock = seconds and box.x[1] >= 120
    ticks = even_ticks(*box.x, count=12, steps=SECONDS if seconds else None)
    for value, x in zip(ticks, np.rint(box.across(ticks)).astype(int).tolist(), strict=True):
        cv2.line(picture, (x, box.bottom), (x, box.bottom + 4), FRAME, 1)
        if labels:
            text = time_text(value) if clock else tick_text(value)
            left = min(x - text_width(text, LABEL) / 2, picture.shape[1] - 2 - text_width(text, LABEL))
            draw_text(picture, text, left, box.bottom + 2.2 * LABEL, LABEL, FAINT)
    if labels:
        unit = ", min:s" if clock else ", s" if seconds else ""
        text = title + unit
        x = (box.left + box.right - text_width(text, LABEL)) / 2
        draw_text(picture, text, x, box.bottom + 4.4 * LABEL, LABEL, INK)


def draw_curve(
    picture: np.ndarray, box: Box, x: NDArray[np.float64], y: NDArray[np.float64], color: Color, bits: int = 4
) -> None:
    """A line through all neighbours that are there; a dot where one stands alone."""
    known = np.flatnonzero(np.isfinite(y) & np.isfinite(x))
    for run in np.split(known, np.flatnonzero(np.diff(known) > 1) + 1):
        if not run.size:
            continue
        places = np.stack([box.across(x[run]), np.clip(box.down(y[run]), box.top, box.bottom)], axis=1)
        fixed = np.rint(places * 2**bits).astype(np.int32)
        if run.size == 1:
            cv2.circle(picture, fixed[0].tolist(), 2 * 2**bits, color, -1, cv2.LINE_AA, bits)
        else:
            cv2.polylines(picture, [fixed[:, None]], False, color, 2 if run.size < 1000 else 1, cv2.LINE_AA, bits)


def draw_points(picture: np.ndarray, box: Box, points: Sequence[Point]) -> None:
    """Rings around points, with their labels beside them where those cover no other label."""
    taken: list[tuple[float, float]] = []  # of each label: left and baseline
    for px, py, text in points:
        x, y = float(box.across(px)), float(np.clip(box.down(py), box.top, box.bottom))
        cv2.circle(picture, (round(x), round(y)), 5, INK, 1, cv2.LINE_AA)
        wide = text_width(text, LABEL)
        beside = [(x + 10, y + LABEL / 2), (x - 10 - wide, y + LABEL / 2), (x + 10, y + 2.2 * LABEL)]
        beside += [(x - 10 - wide, y + 2.2 * LABEL), (x + 10, y - 1.2 * LABEL), (x - 10 - wide, y - 1.2 * LABEL)]
        for left, baseline in beside:
            inside = box.left <= left and left + wide <= box.right and box.top + LABEL <= baseline <= box.bottom - 2
            if inside and all(abs(left - a) > wide + 6 or abs(baseline - b) > 1.5 * LABEL for a, b in taken):
                draw_text(picture, text, left, baseline, LABEL, INK)
                taken.append((left, baseline))
                break
