"""Pictures with the statistics of photographs, drawn by program: what "normalised" networks are measured on."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def dead_leaves(count: int = 8, size: int = 160, seed: int = 0) -> Tensor:
    """Dead-leaves pictures (Lee, Mumford, Huang 2001): discs of every size that cover one another.

    Their edges, scales and contrasts are distributed like those of natural images. Gives ``(count, 3, size, size)``
    in [0, 1]; the same for the same arguments on every machine.
    """
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size]
    pictures = np.empty((count, 3, size, size), np.float32)
    for picture in pictures:
        picture[:] = rng.uniform(0.2, 0.8)
        for _ in range(300):
            # The inverse-cube law of radii makes the picture look the same at every scale.
            radius = 3 / np.sqrt(rng.uniform((3 / (size / 3)) ** 2, 1))
            disc = (rows - rng.uniform(0, size)) ** 2 + (columns - rng.uniform(0, size)) ** 2 < radius**2
            shade = rng.uniform(0, 1, 3) * 0.4 + rng.uniform(0, 0.6)
            picture[:, disc] = shade[:, None] + rng.normal(0, 0.03, (1, int(disc.sum())))
    return torch.from_numpy(pictures.clip(0, 1))
