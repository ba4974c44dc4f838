"""VGG-19's convolutions as an encoder, from torchvision's weights or a file of the same names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidstyle.errors import WeightsError
from vidstyle.nets.weights import Download, WeightFile

IMAGENET = Download(
    url="https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
    sha256_prefix="dcbb9e9d",
    megabytes=548,
    instead="use --encoder compact, which needs no download",
)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # torchvision: RGB in [0, 1]
CAFFE_MEAN = (123.68, 116.779, 103.939)  # Oxford's own weights: 0–255, and BGR
CONVOLUTIONS_PER_BLOCK = (2, 2, 4, 4, 4)
CHANNELS_PER_BLOCK = (64, 128, 256, 512, 512)


def layer_plan() -> list[tuple[str, int, bool]]:
    """(relu name, index in torchvision's ``features``, whether pooling comes before), in order."""
    plan, index = [], 0
    for block, count in enumerate(CONVOLUTIONS_PER_BLOCK, 1):
        for number in range(1, count + 1):
            plan.append((f"relu{block}_{number}", index, block > 1 and number == 1))
            index += 2  # convolution, ReLU
        index += 1  # pooling
    return plan


def reached(tensors: Mapping[str, Tensor]) -> list[tuple[str, int, bool]]:
    """The part of ``layer_plan`` that the tensors hold, from the first convolution on.

    Raises:
        WeightsError: a convolution is missing before the last that is there, or has another shape.
    """
    plan = [entry for entry in layer_plan() if f"features.{entry[1]}.weight" in tensors]
    inputs = 3
    for name, index, _ in layer_plan()[: max(1, len(plan))]:
        outputs = CHANNELS_PER_BLOCK[int(name[4]) - 1]
        for part, shape in {"weight": (outputs, inputs, 3, 3), "bias": (outputs,)}.items():
            tensor = tensors.get(f"features.{index}.{part}")
            if tensor is None or tuple(tensor.shape) != shape:
                wanted = "×".join(map(str, shape))
                raise WeightsError(f"not a VGG-19: features.{index}.{part} of shape {wanted} is missing")
        inputs = outputs
    return plan


class Vgg19Encoder(nn.Module):
    """VGG-19 without its classifier (Simonyan, Zisserman 2015).

    Takes frames ``(N, 3, H, W)``, RGB in [0, 1]; gives features ``(N, C, H/s, W/s)`` after the ReLU of each level
    asked for, in the network's own scale. A file may stop early: ``layers`` says what it reaches.

    Args:
        weights: tensors named ``features.0.weight`` … as in torchvision. Oxford's own weights are told by
            ``input`` in the file's metadata beginning with ``BGR``.
        pooling: "max", as trained, or "average", whose gradients are smoother (Gatys 2016).
    Raises:
        WeightsError: not the first convolutions of a VGG-19, in its shapes.
    """

    def __init__(self, weights: WeightFile, pooling: str = "max") -> None:
        super().__init__()
        self.plan = reached(weights.tensors)
        self.layers = tuple(name for name, _, _ in self.plan)
        self.pool = F.max_pool2d if pooling == "max" else F.avg_pool2d
        self.convolutions = nn.ModuleDict()
        for name, index, _ in self.plan:
            weight, bias = (weights.tensors[f"features.{index}.{part}"].float() for part in ("weight", "bias"))
            convolution = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
            convolution.load_state_dict({"weight": weight, "bias": bias})
            self.convolutions[name] = convolution
        mean: tuple[float, ...] = IMAGENET_MEAN
        std: tuple[float, ...] = IMAGENET_STD
        self.bgr = False
        if weights.metadata.get("input", "").startswith("BGR"):
            mean, std, self.bgr = tuple(m / 255 for m in CAFFE_MEAN), (1 / 255,) * 3, True
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))

    def forward(self, frames: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        """Features of ``frames`` at ``layers``, computed no deeper than needed."""
        wanted, features, x = set(layers), {}, self.prepare(frames)
        for name, _, pooled in self.plan:
            x = self.pool(x, 2) if pooled and min(x.shape[-2:]) > 1 else x
            x = F.relu(self.convolutions[name](x))
            if name in wanted:
                features[name] = x
            if len(features) == len(wanted):
                break
        return features

    def prepare(self, frames: Tensor) -> Tensor:
        """Frames as the network was trained on them."""
        x = (frames - self.mean) / self.std
        return x.flip(1) if self.bgr else x

    @torch.no_grad()
    def normalize_(self, frames: Tensor) -> None:
        """Scale every filter to a mean activation of 1 over ``frames`` and positions, compensated in the next layer.

        The network computes the same function of its pixels up to these scales (Gatys 2015, "normalised" VGG).
        Filters that never fire stay as they are.
        """
        x = self.prepare(frames)
        scale = torch.ones(3, device=frames.device)
        for name, _, pooled in self.plan:
            convolution = self.convolutions[name]
            assert isinstance(convolution, nn.Conv2d) and convolution.bias is not None
            convolution.weight *= scale.view(1, -1, 1, 1)
            x = self.pool(x, 2) if pooled else x
            response = F.relu(convolution(x))
            mean = response.mean((0, 2, 3))
            scale = torch.where(mean > 1e-6, mean, torch.ones_like(mean))
            convolution.weight /= scale.view(-1, 1, 1, 1)
            convolution.bias /= scale
            x = response / scale.view(1, -1, 1, 1)
