"""Every flow method there is, ready to use, and every scene whose flow is known."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.models.optical_flow import raft_large

from tests.flow.data import data, read_flo, read_gray, read_rgb
from tests.flow.scenes import moving_square, similarity, translation
from vidstyle.config import FlowSettings
from vidstyle.flow import FlowMethod, flow_method
from vidstyle.flow.base import Frame
from vidstyle.nets.weights import WeightFile, read_weights


def raft_small(**settings: Any) -> FlowMethod[Any]:
    """With the authors' weights; the test skips where they are missing."""
    return flow_method(FlowSettings("raft-small", **settings), small_weights(data("weights/raft-small.pth")))


@functools.cache
def small_weights(path: Path) -> WeightFile:
    return read_weights(path)


@functools.cache
def untrained_large() -> FlowMethod[Any]:
    """RAFT-large with random weights: its flow means nothing, but it must hold to the contract."""
    torch.manual_seed(0)
    weights = WeightFile(raft_large(weights=None).state_dict(), {}, "")
    return flow_method(FlowSettings("raft-large", updates=2), weights)


def dis(**settings: Any) -> FlowMethod[Any]:
    return flow_method(FlowSettings("dis", **settings))


METHODS: dict[str, Callable[[], FlowMethod[Any]]] = {
    "dis ultrafast": functools.partial(dis, preset="ultrafast"),
    "dis fast": functools.partial(dis, preset="fast"),
    "dis medium": dis,
    "dis medium, half size": functools.partial(dis, scale=0.5),
    "raft-small": raft_small,
    "raft-small, bfloat16": functools.partial(raft_small, precision="bfloat16"),
    "raft-small, half size": functools.partial(raft_small, scale=0.5),
}


@dataclass(frozen=True)
class Scene:
    """``flow`` (2, H, W) leads from ``source`` to ``target``; ``counted`` (H, W) says where it is compared."""

    source: Frame
    target: Frame
    flow: Tensor
    counted: Tensor


def synthetic(previous: Tensor, current: Tensor, backward_flow: Tensor, hidden: Tensor | None = None) -> Scene:
    """Without a border of 8 pixels, where the picture moves out of sight, and without what is ``hidden``."""
    counted = torch.zeros(current.shape[1:], dtype=torch.bool)
    counted[8:-8, 8:-8] = True
    return Scene(current, previous, backward_flow, counted if hidden is None else counted & ~hidden)


def square() -> Scene:
    previous, current, backward, _, disoccluded = moving_square()
    return synthetic(previous, current, backward, disoccluded)


def published(folder: str, first: str, second: str, truth: str, invalid: str | None = None) -> Scene:
    flow = read_flo(data(f"flow/{folder}/{truth}"))
    valid = read_gray(data(f"flow/{folder}/{invalid}")) == 0 if invalid else np.ones(flow.shape[1:], bool)
    frames = (read_rgb(data(f"flow/{folder}/{name}")) for name in (first, second))
    return Scene(*frames, flow, torch.from_numpy(valid))


def middlebury(name: str) -> Callable[[], Scene]:
    return functools.partial(published, f"middlebury/{name}", "frame10.png", "frame11.png", "flow10.flo")


def sintel(name: str, frame: int) -> Callable[[], Scene]:
    first, second = f"frame_{frame:04d}", f"frame_{frame + 1:04d}"
    files = (f"{first}.png", f"{second}.png", f"{first}.flo", f"invalid_{first}.png")
    return functools.partial(published, f"sintel/{name}", *files)


SCENES: dict[str, Callable[[], Scene]] = {
    "at rest": lambda: synthetic(*translation(96, 160, 0, 0)),
    "translation": lambda: synthetic(*translation(96, 160, 3, -1.5)),
    "small": lambda: synthetic(*translation(54, 96, 1, 0.5)),
    "zoom": lambda: synthetic(*similarity(120, 160, 1.04, 0)),
    "rotation": lambda: synthetic(*similarity(120, 160, 1, 3)),
    "moving square": square,
    "RubberWhale": middlebury("RubberWhale"),
    "Grove2": middlebury("Grove2"),
    "Urban2": middlebury("Urban2"),
    "Dimetrodon": middlebury("Dimetrodon"),
    "alley_1": sintel("alley_1", 2),
    "cave_2": sintel("cave_2", 2),
    "temple_3": sintel("temple_3", 22),
}
