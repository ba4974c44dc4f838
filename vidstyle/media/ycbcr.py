"""RGB frames as Y'CbCr, by the standards' formulas.

ffmpeg's scaler could do it, but it dithers whatever has more than 8 bits, takes 65280 for white there, and since
version 8 shifts the chroma of full range by half a level. Here every value is rounded once, to the nearest.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Shares of red and blue in luma, by ffmpeg's names of the matrices.
LUMA_SHARES = {
    "bt709": (0.2126, 0.0722),
    "fcc": (0.30, 0.11),
    "bt470bg": (0.299, 0.114),
    "smpte170m": (0.299, 0.114),
    "smpte240m": (0.212, 0.087),
    "bt2020nc": (0.2627, 0.0593),
}
ROWS = 64  # worked on at a time: they stay in the processor's cache


def to_ycbcr(image: NDArray[Any], matrix: str, color_range: str, bits: int) -> NDArray[Any]:
    """Planes (3, H, W) of `bits` per sample (uint8, or uint16 for more than 8) of an RGB image (H, W, 3).

    `image` is uint8 or uint16 over its full range; `color_range` "tv" or "pc".
    """
    top = 2**bits - 1
    weights, offsets = _formula(matrix, color_range, bits, int(np.iinfo(image.dtype).max))
    planes = np.empty((3, *image.shape[:2]), np.uint8 if bits == 8 else np.uint16)
    for first in range(0, len(image), ROWS):
        red, green, blue = (image[first : first + ROWS, :, channel].astype(np.float32) for channel in range(3))
        for plane, (r, g, b), offset in zip(planes, weights, offsets, strict=True):
            levels = np.rint(r * red + g * green + b * blue + offset)
            plane[first : first + ROWS] = np.clip(levels, 0, top)
    return planes


def _formula(matrix: str, color_range: str, bits: int, white: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights (3, 3) of red, green and blue in each plane, and what is added to each plane."""
    kr, kb = LUMA_SHARES[matrix]
    luma = np.array([kr, 1 - kr - kb, kb])
    blue, red = (np.eye(3)[2] - luma) / (2 - 2 * kb), (np.eye(3)[0] - luma) / (2 - 2 * kr)
    step, top = 2 ** (bits - 8), 2**bits - 1
    full = color_range == "pc"
    scales = (top, top, top) if full else (219 * step, 224 * step, 224 * step)
    weights = np.stack([luma, blue, red]) * np.array(scales)[:, None] / white
    offsets = np.array([0 if full else 16 * step, 128 * step, 128 * step])
    return weights.astype(np.float32), offsets.astype(np.float32)
