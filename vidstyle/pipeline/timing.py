"""How long painting will take: estimated at first, measured as soon as something is done."""

from __future__ import annotations

import math

import torch

from vidstyle.config import OptimizeSettings
from vidstyle.pipeline.lengths import length_text
from vidstyle.pipeline.request import why_method
from vidstyle.pipeline.studio import Studio, enough_memory
from vidstyle.stylize.base import Stylizer
from vidstyle.stylize.minimize import affordable_history
from vidstyle.stylize.schedule import Turn

TRIAL_PIXELS = 640 * 360
"""Of the frame that painting is tried on. A trial of large ones takes minutes, before anything is done."""
TRIAL_SIDE = 64  # pixels that its sides have at least, where the movie's have them


class TimeLeft:
    """Seconds until everything is painted: estimated at first, measured as soon as something is done.

    Turns are of two kinds: 0 begins from nothing, as the first frame of a shot; 1 from earlier paintings.

    Args:
        left: how many of each kind are to be painted.
        estimate: seconds for one of each kind.
    """

    def __init__(self, left: tuple[int, int], estimate: tuple[float, float]) -> None:
        self.left = list(left)
        self.seconds = [0.0, 0.0]
        self.done = [0, 0]
        self.estimate = estimate

    def per_turn(self, kind: int) -> float:
        return self.seconds[kind] / self.done[kind] if self.done[kind] else self.estimate[kind]

    def add(self, kind: int, seconds: float) -> None:
        self.left[kind] = max(0, self.left[kind] - 1)
        self.done[kind] += 1
        self.seconds[kind] += seconds

    @property
    def is_over(self) -> bool:
        return not any(self.left)

    def total(self) -> float:
        return sum(self.left[kind] * self.per_turn(kind) for kind in (0, 1))


def time_to_paint(studio: Studio) -> TimeLeft:
    """The time that painting what is missing will take; said too."""
    plan, monitor = studio.plan, studio.monitor
    work = unpainted(studio)
    if (first := next((first for first, turns in work.items() if turns), None)) is not None:
        monitor.check()
        studio.start_decoder(first, work[first][0])
    left = time_left(studio, work)
    if any(work.values()) and (why := why_method(plan.request)) is not None:
        monitor.note(why)
    settings = plan.request.stylize
    if isinstance(settings, OptimizeSettings) and any(work.values()):
        history = affordable_history(settings.history, torch.empty(3, *plan.size, device="meta"))
        if history < settings.history and settings.optimizer == "lbfgs":
            monitor.note(f"frames this large: L-BFGS remembers {history} steps, not {settings.history}, to save memory")
    if left.total() > 0:
        last_pass = plan.stages.schedule.passes - 1
        count = sum(turn.pass_number == last_pass for turns in work.values() for turn in turns)
        monitor.note(
            f"painting {count} of {plan.frame_count} frames at {plan.size[0]}×{plan.size[1]} on "
            f"{studio.device} will take about {length_text(left.total())}"
        )
    return left


def unpainted(studio: Studio) -> dict[int, list[Turn]]:
    """What must be painted, by the shots' first frames, in order."""
    return {first: painter.missing() for first, painter in studio.painters.items()}


def time_left(studio: Studio, work: dict[int, list[Turn]]) -> TimeLeft:
    """The time that painting will take, by a trial of the method."""
    kinds = [studio.painters[first].kind(turn) for first, turns in work.items() for turn in turns]
    size = studio.plan.size
    with enough_memory(size):
        first, later = trial(studio.stylizer(), size) if kinds else (0.0, 0.0)
        if later and 1 in kinds:
            later += studio.flows.seconds_per_frame(size)
    return TimeLeft((kinds.count(0), kinds.count(1)), (first, later))


def trial(stylizer: Stylizer, size: tuple[int, int]) -> tuple[float, float]:
    """What painting a frame of ``(width, height)`` takes, of each kind: tried on a smaller one where it is large."""
    scale = min(1.0, math.sqrt(TRIAL_PIXELS / (size[0] * size[1])))
    width, height = (max(min(side, TRIAL_SIDE), round(side * scale)) for side in size)
    first, later = stylizer.seconds_per_frame((width, height))
    times = size[0] * size[1] / (width * height)
    return times * first, times * later
