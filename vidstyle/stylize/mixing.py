"""How much of each style a frame is painted in: over time, and over its area."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from vidstyle.config import StyleSettings


def weights_at(styles: Sequence[StyleSettings], time: Fraction) -> list[float]:
    """The weight of each style at a time of the movie, in seconds.

    Styles with a time of their own (``at``) follow one another: alone at that time and, the first and the last, before
    and after it; between two times one turns into the other. Styles without one are there all the time.
    """
    times = sorted({style.at for style in styles if style.at is not None})
    return [style.weight * presence(style.at, times, time) for style in styles]


def presence(at: Fraction | None, times: Sequence[Fraction], now: Fraction) -> float:
    """How far a style is there, from 0 to 1, that has the key frame ``at`` among all those ``times``, in order."""
    if at is None:
        return 1.0
    index = times.index(at)
    if now < at:
        before = times[index - 1] if index else None
        return 1.0 if before is None else max(0.0, float((now - before) / (at - before)))
    after = times[index + 1] if index + 1 < len(times) else None
    return 1.0 if after is None else max(0.0, float((after - now) / (after - at)))
