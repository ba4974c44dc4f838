"""Contact sheets: many pictures on one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from vidstyle.flow._cv2 import cv2
from vidstyle.view.text import FAINT, INK, PAPER, draw_text, fit_text

MARGIN = 16
GAP = 10
LABEL = 10
TITLE = 15
SUBTITLE = 12
"""Margin around, gap between tiles, and the height of capitals in labels, title and below it, in pixels."""


def contact_sheet(
    pictures: Sequence[np.ndarray],
    labels: Sequence[str],
    columns: int | None = None,
    width: int = 1600,
    title: str | None = None,
    legend: np.ndarray | None = None,
) -> np.ndarray:
    """Lay pictures out row by row, each with its label below: uint8 RGB (any height, ``width``, 3).

    ``pictures`` are uint8 RGB (H, W, 3); the first one's shape is every tile's, others are fitted inside.
    ``columns`` is chosen from the number of pictures where it is None. ``title`` goes to the top left, its
    first line large; ``legend`` (a picture, at its own size) to the top right. Raises ValueError without
    pictures, or where labels are missing.
    """
    if not pictures or len(labels) != len(pictures):
        raise ValueError(f"{len(pictures)} pictures and {len(labels)} labels")
    aspect = pictures[0].shape[1] / pictures[0].shape[0]
    columns, tile_width, tile_height = tiling(len(pictures), aspect, columns, width)
    row_height = tile_height + 2 * LABEL + GAP
    top = MARGIN + _header_height(title, legend)
    rows = math.ceil(len(pictures) / columns)
    sheet = np.full((top + rows * row_height + MARGIN - GAP, width, 3), PAPER, dtype=np.uint8)
    _draw_header(sheet, title, legend)
    for i, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        x, y = MARGIN + i % columns * (tile_width + GAP), top + i // columns * row_height
        _place(sheet[y : y + tile_height, x : x + tile_width], picture)
        draw_text(sheet, fit_text(label, LABEL, tile_width), x, y + tile_height + 1.7 * LABEL, LABEL, FAINT)
    return sheet


def tiling(count: int, aspect: float, columns: int | None = None, width: int = 1600) -> tuple[int, int, int]:
    """How many columns ``contact_sheet`` makes of pictures of this aspect, and how wide and high each tile is.

    Who has many large pictures can shrink each of them to that at once, and keep the small ones only.
    """
    columns = columns or _columns(count, aspect)
    tile_width = max(1, (width - 2 * MARGIN - (columns - 1) * GAP) // columns)
    return columns, tile_width, max(1, round(tile_width / aspect))


def _columns(count: int, aspect: float) -> int:
    """As many columns as make the sheet about 16:10, or one more where that leaves fewer holes."""
    columns = max(1, min(count, round(math.sqrt(count * 1.6 / aspect))))
    more = min(count, columns + 1)
    return more if -count % more < -count % columns else columns


def _header_height(title: str | None, legend: np.ndarray | None) -> int:
    lines = len(title.splitlines()) if title else 0
    height = max(2 * TITLE * lines, legend.shape[0] if legend is not None else 0)
    return height + GAP if height else 0


def _draw_header(sheet: np.ndarray, title: str | None, legend: np.ndarray | None) -> None:
    """The title stands on the first row of tiles, the legend in the right corner above it."""
    bottom = MARGIN + _header_height(title, legend) - GAP
    room = sheet.shape[1] - 2 * MARGIN
    if legend is not None:
        height, width = legend.shape[:2]
        left = max(0, sheet.shape[1] - MARGIN - width)
        sheet[MARGIN : MARGIN + height, left : left + width] = legend[:, : sheet.shape[1] - left]
        room -= width + GAP
    lines = title.splitlines() if title else []
    for i, line in enumerate(lines):
        letters, color = (SUBTITLE, FAINT) if i else (TITLE, INK)
        baseline = bottom - (0.5 + 1.8 * (len(lines) - 1 - i)) * TITLE
        draw_text(sheet, fit_text(line, letters, room), MARGIN, baseline, letters, color)


def _place(tile: np.ndarray, picture: np.ndarray) -> None:
    """Scale a picture into the middle of a tile, in place, keeping its shape."""
    height, width = tile.shape[:2]
    scale = min(width / picture.shape[1], height / picture.shape[0])
    # Within a pixel of the tile it fills it: rounding must leave no seam.
    new_width, new_height = round(picture.shape[1] * scale), round(picture.shape[0] * scale)
    new_width = width if abs(width - new_width) <= 1 else max(1, new_width)
    new_height = height if abs(height - new_height) <= 1 else max(1, new_height)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    left, top = (width - new_width) // 2, (height - new_height) // 2
    small = cv2.resize(np.ascontiguousarray(picture), (new_width, new_height), interpolation=how)
    tile[top : top + new_height, left : left + new_width] = small
