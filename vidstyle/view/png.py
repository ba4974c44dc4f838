"""Pictures to PNG bytes. Writing them is the caller's."""

from __future__ import annotations

import numpy as np

from vidstyle.flow._cv2 import cv2


def encode_png(picture: np.ndarray) -> bytes:
    """A picture, uint8 RGB (H, W, 3) or gray (H, W), as the bytes of a PNG file.

    Raises ValueError for any other shape or type.
    """
    color = picture.ndim == 3 and picture.shape[2] == 3
    if picture.dtype != np.uint8 or not (color or picture.ndim == 2):
        raise ValueError(f"a picture is uint8 (H, W, 3) or (H, W), not {picture.dtype} {picture.shape}")
    pixels = np.ascontiguousarray(picture[..., ::-1] if color else picture)
    return cv2.imencode(".png", pixels)[1].tobytes()
