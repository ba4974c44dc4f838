"""RAFT's networks (Teed and Deng 2020): torchvision's models; weights under torchvision's or the authors' names."""

from __future__ import annotations

import re

from torch import Tensor
from torchvision.models.optical_flow import RAFT, Raft_Large_Weights, Raft_Small_Weights, raft_large, raft_small

from vidstyle.errors import WeightsError
from vidstyle.nets.weights import Download, WeightFile

_BUILDERS = {"raft-small": raft_small, "raft-large": raft_large}


def _download(weights: Raft_Small_Weights | Raft_Large_Weights) -> Download:
    # torchvision's file names end with the beginning of their sha256.
    prefix = weights.url.rsplit("-", 1)[1].removesuffix(".pth")
    instead = "give a file of your own with --flow-weights, or use --flow dis"
    return Download(weights.url, prefix, round(weights.meta["_file_size"]), instead)


#: Published weights by the model's name: those that torchvision's authors trained for everyday footage.
RAFT_WEIGHTS: dict[str, Download] = {
    "raft-small": _download(Raft_Small_Weights.C_T_V2),
    "raft-large": _download(Raft_Large_Weights.C_T_SKHT_V2),
}

# How the authors' names become torchvision's, in this order.
_RENAMED = (
    (r"^module\.", ""),
    (r"^fnet\.", "feature_encoder."),
    (r"^cnet\.", "context_encoder."),
    (r"^(\w+_encoder)\.conv1\.", r"\1.convnormrelu.0."),
    (r"^(\w+_encoder)\.norm1\.", r"\1.convnormrelu.1."),
    (r"^(\w+_encoder)\.conv2\.", r"\1.conv."),
    (r"(layer\d\.\d)\.conv(\d)\.", r"\1.convnormrelu\2.0."),
    (r"(layer\d\.\d)\.norm(\d)\.", r"\1.convnormrelu\2.1."),
    (r"\.encoder\.convc(\d)\.", r".motion_encoder.convcorr\1.0."),
    (r"\.encoder\.convf(\d)\.", r".motion_encoder.convflow\1.0."),
    (r"\.encoder\.conv\.", ".motion_encoder.conv.0."),
    (r"\.gru\.conv([zrq])(\d?)\.", lambda m: f".recurrent_block.convgru{m[2] or 1}.conv{m[1]}."),
    (r"^update_block\.mask\.0\.", "mask_predictor.convrelu.0."),
    (r"^update_block\.mask\.2\.", "mask_predictor.conv."),
)


def build_raft(name: str, weights: WeightFile) -> RAFT:
    """The network called ``name`` (raft-small or raft-large) with ``weights``, in evaluation mode and frozen.

    Raises:
        WeightsError: the file holds another network; the message says which one fits, where one does.
    """
    network = _BUILDERS[name](weights=None, progress=False)
    tensors = torchvision_names(weights.tensors)
    expected = {key: value.shape for key, value in network.state_dict().items()}
    if {key: value.shape for key, value in tensors.items()} != expected:
        raise WeightsError(f"these weights are not those of {name}{_what_fits(tensors)}: see --flow-weights")
    network.load_state_dict({key: value.float() for key, value in tensors.items()})
    return network.eval().requires_grad_(False)


def torchvision_names(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights under torchvision's key names, whichever of the two they came under."""
    if not any(re.search(r"(^|\.)fnet\.", key) for key in tensors):
        return tensors
    return {_renamed(key): value for key, value in tensors.items() if not _is_alias(key, tensors)}


def _renamed(key: str) -> str:
    for pattern, replacement in _RENAMED:
        key = re.sub(pattern, replacement, key)
    return key


def _is_alias(key: str, tensors: dict[str, Tensor]) -> bool:
    """The norm of a block's shortcut, which the authors' files hold twice: as ``norm3`` and in ``downsample``."""
    match = re.fullmatch(r"(.*layer\d\.\d)\.norm[34]\.(\w+)", key)
    return match is not None and f"{match[1]}.downsample.1.{match[2]}" in tensors


def _what_fits(tensors: dict[str, Tensor]) -> str:
    for name, build in _BUILDERS.items():
        if set(build(weights=None, progress=False).state_dict()) == set(tensors):
            return f" but of {name}"
    return ""
