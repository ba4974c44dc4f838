"""The shots of a job or of any movie, and why each begins. Scans the movie if it was not; paints nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from vidstyle.config import NoneSettings
from vidstyle.errors import InputError
from vidstyle.media import Movie, Timeline, probe, read_chosen, rises
from vidstyle.pipeline.api import job_request
from vidstyle.pipeline.events import Monitor
from vidstyle.pipeline.plan import load_timeline
from vidstyle.pipeline.request import Request, absolute
from vidstyle.pipeline.stages import Pixels, Shot, digest_movie, frame_range, job_shots
from vidstyle.store import Job, Store


@dataclass(frozen=True)
class ShotList:
    """The shots of a movie, or of the part of it that was asked for."""

    movie: Movie
    timeline: Timeline
    shots: list[Shot]
    name: str  # what files about it are called by

    def time(self, frame: int) -> Fraction:
        """When ``frame`` is shown, in seconds from the movie's first frame; of the one past the last: the end."""
        return self.timeline.time(frame) - self.timeline.time(0)

    def change(self, frame: int) -> float:
        """How much ``frame`` differs from the one before, 0 to 100."""
        return float(self.timeline.scores[frame])

    def rise(self, frame: int) -> float:
        """By how much that stands out: what ``--cut-threshold`` is compared with."""
        return float(rises(self.timeline.scores)[frame])

    @property
    def cuts(self) -> list[int]:
        """First frames of all shots but the first."""
        return [first for first, _ in self.shots[1:]]

    def nearest_miss(self) -> int | None:
        """The frame that is most like a cut, but is none; None where all is one frame a shot."""
        first, last = self.shots[0][0], self.shots[-1][1]
        rise = rises(self.timeline.scores)[:last].copy()
        rise[: first + 1] = rise[self.cuts] = -np.inf
        best = int(np.argmax(rise))
        return best if np.isfinite(rise[best]) else None

    def thumbnails(self, frames: Sequence[int], height: int) -> Iterator[tuple[int, Pixels]]:
        """These frames (in order), each with its number, from the movie itself, ``height`` pixels high."""
        width = max(1, round(height * self.movie.shape))
        return read_chosen(self.movie, self.timeline, frames, (width, height))


def open_shots(root: Path, name: str | None, monitor: Monitor, threshold: float | None = None) -> ShotList:
    """The shots of the job or the movie called ``name``; of the latest job, where it is None.

    Args:
        root: the cache folder.
        threshold: find cuts by this one, whatever the job was told.
    Raises:
        InputError: there is no such job or movie, or no job at all.
    """
    request = find_request(root, name)
    if threshold is not None:
        request = dataclasses.replace(request, shots=dataclasses.replace(request.shots, threshold=threshold))
    store = Store(root, monitor.note)
    movie = probe(Path(request.movie))
    digest = digest_movie(movie.path, store.digests)
    timeline = load_timeline(store, movie, digest, request.end, monitor, may_scan=True)
    frames = frame_range(movie, timeline, request.start, request.end)
    stem = Path(request.output or request.movie).stem
    return ShotList(movie, timeline, job_shots(request, timeline, frames), stem)


def find_request(root: Path, name: str | None) -> Request:
    """What was asked of the job that ``name`` means, or to take the movie of that name as it is."""
    if name is None:
        jobs = Job.list(root)
        if not jobs:
            raise InputError("there is no job yet: name a movie")
        return job_request(jobs[0])
    try:
        job = Job.find(root, name)
        if job.paths[0] != absolute(name):
            return job_request(job)
    except InputError as error:  # none, or several on one movie
        if not Path(name).exists():
            raise InputError(f"no movie and {error}" if str(error).startswith("no job") else str(error)) from None
    return Request(absolute(name), output="", stylize=NoneSettings())
