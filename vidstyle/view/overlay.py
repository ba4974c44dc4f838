"""What flow gets right and wrong, laid over frames."""

from __future__ import annotations

import numpy as np

from vidstyle.flow._cv2 import cv2
from vidstyle.view.text import Color

TINT: Color = (255, 40, 110)
EDGE: Color = (255, 236, 240)
BRIGHTER = 4
"""How much stronger a difference is shown than it is."""


def mask_overlay(frame: np.ndarray, consistency: np.ndarray) -> np.ndarray:
    """Show where flow is not trusted: uint8 RGB (H, W, 3).

    ``frame`` is uint8 RGB (H, W, 3); ``consistency`` (H, W), float in [0, 1] or uint8 in 0..255, 1 or 255 =
    trusted. The frame loses most of its colour and is brought to a middling brightness, so that the tint of
    the untrusted pixels (in proportion to 1 - c) and the line around them (at c = 0.5) stand out on any
    picture. Raises ValueError where the shapes do not fit.
    """
    c = _unit(frame, consistency)
    luma = cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY)[..., None].astype(np.float32)
    ground = _gain(luma) * (0.35 * frame + 0.65 * luma) + 8
    # The tint follows the light, so that one still sees what lies below.
    tinted = 0.3 * ground + np.array(TINT, np.float32) * (0.5 + 0.25 * ground / 255)
    trust = c[..., None]
    picture = trust * ground + (1 - trust) * tinted
    picture[_edges(c < 0.5)] = EDGE
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def tint_untrusted(picture: np.ndarray, consistency: np.ndarray) -> np.ndarray:
    """Tint what is not trusted and leave all else as it is: uint8 RGB (H, W, 3). Arguments as for ``mask_overlay``."""
    c = _unit(picture, consistency)
    doubt = 0.5 * (1 - c)[..., None]
    tinted = (1 - doubt) * picture + doubt * np.array(TINT, np.float32)
    tinted[_edges(c < 0.5)] = EDGE
    return np.clip(np.rint(tinted), 0, 255).astype(np.uint8)


def difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """How far two pictures (H, W, 3) are apart, the largest of the three colours, brightened: uint8 RGB, grey.

    Raises ValueError where the shapes differ.
    """
    if a.shape != b.shape:
        raise ValueError(f"pictures of {a.shape} and {b.shape}")
    apart = cv2.absdiff(a, b).max(axis=2, keepdims=True).astype(np.uint16) * BRIGHTER
    return np.repeat(np.minimum(apart, 255).astype(np.uint8), 3, axis=2)


def _unit(frame: np.ndarray, consistency: np.ndarray) -> np.ndarray:
    """The consistency as float in [0, 1]. Raises ValueError where it does not fit the frame."""
    if frame.ndim != 3 or frame.shape[:2] != consistency.shape:
        raise ValueError(f"consistency {consistency.shape} does not fit the frame {frame.shape}")
    c = consistency.astype(np.float32)
    return c / 255 if consistency.dtype == np.uint8 else c


def _gain(luma: np.ndarray) -> float:
    """Dims bright frames and lifts dark ones: what is brightest in a frame comes to about 165 of 255."""
    brightest = max(1.0, float(np.percentile(luma, 95)))
    return min(1.6, max(0.6, 165 / brightest))


def _edges(untrusted: np.ndarray) -> np.ndarray:
    """The outermost pixels of each untrusted area wide enough to have an inside."""
    areas = untrusted.astype(np.uint8)
    wide = cv2.morphologyEx(areas, cv2.MORPH_OPEN, np.ones((5, 5), dtype=np.uint8))
    return (wide - cv2.erode(wide, np.ones((3, 3), dtype=np.uint8))) > 0
