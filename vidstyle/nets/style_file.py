"""Files of trained styles: one network and the names, pictures and notes of what it paints."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vidstyle.errors import WeightsError
from vidstyle.nets.transform import TransformNet
from vidstyle.nets.weights import WeightFile, embedded, read_weights, write_weights

FORMAT = "vidstyle styles"
VERSION = 1
ABOUT = "vidstyle"  # the metadata's one entry, JSON
NETWORK, PREVIEW = "network.", "preview."  # what names of tensors begin with


@dataclass(frozen=True)
class StyleFile:
    """Trained styles as read from a file."""

    names: tuple[str, ...]  # in the order of the network's shares
    network: TransformNet  # float32, evaluation mode, frozen, learned statistics
    previews: dict[str, bytes]  # by style name: a small JPEG of what it paints; may lack some
    notes: dict[str, Any]  # how it was trained; JSON values
    digest: str  # sha256 of the file, for content keys

    def share(self, name: str) -> Tensor:
        """The shares (S,) that paint in one style. Raises WeightsError where the file has no such style."""
        if name not in self.names:
            raise WeightsError(f"no style {name!r} in this file; it has {', '.join(self.names)}")
        return torch.tensor([float(name == other) for other in self.names])


def embedded_styles() -> Path:
    """The file of the styles that the package carries."""
    return embedded("styles.safetensors")


def write_styles(
    path: Path,
    names: Sequence[str],
    network: TransformNet,
    previews: Mapping[str, bytes] | None = None,
    notes: Mapping[str, Any] | None = None,
) -> None:
    """Write a file of styles in float16; ``names`` in the order of the network's shares, ``notes`` of JSON values.

    Raises:
        ValueError: the names do not fit the network.
        OutputError: the file cannot be written.
    """
    if len(names) != network.styles or len(set(names)) != len(names):
        raise ValueError(f"a network of {network.styles} styles needs as many different names, not {list(names)}")
    tensors = {NETWORK + name: value.half() for name, value in network.state_dict().items()}
    for name, jpeg in (previews or {}).items():
        tensors[PREVIEW + name] = torch.frombuffer(bytearray(jpeg), dtype=torch.uint8)
    said = {
        "format": FORMAT,
        "version": VERSION,
        "names": list(names),
        "width": network.width,
        "blocks": network.blocks,
        "notes": dict(notes or {}),
    }
    # One entry: safetensors writes several in any order, and the same styles shall give the same bytes.
    write_weights(path, tensors, {ABOUT: json.dumps(said)})


def read_styles(path: Path) -> StyleFile:
    """Read and check a file of styles.

    Raises:
        WeightsError: it is missing, damaged, something else, or of a version that this program does not know.
    """
    file = read_weights(path)
    try:
        said = about(file.metadata)
        if said.get("format") != FORMAT:
            raise WeightsError(f"{path} holds no trained styles: make one with `vidstyle train`")
        if said.get("version") != VERSION:
            raise WeightsError(
                f"{path} is of version {said.get('version')} of the format, this vidstyle reads version {VERSION}: "
                "update vidstyle, or train the style again"
            )
        names = tuple(str(name) for name in said["names"])
        state = tensors_of(file, NETWORK)
        hidden = TransformNet.hidden_in(state)
        network = TransformNet(len(names), int(said["width"]), int(said["blocks"]), hidden=hidden)
        notes = dict(said["notes"])
        network.load_state_dict(state)
    except (KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise WeightsError(f"{path} is damaged: its tensors do not fit what it says of itself") from error
    previews = {name: bytes(value.numpy()) for name, value in tensors_of(file, PREVIEW, float_=False).items()}
    return StyleFile(names, network.eval().requires_grad_(False), previews, notes, file.digest)


def about(metadata: Mapping[str, str]) -> dict[str, Any]:
    """What a file says of itself in its metadata; nothing where it is none of ours."""
    try:
        said = json.loads(metadata.get(ABOUT, "{}"))
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def tensors_of(file: WeightFile, prefix: str, float_: bool = True) -> dict[str, Tensor]:
    """The tensors whose names begin with ``prefix``, without it; as float32 unless told otherwise."""
    found = {name[len(prefix) :]: value for name, value in file.tensors.items() if name.startswith(prefix)}
    return {name: value.float() for name, value in found.items()} if float_ else found
