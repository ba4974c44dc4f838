"""Lengths of time, as people write and say them."""

from __future__ import annotations

import re

from vidstyle.config import MOST_SECONDS
from vidstyle.errors import InputError


def parse_length(text: str | float, option: str) -> float:
    """Seconds: a number of them, or a text such as "90s", "30m", "2h", "1h30m".

    InputError, one line that names the ``option``, for anything else.
    """
    if isinstance(text, int | float) and not isinstance(text, bool):
        seconds = text
    else:
        match = re.fullmatch(r"(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?", str(text).strip().lower())
        hours, minutes, rest = (int(part or 0) for part in match.groups()) if match else (0, 0, 0)
        seconds = 3600 * hours + 60 * minutes + rest
    if not 0 < seconds <= MOST_SECONDS:
        raise InputError(f"{option} is a time such as 90s, 30m or 1h30m, not {str(text)[:40]!r}")
    return float(seconds)


def length_text(seconds: float) -> str:
    """Seconds, roughly: "40 s", "12 min", "3 h 05 min", "2 days"."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    if minutes < 36 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes / (24 * 60):.0f} days"
