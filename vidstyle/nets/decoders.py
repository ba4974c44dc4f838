"""Decoders: from features of the compact encoder's trunk back to pictures, trained for it (docs/models.md).

Whatever changes features instead of pixels needs them: AdaIN, WCT and photorealistic transfer (vidstyle.stylize).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidstyle.nets.affine import Affine
from vidstyle.nets.compact import TRUNK, BorderConv, Rectifier, Residual
from vidstyle.nets.transform import convolve, phase_kernel, phase_matrix

LEVELS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
#: Channels of what the trunk's poolings take, the finest first; unpooling gives back as many.
POOLED = (48, 64, 96)


class Enlarge(nn.Module):
    """Enlarges ×2 and convolves, computed at the small size (vidstyle.nets.transform)."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, mode: str = "nearest") -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs, kernel, kernel))
        nn.init.kaiming_normal_(self.weight)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.register_buffer("phases", phase_matrix(kernel, mode), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        assert isinstance(self.phases, Tensor)
        weight = phase_kernel(self.weight, self.phases.to(self.weight.dtype))
        y = convolve(x, weight, self.bias.repeat_interleave(4), 1, enlarge=True)
        return y.contiguous(memory_format=torch.channels_last)


def rectified(*layers: nn.Module) -> nn.Sequential:
    """The layers, each with a rectifier after it."""
    return nn.Sequential(*(part for layer in layers for part in (layer, Rectifier())))


def staged(stage: nn.Module, features: Tensor, first: Affine | None) -> Tensor:
    """What a stage makes of features that go through a map first; None: through none."""
    if first is None:
        result: Tensor = stage(features)
        return result
    layer, *others = stage if isinstance(stage, nn.Sequential) else (stage,)
    features = layer.after(first, features) if isinstance(layer, BorderConv) else layer(first(features))
    return nn.Sequential(*others)(features) if others else features


class Decoder(nn.Module):
    """A chain of stages, each from one level of the trunk to the next finer one, the last to a picture.

    Whatever level features are of, they take the rest of the chain: one chain serves them all. ``residuals``: how many
    residual blocks come first in the stages of relu3_1 and relu4_1.

    Features ``(N, TRUNK[level], h, w)`` → pictures ``(N, 3, s·h, s·w)`` in about [0, 1], s the level's stride.
    """

    def __init__(self, deepest: str, residuals: int = 0, picture_level: bool = True) -> None:
        super().__init__()
        self.levels = LEVELS[: LEVELS.index(deepest) + 1]
        stages: dict[str, nn.Module] = {}
        if picture_level:
            stages["relu1_1"] = BorderConv(64, 3)
        stages["relu2_1"] = nn.Sequential(*rectified(BorderConv(64, 64)), Enlarge(64, 3, 5, "bilinear"))
        for coarse, fine in (("relu3_1", "relu2_1"), ("relu4_1", "relu3_1"), ("relu5_1", "relu4_1")):
            width = TRUNK[coarse]
            own = [Residual(width) for _ in range(residuals)]
            stages[coarse] = nn.Sequential(*own, *rectified(BorderConv(width, width), Enlarge(width, TRUNK[fine])))
        self.stages = nn.ModuleDict({level: stages[level] for level in self.levels if level in stages})

    def forward(self, features: Tensor, level: str, first: Affine | None = None) -> Tensor:
        """The picture whose features at ``level`` these are, or what ``first`` makes of them; not clamped to [0, 1]."""
        features = staged(self.stages[level], features, first)
        for stage in reversed(self.levels[1 : self.levels.index(level)]):
            features = self.stages[stage](features)
        return features + 0.5


class DecoderByLevel(nn.Module):
    """A chain for all levels, but ``own`` decoders for some.

    A chain that serves all levels is trained to give back photos. At relu4_1 so much of a picture is gone that a
    decoder has to make up strokes: one that was trained to, for that level alone, makes much better ones.
    """

    def __init__(self, chain: nn.Module, own: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.chain, self.own = chain, nn.ModuleDict(own)

    def forward(self, features: Tensor, level: str, first: Affine | None = None) -> Tensor:
        """See ``Decoder``."""
        decoder = self.own[level] if level in self.own else self.chain  # noqa: SIM401 (a ModuleDict has no get)
        decoded: Tensor = decoder(features, level, first)
        return decoded


class UnpoolingDecoder(nn.Module):
    """The same for relu2_1 to relu4_1, with unpooling (Li et al. 2018): what poolings left out goes back to its place.

    So edges and thin lines stay where they are in the picture that the features are from.
    """

    def __init__(self) -> None:
        super().__init__()
        fine, middle, coarse = POOLED
        self.stages = nn.ModuleDict(
            {
                "relu2_1": rectified(BorderConv(TRUNK["relu2_1"], middle), BorderConv(middle, fine)),
                "relu3_1": rectified(BorderConv(TRUNK["relu3_1"], coarse), BorderConv(coarse, middle)),
                "relu4_1": rectified(BorderConv(TRUNK["relu4_1"], coarse)),
            }
        )
        self.last = BorderConv(fine, 3)

    def forward(self, features: Tensor, level: str, pooled: Sequence[Tensor], first: Affine | None = None) -> Tensor:
        """See ``Decoder``; ``pooled``: what the poolings took on the way to ``level``, of ``CompactEncoder.walk``."""
        number = LEVELS.index(level)
        for stage, taken in zip(reversed(LEVELS[1 : number + 1]), reversed(pooled[:number]), strict=True):
            features = unpool(staged(self.stages[stage], features, first if stage == level else None), taken)
        return self.last(features) + 0.5


def unpool(features: Tensor, taken: Tensor) -> Tensor:
    """``features`` ``(N, C, h, w)`` where max pooling found the largest of each 2×2 pixels of ``taken``, 0 elsewhere.

    Where several are the largest, as in a flat area, all of them are meant.
    """
    size = taken.shape[-2:]
    with torch.no_grad():
        largest = enlarged(F.max_pool2d(taken, 2, ceil_mode=True), size) == taken
    return enlarged(features, size) * largest


def enlarged(x: Tensor, size: Sequence[int]) -> Tensor:
    """Twice as large by repeating pixels, cut to ``size``."""
    return F.interpolate(x, scale_factor=2, mode="nearest")[..., : size[0], : size[1]]
