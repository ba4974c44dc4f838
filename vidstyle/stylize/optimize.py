"""Style transfer by optimisation with temporal losses, in one pass or several (Ruder, Dosovitskiy, Brox 2016)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from vidstyle import losses
from vidstyle.config import OptimizeSettings
from vidstyle.flow.warp import Interpolation
from vidstyle.nets.encoder import Encoder
from vidstyle.stylize.base import Prior, Progress, State
from vidstyle.stylize.colors import FITTED_STYLES, grey, luma, with_luma
from vidstyle.stylize.ease import pixel_ease
from vidstyle.stylize.minimize import minimize
from vidstyle.stylize.mixing import Shares
from vidstyle.stylize.schedule import Turn, first_temporal_pass
from vidstyle.stylize.style import Goal, StyleTerm, channels_last


@dataclass(frozen=True)
class Targets:
    """What a frame is pulled towards: the frame itself, features of its content by level, and statistics of styles."""

    frame: Tensor
    content: dict[str, Tensor]
    style: list[Goal]

    @cached_property
    def content_energy(self) -> dict[str, Tensor]:
        return {layer: losses.energy(target) for layer, target in self.content.items()}


class OptimizeStylizer:
    """Minimises content, style, temporal and total variation loss over the pixels of each frame.

    Args:
        settings: weights, levels, optimiser and schedule.
        encoder: measures content and style; on the device that frames are on.
        styles: one image ``(3, h, w)`` in [0, 1] for each of ``settings.styles``, blended by normalised weight.
        size: ``(width, height)`` of the frames, which the strokes' size follows.
        shares_at: what each style has of a frame, by the frame's number; None: by the settings' weights, always.
        begin: makes of a frame ``(3, H, W)`` and its number what stands for it where one begins with the frame itself:
            a picture that is nearer to the end, of a feed-forward network. None: the frame.
    """

    interpolation: Interpolation = "bilinear"

    def __init__(
        self,
        settings: OptimizeSettings,
        encoder: Encoder,
        styles: Sequence[Tensor],
        size: tuple[int, int],
        shares_at: Callable[[int], Shares] | None = None,
        begin: Callable[[Tensor, int], Tensor] | None = None,
    ) -> None:
        self.settings = settings
        self.encoder, self.begin = encoder, begin
        self.device = styles[0].device
        self.style = StyleTerm(settings, encoder, styles, size)
        constant = [style.weight for style in settings.styles]
        self.shares_at: Callable[[int], Shares] = shares_at or (lambda number: constant)

    def step(
        self, frame: Tensor, priors: Sequence[Prior], state: State | None, *, turn: Turn, seed: int, progress: Progress
    ) -> tuple[Tensor, State | None]:
        if self.settings.keep_colors == "luminance":
            # What was painted is the luma of the output as it is stored, so that is all that is taken up again.
            view = grey(frame)
            priors = [replace(prior, stylized=grey(prior.stylized), warped=grey(prior.warped)) for prior in priors]
        else:
            view = frame
        batch = channels_last(view[None])
        targets = self.targets(batch, turn.frame)
        held_to = self.temporal_priors(priors, turn)
        start = self.start(batch, priors, turn.frame, seed)
        stylized = minimize(
            # One channel, where it stands for three.
            lambda x: losses.weighted_sum(self.terms(x.expand(-1, 3, -1, -1), targets, held_to), self.weights()),
            luma(start) if self.settings.keep_colors == "luminance" else start,
            optimizer=self.settings.optimizer,
            iterations=self.settings.iterations if priors else self.settings.first_iterations,
            learning_rate=self.settings.learning_rate,
            history=self.settings.history,
            ease=pixel_ease(self.settings, held_to),
            stop_change=self.settings.stop_change,
            stop_window=self.settings.stop_window,
            progress=progress,
        )
        painted = stylized[0].clamp(0, 1)
        return with_luma(frame, painted) if self.settings.keep_colors == "luminance" else painted, None

    @torch.no_grad()
    def targets(self, batch: Tensor, number: int = 0) -> Targets:
        """What a frame ``(1, 3, H, W)`` is to become."""
        found = self.encoder(batch, self.settings.content_levels)
        content = {layer: value.float() for layer, value in found.items()}
        fit = FITTED_STYLES.get(self.settings.keep_colors)
        statistics = [self.style.measure(fit(image, batch)) for image in self.style.images] if fit else None
        return Targets(batch, content, self.style.goals(self.shares_at(number), statistics))

    def weights(self) -> dict[str, float]:
        s = self.settings
        return {
            "content": s.content_weight,
            "style": s.style_weight,
            "temporal": s.temporal_weight if s.passes == 1 else s.temporal_weight / 2,  # as in the paper
            "tv": s.tv_weight,
            "laplacian": s.laplacian_weight,
        }

    def temporal_priors(self, priors: Sequence[Prior], turn: Turn) -> list[Prior]:
        """What the temporal loss holds a frame to: each prior with what is left of its consistency."""
        if self.settings.passes > 1 and turn.pass_number < first_temporal_pass(self.settings):
            return []
        others = [prior for prior in priors if prior.offset]
        trust = losses.long_term_consistency([prior.consistency for prior in others])
        return [replace(prior, consistency=left) for prior, left in zip(others, trust, strict=True)]

    def terms(self, x: Tensor, targets: Targets, priors: Sequence[Prior]) -> dict[str, Tensor]:
        """Every term of the loss at ``x`` ``(1, 3, H, W)``, before its weight."""
        view = self.style.view(x, tuple(targets.content), targets.style)
        levels = self.settings.content_levels
        terms = {
            "content": sum_over(
                levels[layer]
                * losses.content_loss(view.features[0, layer].float(), target)
                / targets.content_energy[layer]
                for layer, target in targets.content.items()
            ),
            "style": self.style(view, targets.style),
            "tv": losses.total_variation(x),
        }
        if self.settings.laplacian_weight:
            edges = losses.laplacian(targets.frame)
            terms["laplacian"] = losses.content_loss(losses.laplacian(x), edges) / losses.energy(edges)
        if priors:
            terms["temporal"] = sum_over(losses.temporal_loss(x, prior.warped, prior.consistency) for prior in priors)
        return terms

    def start(self, batch: Tensor, priors: Sequence[Prior], number: int, seed: int) -> Tensor:
        """Where the optimisation of a frame begins, ``(1, 3, H, W)``."""
        if priors and not priors[0].offset:
            return channels_last(blend_neighbours(priors[0].stylized, priors[1:])[None])
        kind = self.settings.init if priors else self.settings.first_init
        if kind == "noise":
            return channels_last(noise(tuple(batch.shape), seed).to(batch.device))
        if kind == "previous":
            return channels_last(priors[0].stylized[None])
        base = batch if self.begin is None else channels_last(self.begin(batch[0], number)[None].clone())
        if kind == "warped":
            return channels_last(torch.lerp(base, priors[0].warped[None], priors[0].consistency))
        return base

    def seconds_per_frame(self, size: tuple[int, int]) -> tuple[float, float]:
        """Timed on a few iterations of a grey frame."""
        frame = torch.full((3, size[1], size[0]), 0.5, device=self.device)
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


def noise(shape: tuple[int, ...], seed: int) -> Tensor:
    """Grey noise, drawn on the CPU, so that every device begins with the same picture."""
    return 0.5 + 0.15 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def sum_over(values: object) -> Tensor:
    return torch.stack(list(values)).sum()  # type: ignore[call-overload]


def blend_neighbours(stylized: Tensor, neighbours: Sequence[Prior]) -> Tensor:
    """What a later pass begins with: a frame and its warped neighbours, where they can be trusted (Ruder 2016).

    (x + Σ c·warped) / (1 + Σ c), all ``(3, H, W)``.
    """
    total = stylized + sum(prior.consistency * prior.warped for prior in neighbours)
    return total / (1 + sum(prior.consistency for prior in neighbours))
