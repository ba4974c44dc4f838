"""Any picture's style by a recurrent network, whose code for it is predicted (Ghiasi et al. 2017)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from vidstyle.config import PredictSettings
from vidstyle.nets.compact import CompactEncoder
from vidstyle.nets.predictor import PredictedStyles, scaled_style
from vidstyle.stylize.base import Prior, Progress, State
from vidstyle.stylize.colors import FITTED_STYLES
from vidstyle.stylize.mixing import Shares
from vidstyle.stylize.recurrent import RecurrentStylizer, TrainedStyle
from vidstyle.stylize.schedule import Turn


class PredictStylizer(RecurrentStylizer):
    """``RecurrentStylizer`` in the styles of pictures.

    Args:
        both: the network that paints and the one that predicts.
        encoder: what pictures are seen with, float32.
        styles: one image ``(3, h, w)`` in [0, 1] for each of ``settings.styles``.
        shares_at, device, dtype: as there.
    """

    def __init__(
        self,
        settings: PredictSettings,
        both: PredictedStyles,
        encoder: CompactEncoder,
        styles: Sequence[Tensor],
        shares_at: Callable[[int], Shares],
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.both, self.encoder = both.to(device), encoder.to(device).eval().requires_grad_(False)
        scales = [style.scale for style in settings.styles]
        self.images = [scaled_style(image, scale) for image, scale in zip(styles, scales, strict=True)]
        self.fit = FITTED_STYLES[settings.keep_colors] if settings.keep_colors == "match" else None
        codes = [self.predicted(image) for image in self.images]
        super().__init__(codes, shares_at, device, dtype, settings.keep_colors == "luminance")

    def predicted(self, image: Tensor) -> TrainedStyle:
        """An image ``(3, h, w)`` as a style of the network."""
        return TrainedStyle(self.both.network, tuple(self.both.shares(self.encoder, image).tolist()))

    def step(
        self, frame: Tensor, priors: Sequence[Prior], state: State | None, *, turn: Turn, seed: int, progress: Progress
    ) -> tuple[Tensor, State | None]:
        if self.fit is not None:
            self.styles = [self.predicted(self.fit(image[None], frame[None])[0]) for image in self.images]
        return super().step(frame, priors, state, turn=turn, seed=seed, progress=progress)
