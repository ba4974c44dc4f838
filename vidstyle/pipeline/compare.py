"""Measures painted movies against the movie that they were made from: flicker, style and content, frame by frame."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vidstyle.config import FlowSettings, NoneSettings
from vidstyle.errors import InputError
from vidstyle.media import Movie, Timeline, probe, read_frames
from vidstyle.metrics import Judge, Judgement, warping_error
from vidstyle.nets.encoder import find_weights, load_encoder
from vidstyle.pipeline.devices import choose_device
from vidstyle.pipeline.events import Monitor
from vidstyle.pipeline.images import read_image
from vidstyle.pipeline.plan import Plan, assemble, flow_network_weights, load_timeline
from vidstyle.pipeline.request import Request, Style, absolute
from vidstyle.pipeline.stages import Shot, Weights, digest_flow_inputs, digest_movie
from vidstyle.pipeline.studio import Studio
from vidstyle.pipeline.styles import is_trained
from vidstyle.store import Store, frame_to_float, mask_to_float
from vidstyle.stylize.style import resize_style

UNPAINTED = Judgement(style=1.0, content=0.0)  # by definition


@dataclass(frozen=True)
class Question:
    """What is to be compared."""

    movie: str
    stylized: tuple[str, ...]
    style: Style | None = None  # None: style and content are not measured
    flow: FlowSettings = field(default_factory=FlowSettings)
    flow_weights: str | None = None  # of RAFT: a file of the user's own
    start: Fraction | None = None  # seconds from the movie's start
    end: Fraction | None = None
    device: str = "auto"

    @property
    def inputs(self) -> list[tuple[str, str | None]]:
        """What is read: what each file is, and its path; None for what is not given."""
        style = None if self.style is None else self.style.path
        painted = [(f"stylized movie {path}", path) for path in self.stylized]
        return [("movie", self.movie), *painted, ("style", style), ("flow's weights", self.flow_weights)]


@dataclass(frozen=True)
class Curves:
    """What was measured of one movie, a value a frame. NaN where there is none: no frame before, nothing trusted."""

    warping_error: list[float] = field(default_factory=list)
    style: list[float] = field(default_factory=list)  # empty where no style was given
    content: list[float] = field(default_factory=list)

    def means(self) -> dict[str, float | None]:
        """Over all frames that have a value; None where none has."""
        return {name: mean(values) for name, values in vars(self).items() if values}


@dataclass(frozen=True)
class Comparison:
    """The answer. ``movies`` are the stylized ones in the order they were given in."""

    size: tuple[int, int]  # width and height that everything was measured at
    times: list[float]  # of every frame, in seconds from the movie's first
    shots: list[Shot]
    input: Curves  # the movie itself: its warping error is the floor, for no flow is perfect
    movies: list[tuple[str, Curves]]


@dataclass(frozen=True)
class Opened:
    """A stylized movie, and which of its frames are compared."""

    movie: Movie
    timeline: Timeline
    frames: Shot


def mean(values: Sequence[float]) -> float | None:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else None


def compare(question: Question, root: Path, monitor: Monitor) -> Comparison:
    """Measure the stylized movies, frame by frame and in one go: memory does not grow but by a few numbers a frame.

    Frames, flow and masks of the movie are those of a job of the same size and flow, and are taken from the cache
    below ``root`` or put there. Everything is measured at the size of the stylized movies.

    Raises:
        InputError: a file is no movie or picture, the movies are of different sizes, or a frame has no counterpart.
        Interrupted: the monitor wished to stop.
    """
    store = Store(root, monitor.note)
    if question.style is not None:
        check_style(question.style)
    movies = [probe(Path(path)) for path in question.stylized]
    plan = make_plan(question, same_size(movies), store, monitor)
    opened = [open_stylized(movie, plan, store, monitor) for movie in movies]
    device = choose_device(question.device)
    judge = None if question.style is None else make_judge(question.style, plan.size, device)
    curves = [Curves() for _ in range(1 + len(opened))]
    zero = plan.timeline.time(0)
    with Studio(plan, monitor) as studio, contextlib.closing(side_by_side(studio, opened)) as rows:
        before: list[Tensor] = []
        for number, row in zip(range(*plan.frames), rows, strict=True):
            monitor.check()
            now = [torch.from_numpy(frame_to_float(pixels)).to(device) for pixels in row]
            for curve, error in zip(curves, errors(studio, number, now, before), strict=True):
                curve.warping_error.append(error)
            if judge is not None:
                for curve, said in zip(curves, [UNPAINTED, *judge(now[0], now[1:])], strict=True):
                    curve.style.append(said.style)
                    curve.content.append(said.content)
            before = now
            monitor.progress("compare", number + 1 - plan.frames[0], plan.frame_count)
    return Comparison(
        size=plan.size,
        times=[float(plan.timeline.time(number) - zero) for number in range(*plan.frames)],
        shots=plan.shots,
        input=curves[0],
        movies=list(zip(question.stylized, curves[1:], strict=True)),
    )


def same_size(movies: list[Movie]) -> tuple[int, int]:
    """Width and height of all. InputError where they differ: an error of one size says nothing of another."""
    first = movies[0]
    for movie in movies[1:]:
        if (movie.width, movie.height) != (first.width, first.height):
            raise InputError(
                f"{movie.path} is {movie.width}×{movie.height}, {first.path} {first.width}×{first.height}: "
                "only movies of one size can be compared"
            )
    return first.width, first.height


def make_plan(question: Question, size: tuple[int, int], store: Store, monitor: Monitor) -> Plan:
    """The plan of a job that looks at the movie at ``size`` and paints nothing."""
    request = Request(
        movie=absolute(question.movie),
        output="",  # nothing is written
        stylize=NoneSettings(),
        flow=question.flow,
        width=size[0],
        height=size[1],
        start=question.start,
        end=question.end,
        flow_weights=question.flow_weights and absolute(question.flow_weights),
        device=question.device,
    )
    movie = probe(Path(request.movie))
    weights = Weights(flow=flow_network_weights(request, monitor.note))
    inputs = digest_flow_inputs(request, store, weights, choose_device(request.device).type)
    timeline = load_timeline(store, movie, inputs.movie, request.end, monitor, may_scan=True)
    if (movie.width, movie.height) != size:
        monitor.note(f"everything is measured at {size[0]}×{size[1]}, the size of the stylized movies")
    return assemble(request, store, inputs, movie, timeline, weights)


def open_stylized(movie: Movie, plan: Plan, store: Store, monitor: Monitor) -> Opened:
    """Find the plan's frames in a stylized movie. InputError where one is missing."""
    digest = digest_movie(movie.path, store.digests)
    timeline = load_timeline(store, movie, digest, None, monitor, may_scan=True)
    in_order = movie.path.is_dir() or plan.movie.path.is_dir()  # pictures have no times of their own
    frames = counterpart(plan, timeline, in_order)
    if frames is None:
        begin, end = plan.frames
        raise InputError(
            f"{movie.path} has {len(timeline)} frames, and not those of the movie's {end - begin} at their times: "
            "give the --start and --end that it was painted with"
        )
    return Opened(movie, timeline, frames)


def counterpart(plan: Plan, timeline: Timeline, in_order: bool = False) -> Shot | None:
    """Where the plan's frames are in a stylized movie: at the same times, or as a part whose time begins at zero.

    ``in_order``: times say nothing, the frames are those of the movie one by one.
    """
    begin, end = plan.frames
    ours, theirs = (np.arange(len(line) + 1.0) if in_order else seconds(line) for line in (plan.timeline, timeline))
    slack = np.diff(ours[begin : end + 1]).min() / 2  # other containers count in other ticks
    is_whole = len(theirs) > end if plan.request.is_part else len(theirs) == len(ours)
    if is_whole and np.abs(theirs[:end] - ours[:end]).max() < slack:
        return begin, end
    is_part = plan.request.is_part and len(theirs) - 1 == end - begin
    if is_part and np.abs(theirs[:-1] - (ours[begin:end] - ours[begin])).max() < slack:
        return 0, end - begin
    return None


def seconds(timeline: Timeline) -> NDArray[np.float64]:
    """When each frame begins and the last one ends, from the first on: (N + 1,)."""
    ticks = np.append(timeline.pts, timeline.ticks(len(timeline)))
    return (ticks - timeline.pts[0]) * float(timeline.time_base)


def check_style(style: Style) -> None:
    """Raise InputError for a style without a picture: trained styles hold no paintings."""
    if is_trained(style.path) and not Path(style.path).exists():
        raise InputError(f"--style {style.path} is a trained style: give the picture that it was trained on")
    read_image(Path(style.path))


def make_judge(style: Style, size: tuple[int, int], device: torch.device) -> Judge:
    """A judge that sees as the embedded network does, and the style as a job of this size would paint it."""
    encoder = load_encoder("compact", find_weights("compact"), device)
    image = torch.from_numpy(read_image(Path(style.path))).to(device)
    return Judge(encoder, resize_style(image, size, style.scale)[0])


def side_by_side(studio: Studio, opened: list[Opened]) -> Generator[list[NDArray[Any]], None, None]:
    """The pixels of each frame: the movie's own, then those of the stylized movies."""
    with contextlib.ExitStack() as stack:
        readers = []
        for other in opened:
            reader = read_frames(other.movie, other.timeline, *other.frames, studio.plan.size)
            readers.append(stack.enter_context(contextlib.closing(reader)))  # type: ignore[type-var]  # a generator
        for number in range(*studio.plan.frames):
            yield [studio.frames.get(number), *(next(reader)[1] for reader in readers)]


def errors(studio: Studio, number: int, now: list[Tensor], before: list[Tensor]) -> list[float]:
    """The warping error of every movie from the frame before; NaN for the first of a shot."""
    if number in studio.painters:
        return [math.nan] * len(now)
    levels, flow = studio.consistencies.get(number, number - 1)
    motion, mask = (torch.from_numpy(array).to(studio.device) for array in (flow, mask_to_float(levels)))
    return [warping_error(frame, earlier, motion, mask) for frame, earlier in zip(now, before, strict=True)]
