"""Affine maps of features, and convolutions that take them in."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Affine:
    """f ↦ ``matrix`` f + ``offset``, of features with C channels: (C, C) and (C,)."""

    matrix: Tensor
    offset: Tensor

    def __call__(self, features: Tensor) -> Tensor:
        """Features ``(C, h, w)`` or ``(N, C, h, w)`` mapped, in their own precision."""
        matrix, offset = (value.to(features) for value in (self.matrix, self.offset))
        return torch.nn.functional.conv2d(features, matrix[:, :, None, None], offset)

    def blended(self, share: float) -> Affine:
        """This map by ``share``, and features as they are for the rest: the strength of a style."""
        identity = torch.eye(len(self.offset)).to(self.matrix)
        return Affine(torch.lerp(identity, self.matrix, share), share * self.offset)

    def into(self, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """A convolution's weight ``(O, C, k, k)`` and bias ``(O,)`` for features that are to go through this map first.

        The same but for rounding, borders too if they are replicated; not if they are padded with zeros.
        """
        matrix, offset = (value.to(weight.device, torch.float32) for value in (self.matrix, self.offset))
        single = weight.float()
        shifted = bias.float() + single.sum((2, 3)) @ offset
        return torch.einsum("ocij,cd->odij", single, matrix).to(weight), shifted.to(bias)
