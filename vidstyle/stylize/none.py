"""No painting: frames go through as they are, which shows what the rest of the pipeline does to a movie."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from vidstyle.flow.warp import Interpolation
from vidstyle.stylize.base import Prior, Progress, State
from vidstyle.stylize.schedule import Turn


class NoneStylizer:
    """The identity, as a Stylizer."""

    interpolation: Interpolation = "bilinear"

    def step(
        self, frame: Tensor, priors: Sequence[Prior], state: State | None, *, turn: Turn, seed: int, progress: Progress
    ) -> tuple[Tensor, State | None]:
        return frame, None

    def seconds_per_frame(self, size: tuple[int, int]) -> tuple[float, float]:
        return 0.0, 0.0
