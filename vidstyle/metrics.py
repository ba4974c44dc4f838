"""How good flow, masks and stylized movies are: what the benchmarks and ``compare`` report."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from vidstyle.flow.warp import backward_warp
from vidstyle.losses import content_loss, gram_matrix, style_loss
from vidstyle.nets.encoder import Encoder

UNKNOWN_FLOW = 1e9
"""Published flow files mark a pixel as unknown by a larger component."""


def end_point_error(flow: Tensor, truth: Tensor, valid: Tensor | None = None) -> float:
    """Mean distance in pixels between two flows (2, H, W).

    Counts the pixels where the truth is known (finite and at most 1e9 in size) and ``valid``, (H, W), boolean
    or 0/1, is true. NaN where no pixel is left. Raises ValueError where the shapes do not fit.
    """
    if flow.shape != truth.shape or flow.ndim != 3 or flow.shape[0] != 2:
        raise ValueError(f"two flows (2, H, W) expected, not {tuple(flow.shape)} and {tuple(truth.shape)}")
    counted = (truth.abs() <= UNKNOWN_FLOW).all(dim=0)
    if valid is not None:
        if valid.shape != counted.shape:
            raise ValueError(f"valid is {tuple(valid.shape)}, the flow {tuple(flow.shape)}")
        counted = counted & valid.bool()
    apart = (flow - truth)[:, counted].double()
    return apart.square().sum(dim=0).sqrt().mean().item()


@dataclass(frozen=True)
class MaskScore:
    """How well a mask finds occluded pixels."""

    precision: float  # of the pixels called occluded, the share that is; 1 where none is called so
    recall: float  # of the pixels that are occluded, the share found; 1 where there is none
    f_score: float  # harmonic mean of the two; 1 where nothing is occluded and nothing called so


def mask_f_score(consistency: Tensor, occlusion_truth: Tensor, threshold: float = 0.5) -> MaskScore:
    """Score the occlusion mask (consistency < threshold) against the truth, both (H, W).

    ``occlusion_truth`` is boolean, or positive where occluded. Raises ValueError where the shapes do not fit.
    """
    if consistency.shape != occlusion_truth.shape:
        raise ValueError(f"masks of {tuple(consistency.shape)} and {tuple(occlusion_truth.shape)}")
    called, occluded = consistency < threshold, occlusion_truth > 0
    hits = int((called & occluded).sum())
    calls, there = int(called.sum()), int(occluded.sum())
    return MaskScore(
        precision=hits / calls if calls else 1.0,
        recall=hits / there if there else 1.0,
        f_score=2 * hits / (calls + there) if calls + there else 1.0,
    )


def warping_error(current: Tensor, previous: Tensor, backward_flow: Tensor, mask: Tensor) -> float:
    """Temporal error of a pair of stylized frames (Lai et al. 2018): Σ M‖V_t − warp(V_{t−1})‖² / Σ M.

    ``current`` and ``previous`` are frames (3, H, W) in [0, 1]; flow (2, H, W) and ``mask`` M, (H, W) in [0,
    1], on current's grid and of the **input** movie. ‖·‖² sums over the three colours (some programs take
    their mean: a third of this). A clip's error is the mean over its pairs. NaN where the mask is empty:
    leave such a pair out.
    """
    apart = (current - backward_warp(previous, backward_flow)).double().square().sum(dim=0)
    weight = mask.double()
    total = weight.sum().item()
    return (weight * apart).sum().item() / total if total > 0 else math.nan


JUDGE_STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
JUDGE_CONTENT_LAYER = "relu4_2"


@dataclass(frozen=True)
class Judgement:
    """How far a picture is from a style and from its content; 0 is there, smaller is closer.

    ``style``: mean over five levels of the Gram distance, each divided by that of the unpainted content: 1 = no
    nearer to the style than the content itself. ``content``: feature distance divided by that of uniform noise.
    """

    style: float
    content: float


@torch.no_grad()
def judge(encoder: Encoder, stylized: Tensor, content: Tensor, style: Tensor) -> Judgement:
    """Judge a painted frame with ``encoder``; all pictures are ``(3, H, W)`` in [0, 1], the style of any size.

    The same encoder for whatever is compared: the project's figures come from ``nets.teacher.TeacherEncoder``.
    """
    noise = torch.rand(content.shape, generator=torch.Generator().manual_seed(0)).to(content.device)
    layers = (*JUDGE_STYLE_LAYERS, JUDGE_CONTENT_LAYER)
    ours, plain, empty = (encoder(picture[None], layers) for picture in (stylized, content, noise))
    wanted = {layer: gram_matrix(value) for layer, value in encoder(style[None], JUDGE_STYLE_LAYERS).items()}
    style_terms = [
        (style_loss(ours[layer], gram) / style_loss(plain[layer], gram)).item() for layer, gram in wanted.items()
    ]
    target = plain[JUDGE_CONTENT_LAYER]
    content_term = content_loss(ours[JUDGE_CONTENT_LAYER], target) / content_loss(empty[JUDGE_CONTENT_LAYER], target)
    return Judgement(sum(style_terms) / len(style_terms), content_term.item())
