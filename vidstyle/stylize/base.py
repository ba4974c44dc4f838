"""What every way to paint has in common."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from vidstyle.flow.warp import Interpolation
from vidstyle.stylize.schedule import Turn

State = dict[str, Tensor]
#: In a state: what later frames take as this one, where it is not what is shown; uint8 ``(H, W, 3)``.
CANVAS = "canvas"


@dataclass(frozen=True)
class Prior:
    """An earlier stylized frame as seen from the frame that is being painted.

    ``stylized``: as stored (its ``CANVAS``, where it has one), ``(3, H, W)`` in [0, 1]. ``warped``: the same brought to
    now by the flow.
    ``consistency``: how far to trust each pixel of ``warped``, ``(H, W)`` in [0, 1].
    """

    stylized: Tensor
    warped: Tensor
    consistency: Tensor
    offset: int = 1  # how many frames before now it is; negative: after; 0: the frame itself, in the pass before


#: Called while a frame is painted, with the share done in [0, 1]. May raise to stop the work.
Progress = Callable[[float], None]


class Stylizer(Protocol):
    """Paints one frame at a time. It knows neither files nor the movie; everything comes in as tensors.

    In which order it paints a shot, and what each painting is made from, is its schedule (vidstyle.stylize.schedule).
    """

    interpolation: Interpolation  # that its priors are warped with

    def step(
        self, frame: Tensor, priors: Sequence[Prior], state: State | None, *, turn: Turn, seed: int, progress: Progress
    ) -> tuple[Tensor, State | None]:
        """Paint ``frame`` ``(3, H, W)`` in [0, 1].

        Args:
            priors: one for each that the schedule says it needs, in that order.
            state: what the step of the same pass at the neighbour that was painted before gave back; None for the
                first that is painted.
            turn: which frame this is, and which pass.
            seed: for every random number that is drawn; the same for the same job and frame.
        Returns:
            The stylized frame, ``(3, H, W)`` in [0, 1], and what to carry to the next frame.
        """

    def seconds_per_frame(self, size: tuple[int, int]) -> tuple[float, float]:
        """An estimate for frames of ``(width, height)``: seconds for what is painted from nothing, and for all else."""


def seconds_when_warm(paint: Callable[[], Tensor]) -> float:
    """How long ``paint`` takes the second time."""
    times = []
    for _ in range(2):
        started = time.monotonic()
        _ = paint().sum().item()  # waits for a GPU
        times.append(time.monotonic() - started)
    return times[1]


def frame_seed(key: str, frame: int) -> int:
    """The seed for one frame of one stylize stage: from its content key, never from global state."""
    return int.from_bytes(hashlib.sha256(f"{key}:{frame}".encode()).digest()[:7], "big")
