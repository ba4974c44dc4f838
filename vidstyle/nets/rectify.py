"""The rectifier, without the detours that torch's takes on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

HALF = (torch.bfloat16, torch.float16)


def rectified(x: Tensor) -> Tensor:
    """max(x, 0); in place where no gradient needs what it takes.

    Numbers of 16 bits are compared as whole numbers, whose sign is in the same place: the same values, some twenty
    times faster, since torch's operations on them in place are not vectorised. What is not a number may become 0.
    """
    if torch.is_grad_enabled():
        return F.relu(x)
    if x.dtype in HALF:
        x.view(torch.int16).clamp_min_(0)
        return x
    return F.relu_(x)
