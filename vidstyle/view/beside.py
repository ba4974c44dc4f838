"""A frame and another picture of it beside each other, with a line of text: one picture of a video."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from vidstyle.flow._cv2 import cv2
from vidstyle.view.text import FAINT, INK, PAPER, Color, draw_text, fit_text, text_width

WIDE = Fraction(18, 10)
"""Shape from which on two pictures fill a screen better above each other."""
SMALL, LARGE = 480, (3840, 2160)
"""Pixels: narrower pictures are enlarged; the whole is no wider and higher than what players show."""
GAP = 8
LETTERS = 11
STRIP = 3 * LETTERS + 1
BLANK: Color = (58, 60, 65)


class Beside:
    """Lays out two pictures of one shape, side by side or, where they are wide, above each other.

    Args:
        size: ``(width, height)`` of the pictures that come.
        shape: width by height as they are to be shown: pixels need not be square.
    """

    def __init__(self, size: tuple[int, int], shape: Fraction) -> None:
        self.stacked = shape > WIDE
        height = Fraction(size[1])
        if shape * height < SMALL:
            height *= math.ceil(SMALL / (shape * height))
        rows, columns = (2, 1) if self.stacked else (1, 2)
        widest, highest = (LARGE[0] - GAP) // (2 * columns) * 2, (LARGE[1] - GAP - STRIP) // (2 * rows) * 2
        height = min(height, widest / shape, Fraction(highest))
        self.tile = even(height * shape), even(height)
        down, across = (self.tile[1] + GAP, 0) if self.stacked else (0, self.tile[0] + GAP)
        self.second = across, down  # place of the second picture
        self.size = self.tile[0] + across, self.tile[1] + down + STRIP

    def join(self, frame: np.ndarray, picture: np.ndarray | None, caption: str, why: str) -> np.ndarray:
        """One picture of the video, uint8 (H, W, 3) of ``size``. Where there is no ``picture``, ``why`` is said."""
        whole = np.full((self.size[1], self.size[0], 3), PAPER, np.uint8)
        width, height = self.tile
        left, top = self.second
        whole[:height, :width] = self.fitted(frame)
        whole[top : top + height, left : left + width] = self.blank(why) if picture is None else self.fitted(picture)
        baseline = self.size[1] - STRIP / 2 + LETTERS / 2
        draw_text(whole, fit_text(caption, LETTERS, self.size[0] - 4 * GAP), 2 * GAP, baseline, LETTERS, INK)
        return whole

    def fitted(self, picture: np.ndarray) -> np.ndarray:
        if picture.shape[1::-1] == self.tile:
            return picture
        # Enlarged pixels stay what they are: one looks for single ones.
        how = cv2.INTER_NEAREST if picture.shape[0] < self.tile[1] else cv2.INTER_AREA
        return cv2.resize(np.ascontiguousarray(picture), self.tile, interpolation=how)

    def blank(self, why: str) -> np.ndarray:
        width, height = self.tile
        picture = np.full((height, width, 3), BLANK, np.uint8)
        text = fit_text(why, LETTERS, width)
        draw_text(picture, text, (width - text_width(text, LETTERS)) / 2, (height + LETTERS) / 2, LETTERS, FAINT)
        return picture


def even(value: Fraction | float) -> int:
    """The nearest even number of pixels, at least 2: what encoders take."""
    return max(2, 2 * round(value / 2))
