"""Where one shot ends and the next begins. Pure functions on the scores of a timeline."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

THRESHOLD = 10.0  # percent of luma range by which a cut must stand out from the changes before it
MIN_LENGTH = 5  # frames; a shorter shot stays with its neighbour
FLASH_LENGTH = 3  # frames; a change that is taken back within so many frames is a flash, not two cuts
FLASH_LIKENESS = 0.6  # of the first jump's height that the jump back must have
BEFORE = 3  # frames before a cut that it must stand out from (more than one: movies repeat frames)


def find_cuts(
    scores: NDArray[np.float32],
    threshold: float = THRESHOLD,
    min_length: int = MIN_LENGTH,
) -> list[int]:
    """Frame numbers at which a new shot begins, in order; never 0.

    `scores` (N,): how much each frame differs from the one before (Timeline.scores). A cut is a change that
    is higher by `threshold` than those just before it, so steady motion and slow fades are none; and that
    is not taken back at once, so a flash is none. `min_length` is in frames.
    """
    cuts: list[int] = []
    for frame in _jumps(scores, threshold):
        long_enough = frame - (cuts[-1] if cuts else 0) >= min_length and len(scores) - frame >= min_length
        if long_enough and not _is_flash(scores, frame):
            cuts.append(frame)
    return cuts


def rises(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """By how much each change stands out from those just before it: what find_cuts holds against the threshold."""
    values = np.asarray(scores, np.float64)
    rise = values.copy()
    for step in range(1, BEFORE + 1):
        rise[step:] = np.minimum(rise[step:], values[step:] - values[:-step])
    return rise


def _jumps(scores: NDArray[np.float32], threshold: float) -> list[int]:
    return [int(frame) for frame in np.flatnonzero(rises(scores) >= threshold) if frame > 0]


def _is_flash(scores: NDArray[np.float32], frame: int) -> bool:
    after = scores[frame + 1 : frame + 1 + FLASH_LENGTH]
    return bool(np.any(after >= FLASH_LIKENESS * scores[frame]))


def shots(cuts: Sequence[int], first: int, last: int) -> list[tuple[int, int]]:
    """The half-open frame ranges that the cuts divide [first, last) into; none where that is empty."""
    if last <= first:
        return []
    edges = [first, *sorted({cut for cut in cuts if first < cut < last}), last]
    return list(itertools.pairwise(edges))
