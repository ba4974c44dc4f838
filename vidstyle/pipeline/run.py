"""Runs a plan: paints every shot, then encodes the movie in one go."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from vidstyle import __version__
from vidstyle.config import NoneSettings, OptimizeSettings, RecurrentSettings, StyleSettings
from vidstyle.errors import MediaError, PaintError, VidstyleError
from vidstyle.flow import FlowMethod, flow_method
from vidstyle.media import find_ffmpeg, open_writer
from vidstyle.nets.encoder import EncoderOptions, check_layers, load_encoder
from vidstyle.nets.tiled import TiledEncoder
from vidstyle.nets.weights import read_weights
from vidstyle.pipeline.budget import Budget
from vidstyle.pipeline.demand import REMEMBERED, Ahead, Consistencies, Flows, Frames, Painter, Recent
from vidstyle.pipeline.devices import choose_device
from vidstyle.pipeline.events import Monitor
from vidstyle.pipeline.given_flow import GivenFlow
from vidstyle.pipeline.images import read_image
from vidstyle.pipeline.masks import Masks
from vidstyle.pipeline.painted import Painted
from vidstyle.pipeline.plan import Plan, file_record, output_name
from vidstyle.pipeline.request import why_method
from vidstyle.pipeline.stages import Shot
from vidstyle.pipeline.styles import trained_styles
from vidstyle.store import discard, publish, sweep, temporary_path
from vidstyle.stylize.base import Stylizer
from vidstyle.stylize.mixing import Shares, shares_at, weights_at
from vidstyle.stylize.none import NoneStylizer
from vidstyle.stylize.optimize import OptimizeStylizer, affordable_history
from vidstyle.stylize.recurrent import RecurrentStylizer
from vidstyle.stylize.schedule import Turn


class ShotsFailed(VidstyleError):  # noqa: N818 (named for what it says)
    """Some shots could not be painted; the others are."""

    exit_code = 3


def run(plan: Plan, monitor: Monitor, cache_limit: int | None = None) -> None:
    """Paint what is not painted and write the output movie, frame by frame.

    Args:
        cache_limit: bytes that the cache folder stays under; None: as many as it takes.
    Raises:
        Interrupted: the monitor wished to stop; everything finished is stored.
        ShotsFailed: some shots failed, and no movie is written; all others are painted and stored, if they can be.
        MediaError, StoreError, OutputError: ffmpeg failed, the cache or the output cannot be written.
    """
    with Studio(plan, monitor, cache_limit) as studio:
        left = time_to_paint(studio)
        try:
            write_movie(studio, left)
        except ShotFailed as failure:
            failures = [failure, *paint_others(studio, failure.shot, left)]
            kept = "the others are kept" if studio.has_room else "what the cache has room for is kept"
            if not plan.stages.store.keeps:
                kept = "nothing is kept"
            raise ShotsFailed(f"{len(failures)} of {len(plan.shots)} shots failed, {kept}; {failures[0]}") from failure
        if studio.budget is not None:
            studio.budget.hold(plan.frames[1], needed=plan.frames[1], written=True)


class ShotFailed(VidstyleError):  # noqa: N818
    """One shot could not be painted."""

    def __init__(self, shot: Shot, error: VidstyleError) -> None:
        super().__init__(f"shot at frame {shot[0]}: {error}")
        self.shot = shot


class Studio(contextlib.AbstractContextManager["Studio"]):
    """What painting and writing share: sources by demand, one painter per shot, one stylizer for all."""

    def __init__(self, plan: Plan, monitor: Monitor, cache_limit: int | None = None) -> None:
        self.plan, self.monitor = plan, monitor
        self.budget = None if cache_limit is None else Budget(plan, cache_limit, monitor.note)
        self.has_room = plan.stages.store.keeps  # for what is painted next
        self.saving = contextlib.ExitStack()
        self.device = choose_device(plan.request.device)
        tools = tool_versions()
        stages, request = plan.stages, plan.request
        self.frames = Frames(stages.decode, plan.movie, plan.timeline, plan.frames[1], plan.size, tools)
        method = cache(lambda: build_flow_method(plan, self.device))
        self.flows = Flows(stages.flow, self.frames, method, GivenFlow.of(plan, monitor.note), tools)
        self.consistencies = Consistencies(stages.consistency, self.flows, request.consistency, tools)
        self.masks = Masks(plan, tools)
        # Beside optimisation it would not be noticed: there flow takes a hundredth of the time.
        self.ahead = Ahead() if isinstance(request.stylize, RecurrentSettings) else None
        self.recent: Recent[Painted] = Recent()  # one for all shots, of which there may be many
        self.stylizer: Callable[[], Stylizer] = cache(lambda: build_stylizer(plan, self.device, self.masks))
        self.painters = {
            shot[0]: Painter(
                shot=shot,
                schedule=stages.schedule,
                shelves=[stages.stylize(shot, number) for number in range(stages.schedule.passes)],
                seed_keys=[stages.seed_key(shot, number) for number in range(stages.schedule.passes)],
                recent=self.recent,
                frames=self.frames,
                consistencies=self.consistencies,
                stylizer=self.stylizer,
                device=self.device,
                timeline=plan.timeline,
                tools=tools,
                ahead=self.ahead,
            )
            for shot in plan.shots
        }

    def check(self) -> None:
        """Between frames: see that the last one is stored, and whether to stop."""
        self.plan.stages.store.settle()
        self.monitor.check()

    def make_room(self, shot: Shot, turn: Turn, written: bool) -> bool:
        """Make room for ``turn``, on the disk (see ``Budget.hold``) or in memory. Whether there is room to keep it."""
        schedule = self.plan.stages.schedule
        needed = schedule.looks_back_to(turn, shot)
        if not self.plan.stages.store.keeps:
            for recent in (self.recent, self.frames.recent, self.flows.prepared):
                recent.size = max(REMEMBERED, turn.frame - needed + 1)
        elif self.budget is not None:
            done = turn.frame if schedule.passes == 1 else shot[0]
            self.has_room = self.budget.hold(done, needed, written)
        return self.has_room

    def __enter__(self) -> Studio:
        self.saving.enter_context(self.plan.stages.store.in_background())
        return self

    def __exit__(self, *error: Any) -> None:
        if self.ahead is not None:
            self.ahead.close()
        self.frames.close()
        self.masks.close()
        self.flows.close()
        self.saving.__exit__(*error)


def build_flow_method(plan: Plan, device: torch.device) -> FlowMethod[Any]:
    """The flow method that was asked for, its network (where it has one) on ``device``."""
    weights = None if plan.weights.flow is None else read_weights(plan.weights.flow)
    return flow_method(plan.request.flow, weights, device)


def build_stylizer(plan: Plan, device: torch.device, masks: Masks) -> Stylizer:
    """The method that was asked for, with its networks on ``device``."""
    settings = plan.request.stylize_settings
    if isinstance(settings, NoneSettings):
        return NoneStylizer()
    shares = style_shares(plan, settings.styles, masks, device)
    precision = plan.stages.inputs.precision
    if isinstance(settings, RecurrentSettings):
        trained = trained_styles([(style.path, style.trained_name) for style in plan.request.styles])
        keeps = settings.keep_colors == "luminance"
        return RecurrentStylizer(trained, shares, device, getattr(torch, precision), keeps)
    assert plan.weights.encoder is not None
    options = EncoderOptions(settings.pooling, settings.normalized)
    encoder = TiledEncoder(load_encoder(settings.encoder, plan.weights.encoder, device, options, precision))
    check_layers(encoder, (*settings.content_levels, *settings.style_levels))
    images = [torch.from_numpy(read_image(Path(s.path))).to(device) for s in plan.request.styles]
    return OptimizeStylizer(settings, encoder, images, plan.size, shares)


def style_shares(
    plan: Plan, styles: Sequence[StyleSettings], masks: Masks, device: torch.device
) -> Callable[[int], Shares]:
    """What each style has of a frame, by the frame's number."""

    def shares(frame: int) -> Shares:
        time = plan.timeline.time(frame) - plan.timeline.time(0)
        if not masks.any:
            return weights_at(styles, time)
        areas = [None if mask is None else torch.from_numpy(mask).to(device) for mask in masks.at(time)]
        return shares_at(styles, time, areas)

    return shares


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
    if any(work.values()):
        monitor.check()
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
            f"{studio.device} will take about {duration(left.total())}"
        )
    return left


def paint_others(studio: Studio, failed: Shot, left: TimeLeft) -> list[ShotFailed]:
    """Paint the shots after one that failed, while there is room to keep them; those that fail too."""
    failures: list[ShotFailed] = []
    for shot in studio.plan.shots:
        try:
            if shot > failed:
                paint_shot(studio, shot, left)
        except ShotFailed as failure:
            failures.append(failure)
    return failures


def unpainted(studio: Studio) -> dict[int, list[Turn]]:
    """What must be painted, by the shots' first frames, in order."""
    return {first: painter.missing() for first, painter in studio.painters.items()}


def time_left(studio: Studio, work: dict[int, list[Turn]]) -> TimeLeft:
    """The time that painting will take, by a trial of the method at the movie's size."""
    kinds = [studio.painters[first].kind(turn) for first, turns in work.items() for turn in turns]
    with enough_memory(studio.plan.size):
        first, later = studio.stylizer().seconds_per_frame(studio.plan.size) if kinds else (0.0, 0.0)
        if later and 1 in kinds:
            later += studio.flows.seconds_per_frame(studio.plan.size)
    return TimeLeft((kinds.count(0), kinds.count(1)), (first, later))


def paint_shot(studio: Studio, shot: Shot, left: TimeLeft) -> None:
    """Paint what is missing of one shot, while there is room."""
    for turn in studio.painters[shot[0]].missing():
        studio.check()
        if not studio.make_room(shot, turn, written=False):
            return
        paint_turn(studio, shot, turn, left)


def paint_turn(studio: Studio, shot: Shot, turn: Turn, left: TimeLeft) -> None:
    """Paint one frame of a shot in one pass, saying after each step how far everything is.

    Raises:
        ShotFailed: it cannot be painted; that is said, too.
    """
    painter, monitor, count = studio.painters[shot[0]], studio.monitor, studio.plan.frame_count
    kind, started = painter.kind(turn), time.monotonic()

    def tell(share: float) -> None:
        done = count - (sum(left.left) - share) / painter.schedule.passes
        monitor.progress("paint", done, count, left.total() - share * left.per_turn(kind))

    try:
        with enough_memory(studio.plan.size):
            painter.get(turn, tell)
    except (MediaError, PaintError) as error:
        failure = ShotFailed(shot, error)
        monitor.note(str(failure))
        raise failure from error
    left.add(kind, time.monotonic() - started)
    tell(0.0)


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


def write_movie(studio: Studio, left: TimeLeft) -> None:
    """Encode all frames to a temporary name beside the output, and rename it when all has ended well.

    What is not stored is painted when it is its turn: encoding takes place beside the painting.
    """
    plan, monitor = studio.plan, studio.monitor
    output, settings = Path(plan.request.output), plan.request.encode
    sweep(output.parent)
    temporary = temporary_path(output, keep_suffix=True)
    try:
        with open_writer(
            plan.request.output,
            temporary,
            plan.movie,
            plan.timeline,
            plan.frames,
            plan.size,
            codec=settings.codec,
            crf=settings.crf,
            preset=settings.preset,
            pix_fmt=settings.pix_fmt,
            trim=plan.request.is_part,
            bit_depth=plan.movie.working_depth,
        ) as writer:
            for note in writer.notes:
                monitor.note(note)
            for done, (shot, frame) in enumerate(frames_of(plan, writer.passes), 1):
                studio.check()
                writer.write(picture(studio, shot, frame, left).pixels)
                if left.is_over or done == plan.frame_count:  # before, painting is what takes the time
                    monitor.progress("encode", done / writer.passes, plan.frame_count)
            writer.finish()
        # Noted first, as a rename changes none of it: killed between the two, the file would not be known as ours.
        plan.stages.encode(plan.shots).save(output_name(plan), file_record(temporary))
        plan.stages.store.settle()
        publish(temporary, output)
    except BaseException:
        discard(temporary)
        raise


def frames_of(plan: Plan, times: int) -> Iterator[tuple[Shot, int]]:
    """(its shot, frame) of all frames in order, so many times over."""
    for _ in range(times):
        for shot in plan.shots:
            yield from ((shot, frame) for frame in range(*shot))


def picture(studio: Studio, shot: Shot, frame: int, left: TimeLeft) -> Painted:
    """The stylized frame, stored or painted now."""
    painter = studio.painters[shot[0]]
    for turn in painter.missing_for(frame):
        studio.check()
        studio.make_room(shot, turn, written=True)
        paint_turn(studio, shot, turn, left)
    return painter.final(frame)


def duration(seconds: float) -> str:
    """Seconds as people say them: "40 s", "12 min", "3 h 05 min"."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
