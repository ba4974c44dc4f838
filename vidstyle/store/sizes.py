"""Sizes on the disk, as people write them: 500M, 20G, 1.5T."""

from __future__ import annotations

import os
import re

from vidstyle.errors import InputError

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)(B?)\s*", re.IGNORECASE)
_LEAST = 10**5  # bytes: whoever writes a smaller number without a unit means something else

_MOST = 10**18  # bytes


def parse_size(text: str) -> int:
    """Bytes: "20G" is 20·10⁹, "20Gi" 20·2³⁰, a number without a unit is bytes.

    InputError, one line, for anything else, and for so few bytes that another unit must have been meant.
    """
    match = _SIZE.fullmatch(text)
    if match is None or (match[3] and not match[2]):
        raise InputError(f"{text!r} is not a size: write it as 500M, 20G or 1.5T")
    unit = match[2].upper()
    factor = 1024 ** "KMGT".index(unit) * 1024 if match[3] else _UNITS[unit]
    size = int(min(float(match[1]) * factor, _MOST + 1))
    if size > _MOST:
        raise InputError("no disk is larger than 1000000T: write the size as 500M, 20G or 1.5T")
    if not unit and size < _LEAST:
        raise InputError(f"{text} bytes are too few for a cache: give a unit, as in {text}G")
    return size


def size_text(size: int) -> str:
    """Bytes as people say them, in three digits: "512 B", "1.46 MB", "20.0 GB"."""
    value, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    if unit == "B":
        return f"{size} B"
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f} {unit}"


def default_limit() -> int | None:
    """How large the cache may become: $VIDSTYLE_CACHE_LIMIT; None: as large as it takes."""
    text = os.environ.get("VIDSTYLE_CACHE_LIMIT")
    try:
        return parse_size(text) if text else None
    except InputError as error:
        raise InputError(f"$VIDSTYLE_CACHE_LIMIT: {error}") from None
