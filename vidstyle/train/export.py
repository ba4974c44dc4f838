"""From a training to a file of styles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vidstyle.errors import PaintError
from vidstyle.nets.style_file import write_styles
from vidstyle.nets.transform import TransformNet
from vidstyle.train.checkpoint import all_finite
from vidstyle.train.preview import jpeg, thumbnail
from vidstyle.train.recurrent import Training

PREVIEW_SIDE, PREVIEW_QUALITY = 224, 80


def export_styles(training: Training, photo: Tensor, path: Path, notes: Mapping[str, Any] | None = None) -> None:
    """Write what a training has come to as a file of styles: the same bytes, however long it took.

    Args:
        photo: (3, h, w) in [0, 1]; its middle, painted in each style, is the style's preview.
        notes: more to say about the styles than how they were trained; JSON values.
    Raises:
        PaintError: weights are too large for the file.
        OutputError: the file cannot be written; VidstyleError where the disk is full.
    """
    network = deepcopy(training.network).cpu().float().eval()
    network.precision = torch.float32
    if not all_finite(value.half() for value in network.state_dict().values()):
        raise PaintError("this training grew without bound, and is not written: begin anew with smaller weights")
    progress = training.progress()
    about = {
        "settings": asdict(training.settings),
        "step": progress.step,
        "losses": {name: round(value, 4) for name, value in progress.losses.items()},
        **(notes or {}),
    }
    write_styles(path, training.names, network, previews(network, training.names, photo), about)


@torch.no_grad()
def previews(network: TransformNet, names: Sequence[str], photo: Tensor) -> dict[str, bytes]:
    """By style, the middle of a photo (3, h, w) in [0, 1] as the network paints it: a small JPEG."""
    return {
        name: jpeg(thumbnail(partial(network, shares=share[None]), photo, PREVIEW_SIDE), PREVIEW_QUALITY)
        for name, share in zip(names, torch.eye(network.styles), strict=True)
    }
