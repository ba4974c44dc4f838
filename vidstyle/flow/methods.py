"""The table of flow methods. A new one is one file beside this one and one line here (and its name in config)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from vidstyle.config import FlowSettings
from vidstyle.flow.base import FlowMethod
from vidstyle.flow.dis import DIS
from vidstyle.flow.scaled import Scaled
from vidstyle.nets.weights import WeightFile

Builder = Callable[[FlowSettings, WeightFile | None, torch.device], FlowMethod[Any]]


def _dis(settings: FlowSettings, weights: WeightFile | None, device: torch.device) -> FlowMethod[Any]:
    return DIS(settings.preset)


def _raft(settings: FlowSettings, weights: WeightFile | None, device: torch.device) -> FlowMethod[Any]:
    # Here: torchvision is slow to import.
    from vidstyle.flow.raft import RAFT
    from vidstyle.nets.raft import build_raft

    if weights is None:
        raise ValueError(f"{settings.method} takes weights")
    network = build_raft(settings.method, weights).to(device)
    return RAFT(network, settings.updates, getattr(torch, settings.precision))


FLOW_METHODS: dict[str, Builder] = {
    "dis": _dis,
    "raft-small": _raft,
    "raft-large": _raft,
}


def flow_method(
    settings: FlowSettings, weights: WeightFile | None = None, device: torch.device | None = None
) -> FlowMethod[Any]:
    """Make the method that ``settings`` ask for.

    ``weights`` are those of its network, for the methods that have one; ``device`` is where it runs (None: the CPU).
    Raises WeightsError where the weights are not the network's.
    """
    method = FLOW_METHODS[settings.method](settings, weights, device or torch.device("cpu"))
    return method if settings.scale == 1 else Scaled(method, settings.scale)
