"""Single pictures as they are meant to be seen, whatever way they are stored in."""

from __future__ import annotations

import functools
import io
import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps

from vidstyle.errors import InputError

MOST_PIXELS = 500_000_000  # of one picture, which take 2 GB
TARGETS = {"RGBA": "RGBA", "RGB": "RGB", "L": "RGB", "CMYK": "RGB", "LAB": "RGB"}  # by the mode that is read
SAME = 1  # levels: profiles that change no colour by more are sRGB's


_opening = threading.Lock()


def open_picture(path: Path, formats: tuple[str, ...] | None = None) -> Image.Image:
    """``Image.open`` that neither warns of pictures of 90 megapixels nor refuses them at 180: scans are larger.

    Call ``check_pixels`` before its pixels are asked for.
    """
    with _opening:
        usual, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(path, formats=formats)
        finally:
            Image.MAX_IMAGE_PIXELS = usual


def check_pixels(image: Image.Image, name: object) -> None:
    """Raise InputError, which calls the picture ``name``, for more than ``MOST_PIXELS``."""
    if image.width * image.height > MOST_PIXELS:
        most = MOST_PIXELS // 10**6
        raise InputError(f"{name} has {image.width}×{image.height} pixels: give a picture of at most {most} megapixels")


def as_seen(image: Image.Image) -> Image.Image:
    """The picture turned as its EXIF says, in 8 bits, and in sRGB as its ICC profile says."""
    return in_srgb(in_8_bits(ImageOps.exif_transpose(image)))


def in_8_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 bits scaled to 8, which Pillow itself would cut off; all others as they are."""
    if not image.mode.startswith("I;16"):
        return image
    reduced = Image.fromarray(with_depth(np.asarray(image), 8))
    reduced.info.update(image.info)
    return reduced


def with_depth(pixels: NDArray[Any], bit_depth: int) -> NDArray[Any]:
    """In 8 bits (uint8) or 16 (uint16), each over its full range."""
    if bit_depth == 8 * pixels.dtype.itemsize:
        return pixels
    if bit_depth == 16:
        return pixels.astype(np.uint16) * np.uint16(257)
    return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)


def in_srgb(image: Image.Image) -> Image.Image:
    """The picture in sRGB, as RGB or RGBA; unchanged where its profile means that, is missing or damaged.

    Relative colorimetric: what sRGB holds, too, stays as it is.
    """
    profile: bytes | None = image.info.get("icc_profile")
    if not profile:
        return image
    if image.mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    if image.mode not in TARGETS:
        return image
    if image.mode in ("RGB", "RGBA") and means_srgb(profile):
        return image
    return converted(image, profile) or image


def has_profile(image: Image.Image) -> bool:
    """Whether a profile says that the colours of the picture are not sRGB's."""
    profile = image.info.get("icc_profile")
    return bool(profile) and not means_srgb(profile)


@functools.lru_cache(16)
def means_srgb(profile: bytes) -> bool:
    """Whether the colours of a profile are sRGB's, or it is damaged: by what becomes of some, as names tell little."""
    levels = np.linspace(0, 255, 9).round().astype(np.uint8)
    colours = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(27, 27, 3)
    found = converted(Image.fromarray(colours), profile)
    return found is None or int(np.abs(np.asarray(found).astype(int) - colours).max()) <= SAME


def converted(image: Image.Image, profile: bytes) -> Image.Image | None:
    """From the colours of a profile to sRGB's; None where that is damaged or does not fit the picture."""
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        intent, target = ImageCms.Intent.RELATIVE_COLORIMETRIC, TARGETS[image.mode]
        found: Any = ImageCms.profileToProfile(image, own, ImageCms.createProfile("sRGB"), intent, target)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
    return found
