"""What every flow method offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

Frame = Tensor | np.ndarray
"""RGB: a float tensor (3, H, W) in [0, 1], or a uint8 array (H, W, 3) as frames come from the disk."""

Prepared = TypeVar("Prepared")


class FlowMethod(ABC, Generic[Prepared]):
    """Estimates dense optical flow between two frames of one size, in two steps.

    A frame takes part in several estimates (forward, backward, its two neighbours, long-term offsets), so
    what depends on one frame only is done once, by ``prepare``, and shared. What ``prepare`` returns is the
    method's own affair: treat it as opaque, and read only.
    """

    parallel: bool = True
    """Whether two estimates at once on two threads are faster than one after the other."""

    @abstractmethod
    def prepare(self, frame: Frame) -> Prepared:
        """Turn a frame (see ``Frame``) into what ``estimate`` takes.

        Raises ValueError where the frame has another shape or type.
        """

    @abstractmethod
    def estimate(self, source: Prepared, target: Prepared) -> Tensor:
        """Flow from ``source`` to ``target``: float32, (2, H, W), pixels, channel 0 = dx, 1 = dy.

        On the source's grid: what is at p in the source is at p + flow(p) in the target, so
        ``backward_warp(target, flow)`` looks like the source. ``backward_flow[t]`` is
        ``estimate(frame t, frame t-1)``. Always finite. Raises ValueError where the sizes differ.
        """

    def between(self, source: Frame, target: Frame) -> Tensor:
        """``estimate`` on two frames that nothing has prepared."""
        return self.estimate(self.prepare(source), self.prepare(target))

    def __call__(self, source: Frame, target: Frame) -> Tensor:
        return self.between(source, target)


def to_tensor(frame: Frame) -> Tensor:
    """A frame as a float tensor (3, H, W) in [0, 1]. Raises ValueError for what is no ``Frame``."""
    if isinstance(frame, Tensor):
        if frame.ndim != 3 or frame.shape[0] != 3 or not frame.is_floating_point():
            raise ValueError(f"a frame is a float tensor (3, H, W), not {frame.dtype} {tuple(frame.shape)}")
        return frame.detach()
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
        raise ValueError(f"a frame is a uint8 array (H, W, 3), not {frame.dtype} {frame.shape}")
    return torch.from_numpy(np.ascontiguousarray(frame.transpose(2, 0, 1))).float() / 255


def to_levels(frame: Frame) -> np.ndarray:
    """A frame as bytes, uint8 (H, W, 3); a float tensor is rounded. Raises ValueError for what is no ``Frame``."""
    if isinstance(frame, Tensor):
        levels = (to_tensor(frame) * 255).round().clamp(0, 255).to(torch.uint8)
        frame = levels.permute(1, 2, 0).cpu().numpy()
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
        raise ValueError(f"a frame is a uint8 array (H, W, 3), not {frame.dtype} {frame.shape}")
    return np.ascontiguousarray(frame)
