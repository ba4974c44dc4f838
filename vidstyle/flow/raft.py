"""RAFT flow (Teed and Deng 2020) with torchvision's networks, each frame's features computed once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.models import optical_flow

from vidstyle.flow.base import FlowMethod, Frame, to_tensor
from vidstyle.flow.correlation import VOLUME_BYTES, Correlation

STRIDE = 8
"""Pixels of the frame per pixel of its features."""
SMALLEST_SIDE = 128
"""Frames are padded to at least this: the correlation's fourth level is 64 times smaller, and must have two pixels."""


@dataclass(frozen=True)
class Features:
    """What RAFT knows of one frame."""

    matching: Tensor  # (C, h, w): compared with the other frame's
    hidden: Tensor  # (1, C, h, w): where the recurrent unit begins
    context: Tensor  # (1, C, h, w): what it sees of the frame in every step
    size: tuple[int, int]  # height and width of the frame, in pixels
    offset: tuple[int, int]  # rows above and columns left of it that were padded


class RAFT(FlowMethod[Features]):
    """RAFT on any device.

    Args:
        network: torchvision's model, frozen, on the device that is to be used; its memory layout is changed.
        updates: how often the flow is refined.
        dtype: bfloat16 runs the convolutions and products at half the size; positions stay float32.
        volume_bytes: see ``correlation.VOLUME_BYTES``.
    """

    parallel: bool = False

    def __init__(
        self,
        network: optical_flow.RAFT,
        updates: int,
        dtype: torch.dtype = torch.float32,
        volume_bytes: int = VOLUME_BYTES,
    ) -> None:
        # channels_last: the CPU's convolutions are several times faster in it.
        self.network = network.to(memory_format=torch.channels_last)
        self.updates, self.dtype, self.volume_bytes = updates, dtype, volume_bytes
        self.device = next(network.parameters()).device

    @torch.inference_mode()
    def prepare(self, frame: Frame) -> Features:
        """See ``FlowMethod.prepare``."""
        image = to_tensor(frame).to(self.device, torch.float32)
        padded, offset = pad(image * 2 - 1)
        padded = padded[None].contiguous(memory_format=torch.channels_last)
        with self._precision():
            matching = self.network.feature_encoder(padded)[0]
            hidden, context = self._split(self.network.context_encoder(padded))
        return Features(matching, torch.tanh(hidden), F.relu(context), (image.shape[1], image.shape[2]), offset)

    @torch.inference_mode()
    def estimate(self, source: Features, target: Features) -> Tensor:
        """See ``FlowMethod.estimate``; the result lies on the CPU."""
        if source.size != target.size:
            raise ValueError(f"frames of different sizes: {source.size} and {target.size}")
        block = self.network.corr_block
        correlation = Correlation(
            source.matching, target.matching, block.num_levels, block.radius, volume_bytes=self.volume_bytes
        )
        start = pixel_grid(source.matching)
        flow, hidden = torch.zeros_like(start), source.hidden
        for _ in range(self.updates):
            around = correlation.around(start + flow)
            with self._precision():
                hidden, change = self.network.update_block(hidden, source.context, around, flow[None])
            flow = flow + change[0].float()
        full = self._upsample(flow, hidden)
        top, left = source.offset
        height, width = source.size
        return full[:, top : top + height, left : left + width].cpu().contiguous()

    def _split(self, context: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.network.update_block.hidden_state_size
        return context[:, :hidden], context[:, hidden:]

    def _precision(self) -> torch.autocast:
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)

    def _upsample(self, flow: Tensor, hidden: Tensor) -> Tensor:
        """Flow (2, h, w) in pixels of the features to (2, 8h, 8w) in pixels of the frame (section 3.3)."""
        height, width = flow.shape[-2:]
        if self.network.mask_predictor is None:
            size = (STRIDE * height, STRIDE * width)
            return STRIDE * F.interpolate(flow[None], size, mode="bilinear", align_corners=True)[0]
        with self._precision():
            mask = self.network.mask_predictor(hidden)
        # Every fine pixel is a mixture of the 3×3 coarse ones around it, with weights of its own.
        weights = mask.float().view(9, STRIDE, STRIDE, height, width).softmax(0)
        around = F.unfold(STRIDE * flow[None], 3, padding=1).view(2, 9, height, width)
        fine = torch.einsum("nijyx,cnyx->cyixj", weights, around)
        return fine.reshape(2, STRIDE * height, STRIDE * width)


def pad(image: Tensor) -> tuple[Tensor, tuple[int, int]]:
    """The image (C, H, W) in the middle of one whose sides RAFT can take, edges repeated; rows above, columns left."""
    height, width = image.shape[-2:]
    down = max(SMALLEST_SIDE, -(-height // STRIDE) * STRIDE) - height
    across = max(SMALLEST_SIDE, -(-width // STRIDE) * STRIDE) - width
    top, left = down // 2, across // 2
    padded = F.pad(image[None], (left, across - left, top, down - top), mode="replicate")[0]
    return padded, (top, left)


def pixel_grid(features: Tensor) -> Tensor:
    """x and y of every pixel of (C, h, w): float32 (2, h, w), on the same device."""
    height, width, device = *features.shape[-2:], features.device
    y, x = torch.meshgrid(
        torch.arange(height, dtype=torch.float32, device=device),
        torch.arange(width, dtype=torch.float32, device=device),
        indexing="ij",
    )
    return torch.stack((x, y))
