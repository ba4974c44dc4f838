"""Style transfer by optimisation with a temporal loss (Ruder, Dosovitskiy, Brox 2016), single pass, short-term."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from vidstyle import losses
from vidstyle.config import OptimizeSettings
from vidstyle.nets.encoder import Encoder
from vidstyle.stylize.base import Need, Prior, Progress, State
from vidstyle.stylize.ease import pixel_ease
from vidstyle.stylize.minimize import minimize


@dataclass(frozen=True)
class Targets:
    """What a frame is pulled towards: features of its content and Gram matrices of the style, by level."""

    content: dict[str, Tensor]
    style: dict[str, Tensor]

    @cached_property
    def content_energy(self) -> dict[str, Tensor]:
        return {layer: losses.energy(target) for layer, target in self.content.items()}

    @cached_property
    def style_energy(self) -> dict[str, Tensor]:
        return {layer: losses.energy(target) for layer, target in self.style.items()}


class OptimizeStylizer:
    """Minimises content, style, temporal and total variation loss over the pixels of each frame.

    Args:
        settings: weights, levels, optimiser and schedule.
        encoder: measures content and style; on the device that frames are on.
        styles: one image ``(3, h, w)`` in [0, 1] for each of ``settings.styles``; their Gram matrices are blended by
            normalised weight.
        size: ``(width, height)`` of the frames, which the strokes' size follows.
    """

    def __init__(
        self, settings: OptimizeSettings, encoder: Encoder, styles: Sequence[Tensor], size: tuple[int, int]
    ) -> None:
        self.settings = settings
        self.encoder = encoder
        self.device = styles[0].device
        self.style_grams = self.blend_grams(styles, size)

    @torch.no_grad()
    def blend_grams(self, styles: Sequence[Tensor], size: tuple[int, int]) -> dict[str, Tensor]:
        total = sum(style.weight for style in self.settings.styles)
        blend = {layer: torch.zeros((), device=self.device) for layer in self.settings.style_layers}
        for image, style in zip(styles, self.settings.styles, strict=True):
            features = self.encoder(channels_last(resize_style(image, size, style.scale)), blend)
            for layer, value in features.items():
                blend[layer] = blend[layer] + style.weight / total * losses.gram_matrix(value)
        return blend

    def needs(self, frame: int, first: int) -> Sequence[Need]:
        return () if frame == first else (Need(0, frame - 1),)

    def step(
        self, frame: Tensor, priors: Sequence[Prior], state: State | None, *, seed: int, progress: Progress
    ) -> tuple[Tensor, State | None]:
        batch = channels_last(frame[None])
        with torch.no_grad():
            targets = self.targets(batch)
        stylized = minimize(
            lambda x: losses.weighted_sum(self.terms(x, targets, priors), self.weights()),
            self.start(batch, priors, seed),
            optimizer=self.settings.optimizer,
            iterations=self.settings.iterations if priors else self.settings.first_iterations,
            learning_rate=self.settings.learning_rate,
            history=self.settings.history,
            ease=pixel_ease(self.settings, priors),
            stop_change=self.settings.stop_change,
            stop_window=self.settings.stop_window,
            progress=progress,
        )
        return stylized[0].clamp(0, 1), None

    def targets(self, batch: Tensor) -> Targets:
        """What the frame ``(1, 3, H, W)`` is pulled towards."""
        content = self.encoder(batch, self.settings.content_layers)
        return Targets({layer: value.float() for layer, value in content.items()}, self.style_grams)

    def weights(self) -> dict[str, float]:
        s = self.settings
        return {
            "content": s.content_weight,
            "style": s.style_weight,
            "temporal": s.temporal_weight,
            "tv": s.tv_weight,
        }

    def terms(self, x: Tensor, targets: Targets, priors: Sequence[Prior]) -> dict[str, Tensor]:
        """Every term of the loss at ``x`` ``(1, 3, H, W)``, before its weight."""
        features = self.encoder(channels_last(x), (*targets.content, *targets.style))
        terms = {
            "content": sum_over(
                losses.content_loss(features[layer].float(), target) / targets.content_energy[layer]
                for layer, target in targets.content.items()
            ),
            "style": sum_over(
                losses.style_loss(features[layer], target) / targets.style_energy[layer]
                for layer, target in targets.style.items()
            ),
            "tv": losses.total_variation(x),
        }
        if priors:
            terms["temporal"] = sum_over(losses.temporal_loss(x, prior.warped, prior.consistency) for prior in priors)
        return terms

    def start(self, batch: Tensor, priors: Sequence[Prior], seed: int) -> Tensor:
        """Where the optimisation of a frame begins, ``(1, 3, H, W)``."""
        kind = self.settings.init if priors else self.settings.first_init
        if kind == "noise":
            # Drawn on the CPU, so that every device begins with the same picture.
            noise = torch.randn(batch.shape, generator=torch.Generator().manual_seed(seed))
            return channels_last((0.5 + 0.15 * noise).to(batch.device))
        if kind == "previous":
            return channels_last(priors[0].stylized[None])
        if kind == "warped":
            return channels_last(torch.lerp(batch, priors[0].warped[None], priors[0].consistency))
        return batch

    def seconds_per_frame(self, size: tuple[int, int]) -> tuple[float, float]:
        """Timed on a few iterations of a grey frame."""
        frame = torch.full((3, size[1], size[0]), 0.5, device=self.device)
        with torch.no_grad():
            targets = self.targets(channels_last(frame[None]))
        times = []
        for _ in range(3):
            started = time.monotonic()
            x = frame[None].clone().requires_grad_()
            losses.weighted_sum(self.terms(x, targets, ()), self.weights()).backward()
            _ = x.grad.sum().item()  # type: ignore[union-attr]  # waits for a GPU
            times.append(time.monotonic() - started)
        seconds = min(times)
        return seconds * self.settings.first_iterations, seconds * self.settings.iterations


def sum_over(values: object) -> Tensor:
    return torch.stack(list(values)).sum()  # type: ignore[call-overload]


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
