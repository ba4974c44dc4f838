"""The encoders that losses are measured with, behind one interface and one table."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import torch
from torch import Tensor

from vidstyle.errors import WeightsError
from vidstyle.nets.calibration import dead_leaves
from vidstyle.nets.compact import CHANNELS, CompactEncoder
from vidstyle.nets.vgg import IMAGENET, Vgg19Encoder
from vidstyle.nets.weights import WeightFile, embedded, fetch, read_weights

COMPACT_FILE = "compact-encoder.safetensors"


class Encoder(Protocol):
    """Frames ``(N, 3, H, W)``, RGB in [0, 1] → features by level name, ``(N, C, h, w)``, not negative."""

    layers: tuple[str, ...]

    def __call__(self, frames: Tensor, layers: Iterable[str]) -> dict[str, Tensor]: ...


@dataclass(frozen=True)
class EncoderOptions:
    """What may be asked of an encoder; those that it has no use for are ignored."""

    pooling: str = "max"
    normalized: bool = False


def build_compact(weights: WeightFile, options: EncoderOptions) -> CompactEncoder:
    """The compact encoder with ``weights``, which may be of lower precision; it has no options."""
    encoder = CompactEncoder()
    try:
        encoder.load_state_dict({name: value.float() for name, value in weights.tensors.items()})
    except RuntimeError as error:
        raise WeightsError("the weight file is not of the compact encoder of this version") from error
    return encoder


def build_vgg19(weights: WeightFile, options: EncoderOptions) -> Vgg19Encoder:
    """VGG-19 with ``weights``, pooled and normalised as ``options`` say."""
    encoder = Vgg19Encoder(weights, options.pooling)
    if options.normalized:
        encoder.normalize_(dead_leaves())
    return encoder


@dataclass(frozen=True)
class EncoderEntry:
    """How to find an encoder's weights and build it."""

    find: Callable[[Callable[[str], None] | None], Path]  # takes what ``fetch`` takes to say
    build: Callable[[WeightFile, EncoderOptions], torch.nn.Module]


ENCODERS: dict[str, EncoderEntry] = {
    "compact": EncoderEntry(lambda say: embedded(COMPACT_FILE), build_compact),
    "vgg19": EncoderEntry(lambda say: fetch(IMAGENET, say), build_vgg19),
}


def find_weights(name: str, path: Path | None = None, say: Callable[[str], None] | None = None) -> Path:
    """The weight file of encoder ``name``: ``path`` where the user gave one, else the embedded or published file.

    ``say`` is told what is fetched; None forbids to fetch anything.
    """
    return path or ENCODERS[name].find(say)


class ReducedEncoder:
    """An encoder with weights in bfloat16: takes frames in float32, gives features in bfloat16."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.layers = encoder.layers

    def __call__(self, frames: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        return self.encoder(frames.bfloat16(), layers)


def load_encoder(
    name: str,
    weights: Path,
    device: torch.device,
    options: EncoderOptions | None = None,
    precision: str = "float32",
) -> Encoder:
    """An encoder ready to use: frozen, in evaluation mode, on ``device``.

    Args:
        precision: "float32", or "bfloat16", which gives a ``ReducedEncoder``.
    Raises:
        WeightsError: the file does not hold this network.
    """
    network = ENCODERS[name].build(read_weights(weights), options or EncoderOptions())
    # channels_last: the CPU's convolutions are several times faster in it.
    network = network.to(device).to(memory_format=torch.channels_last).eval()
    encoder = cast(Encoder, network.requires_grad_(False))
    if precision == "float32":
        return encoder
    network.bfloat16()
    return ReducedEncoder(encoder)


def load_compact(weights: Path | None = None) -> CompactEncoder:
    """The compact encoder as what is decoded again, float32, frozen; None: the package's.

    WeightsError where the file does not hold it.
    """
    network = build_compact(read_weights(weights or embedded(COMPACT_FILE)), EncoderOptions())
    return network.to(memory_format=torch.channels_last).eval().requires_grad_(False)


def check_layers(encoder: Encoder, layers: Iterable[str]) -> None:
    """Raise WeightsError when the encoder does not reach one of ``layers``."""
    missing = [layer for layer in layers if layer not in encoder.layers]
    if missing:
        raise WeightsError(f"these encoder weights have no {', '.join(missing)}; they have {', '.join(encoder.layers)}")


__all__ = [
    "CHANNELS",
    "ENCODERS",
    "Encoder",
    "EncoderOptions",
    "check_layers",
    "find_weights",
    "load_compact",
    "load_encoder",
]
