"""Evaluation by demand: each result is taken from the store, or made from what it needs and stored.

A stage is asked for one frame or pair at a time. What exists is not made again, and what nobody asks for is not made.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from vidstyle.config import ConsistencySettings
from vidstyle.errors import MediaError, PaintError
from vidstyle.flow import FlowMethod, backward_warp, consistency_map
from vidstyle.flow.base import Frame
from vidstyle.media import Movie, Timeline, read_frames
from vidstyle.pipeline.given_flow import GivenFlow
from vidstyle.pipeline.painted import Painted
from vidstyle.store import (
    Shelf,
    frame_name,
    frame_to_float,
    mask_to_float,
    pair_name,
    quantize_flow,
    quantize_frame,
    quantize_mask,
)
from vidstyle.stylize.base import Prior, Progress, State, Stylizer, frame_seed
from vidstyle.stylize.schedule import Schedule, Shot, Turn, missing_turns

Pixels = NDArray[np.uint8]
Picture = NDArray[np.uint8] | NDArray[np.uint16]
Floats = NDArray[np.float32]
Value = TypeVar("Value")

# A frame is asked for as itself, as its neighbour's neighbour and for the flow: the last few stay in memory.
REMEMBERED = 4
TRIAL_SIDE = 256  # pixels of the longer sides of the pair of frames that flow is timed on
ADVICE = "try --precision float32, or with optimisation --optimizer adam or smaller weights"


class Recent(Generic[Value]):
    """The last few values by name: what bounds memory, however long the movie."""

    def __init__(self, size: int = REMEMBERED) -> None:
        self.size = size
        self.values: OrderedDict[Any, Value] = OrderedDict()

    def get(self, name: Any, make: Callable[[], Value]) -> Value:
        if name not in self.values:
            self.put(name, make())
        self.values.move_to_end(name)
        return self.values[name]

    def put(self, name: Any, value: Value) -> None:
        self.values[name] = value
        while len(self.values) > self.size:
            self.values.popitem(last=False)


class Frames:
    """Decoded frames, uint8 or uint16 ``(H, W, 3)``. One decoder runs along while frames are asked for in order."""

    def __init__(
        self,
        shelf: Shelf[Picture],
        movie: Movie,
        timeline: Timeline,
        last: int,
        size: tuple[int, int],
        bit_depth: int,
        tools: dict[str, str],
    ) -> None:
        self.shelf, self.movie, self.timeline, self.last, self.size = shelf, movie, timeline, last, size
        self.bit_depth, self.tools = bit_depth, tools
        self.recent: Recent[Picture] = Recent()
        self.reader: Iterator[tuple[int, Any]] = iter(())
        self.next = -1

    def get(self, frame: int) -> Picture:
        return self.recent.get(frame, lambda: self.load(frame))

    def load(self, frame: int) -> Picture:
        stored = self.shelf.load(frame_name(frame))
        return self.read(frame) if stored is None else stored.value

    def read(self, frame: int) -> Picture:
        if self.next != frame:
            self.close()
            self.reader = read_frames(self.movie, self.timeline, frame, self.last, self.size, self.bit_depth)
        number, pixels = next(self.reader, (None, None))
        if number != frame or pixels is None:
            raise MediaError(f"frame {frame} could not be decoded from {self.movie.path}")
        self.next = frame + 1
        times = {"time": self.timeline.time(frame), "duration": self.timeline.duration(frame)}
        self.shelf.save(frame_name(frame), pixels, {**times, "tools": self.tools})
        return pixels

    def close(self) -> None:
        """Stop the decoder."""
        if hasattr(self.reader, "close"):
            self.reader.close()
        self.next = -1


class Flows:
    """Optical flow of ordered pairs of frames, float32 ``(2, H, W)`` in pixels, as stored."""

    def __init__(
        self,
        shelf: Shelf[Floats],
        frames: Frames,
        method: Callable[[], FlowMethod[Any]],
        given: GivenFlow | None,
        tools: dict[str, str],
    ) -> None:
        self.shelf, self.frames, self.method, self.given, self.tools = shelf, frames, method, given, tools
        self.prepared: Recent[Any] = Recent()
        self.pool = ThreadPoolExecutor(2, thread_name_prefix="flow")

    def get(self, source: int, target: int) -> Floats:
        """Flow from frame ``source`` to frame ``target``, on the grid of ``source``."""
        return self.all([(source, target)])[0]

    def both(self, a: int, b: int) -> tuple[Floats, Floats]:
        """Flow a → b and b → a; side by side on two threads where that is faster."""
        forward, backward = self.all([(a, b), (b, a)])
        return forward, backward

    def all(self, pairs: list[tuple[int, int]]) -> list[Floats]:
        found = {pair: self.stored(*pair) for pair in pairs}
        missing = [pair for pair in pairs if found[pair] is None]
        if missing:
            found.update(zip(missing, self.make(missing), strict=True))
        return [flow for pair in pairs if (flow := found[pair]) is not None]

    def stored(self, source: int, target: int) -> Floats | None:
        stored = self.shelf.load(pair_name(source, target))
        return None if stored is None else stored.value

    def make(self, pairs: list[tuple[int, int]]) -> list[Floats]:
        """The flow of these pairs, given by the user or estimated, now stored; as it is stored."""
        given = [None if self.given is None else self.given.get(*pair) for pair in pairs]
        for pair, flow in zip(pairs, given, strict=True):
            for frame in pair if flow is None else ():
                self.prepare(frame)  # here: the decoder is not for two threads

        def finish(pair: tuple[int, int], flow: Floats | None) -> Floats:
            made = self.estimate(*pair) if flow is None else flow
            self.shelf.save(pair_name(*pair), made, {"tools": self.tools})
            return quantize_flow(made)

        if any(flow is None for flow in given) and self.method().parallel:
            return list(self.pool.map(finish, pairs, given))
        return list(map(finish, pairs, given))

    def prepare(self, frame: int) -> Any:
        return self.prepared.get(frame, lambda: self.method().prepare(flow_input(self.frames.get(frame))))

    def estimate(self, source: int, target: int) -> Floats:
        return self.method().estimate(self.prepare(source), self.prepare(target)).numpy()

    def seconds_per_frame(self, size: tuple[int, int]) -> float:
        """An estimate of what the flow of one frame of ``(width, height)`` takes, by a trial on a small one."""
        trial = tuple(min(side, TRIAL_SIDE) for side in size)
        noise = np.random.default_rng(0).integers(0, 256, (trial[1], trial[0], 3), dtype=np.uint8)
        method = self.method()
        times = []
        for _ in range(2):  # the first one warms up
            started = time.monotonic()
            method.estimate(method.prepare(noise), method.prepare(noise))
            times.append(time.monotonic() - started)
        # Forward and backward; that each frame is prepared once and not twice makes up for what is stored.
        return 2 * times[1] * (size[0] * size[1]) / (trial[0] * trial[1])

    def close(self) -> None:
        self.pool.shutdown(cancel_futures=True)


def flow_input(picture: Picture) -> Frame:
    """A decoded frame as flow methods take it: bytes as they are, deeper ones as numbers in [0, 1]."""
    return picture if picture.dtype == np.uint8 else torch.from_numpy(frame_to_float(picture))


class Consistencies:
    """Which pixels of a frame can be trusted to be the other's, warped: uint8 ``(H, W)``, 255 = sure."""

    def __init__(
        self, shelf: Shelf[Pixels], flows: Flows, settings: ConsistencySettings, tools: dict[str, str]
    ) -> None:
        self.shelf, self.flows, self.settings, self.tools = shelf, flows, settings, tools
        self.recent: Recent[tuple[Pixels, Floats]] = Recent(1)  # what was made ahead

    def get(self, frame: int, other: int) -> tuple[Pixels, Floats]:
        """The mask on the grid of ``frame`` and the flow from ``frame`` to ``other`` that it judges."""
        return self.recent.get((frame, other), lambda: self.load(frame, other))

    def load(self, frame: int, other: int) -> tuple[Pixels, Floats]:
        stored = self.shelf.load(pair_name(frame, other))
        if stored is not None:
            return stored.value, self.flows.get(frame, other)
        flow, opposite = self.flows.both(frame, other)
        frames = self.flows.frames
        mask = consistency_map(
            torch.from_numpy(flow),
            torch.from_numpy(opposite),
            motion_boundaries=self.settings.motion_boundaries,
            smooth=self.settings.smooth,
            minimum_filter=self.settings.minimum_filter,
            frames=(flow_input(frames.get(frame)), flow_input(frames.get(other))) if self.settings.likeness else None,
            likeness=self.settings.likeness,
        )
        levels = quantize_mask(mask.numpy())
        self.shelf.save(pair_name(frame, other), levels, {"tools": self.tools})
        return levels, flow


class Ahead:
    """A thread that makes what the next painting is made from, while a network paints this one.

    What it makes lies in the sources' memory then, and they are not for two threads: ``wait`` before they are asked.
    """

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(1, thread_name_prefix="ahead")
        self.begun: Future[Any] | None = None

    def begin(self, work: Callable[[], Any]) -> None:
        self.wait()
        self.begun = self.pool.submit(work)

    def wait(self) -> None:
        """Until nothing is being made. What failed is not raised here: it fails again when it is asked for."""
        if self.begun is not None:
            self.begun.exception()
            self.begun = None

    def close(self) -> None:
        self.pool.shutdown()


@dataclass
class Painter:
    """Stylized frames of one shot, by demand. Works on its earlier output exactly as it is stored.

    ``stylizer`` is called when the first frame must be painted: with everything stored, no network is loaded.
    """

    shot: Shot
    schedule: Schedule
    shelves: Sequence[Shelf[Painted]]  # by pass
    seed_keys: Sequence[str]  # by pass: what random numbers are drawn from, with the frame's number
    recent: Recent[Painted]  # by turn
    frames: Frames
    consistencies: Consistencies
    stylizer: Callable[[], Stylizer]
    device: torch.device
    timeline: Timeline
    tools: dict[str, str]
    ahead: Ahead | None = None  # None: nothing is made before it is needed

    def has(self, turn: Turn) -> bool:
        return self.shelves[turn.pass_number].has(frame_name(turn.frame))

    def missing(self) -> list[Turn]:
        """What must be painted until the whole shot is there, in order."""
        return missing_turns(self.schedule, self.shot, self.has)

    def missing_for(self, frame: int) -> list[Turn]:
        """What must be painted until this frame can go into the movie, in order."""
        return missing_turns(self.schedule, self.shot, self.is_at_hand, [frame])

    def is_at_hand(self, turn: Turn) -> bool:
        return turn in self.recent.values or self.has(turn)

    def kind(self, turn: Turn) -> int:
        """0: it is painted from nothing; 1: from earlier paintings."""
        return 1 if self.schedule.needs(turn, self.shot) else 0

    def final(self, frame: int) -> Painted:
        """The frame as it goes into the movie."""
        return self.get(Turn(self.schedule.passes - 1, frame))

    def get(self, turn: Turn, progress: Progress = lambda share: None) -> Painted:
        """A painting: stored, or painted after whatever it needs. ``progress`` is of this one itself."""
        pending = [turn]
        while pending:
            now = pending[-1]
            if self.find(now) is None:
                missing = [need for need in self.schedule.needs(now, self.shot) if self.find(need) is None]
                if missing:
                    pending += missing
                    continue
                self.recent.put(now, self.paint(now, progress))
            pending.pop()
        found = self.find(turn)
        assert found is not None
        return found

    def find(self, turn: Turn) -> Painted | None:
        if turn in self.recent.values:
            return self.recent.values[turn]
        stored = self.shelves[turn.pass_number].load(frame_name(turn.frame))
        if stored is None:
            return None
        self.recent.put(turn, stored.value)
        return stored.value

    def paint(self, turn: Turn, progress: Progress) -> Painted:
        number, frame = turn
        needed = self.schedule.needs(turn, self.shot)
        if self.ahead is not None:
            self.ahead.wait()
        priors = [self.prior(turn, need) for need in needed]
        decoded = self.frames.get(frame)
        self.look_ahead(Turn(number, frame + 1))
        try:
            stylized, state = self.stylizer().step(
                self.tensor(frame_to_float(decoded)),
                priors,
                self.state_before(turn, needed),
                turn=turn,
                seed=frame_seed(self.seed_keys[number], frame),
                progress=progress,
            )
            bounded = bool(torch.isfinite(stylized.sum()))
        except torch.linalg.LinAlgError:
            bounded = False
        if not bounded:
            raise PaintError(f"frame {frame}: what is painted grew without bound; {ADVICE}")
        bit_depth = 8 * decoded.itemsize  # as deep as the movie
        painted = Painted(quantize_frame(stylized.cpu().numpy(), bit_depth), state)
        times = {"time": self.timeline.time(frame), "duration": self.timeline.duration(frame)}
        self.shelves[number].save(frame_name(frame), painted, {**times, "tools": self.tools})
        return painted

    def look_ahead(self, turn: Turn) -> None:
        """Begin to make what ``turn`` is painted from, if it is to be painted."""
        if self.ahead is None or turn.frame >= self.shot[1] or self.is_at_hand(turn):
            return
        pairs = [(turn.frame, need.frame) for need in self.schedule.needs(turn, self.shot)[:1]]

        def make() -> None:
            self.frames.get(turn.frame)
            for pair in pairs:
                self.consistencies.get(*pair)

        self.ahead.begin(make)

    def state_before(self, turn: Turn, needed: Sequence[Turn]) -> State | None:
        """What the neighbour that this pass painted last gave to be carried on."""
        number, frame = turn
        neighbours = [need for need in needed if need.pass_number == number and abs(need.frame - frame) == 1]
        before = self.find(neighbours[0]) if neighbours else None
        return None if before is None else before.state

    def prior(self, turn: Turn, need: Turn) -> Prior:
        painted = self.find(need)
        assert painted is not None
        stylized = self.tensor(frame_to_float(painted.canvas, planes=False))  # as it is warped
        if need.frame == turn.frame:
            return Prior(stylized, stylized, torch.ones_like(stylized[0]), offset=0)
        mask, flow = self.consistencies.get(turn.frame, need.frame)
        return Prior(
            stylized=stylized,
            warped=backward_warp(stylized, self.tensor(flow), self.stylizer().interpolation),
            consistency=self.tensor(mask_to_float(mask)),
            offset=turn.frame - need.frame,
        )

    def tensor(self, array: Floats) -> torch.Tensor:
        return torch.from_numpy(array).to(self.device)
