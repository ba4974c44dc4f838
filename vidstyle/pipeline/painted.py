"""The stylized frame as an artifact: its pixels, and what the stylizer carries to the next frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from vidstyle.store import Codec, decode_arrays, encode_arrays
from vidstyle.stylize.base import CANVAS, State

PIXELS = "pixels"
STATE = "state/"


@dataclass(frozen=True)
class Painted:
    """``pixels``: uint8 or uint16, ``(H, W, 3)``. ``state``: None where the method carries nothing."""

    pixels: NDArray[np.uint8] | NDArray[np.uint16]
    state: State | None = None

    @property
    def canvas(self) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """What later frames are painted from: the picture itself, or what it was made from."""
        carried = (self.state or {}).get(CANVAS)
        return self.pixels if carried is None else carried.cpu().numpy()


def encode_painted(painted: Painted) -> bytes:
    state = painted.state or {}
    arrays = {STATE + name: value.cpu().numpy() for name, value in state.items()}
    return encode_arrays({PIXELS: painted.pixels, **arrays})


def decode_painted(payload: bytes) -> Painted:
    """Raises ValueError for what ``encode_painted`` did not write."""
    arrays = decode_arrays(payload)
    pixels = arrays.pop(PIXELS, None)
    if pixels is None:
        raise ValueError("no pixels in it")
    state = {name.removeprefix(STATE): torch.from_numpy(value) for name, value in arrays.items()}
    return Painted(pixels, state or None)


PAINTED = Codec("painted", encode_painted, decode_painted)
