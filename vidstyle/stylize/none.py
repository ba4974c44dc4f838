"""No painting: frames go through as they are, which shows what the rest of the pipeline does to a movie."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from vidstyle.stylize.base import Need, Prior, Progress, State


class NoneStylizer:
    """The identity, as a Stylizer."""

    def needs(self, frame: int, first: int) -> Sequence[Need]:
        return ()

    def step(
        self,
        frame: Tensor,
        priors: Sequence[Prior],
        state: State | None,
        *,
        seed: int,
        progress: Progress,
        number: int = 0,
    ) -> tuple[Tensor, State | None]:
        return frame, None

    def seconds_per_frame(self, size: tuple[int, int]) -> tuple[float, float]:
        return 0.0, 0.0
