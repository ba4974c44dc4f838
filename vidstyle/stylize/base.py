"""What every way to paint has in common."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

State = dict[str, Tensor]


@dataclass(frozen=True)
class Prior:
    """An earlier stylized frame as seen from the frame that is being painted.

    ``stylized``: as stored, ``(3, H, W)`` in [0, 1]. ``warped``: the same brought to now by the flow.
    ``consistency``: how far to trust each pixel of ``warped``, ``(H, W)`` in [0, 1].
    """

    stylized: Tensor
    warped: Tensor
    consistency: Tensor


@dataclass(frozen=True)
class Need:
    """An earlier result that a frame is painted from: the output of ``pass_number`` at ``frame``."""

    pass_number: int
    frame: int


#: Called while a frame is painted, with the share done in [0, 1]. May raise to stop the work.
Progress = Callable[[float], None]


class Stylizer(Protocol):
    """Paints one frame at a time. It knows neither files nor the movie; everything comes in as tensors."""

    def needs(self, frame: int, first: int) -> Sequence[Need]:
        """The earlier results that painting ``frame`` of a shot beginning at ``first`` takes, in order."""

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
        """Paint ``frame`` ``(3, H, W)`` in [0, 1].

        Args:
            priors: one for each of ``needs``, in that order.
            state: what the step of the frame before gave back; None for the first frame of a shot.
            seed: for every random number that is drawn; the same for the same job and frame.
            number: of the frame, counted from the movie's first; for what changes in the course of the movie.
        Returns:
            The stylized frame, ``(3, H, W)`` in [0, 1], and what to carry to the next frame.
        """

    def seconds_per_frame(self, size: tuple[int, int]) -> tuple[float, float]:
        """An estimate for frames of ``(width, height)``: seconds for the first frame of a shot, and for later ones."""


def frame_seed(key: str, frame: int) -> int:
    """The seed for one frame of one stylize stage: from its content key, never from global state."""
    return int.from_bytes(hashlib.sha256(f"{key}:{frame}".encode()).digest()[:7], "big")
