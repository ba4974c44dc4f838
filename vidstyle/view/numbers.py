"""Frames in numbers: what is measured of each, which of them stand out, and all of it as a table or over time."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from vidstyle.view.plot import Panel, Point
from vidstyle.view.stats import FlowStatistics

MARKED = 3
"""Frames that are called the worst, by each measure."""


@dataclass(frozen=True)
class Numbers:
    """What is known of one frame."""

    flow: FlowStatistics | None = None
    trusted: float | None = None  # share of pixels whose flow can be trusted
    error: float | None = None  # of warping the frame before by the flow; see metrics.warping_error
    original: bool = False  # whether the decoded frame is there
    painted: bool = False  # whether the stylized frame is there


@dataclass(frozen=True)
class Measure:
    """One number of a frame."""

    name: str  # in JSON
    heading: str  # of its column; without blanks, so that programs can read the table too
    of: Callable[[Numbers], float | None]
    text: str  # how the table formats it
    digits: int | None  # behind the point in JSON; None: four that count
    worst: str = ""  # what the frames are called that stand out; "": none do
    low_is_bad: bool = False


def of_flow(name: str) -> Callable[[Numbers], float | None]:
    return lambda numbers: None if numbers.flow is None else getattr(numbers.flow, name)


MOTION = (
    Measure("mean", "mean_px", of_flow("mean"), "{:.2f}", 3),
    Measure("median", "median_px", of_flow("median"), "{:.2f}", 3),
    Measure("percentile_95", "95%_px", of_flow("percentile_95"), "{:.2f}", 3, worst="most-motion"),
    Measure("maximum", "max_px", of_flow("maximum"), "{:.2f}", 3),
    Measure("trusted", "trusted", lambda n: n.trusted, "{:.1%}", 4, worst="least-trusted", low_is_bad=True),
    Measure("warping_error", "error", lambda n: n.error, "{:.6f}", None, worst="largest-error"),
)
"""Of a frame's flow to the frame before."""

PAINTING = (
    Measure("original", "original", lambda n: float(n.original), "{:.0f}", 0),
    Measure("painted", "painted", lambda n: float(n.painted), "{:.0f}", 0),
)
"""Whether the frame is there before and after painting: 1 or 0."""


def record(measures: Sequence[Measure], numbers: Numbers) -> dict[str, float | None]:
    """For JSON: rounded to what the numbers can bear; None for what is not known."""

    def rounded(measure: Measure) -> float | None:
        value = measure.of(numbers)
        if value is None or measure.digits is None:
            return None if value is None else float(f"{value:.4g}")
        return round(value, measure.digits)

    return {measure.name: rounded(measure) for measure in measures}


def worst_frames(measures: Sequence[Measure], frames: Mapping[int, Numbers]) -> dict[str, list[int]]:
    """By measure, the few frames that stand out, worst first. None of them is better than half of all frames."""
    found = {}
    for measure in (m for m in measures if m.worst):
        sign = 1 if measure.low_is_bad else -1
        badness = {frame: sign * value for frame, n in frames.items() if (value := measure.of(n)) is not None}
        usual = statistics.median(badness.values()) if badness else 0.0
        ranked = sorted((frame for frame in badness if badness[frame] < usual), key=lambda frame: badness[frame])
        found[measure.name] = ranked[:MARKED]
    return found


def frame_table(
    measures: Sequence[Measure],
    frames: Mapping[int, Numbers],
    worst: Mapping[str, Sequence[int]],
    place: Callable[[int], tuple[str, str]],
) -> list[tuple[str, ...]]:
    """One row a frame, the first row the header; no cell has blanks in it, "-" is what is not known.

    Args:
        worst: as ``worst_frames`` gives them; named in the last column.
        place: a frame's time and its shot, as text.
    """
    rows = [("frame", "time", "shot", *(measure.heading for measure in measures), "worst")]
    for frame, numbers in frames.items():
        values = [(measure.text, measure.of(numbers)) for measure in measures]
        cells = ["-" if value is None else text.format(value) for text, value in values]
        names = [measure.worst for measure in measures if frame in worst.get(measure.name, ())]
        rows.append((str(frame), *place(frame), *cells, ",".join(names) or "-"))
    return rows


def motion_panels(
    frames: Sequence[int], numbers: Mapping[int, Numbers], seconds: Callable[[int], float]
) -> tuple[list[Panel], dict[str, list[Point]]]:
    """What ``plot_curves`` takes: motion, trust and warping error of ``frames`` over time, the worst ones labelled."""
    x = [seconds(frame) for frame in frames]
    measure_of = {measure.name: measure for measure in MOTION}

    def curve(name: str, factor: float = 1.0) -> tuple[list[float], list[float]]:
        values = [measure_of[name].of(numbers[frame]) if frame in numbers else None for frame in frames]
        return x, [math.nan if value is None else factor * value for value in values]

    motion, trust, error = "Motion", "Pixels whose flow can be trusted", "Warping error of the movie, trusted pixels"
    panels: list[Panel] = [
        (motion, "px", {"95 %": curve("percentile_95"), "mean": curve("mean"), "median": curve("median")}),
        (trust, "%", {"trusted": curve("trusted", 100)}),
        (error, "", {"error": curve("warping_error")}),
    ]
    worst = worst_frames(MOTION, numbers)
    title_of = {"percentile_95": (motion, 1.0), "trusted": (trust, 100.0), "warping_error": (error, 1.0)}
    points = {}
    for name, (title, factor) in title_of.items():
        heights = {frame: measure_of[name].of(numbers[frame]) for frame in worst[name]}
        points[title] = [(seconds(f), factor * y, f"frame {f}") for f, y in heights.items() if y is not None]
    return panels, points


def summary(measures: Sequence[Measure], worst: Mapping[str, Sequence[int]]) -> list[str]:
    """One line on each measure's worst frames."""
    named = [(measure.worst.replace("-", " "), worst.get(measure.name, ())) for measure in measures if measure.worst]
    return [f"{name}: frame {', '.join(map(str, frames))}" for name, frames in named if frames]
