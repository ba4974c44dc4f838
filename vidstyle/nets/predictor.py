"""Style prediction (Ghiasi et al. 2017): from a picture of a style to the code that a network paints it with.

A code has an entry for each style of a conditional network (vidstyle.nets.transform), whose norms and own weights are
linear in it: where a trained style is a row of its own, any other is a mixture that this network finds. So the styles
of that network are the bottleneck of Ghiasi's. Colours are not predicted but measured: a palette follows the code.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidstyle.errors import WeightsError
from vidstyle.nets.compact import TRUNK, CompactEncoder
from vidstyle.nets.decoders import LEVELS
from vidstyle.nets.palette import palette_of
from vidstyle.nets.style_file import NETWORK, tensors_of
from vidstyle.nets.transform import TransformNet
from vidstyle.nets.weights import embedded, read_weights

PREDICTOR_FILE = "predictor.safetensors"
CODES = 24
"""Entries of a code."""
HIDDEN = 96
SIDE = 384
"""Pictures are looked at at the area of a square of this side: strokes are about as large in what is painted."""
LEAST_DEVIATION = 1e-3


@torch.no_grad()
def moments(encoder: CompactEncoder, picture: Tensor) -> Tensor:
    """What ``Predictor`` goes by: mean and logarithm of the deviation of every channel of the trunk's levels, (K,).

    ``picture``: (3, h, w) in [0, 1], in the encoder's precision.
    """
    found = []
    for level, features in encoder.walk(picture[None]):
        if level in LEVELS:
            variance, mean = torch.var_mean(features[0].flatten(1).float(), 1, correction=0)
            found += [mean, variance.sqrt().clamp_min(LEAST_DEVIATION).log()]
    return torch.cat(found)


class Predictor(nn.Module):
    """Two layers, from the moments of a picture to its code: (N, K) → (N, codes)."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, codes: int = CODES) -> None:
        super().__init__()
        inputs = 2 * sum(TRUNK[level] for level in LEVELS)
        self.register_buffer("mean", torch.zeros(inputs))  # of moments, over the pictures that were trained on
        self.register_buffer("deviation", torch.ones(inputs))
        self.hidden = nn.Linear(inputs, HIDDEN)
        self.code = nn.Linear(HIDDEN, codes)

    def forward(self, moments: Tensor) -> Tensor:
        # Bounded on the way in and on: a picture unlike all that were trained on gets a code within their range.
        known = ((moments - self.mean) / self.deviation).clamp(-4, 4)
        code: Tensor = self.code(torch.tanh(self.hidden(known)))
        return code


def style_picture(picture: Tensor, area: float) -> Tensor:
    """A painting (3, h, w) scaled to the area of a square with side ``area``: its strokes are then as large there."""
    scale = area / math.sqrt(picture.shape[1] * picture.shape[2])
    size = [max(32, round(side * scale)) for side in picture.shape[1:]]
    return F.interpolate(picture[None], size=size, mode="bilinear", antialias=True)[0].clamp(0, 1)


def scaled_style(picture: Tensor, scale: float = 1.0) -> Tensor:
    """``picture`` (3, h, w) in [0, 1] as it is looked at: at ``scale`` times its usual size."""
    return style_picture(picture, scale * SIDE)


class PredictedStyles(nn.Module):
    """The network that paints, and the one that finds its codes."""

    network: TransformNet
    predictor: Predictor

    def __init__(self, codes: int = CODES, hidden: int | None = None) -> None:
        super().__init__()
        self.network = TransformNet(codes, own_body=False, colored=True, hidden=hidden)
        self.predictor = Predictor(codes)

    def shares(self, encoder: CompactEncoder, picture: Tensor) -> Tensor:
        """What ``network`` paints the style of a picture ``(3, h, w)`` in [0, 1] with: its code and palette."""
        return self.blend(moments(encoder, picture), picture)

    def blend(self, moments: Tensor, picture: Tensor) -> Tensor:
        """The same from the moments (K,) of the picture."""
        return torch.cat([self.predictor(moments[None])[0], palette_of(picture)])


def load_predicted(path: Path | None = None) -> PredictedStyles:
    """Both networks, float32, frozen; None: the package's. WeightsError where the file does not hold them."""
    file = read_weights(path or embedded(PREDICTOR_FILE))
    try:
        both = PredictedStyles(hidden=TransformNet.hidden_in(tensors_of(file, NETWORK)))
        both.load_state_dict(tensors_of(file, ""))
    except (KeyError, RuntimeError) as error:
        raise WeightsError("the file of style prediction does not hold the networks of this version") from error
    return both.eval().requires_grad_(False)
