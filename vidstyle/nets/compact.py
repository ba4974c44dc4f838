"""A small encoder of our own that imitates VGG-19's features (docs/models.md says how it was trained)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidstyle.nets.affine import Affine
from vidstyle.nets.rectify import HALF, rectified

#: Channels of each level that the encoder can be asked for; those of the network that taught it.
CHANNELS = {
    "relu1_1": 64,
    "relu2_1": 128,
    "relu3_1": 256,
    "relu4_1": 512,
    "relu4_2": 128,
    "relu5_1": 512,
}
#: Channels of the trunk at each level, which the heads widen.
TRUNK = {"relu1_1": 64, "relu2_1": 64, "relu3_1": 96, "relu4_1": 128, "relu4_2": 128, "relu5_1": 128}
#: How many times each level is coarser than the frame.
STRIDES = {"relu1_1": 1, "relu2_1": 2, "relu3_1": 4, "relu4_1": 8, "relu4_2": 8, "relu5_1": 16}


class BorderConv(nn.Conv2d):
    """A 3×3 convolution with replicated borders: zeros would be an edge all around, painted as a frame."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(with_border(x))

    def after(self, first: Affine, x: Tensor) -> Tensor:
        """The same of features that go through a map first, for no more time."""
        assert self.bias is not None
        return F.conv2d(with_border(x), *first.into(self.weight, self.bias))


def with_border(x: Tensor) -> Tensor:
    """With a border of one pixel, repeated."""
    return repeat_border(x) if x.is_cuda else F.pad(x, (1, 1, 1, 1), mode="replicate")


def repeat_border(x: Tensor) -> Tensor:
    """``F.pad(x, (1, 1, 1, 1), mode="replicate")``, for CUDA: there the gradient of F.pad adds up in any order, or
    slowly where determinism is asked for."""
    x = torch.cat([x[..., :1], x, x[..., -1:]], -1)
    return torch.cat([x[..., :1, :], x, x[..., -1:, :]], -2)


class Rectifier(nn.ReLU):
    """``rectified`` as a layer."""

    def forward(self, x: Tensor) -> Tensor:
        return rectified(x)


class Residual(nn.Module):
    """x + a 3×3 convolution of it, rectified: a deeper trunk that still trains from scratch."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = BorderConv(width, width)
        self.rectify = Rectifier()

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.rectify(x + self.conv(x))
        return result


class CompactEncoder(nn.Module):
    """VGG-19's layout on a narrow trunk; 1×1 heads widen each level to the teacher's channels.

    Takes frames ``(N, 3, H, W)``, RGB in [0, 1], H and W at least 16, and gives non-negative features
    ``(N, C, ceil(H/s), ceil(W/s))`` with C and s from ``CHANNELS`` and ``STRIDES``. Every level is scaled so
    that its mean activation on photographs is about 1.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = tuple(CHANNELS)
        self.stem = BorderConv(3, 64)  # relu1_1 has no head: a single 3×3 convolution can be learned as it is
        self.rectify = Rectifier()
        self.reduce = nn.Conv2d(64, 32, 1)
        self.trunk1 = nn.Sequential(BorderConv(32, 48), Rectifier())
        self.trunk2a = nn.Sequential(BorderConv(48, 64), Rectifier())
        self.trunk2b = nn.Sequential(BorderConv(64, 64), Rectifier())
        self.trunk3a = nn.Sequential(BorderConv(64, 96), Rectifier())
        self.trunk3b = nn.Sequential(Residual(96), Residual(96))
        self.trunk4a = nn.Sequential(BorderConv(96, 128), Rectifier())
        self.trunk4b = nn.Sequential(Residual(128))
        self.trunk4c = nn.Sequential(Residual(128), Residual(128))
        self.trunk5a = nn.Sequential(BorderConv(128, 128), Rectifier())
        self.heads = nn.ModuleDict(
            {
                "relu2_1": nn.Conv2d(64, 128, 1),
                "relu3_1": nn.Conv2d(96, 256, 1),
                "relu4_1": nn.Conv2d(128, 512, 1),
                "relu4_2": nn.Conv2d(128, 128, 1),
                "relu5_1": nn.Conv2d(128, 512, 1),
            }
        )

    def forward(self, frames: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        """Features of ``frames`` at ``layers`` (names of ``CHANNELS``), computed no deeper than needed."""
        wanted = set(layers)
        features: dict[str, Tensor] = {}
        for layer, trunk in self.walk(frames):
            if layer in wanted:
                features[layer] = F.relu(self.heads[layer](trunk)) if layer in self.heads else trunk
            if len(features) == len(wanted):
                break
        return features

    def walk(self, frames: Tensor, pooled: list[Tensor] | None = None) -> Iterator[tuple[str, Tensor]]:
        """The trunk level by level: its name and features ``(N, TRUNK[name], h, w)``, not negative, before any head.

        Args:
            pooled: what every pooling on the way takes is added to it.
        """

        def halve(x: Tensor) -> Tensor:
            if pooled is not None:
                pooled.append(x)
            return pool(x)

        # The gain only conditions training: edge filters need large weights, and Adam walks in equal steps.
        x = self.rectify(self.stem((frames - 0.5) * 8))
        yield "relu1_1", x
        x = self.trunk2a(halve(self.trunk1(self.reduce(x))))
        yield "relu2_1", x
        x = self.trunk3a(halve(self.trunk2b(x)))
        yield "relu3_1", x
        x = self.trunk4a(halve(self.trunk3b(x)))
        yield "relu4_1", x
        x = self.trunk4b(x)
        yield "relu4_2", x
        yield "relu5_1", self.trunk5a(halve(self.trunk4c(x)))


def pool(x: Tensor) -> Tensor:
    """Max pooling by 2 of what is not negative; it keeps the last odd row and column."""
    if torch.is_grad_enabled() or x.dtype not in HALF or x.shape[-2] % 2 or x.shape[-1] % 2:
        return F.max_pool2d(x, 2, ceil_mode=True)
    # As whole numbers, which are in the same order: torch's own takes five times as long, for it notes the places too.
    whole = x.view(torch.int16)
    rows = torch.maximum(whole[..., ::2, :], whole[..., 1::2, :])
    return torch.maximum(rows[..., ::2], rows[..., 1::2]).view(x.dtype)


def parameter_count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())
