"""Optical flow: estimating it, warping along it, and saying where it can be trusted.

Tensors in and out. Names are loaded on first use, so that importing the package costs nothing:
PyTorch and OpenCV are imported by the first thing that needs them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vidstyle.flow.base import FlowMethod, Frame
    from vidstyle.flow.consistency import consistency_map
    from vidstyle.flow.dis import DIS
    from vidstyle.flow.methods import FLOW_METHODS, flow_method
    from vidstyle.flow.scaled import resize_flow
    from vidstyle.flow.warp import backward_warp

__all__ = [
    "DIS",
    "FLOW_METHODS",
    "FlowMethod",
    "Frame",
    "backward_warp",
    "consistency_map",
    "flow_method",
    "resize_flow",
]

_HOME = {
    "DIS": "dis",
    "FLOW_METHODS": "methods",
    "FlowMethod": "base",
    "Frame": "base",
    "backward_warp": "warp",
    "consistency_map": "consistency",
    "flow_method": "methods",
    "resize_flow": "scaled",
}


def __getattr__(name: str) -> object:
    """Import the module that ``name`` lives in, and remember the value."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
