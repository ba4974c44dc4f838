"""The network of PyTorch's example fast_neural_style, whose checkpoints are widespread: one frame, one style.

Johnson, Alahi, Fei-Fei 2016, with instance normalisation (Ulyanov et al. 2016) and upsampling instead of transposed
convolutions. It takes and gives RGB in 0–255. It sees no other frame: what it was given of the previous output is not
looked at.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidstyle.errors import WeightsError
from vidstyle.nets.weights import WeightFile

#: What files in vidstyle's own folder call it.
FORMAT = "fast_neural_style"
BLOCKS = 5
STRIDE = 4  # what comes out is as large as the frame, rounded up to a multiple of it
#: What older versions of PyTorch stored with instance normalisation, and nothing ever used.
_UNUSED = re.compile(r"\.(running_mean|running_var|num_batches_tracked)$")


class PaddedConv(nn.Module):
    """A convolution that keeps the size (or halves it, by ``stride``), borders mirrored; after upsampling ×``up``."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, up: int = 1) -> None:
        super().__init__()
        self.conv2d = nn.Conv2d(inputs, outputs, kernel, stride)
        self.up, self.border = up, kernel // 2

    def forward(self, x: Tensor) -> Tensor:
        if self.up > 1:
            x = F.interpolate(x, scale_factor=self.up, mode="nearest")
        return self.conv2d(F.pad(x, (self.border,) * 4, mode="reflect"))


def norm(channels: int) -> nn.InstanceNorm2d:
    return nn.InstanceNorm2d(channels, affine=True)


class ResidualBlock(nn.Module):
    """Two convolutions, added to what came in, without an activation after it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.in1 = PaddedConv(channels, channels, 3), norm(channels)
        self.conv2, self.in2 = PaddedConv(channels, channels, 3), norm(channels)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.in2(self.conv2(F.relu(self.in1(self.conv1(x)))))
        return x + found


class FastNeuralStyle(nn.Module):
    """Names of the parts are those of the published checkpoints. A ``StyleNetwork`` of one style."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.in1 = PaddedConv(3, 32, 9), norm(32)
        self.conv2, self.in2 = PaddedConv(32, 64, 3, stride=2), norm(64)
        self.conv3, self.in3 = PaddedConv(64, 128, 3, stride=2), norm(128)
        for number in range(1, BLOCKS + 1):
            setattr(self, f"res{number}", ResidualBlock(128))
        self.deconv1, self.in4 = PaddedConv(128, 64, 3, up=2), norm(64)
        self.deconv2, self.in5 = PaddedConv(64, 32, 3, up=2), norm(32)
        self.deconv3 = PaddedConv(32, 3, 9)

    def statistics(
        self, frame: Tensor, prior: Tensor, consistency: Tensor, shares: Tensor, precision: torch.dtype
    ) -> None:
        """None: its norms cannot be held still."""

    def folded(self, shares: Tensor, statistics: Tensor | None) -> FastNeuralStyle:
        """Itself: its norms look at each frame, and there is one style only."""
        return self

    def forward(self, frame: Tensor, prior: Tensor, consistency: Tensor) -> Tensor:
        """Frames ``(N, 3, H, W)`` in [0, 1] → ``(N, 3, H, W)`` in [0, 1]; the others are not looked at."""
        height, width = frame.shape[-2:]
        x = F.relu(self.in1(self.conv1((frame * 255).to(self.deconv3.conv2d.weight.dtype))))
        x = F.relu(self.in2(self.conv2(x)))
        x = F.relu(self.in3(self.conv3(x)))
        for number in range(1, BLOCKS + 1):
            x = getattr(self, f"res{number}")(x)
        x = F.relu(self.in4(self.deconv1(x)))
        x = F.relu(self.in5(self.deconv2(x)))
        painted: Tensor = self.deconv3(x)[..., :height, :width].float() / 255
        return painted.clamp(0, 1)


def is_fast_neural_style(weights: WeightFile) -> bool:
    """Whether the tensors go by the names of these checkpoints."""
    return {"conv1.conv2d.weight", "res1.conv1.conv2d.weight", "deconv1.conv2d.weight"} <= weights.tensors.keys()


def used_tensors(weights: WeightFile) -> dict[str, Tensor]:
    """The tensors that the network takes, without what older versions of PyTorch stored besides."""
    return {name: tensor for name, tensor in weights.tensors.items() if not _UNUSED.search(name)}


def build_fast_neural_style(weights: WeightFile) -> FastNeuralStyle:
    """The network with these weights, in evaluation mode and frozen.

    Raises:
        WeightsError: names or shapes are not those of this network; the message says which is the first.
    """
    network = FastNeuralStyle()
    tensors, expected = used_tensors(weights), network.state_dict()
    for name in (*expected, *tensors):
        if name not in tensors or name not in expected:
            what = "has no" if name not in tensors else "has an unknown"
            raise WeightsError(f"a checkpoint of fast_neural_style, but of another network: it {what} {name}")
        if tensors[name].shape != expected[name].shape:
            found, wanted = tuple(tensors[name].shape), tuple(expected[name].shape)
            raise WeightsError(
                f"a checkpoint of fast_neural_style, but of another width: {name} is {found}, not {wanted}"
            )
    network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    return network.eval().requires_grad_(False)
