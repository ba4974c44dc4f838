"""Numbers to go with the pictures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from vidstyle.view.flow_color import round_scale


@dataclass(frozen=True)
class FlowStatistics:
    """What one frame's flow does. Lengths in pixels, over the pixels whose flow is known; 0 where none is."""

    mean: float
    median: float
    percentile_95: float
    maximum: float
    trusted: float | None  # share of pixels with c > 0.5, in [0, 1]; None without a consistency map


def flow_statistics(flow: np.ndarray, consistency: np.ndarray | None = None) -> FlowStatistics:
    """Statistics of a flow (2, H, W), pixels, and of its consistency (H, W), float in [0, 1] or uint8 in
    0..255.

    Raises ValueError where the shapes do not fit.
    """
    if flow.ndim != 3 or flow.shape[0] != 2 or (consistency is not None and consistency.shape != flow.shape[1:]):
        other = None if consistency is None else consistency.shape
        raise ValueError(f"flow is (2, H, W) and consistency (H, W), not {flow.shape} and {other}")
    known = (np.abs(flow) < 1e9).all(axis=0)
    length = np.hypot(*flow[:, known].astype(np.float64))
    if length.size == 0:
        length = np.zeros(1)
    median, high = np.percentile(length, (50, 95))
    return FlowStatistics(
        mean=float(length.mean()),
        median=float(median),
        percentile_95=float(high),
        maximum=float(length.max()),
        trusted=None if consistency is None else trusted_share(consistency),
    )


def trusted_share(consistency: np.ndarray) -> float:
    """Share of pixels with c > 0.5, of a map (H, W) in float [0, 1] or uint8 0..255."""
    half = 127.5 if consistency.dtype == np.uint8 else 0.5
    return float((consistency > half).mean())


def shared_scale(statistics: Iterable[FlowStatistics]) -> float:
    """One colour scale for all frames of a shot, in pixels, a round number.

    The largest 95th percentile, or half the longest motion where that is more (a small thing that moves in a
    still picture): single wild values do not make everything else pale.
    """
    lengths = [max(s.percentile_95, s.maximum / 2) for s in statistics]
    return round_scale(max(lengths, default=0.0))
