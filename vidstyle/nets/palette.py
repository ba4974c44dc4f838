"""The colours of a picture, and giving them to another: mean and covariance, as in Reinhard et al. 2001 with all three
channels at once. A covariance is handled by its Cholesky factor, which gradients go through without harm.
"""

from __future__ import annotations

import torch
from torch import Tensor

FLOOR = 1e-4
"""Added to variances of colours in [0, 1]: a painting of one colour is not blown up to a picture."""
RELATIVE_FLOOR = 3e-5
"""The same in proportion, above what rounding takes away: of a painting in shades of one hue, far beyond [0, 1]."""


def palette_of(picture: Tensor) -> Tensor:
    """The colours of a style ``(3, h, w)``, (9,): their mean, and the root of their covariance, its lower triangle."""
    mean, covariance = color_moments(picture[None])
    rows, columns = torch.tril_indices(3, 3)
    return torch.cat([mean[0], root(covariance)[0, rows, columns]])


def color_moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (N, 3) and covariance (N, 3, 3) of the colours of pictures (N, 3, h, w), float32."""
    flat = x.flatten(2).float()
    mean = flat.mean(2)
    apart = flat - mean[..., None]
    return mean, apart @ apart.mT / flat.shape[2]


def root(covariance: Tensor) -> Tensor:
    """Lower triangular matrices whose squares are covariances (…, 3, 3)."""
    floor = FLOOR + RELATIVE_FLOOR * covariance.diagonal(dim1=-2, dim2=-1).sum(-1)
    return torch.linalg.cholesky(covariance + floor[..., None, None] * torch.eye(3, device=covariance.device))


def recoloring(palette: Tensor, mean: Tensor, covariance: Tensor) -> tuple[Tensor, Tensor]:
    """What gives pictures with these moments the colours of a palette (9,): matrices (N, 3, 3) and offsets (N, 3)."""
    wanted = torch.zeros(3, 3, device=palette.device)
    rows, columns = torch.tril_indices(3, 3)
    wanted[rows, columns] = palette[3:]
    matrix = torch.linalg.solve_triangular(root(covariance), wanted.expand_as(covariance), upper=False, left=False)
    return matrix, palette[:3] - (matrix @ mean[..., None])[..., 0]


def packed_colors(mean: Tensor, covariance: Tensor) -> Tensor:
    """Colour moments of N pictures beside the norms' statistics: (2, N, 6)."""
    return torch.cat([mean, covariance.flatten(1)], 1).view(-1, 2, 6).transpose(0, 1)


def unpacked_colors(packed: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (3,) and covariance (3, 3) of what ``packed_colors`` makes of one picture's, (2, 6)."""
    flat = packed.flatten()
    return flat[:3], flat[3:].view(3, 3)
