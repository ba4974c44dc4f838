"""How good flow, masks and stylized movies are: what the benchmarks and ``compare`` report."""

from __future__ import annotations

import math
from collections.abc import Sequence
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


def short_term_error(current: Tensor, following: Tensor, flow: Tensor, counted: Tensor) -> float:
    """Temporal error of a pair of stylized frames on published flow (Ruder et al. 2016, table 1).

    Published flow leads forward: ``current`` is compared with ``following`` warped back to it, both frames
    (3, H, W) in [0, 1]. ``flow`` (2, H, W) leads from current to following, and ``counted``, (H, W), boolean, says
    where the truth is known and the pixel is not occluded; both on current's grid. A pixel that leaves the frame
    is left out too. The mean squared difference over pixels and colours: a third of what ``warping_error`` would
    say. NaN where nothing is left.
    """
    height, width = counted.shape
    x = flow[0] + torch.arange(width, device=flow.device)
    y = flow[1] + torch.arange(height, device=flow.device)[:, None]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    apart = (current - backward_warp(following, flow)).double().square()
    return apart[:, counted.bool() & inside].mean().item()


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


class Judge:
    """Judges paintings of one style with ``encoder``, the same for whatever is compared.

    The project's own figures come from ``nets.teacher.TeacherEncoder``. ``style`` is ``(3, h, w)``, of any size.
    """

    @torch.no_grad()
    def __init__(self, encoder: Encoder, style: Tensor) -> None:
        self.encoder = encoder
        self.wanted = {n: gram_matrix(value) for n, value in encoder(style[None], JUDGE_STYLE_LAYERS).items()}

    @torch.no_grad()
    def __call__(self, content: Tensor, stylized: Sequence[Tensor]) -> list[Judgement]:
        """What the judge says of each painting of one frame; all are ``(3, H, W)`` in [0, 1]."""
        noise = torch.rand(content.shape, generator=torch.Generator().manual_seed(0)).to(content.device)
        plain = self.encoder(content[None], (*JUDGE_STYLE_LAYERS, JUDGE_CONTENT_LAYER))
        unpainted = self.style_terms(plain)
        target = plain[JUDGE_CONTENT_LAYER]
        empty = content_loss(self.encoder(noise[None], [JUDGE_CONTENT_LAYER])[JUDGE_CONTENT_LAYER], target)
        said = []
        for painting in stylized:
            ours = self.encoder(painting[None], (*JUDGE_STYLE_LAYERS, JUDGE_CONTENT_LAYER))
            style = (self.style_terms(ours) / unpainted).mean()
            said.append(Judgement(style.item(), (content_loss(ours[JUDGE_CONTENT_LAYER], target) / empty).item()))
        return said

    def style_terms(self, features: dict[str, Tensor]) -> Tensor:
        """The distance of each level from the style, (levels,)."""
        return torch.stack([style_loss(features[layer], gram) for layer, gram in self.wanted.items()])


def judge(encoder: Encoder, stylized: Tensor, content: Tensor, style: Tensor) -> Judgement:
    """``Judge`` of a single painting."""
    return Judge(encoder, style)(content, [stylized])[0]
