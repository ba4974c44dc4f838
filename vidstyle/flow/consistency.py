"""Where flow can be trusted: the forward-backward check of Sundaram et al. (2010) and Ruder et al. (2016).

And, beyond theirs, what looks the same: in flat areas (sky, walls, fog) nothing ties flow down, forward and backward
flow disagree by chance, and their check closes whole blocks that could as well be carried on.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vidstyle.config import ConsistencySettings
from vidstyle.flow._cv2 import cv2
from vidstyle.flow.base import Frame, to_levels, to_tensor
from vidstyle.flow.warp import backward_warp

Array = TypeVar("Array", np.ndarray, Tensor)

SIGMA = 0.8
TAPS = 5
LIKENESS = ConsistencySettings.likeness
"""Of 255: how far colours may be apart that are the same. More than film grain, and less than most wrong matches."""

WINDOW = 5
"""Side in pixels of the square over which colours are compared: single pixels agree by chance."""

STRIP = 32
"""Rows handled at a time on the CPU, so that the many small steps of the check stay in the cache."""


def consistency_map(
    flow: Tensor,
    opposite_flow: Tensor,
    *,
    motion_boundaries: bool = True,
    smooth: bool = True,
    minimum_filter: int = 0,
    frames: tuple[Frame, Frame] | None = None,
    likeness: float = LIKENESS,
) -> Tensor:
    """How far ``flow`` can be trusted at each pixel: float32, (H, W), in [0, 1]; 1 = trusted.

    Both flows are (2, H, W), pixels; ``opposite_flow`` leads back and lies on the grid that ``flow`` leads
    to. For ``consistency[t]`` they are ``backward_flow[t]`` and ``forward_flow[t]``. With w the flow and ŵ
    the opposite flow at p + w:

    1. p + w outside the frame: 0
    2. |w + ŵ|² ≥ 0.01 (|w|² + |ŵ|²) + 0.5, disoccluded: 0
    3. |∇u|² + |∇v|² > 0.01 |w|² + 0.002, motion boundary: 0 (``motion_boundaries``)
    4. otherwise 1

    Where ``frames`` are given, the one on the grid of ``flow`` and the one that it leads to, rules 2 and 3 do not
    close what ``looks_alike`` in them.

    ``smooth`` blurs the result (Gaussian, σ = 0.8); what is disoccluded enters as -1, so that it grows.
    ``minimum_filter`` n takes the minimum over n×n pixels at the end. The recurrent network of Ruder et al.
    (2018) wants ``motion_boundaries=False, smooth=False, minimum_filter=7``.

    A flow that is not a number, or too large to be one, is not trusted. No gradient passes. Raises ValueError
    where the shapes do not fit, a frame is none, or ``minimum_filter`` is even.
    """
    if flow.ndim != 3 or flow.shape[0] != 2 or flow.shape != opposite_flow.shape:
        raise ValueError(f"two flows (2, H, W) expected, not {tuple(flow.shape)}, {tuple(opposite_flow.shape)}")
    if minimum_filter and minimum_filter % 2 == 0:
        raise ValueError(f"minimum_filter must be odd, not {minimum_filter}")
    flow, opposite_flow = flow.detach().float(), opposite_flow.detach().float()
    by_device = _consistency_cpu if flow.device.type == "cpu" else _consistency_torch
    return by_device(flow, opposite_flow, motion_boundaries, smooth, minimum_filter, frames, likeness)


def looks_alike(frame: Frame, other: Frame, flow: Tensor, likeness: float = LIKENESS) -> Tensor:
    """Where ``frame`` looks like ``other``, warped by ``flow``: bool, (H, W).

    Where the largest difference of a colour, in the mean of 5 × 5 pixels, is below ``likeness`` of 255 levels; 0:
    nowhere. ``flow`` is (2, H, W), pixels, on the grid of ``frame``. Raises ValueError where the sizes differ.
    """
    return (_alike_cpu if flow.device.type == "cpu" else _alike_torch)(frame, other, flow, likeness)


def _alike_cpu(frame: Frame, other: Frame, flow: Tensor, likeness: float) -> Tensor:
    """``looks_alike`` by OpenCV, on bytes."""
    now, then = _levels(frame, other, flow)
    return torch.from_numpy(_alike_rows(now, then, flow.numpy(), likeness, slice(0, len(now))))


def _levels(frame: Frame, other: Frame, flow: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Both frames as bytes. Raises ValueError where they do not fit the flow."""
    now, then = to_levels(frame), to_levels(other)
    if now.shape != then.shape or now.shape[:2] != flow.shape[1:]:
        raise ValueError(f"frames {now.shape} and {then.shape} do not fit the flow {tuple(flow.shape)}")
    return now, then


def _alike_rows(now: np.ndarray, then: np.ndarray, flow: np.ndarray, likeness: float, strip: slice) -> np.ndarray:
    """``looks_alike`` in a strip of rows."""
    outer = slice(max(0, strip.start - WINDOW // 2), min(len(now), strip.stop + WINDOW // 2))
    rows, columns = _pixel_positions(*now.shape[:2])
    # To 1/32 pixel, in which flow is stored; OpenCV takes two thirds of the time so.
    whole, parts = cv2.convertMaps(flow[0, outer] + columns, flow[1, outer] + rows[outer], cv2.CV_16SC2)
    warped = cv2.remap(then, whole, parts, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    red, green, blue = cv2.split(cv2.absdiff(warped, now[outer]))
    apart = cv2.max(cv2.max(red, green), blue)
    window = (WINDOW, WINDOW)
    sums = cv2.boxFilter(apart, cv2.CV_16U, window, normalize=False, borderType=cv2.BORDER_REPLICATE)
    return sums[strip.start - outer.start : strip.stop - outer.start] < likeness * WINDOW**2


def _alike_torch(frame: Frame, other: Frame, flow: Tensor, likeness: float) -> Tensor:
    """``looks_alike`` by PyTorch, on any device."""
    now, then = to_tensor(frame).to(flow.device), to_tensor(other).to(flow.device)
    if now.shape != then.shape:
        raise ValueError(f"frames of different sizes: {tuple(now.shape)} and {tuple(then.shape)}")
    apart = (backward_warp(then, flow) - now).abs().amax(0, keepdim=True)
    padded = F.pad(apart[None], (WINDOW // 2,) * 4, mode="replicate")
    return F.avg_pool2d(padded, WINDOW, stride=1)[0, 0] < likeness / 255


def _consistency_cpu(
    flow: Tensor,
    opposite: Tensor,
    boundaries: bool,
    smooth: bool,
    minimum: int,
    frames: tuple[Frame, Frame] | None = None,
    likeness: float = LIKENESS,
) -> Tensor:
    """``consistency_map`` by NumPy and OpenCV, strip by strip."""
    back = backward_warp(opposite, flow).numpy()
    pictures = None if frames is None else _levels(*frames, flow)
    height, width = flow.shape[1:]
    field = np.ascontiguousarray(flow.numpy())
    padded = [cv2.copyMakeBorder(p, 1, 1, 1, 1, cv2.BORDER_REPLICATE) for p in field]
    rows, columns = _pixel_positions(height, width)
    c: np.ndarray = np.empty((height, width), dtype=np.float32)
    for top in range(0, height, STRIP):
        strip = slice(top, min(top + STRIP, height))
        u, v = (p[top : strip.stop + 2] for p in padded)
        x, y = u[1:-1, 1:-1] + columns, v[1:-1, 1:-1] + rows[strip]
        inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
        with np.errstate(over="ignore", invalid="ignore"):  # unknown flow; _judge deals with it
            trusted, disoccluded = _judge(u, v, back[0, strip], back[1, strip], inside, boundaries)
            if pictures is not None and (inside & ~trusted).any():
                alike = _alike_rows(*pictures, field, likeness, strip)
                trusted, disoccluded = _opened(trusted, disoccluded, inside, alike)
        np.subtract(trusted, disoccluded, out=c[strip], dtype=np.float32)
    if smooth:
        c = cv2.GaussianBlur(c, (TAPS, TAPS), SIGMA, borderType=cv2.BORDER_REFLECT)
    c = np.clip(c, 0, 1, out=c)
    if minimum:
        c = cv2.erode(c, np.ones((minimum, minimum), dtype=np.uint8))
    return torch.from_numpy(c)


def _consistency_torch(
    flow: Tensor,
    opposite: Tensor,
    boundaries: bool,
    smooth: bool,
    minimum: int,
    frames: tuple[Frame, Frame] | None = None,
    likeness: float = LIKENESS,
) -> Tensor:
    """``consistency_map`` by PyTorch, on any device."""
    back = backward_warp(opposite, flow)
    height, width = flow.shape[1:]
    u, v = F.pad(flow[None], (1, 1, 1, 1), mode="replicate")[0]
    rows, columns = (torch.from_numpy(p).to(flow.device) for p in _pixel_positions(height, width))
    x, y = flow[0] + columns, flow[1] + rows
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    trusted, disoccluded = _judge(u, v, back[0], back[1], inside, boundaries)
    if frames is not None:
        alike = _alike_torch(*frames, flow, likeness)
        trusted, disoccluded = _opened(trusted, disoccluded, inside, alike)
    c = trusted.float() - disoccluded.float()
    if smooth:
        c = _blur_torch(c)
    c = c.clamp(0, 1)
    if minimum:
        c = eroded(c, minimum)
    return c


def _judge(u: Array, v: Array, back_u: Array, back_v: Array, inside: Array, boundaries: bool) -> tuple[Array, Array]:
    """The rules themselves, for NumPy and PyTorch alike: two boolean (H, W), trusted and disoccluded.

    ``u`` and ``v`` are the flow with a border of one pixel, (H + 2, W + 2); ``back_u`` and ``back_v`` the
    opposite flow at p + w, (H, W). Each comparison is written so that NaN ends as not trusted.
    """
    u0, v0 = u[1:-1, 1:-1], v[1:-1, 1:-1]
    length = u0 * u0 + v0 * v0
    apart_u, apart_v = u0 + back_u, v0 + back_v
    apart = apart_u * apart_u + apart_v * apart_v
    agrees = apart < 0.01 * (length + back_u * back_u + back_v * back_v) + 0.5
    trusted, disoccluded = inside & agrees, inside & ~agrees
    if boundaries:
        slope = _squared_gradient(u) + _squared_gradient(v)
        trusted = trusted & (slope <= 0.01 * length + 0.002)
    return trusted, disoccluded


def _opened(trusted: Array, disoccluded: Array, inside: Array, alike: Array) -> tuple[Array, Array]:
    """What ``_judge`` says, but for what looks ``alike``: all boolean (H, W)."""
    return trusted | (inside & alike), disoccluded & ~alike


def _squared_gradient(f: Array) -> Array:
    """|∇f|² by central differences: (H + 2, W + 2) to (H, W)."""
    across = f[1:-1, 2:] - f[1:-1, :-2]
    down = f[2:, 1:-1] - f[:-2, 1:-1]
    return 0.25 * (across * across + down * down)


def _pixel_positions(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers (H, 1) and column numbers (W,), float32."""
    return np.arange(height, dtype=np.float32)[:, None], np.arange(width, dtype=np.float32)


def _blur_torch(c: Tensor) -> Tensor:
    """OpenCV's Gaussian blur of an (H, W) map, the border mirrored with the edge pixel repeated."""
    offsets = torch.arange(TAPS, dtype=torch.float32, device=c.device) - TAPS // 2
    kernel = torch.exp(-offsets.square() / (2 * SIGMA**2))
    kernel = kernel / kernel.sum()
    for axis in (0, 1):
        size = c.shape[axis]
        position = torch.arange(-(TAPS // 2), size + TAPS // 2, device=c.device)
        position = torch.where(position < 0, -1 - position, position)
        position = torch.where(position >= size, 2 * size - 1 - position, position).clamp(0, size - 1)
        mirrored = c.index_select(axis, position)
        c = sum(
            (kernel[i] * mirrored.narrow(axis, i, size) for i in range(TAPS)),
            start=torch.zeros_like(c),
        )
    return c


def eroded(consistency: Tensor, width: int) -> Tensor:
    """The minimum of ``(H, W)`` over ``width`` × ``width`` pixels, an odd number."""
    return -F.max_pool2d(-consistency[None], width, stride=1, padding=width // 2)[0]
