"""Pictures in the colours that their ICC profile means: phones and cameras save wider ones than sRGB."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image, ImageCms

TARGETS = {"RGBA": "RGBA", "RGB": "RGB", "L": "RGB", "CMYK": "RGB", "LAB": "RGB"}  # by the mode that is read


def in_srgb(image: Image.Image) -> Image.Image:
    """The picture in sRGB, as RGB or RGBA; unchanged where its profile is that, missing or damaged.

    Relative colorimetric: what sRGB holds, too, stays as it is.
    """
    profile: bytes | None = image.info.get("icc_profile")
    if not profile:
        return image
    if image.mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    target = TARGETS.get(image.mode)
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if target is None or "srgb" in ImageCms.getProfileDescription(own).lower():
            return image
        found: Any = ImageCms.profileToProfile(
            image, own, ImageCms.createProfile("sRGB"), ImageCms.Intent.RELATIVE_COLORIMETRIC, target
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image
    return found
