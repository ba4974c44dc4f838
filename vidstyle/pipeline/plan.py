"""From a request to a plan: which frames, which shots, which keys. Nothing is painted here."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from vidstyle.config import RAFT_METHODS, NoneSettings, OptimizeSettings
from vidstyle.errors import InputError
from vidstyle.media import Movie, Timeline, check_encoder, check_output, probe, scan
from vidstyle.nets.encoder import find_weights
from vidstyle.nets.weights import fetch
from vidstyle.pipeline.devices import choose_device
from vidstyle.pipeline.events import Monitor
from vidstyle.pipeline.images import read_image
from vidstyle.pipeline.masks import Mask, is_picture
from vidstyle.pipeline.request import Request
from vidstyle.pipeline.stages import (
    VERSIONS,
    Inputs,
    Shot,
    Stages,
    Weights,
    digest_inputs,
    frame_range,
    job_shots,
    working_size,
)
from vidstyle.store import JSON, Shelf, Store, content_key, frame_name, pair_name


@dataclass(frozen=True)
class Plan:
    """All that follows from a request and its movie, before anything is painted."""

    request: Request
    movie: Movie
    timeline: Timeline
    size: tuple[int, int]  # width, height worked at
    frames: Shot  # those asked for
    shots: list[Shot]
    stages: Stages
    weights: Weights
    masks: tuple[Mask | None, ...] = ()  # of each style; read only where something is to be painted

    @property
    def frame_count(self) -> int:
        return self.frames[1] - self.frames[0]

    @property
    def is_written(self) -> bool:
        """Whether the output file is there, and is what this plan gives."""
        return output_record(self) == file_record(Path(self.request.output))


def make_plan(request: Request, store: Store, monitor: Monitor, may_scan: bool = True) -> Plan:
    """Check everything that can be checked before hours of work, and scan the movie for its frames and cuts.

    Raises:
        InputError, OutputError, WeightsError: something that was asked for cannot be used.
    """
    output = Path(request.output)
    check_output(output)
    if output.resolve() == Path(request.movie).resolve():
        raise InputError("the output would replace the movie itself: give another name with -o")
    movie = probe(Path(request.movie))
    size = working_size(movie, request.width, request.height)
    if may_scan:
        encode = request.encode
        check_encoder(output, size, encode.codec, encode.crf, encode.preset, encode.pix_fmt)
        for style in request.styles:
            read_image(Path(style.path))
    # Looking at a job (which may not scan) fetches nothing either.
    weights = find_all_weights(request, monitor.note if may_scan else None)
    device = choose_device(request.device)
    inputs = digest_inputs(request, store, weights, device.type)
    timeline = load_timeline(store, movie, inputs.movie, request.end, monitor, may_scan)
    for note in (*movie.notes, *timeline.notes):
        monitor.note(note)
    plan = assemble(request, store, inputs, movie, timeline, weights)
    return replace(plan, masks=find_masks(plan, store, monitor)) if may_scan else plan


def find_masks(plan: Plan, store: Store, monitor: Monitor) -> tuple[Mask | None, ...]:
    """The masks of the request's styles, their movies scanned. InputError where one cannot be used."""
    digests = iter(plan.stages.inputs.masks)
    paths = [None if style.mask is None else Path(style.mask) for style in plan.request.styles]
    masks = [None if path is None else find_mask(path, next(digests), store, monitor) for path in paths]
    end = plan.timeline.time(plan.frames[1]) - plan.timeline.time(0)
    for mask in masks:
        if mask is not None and mask.length is not None and mask.length < end:
            monitor.note(f"the mask {mask.path} ends after {float(mask.length):.2f} s: its last frame is held")
    return tuple(masks)


def find_mask(path: Path, digest: str, store: Store, monitor: Monitor) -> Mask:
    if is_picture(path):
        return Mask(path, digest)
    movie = probe(path)
    return Mask(path, digest, movie, load_timeline(store, movie, digest, None, monitor, may_scan=True))


def assemble(
    request: Request, store: Store, inputs: Inputs, movie: Movie, timeline: Timeline, weights: Weights
) -> Plan:
    """The plan that follows once the movie is scanned and everything has its digest.

    Raises:
        InputError: no frame lies in the range that was asked for.
    """
    size = working_size(movie, request.width, request.height)
    frames = frame_range(movie, timeline, request.start, request.end)
    shots = job_shots(request, timeline, frames)
    return Plan(request, movie, timeline, size, frames, shots, Stages(request, store, inputs, size), weights)


def find_all_weights(request: Request, say: Callable[[str], None] | None = None) -> Weights:
    """The weight files that the request takes; ``say`` as for ``find_weights``."""
    return Weights(encoder_weights(request, say), flow_weights(request, say))


def encoder_weights(request: Request, say: Callable[[str], None] | None = None) -> Path | None:
    """The weight file of the request's encoder, if its method takes one; ``say`` as for ``find_weights``."""
    if not isinstance(request.stylize, OptimizeSettings):
        return None
    given = request.encoder_weights
    return find_weights(request.stylize.encoder, Path(given) if given else None, say)


def flow_weights(request: Request, say: Callable[[str], None] | None = None) -> Path | None:
    """The weight file of the request's flow network, if it takes one; ``say`` as for ``find_weights``."""
    if request.flow.method not in RAFT_METHODS or isinstance(request.stylize, NoneSettings):
        return None
    from vidstyle.nets.raft import RAFT_WEIGHTS  # here: torchvision is slow to import

    return Path(request.flow_weights) if request.flow_weights else fetch(RAFT_WEIGHTS[request.flow.method], say)


def scan_shelf(store: Store, digest: str) -> Shelf[str]:
    """Where the scans of the movie with this digest lie."""
    return store.shelf("scan", content_key("scan", VERSIONS["scan"], None, [digest]), JSON)


def load_timeline(
    store: Store, movie: Movie, digest: str, end: Fraction | None, monitor: Monitor, may_scan: bool
) -> Timeline:
    """The movie's frames at least up to ``end``: from the store if a scan reached so far, else by a scan."""
    shelf = scan_shelf(store, digest)
    known = find_timeline(shelf, end)
    if known is not None:
        return known
    if not may_scan:
        raise InputError("not begun yet: `vidstyle resume` begins it")
    total = movie.frame_count_hint
    monitor.progress("scan", 0, total)

    def watch(done: int) -> None:
        monitor.check()
        monitor.progress("scan", done, total)

    # A frame's duration and a cut's likeness take a few frames more.
    until = None if end is None else movie.start_time + end + 2
    timeline = scan(movie, until, watch)
    shelf.save(scan_name(end), timeline.to_json())
    return timeline


def find_timeline(shelf: Shelf[str], end: Fraction | None) -> Timeline | None:
    for name in shelf.names():
        if name == scan_name(None) or (end is not None and scanned_to(name) >= end):
            stored = shelf.load(name)
            if stored is not None:
                return Timeline.from_json(stored.value)
    return None


def scan_name(end: Fraction | None) -> str:
    """The name of a scan up to ``end`` seconds, in microseconds; of the whole movie."""
    return "whole" if end is None else f"until-{math.ceil(end * 1_000_000)}"


def scanned_to(name: str) -> Fraction:
    return Fraction(int(name.removeprefix("until-")), 1_000_000)


OutputRecord = dict[str, int]


def output_name(plan: Plan) -> str:
    """The name in the encode shelf of the note about this output file."""
    return content_key("output", 1, None, [plan.request.output])


def output_record(plan: Plan) -> OutputRecord | None:
    """What was noted of the output when it was written, if it was."""
    shelf = plan.stages.encode(plan.shots)
    stored = shelf.load(output_name(plan))
    return None if stored is None else stored.value


def file_record(path: Path) -> OutputRecord:
    """What tells the output file as we left it from any other; empty where there is none."""
    try:
        stat = path.stat()
    except OSError:
        return {}
    return {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "inode": stat.st_ino}


@dataclass(frozen=True)
class StageStatus:
    """How much of one stage exists, and what will run."""

    stage: str
    done: int
    total: int  # artifacts that the job takes of this stage, at most
    to_do: int  # that will be made
    why: str


def stage_status(plan: Plan) -> list[StageStatus]:
    """Per stage: what there is, what will be made, and why. Looks at names only: damage shows when it is read."""
    stages = plan.stages
    painted = {
        frame
        for first, last in plan.shots
        for frame in present(stages.stylize(first).has, frame_name, range(first, last))
    }
    frames = range(*plan.frames)
    missing = [frame for frame in frames if frame not in painted]
    starts = {first for first, _ in plan.shots}
    pairs = [frame for frame in missing if frame not in starts] if plan.request.method != "none" else []
    decoded = set(present(stages.decode.has, frame_name, frames))
    masks = set(present(stages.consistency.has, pair_to_previous, frames))
    flows = set(present(stages.flow.has, pair_to_previous, frames))
    all_pairs = len(frames) - len(starts) if plan.request.method != "none" else 0
    written = plan.is_written
    rows = [
        ("decode", len(decoded), len(frames), len([f for f in missing if f not in decoded])),
        ("flow", len(flows), all_pairs, len([f for f in pairs if f not in flows])),
        ("consistency", len(masks), all_pairs, len([f for f in pairs if f not in masks])),
        ("stylize", len(painted), len(frames), len(missing)),
        ("encode", int(written), 1, int(not written)),
    ]
    return [StageStatus(*row, why=reason(*row)) for row in rows]


def reason(stage: str, done: int, total: int, to_do: int) -> str:
    if to_do:
        return "nothing of it is in the cache" if done == 0 else f"{to_do} are not in the cache yet"
    return "everything is there" if done == total else "what is painted already needs no more of it"


def pair_to_previous(frame: int) -> str:
    return pair_name(frame, frame - 1) if frame else "none"


def present(has: Callable[[str], bool], name: Callable[[int], str], frames: range) -> list[int]:
    return [frame for frame in frames if has(name(frame))]
