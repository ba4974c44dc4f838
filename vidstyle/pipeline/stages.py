"""The stages of one job, each with its content key and its shelf in the store."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidstyle.config import FPS, DecodeSettings, NoneSettings
from vidstyle.errors import InputError
from vidstyle.media import Movie, Timeline, find_cuts, picture_files, shots
from vidstyle.nets.encoder import find_weights
from vidstyle.nets.predictor import PREDICTOR_FILE
from vidstyle.nets.weights import embedded
from vidstyle.pipeline.devices import choose_precision
from vidstyle.pipeline.painted import PAINTED, Painted
from vidstyle.pipeline.request import PREDICT, Request
from vidstyle.pipeline.scenes import cut_frames
from vidstyle.pipeline.styles import find_file, is_bare
from vidstyle.store import FLOW, FRAME, JSON, MASK, FlowFolder, Shelf, Store, content_key, file_digest, files_digest
from vidstyle.structure import to_plain
from vidstyle.stylize.schedule import Shot, pass_settings, schedule_of

# Raised when a stage's result changes for the same settings and inputs; only what depends on it is made again.
VERSIONS = {"scan": 1, "decode": 2, "flow": 1, "consistency": 2, "stylize": 9, "encode": 2}
# The same for flow that a network estimates: flow of DIS stays.
FLOW_NETWORK_VERSION = "2"  # 16 updates by default

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]
Picture = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True)
class Inputs:
    """Digests (sha256) of the files that a job is made from, and the kind of device that paints."""

    movie: str
    styles: tuple[str, ...]
    weights: str | None  # of the encoder; None where the method takes none
    device: str  # cpu, cuda or mps: results differ between kinds, not between cards
    masks: tuple[str, ...] = ()  # of the styles that have one, in order
    start: tuple[str, ...] = ()  # of the trained style that frames begin in: its file's digest, and its name
    painter: tuple[str, ...] = ()  # of the file of the networks that paint any picture's style
    flow: tuple[str, ...] = ()  # what flow is made from besides frames; nothing for DIS
    precision: str = "float32"  # of the network's numbers, as chosen: what "auto" means differs between machines


@dataclass(frozen=True)
class Weights:
    """The weight files of a job; None where it takes none."""

    encoder: Path | None = None
    flow: Path | None = None
    painter: Path | None = None


def digest_inputs(request: Request, store: Store, weights: Weights, device: str) -> Inputs:
    """Read (or remember) the digests of everything that the request names. Raises InputError for missing files."""
    memo = store.digests
    return dataclasses.replace(
        digest_flow_inputs(request, store, weights, device),
        styles=tuple(file_digest(find_file(style.path), memo) for style in request.styles),
        masks=tuple(file_digest(Path(style.mask), memo) for style in request.styles if style.mask),
        weights=None if weights.encoder is None else file_digest(weights.encoder, memo),
        start=start_inputs(request, memo),
        painter=() if weights.painter is None else (file_digest(weights.painter, memo),),
        precision=stylize_precision(request, device),
    )


def start_inputs(request: Request, memo: Path | None) -> tuple[str, ...]:
    """What ``Inputs.start`` is."""
    if request.start_style is None:
        return ()
    if request.start_style == PREDICT:
        return tuple(file_digest(path, memo) for path in predict_weights())
    name = (request.start_style,) if is_bare(request.start_style) else ()
    return (file_digest(find_file(request.start_style), memo), *name)


def predict_weights() -> tuple[Path, Path]:
    """The files of the encoder and the networks that predict and paint any picture's style."""
    return find_weights("compact"), embedded(PREDICTOR_FILE)


def stylize_precision(request: Request, device: str) -> str:
    """The type of the numbers that the request is painted with on this kind of device."""
    if isinstance(request.stylize, NoneSettings):
        return "float32"
    return choose_precision(request.stylize.precision, device)


def digest_flow_inputs(request: Request, store: Store, weights: Weights, device: str) -> Inputs:
    """The same for all that frames, flow and masks are made from."""
    memo = store.digests
    flow: list[str] = []
    if weights.flow is not None:  # a network: results differ between kinds of devices
        flow += [FLOW_NETWORK_VERSION, file_digest(weights.flow, memo), device]
    if request.flow_from is not None:
        flow.append(FlowFolder(Path(request.flow_from)).digest(memo))
    return Inputs(digest_movie(Path(request.movie), memo), (), None, device, flow=tuple(flow))


def digest_movie(path: Path, memo: Path | None) -> str:
    """Of a file's bytes; of a folder of pictures, of theirs in their order. How fast they are shown is not in it."""
    return files_digest(picture_files(path)[0], memo) if path.is_dir() else file_digest(path, memo)


class Stages:
    """Keys and shelves of a job. A stage's key comes from its settings and the keys of what it is made from.

    Args:
        size: ``(width, height)`` that the movie is worked on at.
        bit_depth: of its frames, 8 or 16.
    """

    def __init__(
        self, request: Request, store: Store, inputs: Inputs, size: tuple[int, int], bit_depth: int = 8
    ) -> None:
        self.request, self.store, self.inputs, self.size = request, store, inputs, size
        self.schedule = schedule_of(request.stylize)
        decode_settings = DecodeSettings(*size, bit_depth)
        self.decode_key = self.key("decode", decode_settings, inputs.movie)
        self.flow_key = self.key("flow", request.flow, self.decode_key, *inputs.flow)
        self.consistency_key = self.key("consistency", request.consistency, self.flow_key)
        self.decode: Shelf[Picture] = self.shelf("decode", self.decode_key, FRAME, decode_settings)
        self.flow: Shelf[Floats] = self.shelf("flow", self.flow_key, FLOW, request.flow)
        self.consistency: Shelf[Pixels] = self.shelf("consistency", self.consistency_key, MASK, request.consistency)

    def key(self, stage: str, settings: Any, *inputs: str) -> str:
        return content_key(stage, VERSIONS[stage], settings, inputs)

    def shelf(self, stage: str, key: str, codec: Any, settings: Any) -> Shelf[Any]:
        about = {"stage": stage, "movie": self.request.movie, "settings": to_plain(settings)}
        return self.store.shelf(stage, key, codec, about)

    def stylize_key(self, shot: Shot, pass_number: int) -> str:
        """The key of what a pass paints in a shot."""
        if isinstance(self.request.stylize, NoneSettings):
            return self.seed_key(shot, pass_number)
        return self.key("stylize", None, self.seed_key(shot, pass_number), self.inputs.device, self.inputs.precision)

    def seed_key(self, shot: Shot, pass_number: int) -> str:
        """The same but for the device and its precision: every device draws the same random numbers."""
        settings = self.request.stylize_settings
        if isinstance(settings, NoneSettings):
            return self.key("stylize", settings, self.decode_key)
        extent = self.schedule.extent(pass_number, shot)
        flow = (self.consistency_key,) if extent else ()  # what looks at no other frame takes no flow
        inputs = (self.decode_key, *flow, *self.inputs.styles, str(self.inputs.weights), *self.inputs.masks)
        inputs += self.inputs.start + self.inputs.painter
        # What was asked for is not what counts, but what was chosen.
        chosen = dataclasses.replace(settings, precision="auto")
        return self.key("stylize", pass_settings(chosen, pass_number), *inputs, *map(str, extent))

    def mask(self, path: Path, digest: str) -> Shelf[Picture]:
        """The decoded frames of a mask's movie, as those of any movie."""
        settings = DecodeSettings(*self.size)
        about = {"stage": "decode", "movie": str(path), "settings": to_plain(settings)}
        shelf: Shelf[Any] = self.store.shelf("decode", self.key("decode", settings, digest), FRAME, about)
        return shelf

    def stylize(self, shot: Shot, pass_number: int | None = None) -> Shelf[Painted]:
        """What a pass paints in a shot; without a number the last pass, which is what goes into the movie."""
        number = self.schedule.passes - 1 if pass_number is None else pass_number
        about = {"styles": [style.path for style in self.request.styles], "first_frame": shot[0], "pass": number + 1}
        settings = {**to_plain(self.request.stylize_settings), **about}
        return self.shelf("stylize", self.stylize_key(shot, number), PAINTED, settings)

    def encode_key(self, job_shots: list[Shot]) -> str:
        """The key of the output movie: its frames' keys and the range of each shot."""
        last_pass = self.schedule.passes - 1
        frames = [f"{self.stylize_key(shot, last_pass)}:{shot[0]}-{shot[1]}" for shot in job_shots]
        # A part's sound is cut and its time begins at zero, even where the part is all there is.
        extent = "part" if self.request.is_part else "whole"
        # Another rate gives pictures other times, and changes nothing that is made before.
        pace = [] if self.request.fps in (None, FPS) else [f"{self.request.fps} fps"]
        return self.key("encode", self.request.encode, self.inputs.movie, extent, *pace, *frames)

    def encode(self, job_shots: list[Shot]) -> Shelf[dict[str, Any]]:
        """Where it is noted which output files hold this movie."""
        return self.shelf("encode", self.encode_key(job_shots), JSON, self.request.encode)


def frame_range(movie: Movie, timeline: Timeline, start: Fraction | None, end: Fraction | None) -> Shot:
    """The frames between two times, counted from the movie's start.

    Raises:
        InputError: there is none.
    """
    times = timeline.pts
    zero = timeline.ticks(0)

    def first_at(seconds: Fraction) -> int:
        ticks = zero + seconds / timeline.time_base
        return int(np.searchsorted(times, -(-ticks.numerator // ticks.denominator)))

    first = 0 if start is None else first_at(start)
    last = len(timeline) if end is None else first_at(end)
    if first >= last:
        length = float(timeline.time(len(timeline)) - timeline.time(0))
        raise InputError(f"no frame between --start and --end: the movie lasts {length:.2f} s")
    return first, last


def job_shots(request: Request, timeline: Timeline, frames: Shot) -> list[Shot]:
    """The shots of the frames that were asked for. A range that begins inside a shot begins a new one there."""
    settings = request.shots
    if not settings.detect:
        return [frames]
    if settings.cuts is not None:
        return shots(cut_frames(settings.cuts, timeline)[0], *frames)
    cuts = find_cuts(timeline.scores) if settings.threshold is None else find_cuts(timeline.scores, settings.threshold)
    return shots(cuts, *frames)
