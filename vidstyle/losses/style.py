"""Ways to compare the style of a painting with that of a picture, behind one interface and one table.

A style is what its features have in common wherever they are: statistics over positions, at one level of an encoder.
Every distance is divided by that of features which are zero everywhere, so that it is 1 where the painting has nothing
of the style at all, at every level, for every style and with every encoder.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from vidstyle.losses.terms import energy, gram_matrix

#: What a loss remembers of a style at one level.
Statistics = tuple[Tensor, ...]


@dataclass(frozen=True)
class StyleLoss:
    """One way to compare styles at one level.

    ``target``: features of the style ``(1, C, h, w)`` → statistics, once a style.
    ``distance``: features of the painting ``(1, C, H, W)``, statistics, and a mask ``(H, W)`` in [0, 1] of the
    positions that count (None: all) → scalar; 0 where the statistics are equal, 1 for features of zero.
    ``scale``: factor that makes a style weight paint about as strongly as it does with Gram matrices.
    ``linear``: statistics of several styles may be blended; else their distances are.
    ``octaves``: how many sizes of the picture it looks at, each half as large as the one before.
    """

    target: Callable[[Tensor], Statistics]
    distance: Callable[[Tensor, Statistics, Tensor | None], Tensor]
    scale: float = 1.0
    linear: bool = False
    octaves: int = 1

    def __call__(self, features: Tensor, target: Statistics, mask: Tensor | None = None) -> Tensor:
        return self.scale * self.distance(features, target, mask)


def moments(measure: Callable[[Tensor, Tensor | None], Statistics], scale: float = 1.0, octaves: int = 1) -> StyleLoss:
    """The loss of statistics that are averages: mean squared differences, each by its target's mean square."""

    def distance(features: Tensor, target: Statistics, mask: Tensor | None) -> Tensor:
        return apart(measure(features, mask), target)

    return StyleLoss(lambda features: measure(features, None), distance, scale, linear=True, octaves=octaves)


def apart(found: Statistics, target: Statistics) -> Tensor:
    """The distance of statistics that are averages: see ``moments``. Scalar."""
    parts = [(ours - theirs).square().mean() / energy(theirs) for ours, theirs in zip(found, target, strict=True)]
    return torch.stack(parts).mean()


# ---- averages over positions


def positions(features: Tensor) -> Tensor:
    """``(1, C, H, W)`` → ``(H·W, C)``, without a copy where channels lie last."""
    return features[0].permute(1, 2, 0).flatten(0, 1)


def shares(mask: Tensor | None, flat: Tensor) -> Tensor:
    """What each of ``flat``'s positions counts, ``(M,)``; they sum to 1, but for an empty mask's."""
    if mask is None:
        return flat.new_full((len(flat),), 1 / len(flat))
    return (mask / mask.sum().clamp_min(1e-6)).flatten().to(flat)


def mean_and_std(features: Tensor, mask: Tensor | None) -> Statistics:
    """Mean and standard deviation of every channel, ``(C,)`` each."""
    flat = positions(features)
    share = shares(mask, flat)
    mean = share @ flat
    # Half of the encoder's channels may be silent somewhere: without the constant their gradient has no bound.
    return mean, (share @ (flat - mean).square() + 1e-6).sqrt()


def mean(features: Tensor, mask: Tensor | None) -> Statistics:
    flat = positions(features)
    return (shares(mask, flat) @ flat,)


def gram(features: Tensor, mask: Tensor | None) -> Statistics:
    return (gram_matrix(features, mask),)


def centered_gram(features: Tensor, mask: Tensor | None) -> Statistics:
    """The Gram matrix of what is left when every channel's mean is taken off: a covariance."""
    (middle,) = mean(features, mask)
    return (gram_matrix(features - middle.view(1, -1, 1, 1), mask),)


SHIFTS = (4, 16)  # positions of a level; up to half its side


def shifted_gram(features: Tensor, mask: Tensor | None) -> Statistics:
    """The Gram matrix, and those of the features with themselves some way to the right and some way below."""
    found = [gram_matrix(features, mask)[0]]
    for shift in SHIFTS:
        for side in (-1, -2):
            length = features.shape[side]
            step = min(shift, length // 2)
            here, there = features.narrow(side, 0, length - step), features.narrow(side, step, length - step)
            share = shares(both(mask, side, step), positions(here))
            # Where nothing in a mask is so far apart, this is 0 whatever the features are: no pull.
            found.append((positions(here) * share[:, None]).T @ positions(there) / features.shape[1])
    return tuple(found)


def both(mask: Tensor | None, side: int, step: int) -> Tensor | None:
    """Where a mask has both ends of a step."""
    if mask is None:
        return None
    length = mask.shape[side]
    return mask.narrow(side, 0, length - step) * mask.narrow(side, step, length - step)


# ---- maximum mean discrepancy with a kernel (Li, Wang, Liu, Hou 2017)


def polynomial_features(flat: Tensor, share: Tensor, unit: Tensor) -> Tensor:
    """The mean of what the kernel (x·y / unit + 1)² is a product of, but for its constant."""
    second = flat.T @ (flat * share[:, None])
    return torch.cat([second.flatten() / unit, math.sqrt(2) * (share @ flat) / unit.sqrt()])


def polynomial_target(features: Tensor) -> Statistics:
    flat = positions(features)
    unit = flat.square().sum(1).mean().clamp_min(1e-12)
    return polynomial_features(flat, shares(None, flat), unit), unit


def polynomial_distance(features: Tensor, target: Statistics, mask: Tensor | None) -> Tensor:
    wanted, unit = target
    flat = positions(features)
    return (polynomial_features(flat, shares(mask, flat), unit) - wanted).square().mean() / energy(wanted)


WAVES = 512  # random waves that stand for a Gaussian kernel
CHUNK = 1 << 14  # positions whose waves are in memory at a time


def gaussian_target(features: Tensor) -> Statistics:
    """Waves, ``(C, WAVES)``, and their means over the style.

    The kernel exp(−‖x − y‖² / 2σ²) is the mean of cos(w·(x − y)) over normal w (Rahimi, Recht 2007): with waves drawn
    once, the discrepancy is that of averages and takes no comparison of pairs. 2σ² is the mean of ‖x − y‖² in the
    style.
    """
    flat = positions(features)
    width = (flat - flat.mean(0)).square().sum(1).mean().clamp_min(1e-12).sqrt()
    drawn = torch.randn(flat.shape[1], WAVES, generator=torch.Generator().manual_seed(0))
    waves = drawn.to(flat) / width
    return gaussian_features(flat, shares(None, flat), waves), waves


def gaussian_features(flat: Tensor, share: Tensor, waves: Tensor) -> Tensor:
    """The mean cosine and sine of every wave over the positions, ``(2, WAVES)``."""

    def part(flat: Tensor, share: Tensor) -> Tensor:
        phase = flat @ waves
        return torch.stack([share @ phase.cos(), share @ phase.sin()])

    chunks = zip(flat.split(CHUNK), share.split(CHUNK), strict=True)
    if len(flat) <= CHUNK:
        return part(flat, share)
    return torch.stack([checkpoint(part, *chunk, use_reentrant=False) for chunk in chunks]).sum(0)


def gaussian_distance(features: Tensor, target: Statistics, mask: Tensor | None) -> Tensor:
    wanted, waves = target
    flat = positions(features)
    nothing = torch.stack([torch.ones_like(wanted[0]), torch.zeros_like(wanted[1])])
    found = gaussian_features(flat, shares(mask, flat), waves)
    return (found - wanted).square().mean() / (nothing - wanted).square().mean().clamp_min(1e-12)


# ---- histograms (Risser, Wilmot, Barnes 2017)

QUANTILES = 512  # values of each channel that are remembered of a style


def histogram_target(features: Tensor) -> Statistics:
    """The Gram matrix, and the values of each channel in order, ``(C, QUANTILES)``."""
    ordered = positions(features).T.sort(dim=1).values
    return gram_matrix(features), F.interpolate(ordered[None], QUANTILES, mode="linear")[0]


def histogram_distance(features: Tensor, target: Statistics, mask: Tensor | None) -> Tensor:
    """The Gram loss, and the distance of each channel's values to those of the style with the same rank."""
    wanted_gram, quantiles = target
    flat = positions(features)
    ordered, order = flat.T.sort(dim=1)
    share = shares(mask, flat)[order]
    with torch.no_grad():
        rank = (share.cumsum(1) - share / 2) * QUANTILES - 0.5
        rank = rank.clamp(0, QUANTILES - 1)
        below = rank.floor().long().clamp_max(QUANTILES - 2)
        goal = torch.lerp(quantiles.gather(1, below), quantiles.gather(1, below + 1), rank - below)
    apart = (share * (ordered - goal).square()).sum(1).mean() / energy(quantiles)
    return 0.5 * (apart + (gram_matrix(features, mask) - wanted_gram).square().mean() / energy(wanted_gram))


# ---- patches (Li, Wand 2016)

STYLE_PATCHES = 2048  # at most, on a regular grid
PATCHES = 8192  # of the painting, at most; but none so far apart that something lies between them
AT_ONCE = 256  # style patches that are looked at together


def mrf_target(features: Tensor) -> Statistics:
    """Patches of 3×3 positions, ``(P, C·9)``."""
    features = at_least_a_patch(features)
    count = (features.shape[2] - 2) * (features.shape[3] - 2)
    stride = max(1, math.ceil(math.sqrt(count / STYLE_PATCHES)))
    return (F.unfold(features, 3, stride=stride)[0].T.contiguous(),)


def mrf_distance(features: Tensor, target: Statistics, mask: Tensor | None) -> Tensor:
    """Mean squared distance of every patch to the style's patch that is most like it, by normalised correlation."""
    (patches,) = target
    grown = at_least_a_patch(features)
    height, width = grown.shape[2] - 2, grown.shape[3] - 2
    stride = min(3, max(1, math.ceil(math.sqrt(height * width / PATCHES))))
    nearest = nearest_patches(grown.detach(), patches, stride)
    apart = (F.unfold(grown, 3, stride=stride)[0].T - patches[nearest]).square().mean(1)
    centres = None if mask is None else mask_of_patches(mask, height, width, stride)
    return (shares(centres, apart) * apart).sum() / energy(patches)


def at_least_a_patch(features: Tensor) -> Tensor:
    return F.pad(features, (1, 1, 1, 1)) if min(features.shape[2:]) < 3 else features


def mask_of_patches(mask: Tensor, height: int, width: int, stride: int) -> Tensor:
    """The mask at the middles of patches."""
    inner = mask[1:-1, 1:-1] if min(mask.shape) >= 3 else mask
    return inner[:height, :width][::stride, ::stride] + 1e-6


@torch.no_grad()
def nearest_patches(features: Tensor, patches: Tensor, stride: int) -> Tensor:
    """For each patch of ``features``, in order, the number of the most similar one of ``patches``."""
    kernels = F.normalize(patches, dim=1).view(len(patches), -1, 3, 3)
    scores, winners = [], []
    for start in range(0, len(patches), AT_ONCE):
        # The norm of a patch of ours is the same for all it is compared with.
        score, index = F.conv2d(features, kernels[start : start + AT_ONCE], stride=stride)[0].flatten(1).max(dim=0)
        scores.append(score)
        winners.append(index + start)
    best = torch.stack(scores).argmax(dim=0)
    return torch.stack(winners).gather(0, best[None])[0]


# ---- optimal transport between Gaussians


def wasserstein_target(features: Tensor) -> Statistics:
    """Mean, covariance's square root and trace, in double precision: roots of small eigenvalues need it."""
    centre, spread = centred(features, None)
    values, vectors = torch.linalg.eigh(spread.T @ spread)
    root = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    return centre, root, spread.square().sum()


def wasserstein_distance(features: Tensor, target: Statistics, mask: Tensor | None) -> Tensor:
    """W₂² of the Gaussians with these means and covariances, ‖μ − ν‖² + tr(C + D − 2 (D^½ C D^½)^½).

    With the centred features X, C = XᵀX, the last trace is the sum of the singular values of X D^½, whose gradient is
    bounded; that of the root itself is not.
    """
    mean_wanted, root, trace = target
    centre, spread = centred(features, mask)
    across: Tensor = _NuclearNorm.apply(spread @ root)
    distance = (centre - mean_wanted).square().sum() + spread.square().sum() + trace - 2 * across
    return (distance / (mean_wanted.square().sum() + trace).clamp_min(1e-12)).to(features)


def centred(features: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """The mean, and X with XᵀX the covariance, in double precision."""
    flat = positions(features)
    flat = (flat.cpu() if flat.device.type == "mps" else flat).double()  # Apple's GPUs have no double precision
    share = shares(mask, flat)
    centre = share @ flat
    return centre, share.sqrt()[:, None] * (flat - centre)


class _NuclearNorm(torch.autograd.Function):
    """The sum of a matrix's singular values, by the eigenvalues of its smaller square."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor) -> Tensor:
        tall = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
        values, vectors = torch.linalg.eigh(tall.T @ tall)
        ctx.save_for_backward(matrix, values, vectors)
        return values.clamp_min(0).sqrt().sum()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        matrix, values, vectors = ctx.saved_tensors
        kept = values > 1e-12 * values[-1].clamp_min(1e-30)  # the others are the noise of zeros
        inverse = (vectors * torch.where(kept, values, 1.0).rsqrt() * kept) @ vectors.T
        result: Tensor = matrix @ inverse if matrix.shape[0] >= matrix.shape[1] else inverse @ matrix
        return gradient * result


#: The names that ``--style-loss`` chooses from; docs/methods.md says where each comes from.
STYLE_LOSSES: dict[str, StyleLoss] = {
    "gram": moments(gram),
    "mean-std": moments(mean_and_std),
    "mmd-linear": moments(mean),
    "mmd-polynomial": StyleLoss(polynomial_target, polynomial_distance),
    "mmd-gaussian": StyleLoss(gaussian_target, gaussian_distance),
    "centered-gram": moments(centered_gram, scale=0.5),
    "multiscale-gram": moments(gram, octaves=3),
    "shifted-gram": moments(shifted_gram),
    "histogram": StyleLoss(histogram_target, histogram_distance, linear=True),
    "mrf": StyleLoss(mrf_target, mrf_distance, scale=0.1),
    "wasserstein": StyleLoss(wasserstein_target, wasserstein_distance),
}
