"""From a request to a plan: which frames, which shots, which keys. Nothing is painted here."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from vidstyle.config import (
    BY_ENCODER,
    RAFT_METHODS,
    NoneSettings,
    OptimizeSettings,
    PredictSettings,
    RecurrentSettings,
    TransferSettings,
)
from vidstyle.errors import InputError
from vidstyle.media import (
    Movie,
    Pictures,
    Timeline,
    check_count,
    check_output,
    check_settings,
    probe,
    scan,
    working_size,
)
from vidstyle.nets.autoencoder import DECODERS_FILE
from vidstyle.nets.encoder import find_weights
from vidstyle.nets.predictor import PREDICTOR_FILE
from vidstyle.nets.weights import embedded, fetch
from vidstyle.pipeline.devices import choose_device
from vidstyle.pipeline.events import Monitor
from vidstyle.pipeline.images import read_image
from vidstyle.pipeline.masks import Mask, is_picture
from vidstyle.pipeline.outputs import check_apart
from vidstyle.pipeline.request import Request
from vidstyle.pipeline.scenes import cut_frames
from vidstyle.pipeline.stages import (
    VERSIONS,
    Inputs,
    Shot,
    Stages,
    Weights,
    digest_inputs,
    frame_range,
    job_shots,
)
from vidstyle.pipeline.styles import find_file, is_bare, trained_styles
from vidstyle.store import JSON, Shelf, Store, content_key, frame_name, numbered_files, pair_name
from vidstyle.stylize.schedule import Turn, all_turns, missing_turns, pairs_of


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
    def shelves(self) -> list[Shelf[Any]]:
        """All shelves that the job uses, each once."""
        stages = self.stages
        scans = scan_shelf(stages.store, stages.inputs.movie)
        passes = range(stages.schedule.passes)
        painted = {shelf.folder: shelf for shelf in (stages.stylize(s, n) for n in passes for s in self.shots)}
        made_from: list[Shelf[Any]] = [scans, stages.decode, stages.flow, stages.consistency]
        return [*made_from, *painted.values(), stages.encode(self.shots)]

    @property
    def is_written(self) -> bool:
        """Whether the output file is there, and is what this plan gives."""
        return output_record(self) == file_record(Path(self.request.output))


def make_plan(request: Request, store: Store, monitor: Monitor, may_scan: bool = True) -> Plan:
    """Check everything that can be checked before hours of work, and scan the movie for its frames and cuts.

    Raises:
        InputError, OutputError, WeightsError: something that was asked for cannot be used.
    """
    check_output(request.output)
    check_apart(Path(request.output), request.inputs)
    movie = probe(Path(request.movie), request.fps)
    size = working_size(movie, request.width, request.height)
    if may_scan:
        encode = request.encode
        check_settings(request.output, size, **vars(encode))
        if not request.is_part:
            check_count(request.output, movie.frame_count_hint or 1)
        check_styles(request, monitor)
    # Looking at a job (which may not scan) fetches nothing either.
    weights = find_all_weights(request, monitor.note if may_scan else None)
    device = choose_device(request.device)
    inputs = digest_inputs(request, store, weights, device.type)
    timeline = load_timeline(store, movie, inputs.movie, request.end, monitor, may_scan)
    for note in (*movie.notes, *timeline.notes, *cut_frames(request.shots.cuts or (), timeline)[1]):
        monitor.note(note)
    plan = assemble(request, store, inputs, movie, timeline, weights)
    check_count(request.output, plan.frame_count)
    return replace(plan, masks=find_masks(plan, store, monitor)) if may_scan else plan


def check_styles(request: Request, monitor: Monitor) -> None:
    """Read the styles. InputError or WeightsError where one cannot be used."""
    if not isinstance(request.stylize, RecurrentSettings):
        for style in request.styles:
            read_image(find_file(style.path))
        return
    trained_styles([(style.path, style.trained_name) for style in request.styles])
    for style in request.styles:
        if is_bare(style.path) and Path(style.path).exists():
            name = style.path
            monitor.note(f"--style {name} is the trained style; for the file of that name write ./{name}")


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
    stages = Stages(request, store, inputs, size, movie.working_depth)
    return Plan(request, movie, timeline, size, frames, shots, stages, weights)


def find_all_weights(request: Request, say: Callable[[str], None] | None = None) -> Weights:
    """The weight files that the request takes; ``say`` as for ``find_weights``."""
    return Weights(encoder_weights(request, say), flow_weights(request, say), painter_weights(request))


def painter_weights(request: Request) -> Path | None:
    """The weight file of the networks that the request's method paints any picture's style with."""
    if isinstance(request.stylize, PredictSettings):
        return embedded(PREDICTOR_FILE)
    return embedded(DECODERS_FILE) if isinstance(request.stylize, TransferSettings) else None


def encoder_weights(request: Request, say: Callable[[str], None] | None = None) -> Path | None:
    """The weight file of the request's encoder, if its method takes one; ``say`` as for ``find_weights``."""
    if isinstance(request.stylize, BY_ENCODER):
        return find_weights("compact")
    if not isinstance(request.stylize, OptimizeSettings):
        return None
    given = request.encoder_weights
    return find_weights(request.stylize.encoder, Path(given) if given else None, say)


def flow_weights(request: Request, say: Callable[[str], None] | None = None) -> Path | None:
    """The weight file of the request's flow network, if it takes one; ``say`` as for ``find_weights``."""
    return None if isinstance(request.stylize, NoneSettings) else flow_network_weights(request, say)


def flow_network_weights(request: Request, say: Callable[[str], None] | None = None) -> Path | None:
    """The same, whether or not anything is painted."""
    if request.flow.method not in RAFT_METHODS:
        return None
    from vidstyle.nets.raft import RAFT_WEIGHTS  # here: torchvision is slow to import

    return Path(request.flow_weights) if request.flow_weights else fetch(RAFT_WEIGHTS[request.flow.method], say)


def scan_shelf(store: Store, digest: str, movie: Path | None = None) -> Shelf[str]:
    """Where the scans of the movie with this digest lie; with its path, that is noted when one is saved."""
    about = None if movie is None else {"stage": "scan", "movie": str(movie)}
    return store.shelf("scan", content_key("scan", VERSIONS["scan"], None, [digest]), JSON, about)


def load_timeline(
    store: Store, movie: Movie, digest: str, end: Fraction | None, monitor: Monitor, may_scan: bool
) -> Timeline:
    """The movie's frames at least up to ``end``: from the store if a scan reached so far, else by a scan."""
    shelf = scan_shelf(store, digest, movie.path)
    known = find_timeline(shelf, movie, end)
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
    shelf.save(scan_name(None if end is None else reach(movie, end)), timeline.to_json())
    return timeline


def find_timeline(shelf: Shelf[str], movie: Movie, end: Fraction | None) -> Timeline | None:
    for name in shelf.names():
        if name == scan_name(None) or (end is not None and scanned_to(name) >= reach(movie, end)):
            stored = shelf.load(name)
            if stored is not None:
                return paced(movie, Timeline.from_json(stored.value))
    return None


def reach(movie: Movie, end: Fraction) -> Fraction:
    """How far a scan to ``end`` seconds goes: as it is; of pictures in pictures, so that it serves every --fps."""
    return end / movie.time_base if isinstance(movie, Pictures) else end


def paced(movie: Movie, timeline: Timeline) -> Timeline:
    """A stored timeline; that of pictures at the rate that they are shown at now."""
    if not isinstance(movie, Pictures):
        return timeline
    now = dataclasses.replace(timeline, time_base=movie.time_base)
    return now if now.end is None else dataclasses.replace(now, end=now.time(len(now)))


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
    """What tells the output as we left it from any other; empty where there is none. Of a folder, of its pictures."""
    try:
        stat = path.stat()
        files = [entry.stat() for entry in numbered_files(path)] if path.is_dir() else [stat]
    except OSError:
        return {}
    newest = max((file.st_mtime_ns for file in files), default=0)
    count = {"files": len(files)} if path.is_dir() else {}
    return {"size": sum(file.st_size for file in files), "mtime_ns": newest, "inode": stat.st_ino, **count}


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
    frames, written = range(*plan.frames), plan.is_written
    turns, lacking, pairs, pairs_to_do = plan_turns(plan)
    to_paint = {turn.frame for turn in lacking}

    def row(stage: str, has: Callable[[str], bool], names: list[str], needed: list[str]) -> tuple[str, int, int, int]:
        return stage, sum(map(has, names)), len(names), sum(not has(name) for name in needed)

    stages = plan.stages
    all_pairs, open_pairs = ([pair_name(*pair) for pair in some] for some in (pairs, pairs_to_do))
    rows = [
        row("decode", stages.decode.has, [frame_name(f) for f in frames], [frame_name(f) for f in to_paint]),
        row("flow", stages.flow.has, all_pairs, open_pairs),
        row("consistency", stages.consistency.has, all_pairs, open_pairs),
        ("stylize", turns - len(lacking), turns, len(lacking)),
        ("encode", int(written), 1, int(not written)),
    ]
    return [StageStatus(*row, why=reason(*row)) for row in rows]


def reason(stage: str, done: int, total: int, to_do: int) -> str:
    if to_do:
        return "nothing of it is in the cache" if done == 0 else f"{to_do} are not in the cache yet"
    return "everything is there" if done == total else "what is painted already needs no more of it"


def plan_turns(plan: Plan) -> tuple[int, list[Turn], set[tuple[int, int]], set[tuple[int, int]]]:
    """How many paintings the plan takes, those that are not made, and the pairs of frames that both are made from."""
    schedule = plan.stages.schedule
    count, lacking, pairs, open_pairs = 0, [], set(), set()
    for shot in plan.shots:
        turns = list(all_turns(schedule, shot))
        missing = missing_turns(schedule, shot, painted_in(plan.stages, shot))
        count += len(turns)
        lacking += missing
        pairs |= pairs_of(schedule, shot, turns)
        open_pairs |= pairs_of(schedule, shot, missing)
    return count, lacking, pairs, open_pairs


def painted_in(stages: Stages, shot: Shot) -> Callable[[Turn], bool]:
    """Tells which paintings of a shot are stored."""
    shelves = [stages.stylize(shot, number) for number in range(stages.schedule.passes)]
    return lambda turn: shelves[turn.pass_number].has(frame_name(turn.frame))
