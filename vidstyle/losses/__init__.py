"""The terms of style transfer: small functions on tensors (``terms``), and the ways to compare styles (``style``)."""

from vidstyle.losses.style import STYLE_LOSSES, Statistics, StyleLoss, apart
from vidstyle.losses.terms import (
    PIXEL_SCALE,
    content_loss,
    energy,
    gram_matrix,
    gram_sum,
    laplacian,
    long_term_consistency,
    style_loss,
    temporal_loss,
    total_variation,
    weighted_sum,
)

__all__ = [
    "PIXEL_SCALE",
    "STYLE_LOSSES",
    "Statistics",
    "StyleLoss",
    "apart",
    "content_loss",
    "energy",
    "gram_matrix",
    "gram_sum",
    "laplacian",
    "long_term_consistency",
    "style_loss",
    "temporal_loss",
    "total_variation",
    "weighted_sum",
]
