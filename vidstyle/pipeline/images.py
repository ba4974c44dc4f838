"""Style images from disk, and single pictures to it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from vidstyle.errors import InputError, OutputError, write_error
from vidstyle.media import PICTURE_ENDINGS, as_seen, check_pixels, open_picture
from vidstyle.pipeline.outputs import Inputs, check_file
from vidstyle.store import printable, publish, temporary_path

# A scan of a painting may be huge; strokes are never finer than the frame, and memory is.
LONGEST_SIDE = 4096
HUGE = 180_000_000  # pixels
REDUCIBLE = ("L", "RGB", "RGBA", "CMYK")


def read_image(path: Path) -> NDArray[np.float32]:
    """A picture as a frame: ``(3, H, W)``, RGB in [0, 1], turned as its EXIF says, in sRGB as its profile
    says, transparency over white.

    Raises:
        InputError: it is missing, not a picture, or too large.
    """
    try:
        with open_picture(path) as image:
            image.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))
            check_pixels(image, path)
            upright = as_seen(reduced(image)).convert("RGBA")
    except FileNotFoundError:
        raise InputError(f"no such picture: {path}") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder: name one picture in it") from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = "" if isinstance(error, UnidentifiedImageError) else f" ({error})"
        raise InputError(f"{path} is not a picture that can be read{reason}: give a JPEG, PNG or WebP") from None
    upright.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    white = Image.new("RGBA", upright.size, "white")
    pixels = np.asarray(Image.alpha_composite(white, upright).convert("RGB"), np.float32)
    if min(pixels.shape[:2]) < 16:
        raise InputError(f"{path} is too small: give a picture of at least 16×16 pixels")
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)) / np.float32(255)


def reduced(image: Image.Image) -> Image.Image:
    """A huge picture at a fraction of its size, still ``LONGEST_SIDE`` long: what follows takes several of its size."""
    factor = max(image.size) // LONGEST_SIDE
    if image.width * image.height <= HUGE or factor < 2 or image.mode not in REDUCIBLE:
        return image
    ImageOps.exif_transpose(image, in_place=True)  # a reduced picture may lack its EXIF
    return image.reduce(factor)


def check_picture(output: Path, may_replace: Callable[[Path], bool], inputs: Inputs) -> None:
    """As ``check_file``, for a picture."""
    if output.suffix.lower() not in PICTURE_ENDINGS:
        raise OutputError(f"{output.name} is no name of a picture that can be written: {', '.join(PICTURE_ENDINGS)}")
    check_file(output, "picture", may_replace, inputs)


def save(picture: Image.Image, output: Path) -> None:
    """Write to a temporary name beside the output, and rename it."""
    temporary = temporary_path(output, keep_suffix=True)
    try:
        picture.save(temporary, quality=95)
        publish(temporary, output)
    except OSError as error:
        raise write_error(error, printable(output)) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
