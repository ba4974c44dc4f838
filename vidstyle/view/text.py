"""Small plain text on pictures."""

from __future__ import annotations

import numpy as np

from vidstyle.flow._cv2 import cv2

Color = tuple[int, int, int]

PAPER: Color = (22, 23, 26)
"""Background of everything drawn here."""
INK: Color = (232, 232, 228)
FAINT: Color = (150, 152, 156)

FONT = cv2.FONT_HERSHEY_SIMPLEX
LETTER_HEIGHT = 22
"""Height of a capital at scale 1, in pixels."""


def text_width(text: str, height: float) -> int:
    """Width in pixels of a text whose capitals are ``height`` pixels high."""
    return cv2.getTextSize(_plain(text), FONT, height / LETTER_HEIGHT, 1)[0][0]


def fit_text(text: str, height: float, width: int) -> str:
    """The text, or as much of it as goes into ``width`` pixels with three dots behind."""
    if text_width(text, height) <= width:
        return text
    while text and text_width(text + "...", height) > width:
        text = text[:-1]
    return text.rstrip() + "..."


def draw_text(picture: np.ndarray, text: str, left: float, baseline: float, height: float, color: Color = INK) -> None:
    """Write on ``picture`` in place, from ``left`` and standing on ``baseline``, in pixels."""
    at = (round(left), round(baseline))
    cv2.putText(picture, _plain(text), at, FONT, height / LETTER_HEIGHT, color, 1, cv2.LINE_AA)


def _plain(text: str) -> str:
    """OpenCV before version 5 draws ASCII only, and question marks for the rest."""
    return text.replace("×", "x").encode("ascii", "replace").decode()
