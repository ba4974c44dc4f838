"""The device that paints, and the numbers it paints with."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from typing import Any

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


def choose_precision(name: str, device: str) -> str:
    """The type of the encoder's numbers: as named, or for "auto" what is fastest on this kind of device.

    That is bfloat16 on CPUs with matrix instructions for it (AMX), where it takes less than half the time. Others
    only emulate it, or gain too little to paint something else than most machines do.
    """
    if name != "auto":
        return name
    # Newer than the oldest torch that will do.
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return "bfloat16" if device == "cpu" and capabilities.get("amx_bf16") else "float32"


def training_precision(name: str, device: str) -> str:
    """The same for training, where graphics cards with bfloat16 use it: what is painted need not be as it was."""
    if name == "auto" and device == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return "bfloat16"
    return choose_precision(name, device)


_counting = threading.Lock()
_inside: list[int] = []  # torch's threads before, once for each job that is inside ``one_core_left``


@contextlib.contextmanager
def one_core_left() -> Iterator[None]:
    """Leave one core of the CPU to what is made beside a network: torch takes a thread less inside the block.

    With matrix instructions a recurrent network takes no longer than flow, masks, ffmpeg and the cache together; on
    two cores it is faster on one, undisturbed, than on both, where its threads wait for each other again and again.
    The number is the whole process's: of jobs side by side the first takes the thread away, the last gives it back.
    """
    with _counting:
        threads = _inside[0] if _inside else torch.get_num_threads()
        _inside.append(threads)
        torch.set_num_threads(max(1, threads - 1))
    try:
        yield
    finally:
        with _counting:
            _inside.pop()
            if not _inside:
                torch.set_num_threads(threads)
