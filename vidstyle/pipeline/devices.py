"""The device that paints."""

from __future__ import annotations

import os

import torch

from vidstyle.errors import InputError


def choose_device(name: str) -> torch.device:
    """The torch device called ``name``; "auto" takes CUDA where there is one, else the CPU.

    CUDA is set to deterministic algorithms, so that a resumed job gives the same bytes.

    Raises:
        InputError: there is no such device here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"--device is auto, cpu, cuda, cuda:1 … or mps; not {name!r}") from None
    if device.type not in ("cpu", "cuda", "mps"):
        raise InputError(f"--device is auto, cpu, cuda, cuda:1 … or mps; not {name!r}")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InputError(f"there is no CUDA device {name} here: use --device cpu, or install a CUDA build of torch")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise InputError("there is no Apple GPU here: use --device cpu")
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic only with it
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.backends.cudnn.benchmark = False
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
    return device
