"""Flow estimated on smaller frames: faster and in less memory, blind to small things."""

from __future__ import annotations

from typing import Generic, TypeVar

import torch.nn.functional as F
from torch import Tensor

from vidstyle.flow.base import FlowMethod, Frame, to_tensor

Prepared = TypeVar("Prepared")


class Scaled(FlowMethod[tuple[Prepared, tuple[int, int]]], Generic[Prepared]):
    """Another method, on frames whose sides are ``scale`` times as long; its flow is brought back to full size."""

    def __init__(self, method: FlowMethod[Prepared], scale: float) -> None:
        self.method, self.scale = method, scale
        self.parallel = method.parallel

    def prepare(self, frame: Frame) -> tuple[Prepared, tuple[int, int]]:
        """What the method made of the small frame, and the height and width of the large one."""
        image = to_tensor(frame)
        height, width = image.shape[1:]
        small = max(2, round(height * self.scale)), max(2, round(width * self.scale))
        resized = F.interpolate(image[None], small, mode="bilinear", antialias=True, align_corners=False)[0]
        return self.method.prepare(resized), (height, width)

    def estimate(self, source: tuple[Prepared, tuple[int, int]], target: tuple[Prepared, tuple[int, int]]) -> Tensor:
        """See ``FlowMethod.estimate``."""
        if source[1] != target[1]:
            raise ValueError(f"frames of different sizes: {source[1]} and {target[1]}")
        return resize_flow(self.method.estimate(source[0], target[0]), *source[1])


def resize_flow(flow: Tensor, height: int, width: int) -> Tensor:
    """Flow (2, h, w) for a picture of another size: (2, height, width), its lengths in pixels of that size."""
    if flow.shape[1:] == (height, width):
        return flow.clone()
    resized = F.interpolate(flow[None], (height, width), mode="bilinear", align_corners=False)[0]
    resized[0] *= width / flow.shape[2]
    resized[1] *= height / flow.shape[1]
    return resized
