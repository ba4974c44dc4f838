"""Finding and reading the data that is not part of the project: published flow, and the reference's maps."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

CHECKOUT = Path(__file__).resolve().parents[2]
FOLDER = Path(os.environ.get("VIDSTYLE_DATA") or CHECKOUT.parent / "shared" / "data")


def data(name: str) -> Path:
    """The path of a file in the data folder; the test skips where it is missing."""
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"no test data at {path}: set VIDSTYLE_DATA to the folder that has it")
    return path


def read_flo(path: Path) -> Tensor:
    """A Middlebury .flo file as (2, H, W)."""
    raw = path.read_bytes()
    width, height = np.frombuffer(raw, "<i4", count=2, offset=4)
    values = np.frombuffer(raw, "<f4", offset=12).reshape(height, width, 2)
    return torch.from_numpy(values.transpose(2, 0, 1).copy())


def read_gray(path: Path) -> np.ndarray:
    """A one-channel image, uint8, (H, W)."""
    return cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)


def read_rgb(path: Path) -> np.ndarray:
    """A colour image, uint8 RGB, (H, W, 3)."""
    return np.ascontiguousarray(cv2.imread(str(path), cv2.IMREAD_COLOR)[:, :, ::-1])
