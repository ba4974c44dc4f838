"""The style term of a frame's loss: what its styles have in common with it, each by its share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from vidstyle.config import OptimizeSettings
from vidstyle.losses import STYLE_LOSSES, Statistics, apart, gram_sum
from vidstyle.nets.encoder import Encoder
from vidstyle.nets.tiled import Measure, TiledEncoder
from vidstyle.stylize.mixing import Shares

#: A level of the encoder at a size of the picture: how often it was halved, and the level's name.
Level = tuple[int, str]

LEAST_AREA = 1e-4  # share of the frame below which a style is not painted: of so little there are no statistics


@dataclass(frozen=True)
class Goal:
    """Statistics that a frame is pulled towards, by level, and how firmly: ``share`` of the style weight.

    ``area`` ``(H, W)`` in [0, 1] is the part of the frame that is meant; None: all of it.
    """

    share: float
    statistics: Mapping[Level, Statistics]
    area: Tensor | None = None
    areas: dict[tuple[int, int], Tensor] = field(default_factory=dict)  # at the sizes of levels, as they are asked for

    def mask(self, size: Sequence[int]) -> Tensor | None:
        """``area`` on the grid of a level of ``size`` ``(h, w)``: each position as far as its pixels are inside."""
        if self.area is None:
            return None
        size = size[0], size[1]
        if size not in self.areas:
            self.areas[size] = F.adaptive_avg_pool2d(self.area[None], size)[0]
        return self.areas[size]


@dataclass(frozen=True)
class View:
    """What an encoder sees in a picture: features ``(1, C, H, W)`` of levels, or, of large pictures, Gram matrices.

    ``grams`` has for every goal ``(1, C, C)``, one after the other: ``(goals, C, C)``.
    """

    features: dict[Level, Tensor] = field(default_factory=dict)
    grams: dict[Level, Tensor] = field(default_factory=dict)


class StyleTerm:
    """Compares paintings with styles, as the settings say.

    Args:
        settings: the loss, the levels and their weights, the size of each style's strokes.
        encoder: on the device that pictures are on.
        styles: one image ``(3, h, w)`` in [0, 1] for each of ``settings.styles``.
        size: ``(width, height)`` of the frames, which the strokes' size follows.
    """

    def __init__(
        self, settings: OptimizeSettings, encoder: Encoder, styles: Sequence[Tensor], size: tuple[int, int]
    ) -> None:
        self.encoder = encoder
        self.loss = STYLE_LOSSES[settings.style_loss]
        self.weights = settings.style_levels
        # Only Gram matrices are known to bear an encoder of reduced precision all the way.
        self.is_gram = settings.style_loss == "gram"
        scales = [style.scale for style in settings.styles]
        self.images = [resize_style(image, size, scale) for image, scale in zip(styles, scales, strict=True)]

    @cached_property
    def statistics(self) -> list[dict[Level, Statistics]]:
        """Those of each style as it is."""
        return [self.measure(image) for image in self.images]

    @torch.no_grad()
    def measure(self, image: Tensor) -> dict[Level, Statistics]:
        """The statistics of a style ``(1, 3, H, W)``."""
        view = self.view(image, (), [Goal(1.0, {})])
        found = {level: (gram,) for level, gram in view.grams.items()}
        return found | {level: self.loss.target(value) for level, value in view.features.items()}

    def view(self, batch: Tensor, others: Sequence[str], goals: Sequence[Goal]) -> View:
        """What there is to compare of a picture ``(1, 3, H, W)`` with ``goals``, and its features of ``others``.

        Of pictures that are large only the Gram matrices for these goals, where that is what is compared: the features
        of all levels take as much memory as a hundred such pictures.
        """
        view = View()
        for octave, picture in enumerate(octaves(batch, self.loss.octaves)):
            picture, names = channels_last(picture), others if octave == 0 else ()
            grams: dict[str, Tensor] = {}
            if self.is_gram and isinstance(self.encoder, TiledEncoder) and self.encoder.divides(picture):
                measures = dict.fromkeys(self.weights, gram_measure(goals)) if goals else {}
                features, grams = self.encoder.measured(picture, names, measures)
            else:
                features = self.encoder(picture, (*self.weights, *names))
            view.features.update(
                {(octave, name): value if self.is_gram else value.float() for name, value in features.items()}
            )
            view.grams.update({(octave, name): gram for name, gram in grams.items()})
        return view

    def goals(self, shares: Shares, statistics: Sequence[Mapping[Level, Statistics]] | None = None) -> list[Goal]:
        """What a frame is pulled to where each style has a weight: one blend of all where they can be blended.

        Where each has an area, each is a goal of its own, by the size of that area: a pixel is pulled as firmly in a
        small one as in a large one.

        Args:
            statistics: of each style, where they are not those of the styles as they are.
        """
        statistics = self.statistics if statistics is None else statistics
        if isinstance(shares[0], Tensor):
            areas = [(share, float(share.mean())) for share in shares if isinstance(share, Tensor)]
            return [
                Goal(size, found, area)
                for (area, size), found in zip(areas, statistics, strict=True)
                if size > LEAST_AREA
            ]
        weights = [float(share) for share in shares]
        parts = [weight / sum(weights) for weight in weights]
        if self.loss.linear:
            return [Goal(1.0, blend(parts, statistics))]
        return [Goal(part, found) for part, found in zip(parts, statistics, strict=True) if part > 0]

    def __call__(self, view: View, goals: Sequence[Goal]) -> Tensor:
        """The term for a painting, seen with these ``goals``. Levels add up; of several sizes, their mean counts."""
        terms = [
            goal.share * self.weights[level[1]] * self.distance(view, level, number, goal)
            for number, goal in enumerate(goals)
            for level in goal.statistics
            if level in view.grams or level in view.features
        ]
        found = {**view.features, **view.grams}
        if not terms:  # nobody's masks are anywhere in this frame
            return next(iter(found.values())).new_zeros(())
        sizes = 1 + max(octave for octave, _ in found)
        return torch.stack(terms).sum() / sizes

    def distance(self, view: View, level: Level, number: int, goal: Goal) -> Tensor:
        """How far one level is from ``goal``, the view's goal of this ``number``."""
        target = goal.statistics[level]
        if level in view.grams:
            return self.loss.scale * apart((view.grams[level][number, None],), target)
        features = view.features[level]
        return self.loss(features, target, goal.mask(features.shape[2:]))


def gram_measure(goals: Sequence[Goal]) -> Measure:
    """What a tile adds to the Gram matrices of a level, one for each goal: ``(goals, C, C)``."""

    def measure(features: Tensor, place: tuple[slice, slice], size: tuple[int, int]) -> Tensor:
        masks = [goal.mask(size) for goal in goals]
        sums = [gram_sum(features, None if mask is None else mask[place]) for mask in masks]
        counts = [size[0] * size[1] if mask is None else mask.sum() for mask in masks]
        return torch.cat([part / (count * features.shape[1]) for part, count in zip(sums, counts, strict=True)])

    return measure


def blend(shares: Sequence[float], statistics: Sequence[Mapping[Level, Statistics]]) -> dict[Level, Statistics]:
    """Σ share × statistics, for every level that all the styles have."""
    levels = [level for level in statistics[0] if all(level in found for found in statistics)]
    return {
        level: tuple(
            torch.stack([share * part for share, part in zip(shares, parts, strict=True)]).sum(0)
            for parts in zip(*(found[level] for found in statistics), strict=True)
        )
        for level in levels
    }


def octaves(batch: Tensor, count: int) -> Iterator[Tensor]:
    """The picture, and the same at half the size, and so on, as long as an encoder can look at it."""
    yield batch
    for _ in range(count - 1):
        if min(batch.shape[-2:]) < 32:
            return
        batch = F.avg_pool2d(batch, 2)
        yield batch


def channels_last(batch: Tensor) -> Tensor:
    """The memory layout in which convolutions are fastest; the values stay."""
    return batch.contiguous(memory_format=torch.channels_last)


def resize_style(image: Tensor, size: tuple[int, int], scale: float) -> Tensor:
    """``(3, h, w)`` → ``(1, 3, h', w')`` with ``scale``² times the area of a frame of ``size``, same proportions.

    Strokes keep their size in relation to the picture: a preview at low resolution shows what the movie will be.
    """
    height, width = image.shape[1:]
    factor = scale * (size[0] * size[1] / (width * height)) ** 0.5
    target = max(16, round(height * factor)), max(16, round(width * factor))
    return F.interpolate(image[None], size=target, mode="bicubic", antialias=True).clamp(0, 1)
