"""Dense Inverse Search flow (Kroeger et al. 2016), as OpenCV implements it."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from vidstyle.errors import InputError
from vidstyle.flow._cv2 import cv2
from vidstyle.flow.base import FlowMethod, Frame, to_levels

PRESETS = {
    "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}

PATCH = 8
"""Side of a patch in pixels, the same in all presets."""

SMALLEST_SIDE = 24
"""Frames are padded to at least this many pixels each way: below it OpenCV has no level to search on."""


class DIS(FlowMethod[np.ndarray]):
    """DIS flow on the CPU. The prepared frame is its gray image: uint8, (H, W).

    ``preset`` is ultrafast, fast or medium (OpenCV's own settings); medium is the most exact, and 1080p takes
    it about 0.15 core-seconds. The same frames give the same bytes, whatever the number of threads. Any frame
    of 2×2 pixels or more will do. Raises InputError for an unknown preset.
    """

    def __init__(self, preset: str = "medium") -> None:
        if preset not in PRESETS:
            raise InputError(f"DIS has no preset {preset!r}: choose one of {', '.join(PRESETS)}")
        self.preset = preset

    def prepare(self, frame: Frame) -> np.ndarray:
        """The luma of a frame, uint8, (H, W): what DIS sees of it."""
        return to_gray(frame)

    def estimate(self, source: np.ndarray, target: np.ndarray) -> Tensor:
        """See ``FlowMethod.estimate``; takes two gray images, uint8, (H, W)."""
        if source.shape != target.shape:
            raise ValueError(f"frames of different sizes: {source.shape} and {target.shape}")
        height, width = source.shape
        padding = (max(0, SMALLEST_SIDE - height), max(0, SMALLEST_SIDE - width))
        source, target = _pad(source, padding), _pad(target, padding)
        # A new object each time: OpenCV's holds buffers, so it cannot be shared between threads.
        search = cv2.DISOpticalFlow.create(PRESETS[self.preset])
        search.setFinestScale(_finest_scale(search.getFinestScale(), *source.shape))
        flow = search.calc(source, target, None)  # type: ignore[call-overload]  # None: make a new array
        planes = np.ascontiguousarray(flow[:height, :width].transpose(2, 0, 1))
        return torch.from_numpy(planes)


def to_gray(frame: Frame) -> np.ndarray:
    """Luma of an RGB frame as OpenCV computes it from 8-bit values: uint8, (H, W).

    Takes uint8 (H, W, 3) arrays, or float tensors (3, H, W) in [0, 1], which are rounded to 8 bit first, so
    that both forms of one frame give the same flow. Raises ValueError for anything else.
    """
    return cv2.cvtColor(to_levels(frame), cv2.COLOR_RGB2GRAY)


def _pad(gray: np.ndarray, padding: tuple[int, int]) -> np.ndarray:
    """Repeat the last row and column of a small frame until it is big enough."""
    if padding == (0, 0):
        return gray
    return cv2.copyMakeBorder(gray, 0, padding[0], 0, padding[1], cv2.BORDER_REPLICATE)


def _finest_scale(preset: int, height: int, width: int) -> int:
    """The preset's finest pyramid level (0 = full size), or a finer one where a small frame has no such
    level.

    OpenCV starts at level min(round(log2(long / 32)), floor(log2(short / 8))). Where its finest level lies
    above that, it chooses levels by the width alone, and a wide flat frame then makes it crash or return NaN.
    """
    coarsest = min(
        math.floor(math.log2(max(height, width) / (4 * PATCH)) + 0.5),
        math.floor(math.log2(min(height, width) / PATCH)),
    )
    return max(0, min(preset, coarsest))
