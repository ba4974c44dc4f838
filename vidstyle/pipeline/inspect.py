"""What a job has in the cache, to look at: nothing is made, decoded or scanned here."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from vidstyle.errors import InputError
from vidstyle.flow import backward_warp
from vidstyle.media import probe, read_frames
from vidstyle.metrics import warping_error
from vidstyle.pipeline.api import job_request
from vidstyle.pipeline.devices import choose_device
from vidstyle.pipeline.events import Monitor
from vidstyle.pipeline.painted import Painted
from vidstyle.pipeline.plan import Plan, assemble, find_all_weights, find_timeline, flow_weights, scan_shelf
from vidstyle.pipeline.request import Request
from vidstyle.pipeline.stages import (
    Floats,
    Inputs,
    Pixels,
    Shot,
    Weights,
    digest_flow_inputs,
    digest_inputs,
)
from vidstyle.store import Job, Shelf, Store, frame_name, frame_to_float, mask_to_float, pair_name, quantize_frame

T = TypeVar("T")


@dataclass(frozen=True)
class Inspection:
    """A job's results as they lie in the cache. Each is None where it is not there: never made, pruned or damaged.

    Damaged ones are said (through the store) and set aside. Every call reads one artifact: keep none for long.
    """

    job: Job
    plan: Plan

    @property
    def shots(self) -> list[Shot]:
        return self.plan.shots

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of all pictures."""
        return self.plan.size

    def time(self, frame: int) -> Fraction:
        """When ``frame`` is shown, in seconds from the movie's first frame."""
        return self.plan.timeline.time(frame) - self.plan.timeline.time(0)

    def shot_of(self, frame: int) -> int:
        """Which of ``shots`` holds ``frame``. InputError if the job does not have it."""
        for number, (first, last) in enumerate(self.shots):
            if first <= frame < last:
                return number
        first, last = self.plan.frames
        raise InputError(f"no frame {frame}: {self.job.id} has the frames {first} to {last - 1}")

    def flow(self, source: int, target: int) -> Floats | None:
        """Flow from frame ``source`` to frame ``target``, on the grid of ``source``: float32 (2, H, W), pixels."""
        return loaded(self.plan.stages.flow, pair_name(source, target))

    def consistency(self, source: int, target: int) -> Pixels | None:
        """Which pixels of that flow can be trusted: uint8 (H, W), 255 = sure."""
        return loaded(self.plan.stages.consistency, pair_name(source, target))

    def original(self, frame: int) -> Pixels | None:
        """The decoded frame, uint8 (H, W, 3)."""
        return eight_bit(loaded(self.plan.stages.decode, frame_name(frame)))

    def painted(self, frame: int) -> Pixels | None:
        """The stylized frame, uint8 (H, W, 3)."""
        painted = loaded(self.painted_shelf(frame), frame_name(frame))
        return None if painted is None else eight_bit(painted.pixels)

    def movie_frames(self) -> Iterator[tuple[int, Pixels]]:
        """The job's frames, each with its number, from the movie itself: also where the cache has none."""
        return read_frames(self.plan.movie, self.plan.timeline, *self.plan.frames, self.plan.size)

    def warped(self, frame: int) -> Pixels | None:
        """The frame before, moved to ``frame`` by the backward flow: uint8 (H, W, 3). What the flow claims."""
        flow, before = self.flow(frame, frame - 1), self.original(frame - 1)
        if flow is None or before is None:
            return None
        warped = backward_warp(torch.from_numpy(frame_to_float(before)), torch.from_numpy(flow))
        return eight_bit(quantize_frame(warped.numpy()))

    def warping_error(self, frame: int) -> float | None:
        """How far that is from ``frame`` where the flow is trusted; None if anything it takes is not there.

        ``metrics.warping_error`` of the movie itself: what the flow cannot explain, painted or not.
        """
        flow, mask = self.flow(frame, frame - 1), self.consistency(frame, frame - 1)
        now, before = self.original(frame), self.original(frame - 1)
        if flow is None or mask is None or now is None or before is None:
            return None
        current, previous = (torch.from_numpy(frame_to_float(pixels)) for pixels in (now, before))
        error = warping_error(current, previous, torch.from_numpy(flow), torch.from_numpy(mask_to_float(mask)))
        return None if math.isnan(error) else error

    @property
    def inputs(self) -> list[tuple[str, str | None]]:
        """What the job reads, and the movie that it painted: what each is, and its path."""
        return [*self.plan.request.inputs, ("painted movie", self.plan.request.output)]

    def has_original(self, frame: int) -> bool:
        """By its name alone: damage shows when it is read."""
        return self.plan.stages.decode.has(frame_name(frame))

    def has_painted(self, frame: int) -> bool:
        return self.painted_shelf(frame).has(frame_name(frame))

    def painted_shelf(self, frame: int) -> Shelf[Painted]:
        return self.plan.stages.stylize(self.shots[self.shot_of(frame)])


def open_inspection(job: Job, root: Path, monitor: Monitor, painting: bool = False) -> Inspection:
    """Find what a job has in the cache below ``root``.

    Args:
        painting: stylized frames will be asked for. Only these take the styles and the weights to find, so that
            flow can be looked at even after they have been moved.
    Raises:
        InputError: the movie (or with ``painting`` a style) is not there any more, or was never scanned.
    """
    request = job_request(job)
    store = Store(root, monitor.note)
    movie = probe(Path(request.movie), request.fps)
    inputs = all_inputs(request, store) if painting else movie_input(request, store)
    timeline = find_timeline(scan_shelf(store, inputs.movie), movie, request.end)
    if timeline is None:
        raise InputError(f"{job.id} has not begun: run `vidstyle resume {job.id}` first")
    return Inspection(job, assemble(request, store, inputs, movie, timeline, Weights()))


def movie_input(request: Request, store: Store) -> Inputs:
    """All that the keys of frames, flow and masks take."""
    return digest_flow_inputs(request, store, Weights(flow=flow_weights(request)), choose_device(request.device).type)


def all_inputs(request: Request, store: Store) -> Inputs:
    """And all that the keys of painted frames take besides."""
    return digest_inputs(request, store, find_all_weights(request), choose_device(request.device).type)


def loaded(shelf: Shelf[T], name: str) -> T | None:
    stored = shelf.load(name)
    return None if stored is None else stored.value


def eight_bit(pixels: NDArray[np.uint8] | NDArray[np.uint16] | None) -> Pixels | None:
    """For showing: the upper 8 bits of 16."""
    if pixels is None:
        return None
    return pixels.astype(np.uint8) if pixels.dtype == np.uint8 else (pixels >> 8).astype(np.uint8)
