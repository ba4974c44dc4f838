"""What makes a painting photorealistic again: smoothed along the edges of the frame that it was painted from.

Both ways rest on windows of the frame in each of which colours of the painting are taken for linear in those of the
frame (Levin, Lischinski, Weiss 2008). The guided filter (He, Sun, Tang 2010) takes the mean of what all windows say of
a pixel; the closed form (Li et al. 2018) solves for the picture that is alike wherever the frame is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import dia_array
from scipy.sparse.linalg import cg
from torch import Tensor
from torch.nn import functional as F

from vidstyle.config import PhotoSettings, TransferSettings

GUIDED_RADIUS, GUIDED_EPSILON = 12, 1e-3
"""Of the guided filter: pixels (of a frame 360 high) to each side, and the variance of an edge that is kept."""
GUIDED_SMALLER = 4
"""How many times smaller the frame is at which its fits are found."""
MATTING_EPSILON = 1e-5
"""Of the closed form."""
SIDE = 3
"""Of its windows."""
REACH = range(1 - SIDE, SIDE)
NEIGHBOURS = [(down, right) for down in REACH for right in REACH]
"""How far down and right lies what shares a window with a pixel."""
BAND = 64
"""Rows whose windows are worked out at a time."""
TOLERANCE, MOST_ITERATIONS = 1e-3, 1000
"""Of the solve: the residual beside the right side, and when to stop all the same."""


UNSETTLED = (
    f"--smoothing closed-form did not settle in {MOST_ITERATIONS} steps in some frames, which are as near as it came: "
    "a smaller --affinity settles sooner"
)


def finish_of(
    settings: TransferSettings, say: Callable[[str], None] = lambda line: None
) -> Callable[[Tensor, Tensor], Tensor] | None:
    """What comes last in a method, given a frame and its painting, ``(3, H, W)`` both; None: nothing.

    ``say`` is called with a line for the user, for each frame that it is so of.
    """
    if not isinstance(settings, PhotoSettings) or settings.smoothing == "none":
        return None
    if settings.smoothing == "guided":
        return guided
    affinity = settings.affinity
    return lambda frame, painted: closed_form(frame, painted, affinity, say)


# ---- the guided filter


def guided(frame: Tensor, painted: Tensor) -> Tensor:
    """``painted`` ``(C, H, W)`` filtered along the edges of ``frame`` ``(3, H, W)`` (He, Sun, Tang 2010, section 3.5).

    Every window's linear fit a·I + b of the painting to the frame's colours I; at a pixel, the mean over its windows.
    The fits are found at a smaller size (He, Sun 2015), which changes little, for they change slowly.
    """
    size = frame.shape[-2:]
    radius = max(GUIDED_SMALLER, round(GUIDED_RADIUS * min(size) / 360)) // GUIDED_SMALLER
    small, paint = (F.interpolate(x[None], size=smaller(size), mode="area")[0] for x in (frame, painted))
    mean, paint_mean = window_mean(small, radius), window_mean(paint, radius)
    rows, columns = torch.triu_indices(3, 3)
    covariance = window_mean(small[rows] * small[columns], radius) - mean[rows] * mean[columns]
    products = window_mean((paint[:, None] * small).flatten(0, 1), radius).unflatten(0, (-1, 3))
    slope = solved(covariance, GUIDED_EPSILON, products - paint_mean[:, None] * mean)
    base = paint_mean - (slope * mean).sum(1)
    fits = window_mean(torch.cat([slope.flatten(0, 1), base]), radius)
    fits = F.interpolate(fits[None], size=size, mode="bilinear")[0]
    count = 3 * len(painted)
    return (fits[:count].unflatten(0, (-1, 3)) * frame).sum(1) + fits[count:]


def smaller(size: Sequence[int]) -> tuple[int, int]:
    height, width = (max(1, round(side / GUIDED_SMALLER)) for side in size)
    return height, width


def window_mean(x: Tensor, radius: int) -> Tensor:
    """The mean over the square around each pixel of ``(C, H, W)``, as far as it lies in the picture."""
    side = 2 * radius + 1
    rows = F.avg_pool2d(x[None], (side, 1), 1, (radius, 0), count_include_pad=False)
    return F.avg_pool2d(rows, (1, side), 1, (0, radius), count_include_pad=False)[0]


def solved(covariance: Tensor, epsilon: float, right: Tensor) -> Tensor:
    """(Σ + ε)⁻¹ · right at every pixel, by cofactors: Σ as its upper triangle (6, H, W), right (C, 3, H, W)."""
    rr, rg, rb, gg, gb, bb = covariance
    rr, gg, bb = rr + epsilon, gg + epsilon, bb + epsilon
    inverse = torch.stack(
        [
            *(gg * bb - gb * gb, rb * gb - rg * bb, rg * gb - rb * gg),
            *(rb * gb - rg * bb, rr * bb - rb * rb, rb * rg - rr * gb),
            *(rg * gb - rb * gg, rb * rg - rr * gb, rr * gg - rg * rg),
        ]
    ).unflatten(0, (3, 3))
    determinant = rr * inverse[0, 0] + rg * inverse[0, 1] + rb * inverse[0, 2]
    return torch.einsum("ijhw,cjhw->cihw", inverse / determinant, right)


# ---- the closed form


def closed_form(
    frame: Tensor, painted: Tensor, affinity: float, say: Callable[[str], None] = lambda line: None
) -> Tensor:
    """R = (1 − α)(I − α S)⁻¹ Y (Li et al. 2018, equation 7), S = D^−½ W D^−½ with the matting affinity W of the frame.

    With D^−½ and D^½ around the solve, which changes nothing inside, where D is the same everywhere: pixels at the
    border, which fewer windows cover, would become darker. Solved by conjugate gradients on the CPU, beginning with the
    guided filter's answer, which also stands for it in frames that are too narrow for windows.

    Args:
        frame, painted: ``(3, H, W)`` and Y, ``(C, H, W)``, in [0, 1].
        affinity: α in (0, 1).
        say: called with ``UNSETTLED`` where the solve was stopped before it was within ``TOLERANCE``.
    """
    if frame.shape[1] < SIDE or frame.shape[2] < len(REACH):
        return guided(frame, painted)
    matrix, degree = system(frame.cpu().numpy(), affinity)
    root = np.sqrt(degree).astype(np.float32)
    wanted, start = ((root * x.cpu().numpy()).reshape(len(x), -1) for x in (painted, guided(frame, painted)))
    found, states = zip(
        *(
            cg(matrix, (1 - affinity) * y, x0=x, rtol=TOLERANCE, maxiter=MOST_ITERATIONS)
            for y, x in zip(wanted, start, strict=True)
        ),
        strict=True,
    )
    if any(states):
        say(UNSETTLED)
    return torch.from_numpy(np.stack(found).reshape(painted.shape) / root).to(painted)


def system(frame: NDArray[np.floating], affinity: float) -> tuple[dia_array, NDArray[np.float32]]:
    """I − α S for the pixels of a frame ``(3, H, W)``, row by row, and D, ``(H, W)``."""
    height, width = frame.shape[1:]
    planes = np.zeros((len(NEIGHBOURS), height, width), np.float32)
    for top in range(0, height - SIDE + 1, BAND):  # in bands: what the windows say takes 1 kB for each of their pixels
        rows = slice(top, min(top + BAND + SIDE - 1, height))
        planes[:, rows] += affinities(frame[:, rows].astype(np.float64))
    degree = planes.sum(0)
    norm = 1 / np.sqrt(degree)
    offsets = []
    for (down, right), plane in zip(NEIGHBOURS, planes, strict=True):
        plane *= -affinity * norm * np.roll(norm, (-down, -right), (0, 1))  # what wraps around has affinity 0
        plane += (down, right) == (0, 0)
        offsets.append(down * width + right)
        plane[...] = np.roll(plane.ravel(), offsets[-1]).reshape(plane.shape)  # a diagonal lies by its columns
    size = height * width
    return dia_array((planes.reshape(-1, size), offsets), shape=(size, size)), degree


def affinities(frame: NDArray[np.float64]) -> NDArray[np.float64]:
    """W of Levin, Lischinski, Weiss (2008): each pixel's affinity with each of its ``NEIGHBOURS``, (25, H, W).

    W_ij = Σ over 3×3 windows with both: (1 + (I_i − μ)ᵀ (Σ + ε/9)⁻¹ (I_j − μ)) / 9.
    """
    height, width = frame.shape[1:]
    places = [(y, x) for y in range(SIDE) for x in range(SIDE)]
    rows, columns = height - SIDE + 1, width - SIDE + 1
    seen = np.stack([frame[:, y : y + rows, x : x + columns] for y, x in places])
    apart = seen - seen.mean(0)
    covariance = np.einsum("pihw,pjhw->hwij", apart, apart) / len(places)
    inverse = np.linalg.inv(covariance + MATTING_EPSILON / len(places) * np.eye(3))
    leaned = np.einsum("hwij,pjhw->pihw", inverse, apart)
    planes = np.zeros((len(NEIGHBOURS), height, width))
    for (y, x), own in zip(places, apart, strict=True):
        for (v, u), other in zip(places, leaned, strict=True):
            plane = planes[NEIGHBOURS.index((v - y, u - x))][y : y + rows, x : x + columns]
            plane += (1 + np.einsum("ihw,ihw->hw", own, other)) / len(places)
    return planes
