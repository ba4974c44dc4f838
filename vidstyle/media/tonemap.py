"""HDR frames as an SDR display shows them: PQ and HLG to BT.709.

Light is reckoned in nits. What SDR shows as white stands for 203 nits, as in BT.2408. Brighter light is bent below it
by the curve of BT.2390 (the EETF), which leaves the darker part of the picture as it is. The curve depends on the
movie's peak alone, not on the frame, so a frame comes out the same wherever reading begins.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint16]
Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

WHITE = 203.0  # nits of SDR's white (BT.2408)
USUAL_PEAK = 1000.0  # nits, where the movie does not say
DISPLAY_GAMMA = 2.4  # of an SDR display (BT.1886)
HLG_GAMMA = 1.2  # of an HLG display of USUAL_PEAK (BT.2100)
TOP = 65535
ROWS = 64  # worked on at a time: they stay in the processor's cache

# x and y of red, green and blue; white is D65 in all of them.
CHROMATICITIES = {
    "bt709": (0.640, 0.330, 0.300, 0.600, 0.150, 0.060),
    "bt2020": (0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    "smpte432": (0.680, 0.320, 0.265, 0.690, 0.150, 0.060),  # Display P3
}
D65 = (0.3127, 0.3290)


@lru_cache(maxsize=2)
def tone_mapper(transfer: str, primaries: str | None, peak: float | None) -> Callable[[Image], Image]:
    """What turns frames (H, W, 3), R'G'B' over all of uint16, into BT.709 for a display of gamma 2.4.

    `transfer` is "smpte2084" (PQ) or "arib-std-b67" (HLG); `primaries` that are not known are taken as BT.2020;
    `peak` is the movie's brightest light in nits, where it says so.
    """
    source = primaries if primaries in CHROMATICITIES else "bt2020"
    to_709 = np.linalg.solve(rgb_to_xyz("bt709"), rgb_to_xyz(source)).astype(np.float32)
    signal = np.arange(TOP + 1) / TOP
    if transfer == "smpte2084":
        light, luma = pq_to_nits(signal) / WHITE, None
    else:
        light, luma = hlg_to_scene(signal), rgb_to_xyz(source)[1].astype(np.float32)
    light = light.astype(np.float32)
    top = max(peak or USUAL_PEAK, WHITE) / WHITE
    # By the fourth root of light, so that dark and bright have entries enough.
    levels = top * (np.arange(1, TOP + 2) / (TOP + 1)) ** 4
    gain = (eetf(levels * WHITE, top * WHITE) / (levels * WHITE)).astype(np.float32)

    def band(rows: Image) -> Floats:
        red, green, blue = (light[rows[..., channel]] for channel in range(3))
        if luma is not None:
            scene = luma[0] * red + luma[1] * green + luma[2] * blue
            display = scene ** np.float32(HLG_GAMMA - 1) * np.float32(USUAL_PEAK / WHITE)
            red, green, blue = red * display, green * display, blue * display
        # What BT.709 cannot show is less than 0 in one of its colours. What is brighter than white is turned down in
        # all three alike, so its hue stays.
        planes = np.stack([np.maximum(r * red + g * green + b * blue, 0) for r, g, b in to_709])
        share = np.minimum(planes.max(axis=0) / np.float32(top), 1)
        planes *= gain[(np.sqrt(np.sqrt(share)) * np.float32(TOP)).astype(np.uint16)]
        return np.minimum(planes, 1) ** np.float32(1 / DISPLAY_GAMMA)

    def apply(image: Image) -> Image:
        mapped = np.empty_like(image)
        for first in range(0, len(image), ROWS):
            rows = band(image[first : first + ROWS]) * np.float32(TOP)
            mapped[first : first + ROWS] = np.rint(rows).transpose(1, 2, 0)
        return mapped

    return apply


def pq_to_nits(signal: Any) -> Doubles:
    """Light of a PQ signal in [0, 1] (SMPTE ST 2084)."""
    root = np.asarray(signal, np.float64) ** (1 / PQ_M2)
    return np.asarray(10_000 * (np.maximum(root - PQ_C1, 0) / (PQ_C2 - PQ_C3 * root)) ** (1 / PQ_M1))


def nits_to_pq(nits: Any) -> Doubles:
    """PQ signal of light."""
    power = (np.asarray(nits, np.float64) / 10_000) ** PQ_M1
    return np.asarray(((PQ_C1 + PQ_C2 * power) / (1 + PQ_C3 * power)) ** PQ_M2)


PQ_M1, PQ_M2 = 2610 / 16384, 2523 / 4096 * 128
PQ_C1, PQ_C2, PQ_C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32


def hlg_to_scene(signal: Any) -> Doubles:
    """Light before the camera, in [0, 1], of an HLG signal (BT.2100)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    signal = np.asarray(signal, np.float64)
    return np.asarray(np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12))


def eetf(nits: Any, peak: float) -> Doubles:
    """Light up to `peak` brought below WHITE (BT.2390, section 5.4.1; black stays black)."""
    if peak <= WHITE:
        return np.minimum(np.asarray(nits, np.float64), WHITE)
    whole = float(nits_to_pq(peak))
    bright = np.minimum(nits_to_pq(nits) / whole, 1)
    most = float(nits_to_pq(WHITE)) / whole
    knee = 1.5 * most - 0.5  # from here on it bends
    t = (bright - knee) / (1 - knee)
    bent = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * most
    return pq_to_nits(np.where(bright < knee, bright, bent) * whole)


def rgb_to_xyz(primaries: str) -> Doubles:
    """The matrix (3, 3) from linear RGB to XYZ, in which white has Y = 1."""
    x, y = np.reshape(CHROMATICITIES[primaries], (3, 2)).T
    columns = np.stack([x / y, np.ones(3), (1 - x - y) / y])
    white = np.array([D65[0] / D65[1], 1, (1 - D65[0] - D65[1]) / D65[1]])
    return columns * np.linalg.solve(columns, white)
