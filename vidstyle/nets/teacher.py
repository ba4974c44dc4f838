"""The published networks that taught the compact encoder, and that judge results (METHODS in docs/models.md).

Two VGG-19s: the exact one up to conv3_4, and one compressed 16× by collaborative distillation (Wang et al. 2020)
whose 1×1 heads give back the wide features of relu4_1 and relu5_1. Nothing of them is shipped; scripts and tests
load them from files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

# torchvision's numbering of VGG-19's convolutions, up to conv3_4; "pool" comes before the layer.
EXACT_PLAN: tuple[tuple[str, int, bool], ...] = (
    ("relu1_1", 0, False),
    ("relu1_2", 2, False),
    ("relu2_1", 5, True),
    ("relu2_2", 7, False),
    ("relu3_1", 10, True),
    ("relu3_2", 12, False),
    ("relu3_3", 14, False),
    ("relu3_4", 16, False),
)
SMALL_PLAN: tuple[tuple[str, str, bool], ...] = (
    ("relu1_1", "conv11", False),
    ("relu1_2", "conv12", False),
    ("relu2_1", "conv21", True),
    ("relu2_2", "conv22", False),
    ("relu3_1", "conv31", True),
    ("relu3_2", "conv32", False),
    ("relu3_3", "conv33", False),
    ("relu3_4", "conv34", False),
    ("relu4_1", "conv41", True),
    ("relu4_2", "conv42", False),
    ("relu4_3", "conv43", False),
    ("relu4_4", "conv44", False),
    ("relu5_1", "conv51", True),
)
CAFFE_MEAN_BGR = (103.939, 116.779, 123.68)


def conv(x: Tensor, weights: Mapping[str, Tensor], name: str, border: str) -> Tensor:
    """One 3×3 convolution; ``border`` is "zeros" or a mode of ``torch.nn.functional.pad``."""
    weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    if border == "zeros":
        return F.conv2d(x, weight, bias, padding=1)
    return F.conv2d(F.pad(x, (1, 1, 1, 1), mode=border), weight, bias)


def caffe_input(frames: Tensor) -> Tensor:
    """RGB in [0, 1] → what Oxford's VGG takes: BGR, 0–255, its mean taken off."""
    mean = torch.tensor(CAFFE_MEAN_BGR, device=frames.device, dtype=frames.dtype).view(1, 3, 1, 1)
    return frames.flip(1) * 255 - mean


def exact_features(
    weights: Mapping[str, Tensor], frames: Tensor, layers: Iterable[str], border: str = "zeros"
) -> dict[str, Tensor]:
    """VGG-19's features of frames ``(N, 3, H, W)`` in [0, 1], up to relu3_4, in the network's own scale."""
    wanted, features, x = set(layers), {}, caffe_input(frames)
    for layer, index, pooled in EXACT_PLAN:
        x = F.max_pool2d(x, 2) if pooled else x
        x = F.relu(conv(x, weights, f"features.{index}", border))
        if layer in wanted:
            features[layer] = x
        if len(features) == len(wanted):
            break
    return features


def small_features(
    weights: Mapping[str, Tensor], frames: Tensor, layers: Iterable[str], border: str = "reflect"
) -> dict[str, Tensor]:
    """The 16× network's features: through the aux head (and ReLU) where a level has one, else its own channels."""
    wanted, features = set(layers), {}
    x = F.conv2d(frames, weights["conv0.weight"], weights["conv0.bias"])
    for layer, name, pooled in SMALL_PLAN:
        x = F.max_pool2d(x, 2) if pooled else x
        x = F.relu(conv(x, weights, name, border))
        if layer in wanted:
            head = weights.get(f"{name}_aux.weight")
            features[layer] = x if head is None else F.relu(F.conv2d(x, head, weights[f"{name}_aux.bias"]))
        if len(features) == len(wanted):
            break
    return features


class TeacherEncoder:
    """Both networks behind the encoders' interface: exact up to relu3_1, compressed above.

    Every level in its network's own scale, which the losses even out. Takes frames ``(N, 3, H, W)`` in [0, 1].
    """

    layers = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu4_2", "relu5_1")
    exact_layers = layers[:3]

    def __init__(self, exact: Mapping[str, Tensor], small: Mapping[str, Tensor]) -> None:
        self.exact, self.small = exact, small

    def __call__(self, frames: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        wanted = set(layers)
        low = wanted & set(self.exact_layers)
        high = wanted - low
        features = exact_features(self.exact, frames, low) if low else {}
        return features | (small_features(self.small, frames, high) if high else {})
