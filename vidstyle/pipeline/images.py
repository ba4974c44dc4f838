"""Style images from disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from vidstyle.errors import InputError

# A scan of a painting may be huge; strokes are never finer than the frame, and memory is.
LONGEST_SIDE = 4096


def read_image(path: Path) -> NDArray[np.float32]:
    """A picture as a frame: ``(3, H, W)``, RGB in [0, 1], turned as its EXIF says, transparency over white.

    Raises:
        InputError: it is missing, or not a picture.
    """
    try:
        with Image.open(path) as image:
            image.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))
            upright = ImageOps.exif_transpose(image).convert("RGBA")
    except FileNotFoundError:
        raise InputError(f"no such style image: {path}") from None
    except IsADirectoryError:
        raise InputError(f"--style {path} is a folder: name one picture in it") from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = "" if isinstance(error, UnidentifiedImageError) else f" ({error})"
        raise InputError(f"{path} is not a picture that can be read{reason}: give a JPEG, PNG or WebP") from None
    upright.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    white = Image.new("RGBA", upright.size, "white")
    pixels = np.asarray(Image.alpha_composite(white, upright).convert("RGB"), np.float32)
    if min(pixels.shape[:2]) < 16:
        raise InputError(f"{path} is too small for a style: give a picture of at least 16×16 pixels")
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)) / np.float32(255)
