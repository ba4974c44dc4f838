"""One pass over a movie: every frame's time, and how much it differs from the frame before."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import IO

import numpy as np

from vidstyle.errors import MediaError
from vidstyle.media.ffmpeg import command, find_ffmpeg
from vidstyle.media.probe import Movie
from vidstyle.media.process import Process
from vidstyle.media.source import decoded, ratio
from vidstyle.media.timeline import Timeline

SCORE_WIDTH = 256  # pixels that pictures are scaled down to for the score; enough to tell shots apart
PROGRESS_EVERY = 100  # frames between two calls of the progress callback
LONGEST_LAST = Fraction(60)  # seconds; a last frame that seems to be shown longer means a file cut off
SHORT_BY = Fraction(1, 2)  # seconds missing at the end from which damage counts as broken off


def scan(movie: Movie, end: Fraction | None = None, progress: Callable[[int], None] | None = None) -> Timeline:
    """Decodes the movie once, up to `end` (seconds on the file's clock) or to its end.

    A movie cut off in the middle gives the frames that are there, and a note. Raises MediaError where not one
    frame can be decoded, or none lies before `end`.
    """
    limit = math.inf if end is None else math.ceil(end / movie.time_base)
    frames = _Frames(limit)
    with Process(command(find_ffmpeg(), _scores_to_pipe(movie)), stdout=True) as process:
        for count, (pts, score) in enumerate(_parse(process.stdout)):
            if not frames.add(pts, score):
                break
            if progress is not None and count % PROGRESS_EVERY == 0:
                progress(len(frames.pts))
        else:
            _check_end(process, frames)
        stopped, damage = frames.next_pts is not None, process.error_lines
    if not frames.pts:
        raise MediaError(f"no frame of {movie.path.name} lies before {float(end or 0):.3f} s")
    if progress is not None:
        progress(len(frames.pts))
    last_duration, notes = _last_duration(movie, frames, 0 if stopped else damage)
    return Timeline(
        time_base=movie.time_base,
        pts=np.array(frames.pts, np.int64),
        scores=np.array(frames.scores, np.float32),
        end=end if stopped else None,
        last_duration=last_duration,
        notes=tuple(notes),
    )


class _Frames:
    """Collects frames with strictly increasing times below `limit` ticks."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.pts: list[int] = []
        self.scores: list[float] = []
        self.next_pts: int | None = None  # of the first frame at or after the limit
        self.dropped = 0

    def add(self, pts: int | None, score: float) -> bool:
        """False: the limit is reached."""
        if pts is None or (self.pts and pts <= self.pts[-1]):
            self.dropped += 1  # read_frames drops the same ones
        elif pts >= self.limit:
            self.next_pts = pts
            return False
        else:
            self.pts.append(pts)
            self.scores.append(score)
        return True


def _scores_to_pipe(movie: Movie) -> object:
    # Rotation does not matter for the score; a threshold of 100 keeps scdet from logging.
    stream = decoded(movie, noautorotate=None)
    stream = stream.filter("scale", f"min(iw,{SCORE_WIDTH})", -2, flags="bilinear").filter("format", "gray")
    stream = stream.filter("scdet", threshold=100).filter("metadata", mode="print", file="pipe:1")
    # Without the time base, the null muxer complains of times that coincide when rounded to frames.
    return stream.output("-", format="null", fps_mode="passthrough", enc_time_base=ratio(movie.time_base))


def _parse(stream: IO[bytes]) -> Iterator[tuple[int | None, float]]:
    """(pts in ticks, score) of each frame, from the text of ffmpeg's metadata filter."""
    pts: int | None = None
    for line in stream:
        if line.startswith(b"frame:"):
            text = line.split(b"pts:", 1)[1].split(b"pts_time", 1)[0].strip()
            pts = None if text == b"NOPTS" else int(text)
        elif line.startswith(b"lavfi.scd.mafd="):
            yield pts, float(line.partition(b"=")[2])


def _check_end(process: Process, frames: _Frames) -> None:
    """A failure after some frames is a damaged file, used up to there; without any it is an error."""
    if process.wait() != 0 and not frames.pts:
        raise MediaError(f"ffmpeg could not decode the movie: {process.tail()}")


def _last_duration(movie: Movie, frames: _Frames, damage: int) -> tuple[int, list[str]]:
    """Ticks that the last frame is shown, and remarks on how the movie ends."""
    notes = []
    if frames.dropped:
        notes.append(f"{frames.dropped} frames without a time of their own are left out")
    last = frames.pts[-1]
    if frames.next_pts is not None:
        return frames.next_pts - last, notes
    usual = _usual_duration(movie, frames.pts)
    if movie.duration is None:
        return usual, notes
    # Where other streams may be longer, the end of the file says nothing of the last frame.
    shown = round((movie.start_time + movie.duration) / movie.time_base) - last
    missing = (shown - usual) * movie.time_base
    if missing > LONGEST_LAST or (damage and missing > SHORT_BY):
        notes.append(
            f"the movie breaks off: {float((last + usual) * movie.time_base - movie.start_time):.2f} s"
            f" of {float(movie.duration):.2f} s can be read"
        )
        return usual, notes
    if damage:
        notes.append(f"the movie is damaged: ffmpeg reported {damage} problems, pictures may show it")
    return (shown if shown > 0 and movie.duration_is_videos else usual), notes


def _usual_duration(movie: Movie, pts: list[int]) -> int:
    """The median step between frames, in ticks; of one frame alone by the movie's rate."""
    if len(pts) > 1:
        return max(1, int(np.median(np.diff(np.array(pts[-1000:], np.int64)))))
    rate = movie.average_rate or Fraction(25)
    return max(1, round(1 / (rate * movie.time_base)))
