"""Runs a plan: paints every shot, then encodes the movie in one go."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from vidstyle import __version__
from vidstyle.config import NoneSettings
from vidstyle.errors import MediaError, PaintError, VidstyleError
from vidstyle.flow import FlowMethod, flow_method
from vidstyle.media import MovieWriter, find_ffmpeg
from vidstyle.nets.encoder import EncoderOptions, check_layers, load_encoder
from vidstyle.nets.weights import read_weights
from vidstyle.pipeline.demand import Consistencies, Flows, Frames, Painter, Recent
from vidstyle.pipeline.devices import choose_device
from vidstyle.pipeline.events import Monitor
from vidstyle.pipeline.given_flow import GivenFlow
from vidstyle.pipeline.images import read_image
from vidstyle.pipeline.painted import Painted
from vidstyle.pipeline.plan import Plan, file_record, output_name
from vidstyle.pipeline.stages import Shot
from vidstyle.store import publish, sweep, temporary_path
from vidstyle.stylize.base import Stylizer
from vidstyle.stylize.none import NoneStylizer
from vidstyle.stylize.optimize import OptimizeStylizer


class ShotsFailed(VidstyleError):  # noqa: N818 (named for what it says)
    """Some shots could not be painted; the others are."""

    exit_code = 3


def run(plan: Plan, monitor: Monitor) -> None:
    """Paint what is not painted, then write the output movie.

    Raises:
        Interrupted: the monitor wished to stop; everything finished is stored.
        ShotsFailed: some shots failed; all others are painted and stored, and no movie is written.
        MediaError, StoreError, OutputError: ffmpeg failed, the cache or the output cannot be written.
    """
    with Studio(plan, monitor) as studio:
        failures = paint_all(studio)
        if failures:
            raise ShotsFailed(f"{len(failures)} of {len(plan.shots)} shots failed, the others are kept; {failures[0]}")
        write_movie(studio)


class Studio(contextlib.AbstractContextManager["Studio"]):
    """What painting and writing share: sources by demand, one painter per shot, one stylizer for all."""

    def __init__(self, plan: Plan, monitor: Monitor) -> None:
        self.plan, self.monitor = plan, monitor
        self.device = choose_device(plan.request.device)
        tools = tool_versions()
        stages, request = plan.stages, plan.request
        self.frames = Frames(stages.decode, plan.movie, plan.timeline, plan.frames[1], plan.size, tools)
        method = cache(lambda: build_flow_method(plan, self.device))
        self.flows = Flows(stages.flow, self.frames, method, GivenFlow.of(plan, monitor.note), tools)
        self.consistencies = Consistencies(stages.consistency, self.flows, request.consistency, tools)
        recent: Recent[Painted] = Recent()  # one for all shots, of which there may be many
        self.stylizer: Callable[[], Stylizer] = cache(lambda: build_stylizer(plan, self.device))
        self.painters = {
            first: Painter(
                shelf=stages.stylize(first),
                seed_key=stages.seed_key(first),
                first=first,
                recent=recent,
                frames=self.frames,
                consistencies=self.consistencies,
                stylizer=self.stylizer,
                device=self.device,
                timeline=plan.timeline,
                tools=tools,
            )
            for first, _ in plan.shots
        }

    def __exit__(self, *error: object) -> None:
        self.frames.close()
        self.flows.close()


def build_flow_method(plan: Plan, device: torch.device) -> FlowMethod[Any]:
    """The flow method that was asked for, its network (where it has one) on ``device``."""
    weights = None if plan.weights.flow is None else read_weights(plan.weights.flow)
    return flow_method(plan.request.flow, weights, device)


def build_stylizer(plan: Plan, device: torch.device) -> Stylizer:
    """The method that was asked for, with its networks on ``device``."""
    settings = plan.request.stylize_settings
    if isinstance(settings, NoneSettings):
        return NoneStylizer()
    assert plan.weights.encoder is not None
    options = EncoderOptions(settings.pooling, settings.normalized)
    precision = plan.stages.inputs.precision
    encoder = load_encoder(settings.encoder, plan.weights.encoder, device, options, precision)
    check_layers(encoder, (*settings.content_layers, *settings.style_layers))
    images = [torch.from_numpy(read_image(Path(s.path))).to(device) for s in plan.request.styles]
    return OptimizeStylizer(settings, encoder, images, plan.size)


def tool_versions() -> dict[str, str]:
    """What made an artifact: shown and warned about, not part of its key."""
    return {
        "vidstyle": __version__,
        "torch": torch.__version__,
        "ffmpeg": find_ffmpeg().version,
        "opencv": next((version(p) for p in OPENCV_PACKAGES if is_installed(p)), "unknown"),
    }


OPENCV_PACKAGES = ("opencv-contrib-python", "opencv-contrib-python-headless", "opencv-python")


def is_installed(package: str) -> bool:
    with contextlib.suppress(ImportError):
        return bool(version(package))
    return False


class TimeLeft:
    """Seconds until everything is painted: estimated at first, measured as soon as frames are done."""

    def __init__(self, first_frames: int, later_frames: int, estimate: tuple[float, float]) -> None:
        self.left = [first_frames, later_frames]
        self.seconds = [0.0, 0.0]
        self.done = [0, 0]
        self.estimate = estimate

    def per_frame(self, kind: int) -> float:
        return self.seconds[kind] / self.done[kind] if self.done[kind] else self.estimate[kind]

    def add(self, is_first: bool, seconds: float) -> None:
        kind = 0 if is_first else 1
        self.left[kind] -= 1
        self.done[kind] += 1
        self.seconds[kind] += seconds

    def total(self) -> float:
        return sum(self.left[kind] * self.per_frame(kind) for kind in (0, 1))


def paint_all(studio: Studio) -> list[str]:
    """Paint every frame that is not stored; what went wrong with the shots that failed."""
    plan, monitor = studio.plan, studio.monitor
    missing = unpainted(studio)
    if not missing:
        return []
    monitor.check()
    left = time_left(studio, missing)
    if left.total() > 0:
        monitor.note(
            f"painting {len(missing)} of {plan.frame_count} frames at {plan.size[0]}×{plan.size[1]} on "
            f"{studio.device} will take about {duration(left.total())}"
        )
    failures = []
    for shot in plan.shots:
        try:
            paint_shot(studio, shot, left)
        except (MediaError, PaintError) as error:
            failures.append(f"shot at frame {shot[0]}: {error}")
            monitor.note(failures[-1])
    return failures


def unpainted(studio: Studio) -> list[int]:
    """The frames that were asked for and are not stored."""
    return [frame for shot in studio.plan.shots for frame in unpainted_of(studio, shot)]


def unpainted_of(studio: Studio, shot: Shot) -> Iterator[int]:
    painter = studio.painters[shot[0]]
    return (frame for frame in range(*shot) if not painter.has(frame))


def time_left(studio: Studio, frames: list[int]) -> TimeLeft:
    """The time that painting ``frames`` will take, by a trial of the method at their size."""
    firsts = sum(frame in studio.painters for frame in frames)
    with enough_memory(studio.plan.size):
        first, later = studio.stylizer().seconds_per_frame(studio.plan.size) if frames else (0.0, 0.0)
        if later and len(frames) > firsts:
            later += studio.flows.seconds_per_frame(studio.plan.size)
    return TimeLeft(firsts, len(frames) - firsts, (first, later))


def paint_shot(studio: Studio, shot: Shot, left: TimeLeft) -> None:
    """Paint what is missing of one shot, saying after each step how far everything is."""
    painter, monitor, offset = studio.painters[shot[0]], studio.monitor, studio.plan.frames[0]
    for frame in unpainted_of(studio, shot):
        monitor.check()
        is_first = frame == shot[0]
        started = time.monotonic()

        def watch(share: float, frame: int = frame, is_first: bool = is_first) -> None:
            rest = left.total() - share * left.per_frame(0 if is_first else 1)
            monitor.progress("paint", frame - offset + share, studio.plan.frame_count, rest)

        with enough_memory(studio.plan.size):
            painter.get(frame, watch)
        left.add(is_first, time.monotonic() - started)
        monitor.progress("paint", frame - offset + 1, studio.plan.frame_count, left.total())


@contextlib.contextmanager
def enough_memory(size: tuple[int, int]) -> Iterator[None]:
    """Say in one line when there is too little memory, on a GPU or off it."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        # Off the GPU torch raises a bare RuntimeError.
        if type(error) is RuntimeError and "allocate memory" not in str(error):
            raise
        raise PaintError(
            f"too little memory to paint {size[0]}×{size[1]}: give a smaller --height, or a smaller scale of the style"
        ) from error


def write_movie(studio: Studio) -> None:
    """Encode all frames to a temporary name beside the output, and rename it when ffmpeg has ended well."""
    plan, monitor = studio.plan, studio.monitor
    output, settings = Path(plan.request.output), plan.request.encode
    sweep(output.parent)
    temporary = temporary_path(output, keep_suffix=True)
    try:
        with MovieWriter(
            temporary,
            plan.movie,
            plan.timeline,
            *plan.frames,
            plan.size,
            codec=settings.codec,
            crf=settings.crf,
            preset=settings.preset,
            pix_fmt=settings.pix_fmt,
            trim=plan.request.is_part,
        ) as writer:
            for note in writer.notes:
                monitor.note(note)
            for shot in plan.shots:
                for frame in range(*shot):
                    monitor.check()
                    writer.write(studio.painters[shot[0]].get(frame).pixels)
                    monitor.progress("encode", frame - plan.frames[0] + 1, plan.frame_count)
            writer.finish()
        # Noted first, as a rename changes none of it: killed between the two, the file would not be known as ours.
        plan.stages.encode(plan.shots).save(output_name(plan), file_record(temporary))
        publish(temporary, output)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def duration(seconds: float) -> str:
    """Seconds as people say them: "40 s", "12 min", "3 h 05 min"."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
