"""Warping along flow: the image at p + flow(p)."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vidstyle.flow._cv2 import cv2

Interpolation = Literal["bilinear", "sharp"]

BICUBIC = 2 / 3
"""Share of bicubic interpolation in a sharp one; the rest is bilinear.

Half-way between pixels, where interpolation is worst, a wave of w radians a pixel loses w²/8 of its height by bilinear
and gains w²/16 by bicubic interpolation (Keys 1981, a = -0.75): so it stays as it is. Either alone, in frame after
frame, takes strokes away or makes them grow.
"""

TOGETHER = {"bilinear": 1, "sharp": 4}
"""Channels that OpenCV warps at a time. Four, the most that it takes, share what is worked out for a position; but
bilinearly it is fastest on single ones."""


def backward_warp(image: Tensor, flow: Tensor, interpolation: Interpolation = "bilinear") -> Tensor:
    """Sample ``image`` at p + flow(p); beyond the border the edge pixel is repeated.

    ``image`` is (C, H, W) or (N, C, H, W), any number of channels, floating point; ``flow`` is (2, H, W) or
    (N, 2, H, W), in pixels, channel 0 = dx to the right, 1 = dy down. The result has the image's shape and
    dtype. Warping frame t-1 with ``backward_flow[t]`` gives it on t's grid.

    What is warped again in every frame becomes blurred by bilinear ``interpolation``; "sharp" keeps strokes of a few
    pixels. It is for pictures: it goes a little beyond the image's values, so it is clamped to [0, 1].

    Where no gradient is asked for, float32 on the CPU goes through OpenCV, everything else through
    ``grid_sample``. The two agree within 1e-7 of the image's contrast per pixel of the frame's longer side.
    OpenCV before version 5 rounds positions to 1/32 pixel; flow as the store keeps it lies on that grid, so
    nothing is lost.

    Raises ValueError where shapes or types do not fit.
    """
    _check(image, flow)
    if image.ndim == 3:
        return backward_warp(image[None], flow[None], interpolation)[0]
    wants_grad = torch.is_grad_enabled() and (image.requires_grad or flow.requires_grad)
    plain = all(t.device.type == "cpu" and t.dtype == torch.float32 for t in (image, flow))
    if interpolation == "sharp" and image.device.type == "mps":  # PyTorch has no bicubic interpolation there
        return backward_warp(image.cpu(), flow.cpu(), interpolation).to(image.device)
    warp = _warp_torch if wants_grad or not plain else _warp_cv2
    return warp(image, flow, interpolation)


def _check(image: Tensor, flow: Tensor) -> None:
    fits = image.ndim in (3, 4) and flow.ndim == image.ndim and flow.shape[-3] == 2
    if not (fits and image.shape[-2:] == flow.shape[-2:] and image.shape[:-3] == flow.shape[:-3]):
        raise ValueError(f"flow {tuple(flow.shape)} does not fit the image {tuple(image.shape)}")
    if not (image.is_floating_point() and flow.is_floating_point()):
        raise ValueError(f"image and flow must be floating point, not {image.dtype} and {flow.dtype}")


def _warp_torch(image: Tensor, flow: Tensor, interpolation: Interpolation = "bilinear") -> Tensor:
    """``backward_warp`` on batches by grid_sample: on any device, with gradients to image and flow."""
    dtype = torch.promote_types(torch.promote_types(image.dtype, flow.dtype), torch.float32)
    height, width = image.shape[-2:]
    rows = torch.arange(height, dtype=dtype, device=flow.device)[:, None]
    columns = torch.arange(width, dtype=dtype, device=flow.device)
    # align_corners: -1 and 1 are the centres of the outermost pixels, as in our pixel coordinates.
    x = (flow[:, 0].to(dtype) + columns) * (2 / max(width - 1, 1)) - 1
    y = (flow[:, 1].to(dtype) + rows) * (2 / max(height - 1, 1)) - 1
    grid = torch.stack((x, y), dim=-1)

    def sample(mode: str) -> Tensor:
        return F.grid_sample(image.to(dtype), grid, mode=mode, padding_mode="border", align_corners=True)

    warped = sample("bilinear")
    if interpolation == "sharp":
        warped = torch.lerp(warped, sample("bicubic"), BICUBIC).clamp(0, 1)
    return warped.to(image.dtype)


def _warp_cv2(image: Tensor, flow: Tensor, interpolation: Interpolation = "bilinear") -> Tensor:
    """``backward_warp`` on float32 CPU batches by OpenCV's remap, several times faster."""
    height, width = image.shape[-2:]
    rows = np.arange(height, dtype=np.float32)[:, None]
    columns = np.arange(width, dtype=np.float32)
    warped = np.empty(tuple(image.shape), dtype=np.float32)
    for picture, (dx, dy), result in zip(image.detach().numpy(), flow.detach().numpy(), warped, strict=True):
        x, y = dx + columns, dy + rows
        for first in range(0, len(picture), TOGETHER[interpolation]):
            part = slice(first, first + TOGETHER[interpolation])
            pixels = _interleaved(picture[part])
            moved = cv2.remap(pixels, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            if interpolation == "sharp":
                cubic = cv2.remap(pixels, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
                moved = cv2.addWeighted(moved, 1 - BICUBIC, cubic, BICUBIC, 0)
                np.clip(moved, 0, 1, out=moved)
            cv2.split(moved, list(result[part]))
    return torch.from_numpy(warped)


def _interleaved(planes: np.ndarray) -> np.ndarray:
    """``(C, H, W)`` as ``(H, W, C)``, the colours of a pixel side by side: no copy where they lie so."""
    pixels = planes.transpose(1, 2, 0)
    if pixels.flags.c_contiguous:
        return pixels
    return cv2.merge([np.ascontiguousarray(plane) for plane in planes])
