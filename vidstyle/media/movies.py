"""A movie is a file that ffmpeg reads, or pictures: this is the one place where the two part."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from vidstyle.errors import InputError
from vidstyle.media.pictures import (
    Pictures,
    is_pictures,
    is_still,
    probe_pictures,
    read_pictures,
    scan_pictures,
    shown,
)
from vidstyle.media.probe import Movie
from vidstyle.media.probe import probe as probe_file
from vidstyle.media.read import neighbours
from vidstyle.media.read import read_frames as read_file
from vidstyle.media.scan import scan as scan_file
from vidstyle.media.timeline import Timeline


def probe(path: Path | str, rate: Fraction | None = None) -> Movie:
    """Looks at a movie file, a still picture or a folder of pictures, and its first frame.

    `rate` (frames per second) is for pictures alone. Raises InputError, in one line, for what is no movie.
    """
    path = Path(path).absolute()
    try:
        movie: Movie = probe_pictures(path, rate) if is_pictures(path) else probe_file(path)
    except OSError as error:  # a folder that may not be searched or listed, a name that is too long
        raise InputError(f"{shown(path)} cannot be read: {error.strerror or error}; name another") from error
    if rate is not None and not (path.is_dir() or is_still(path)):
        raise InputError(f"--fps is for pictures: the frames of {path.name!r} have times of their own; leave it out")
    return movie


def scan(movie: Movie, end: Fraction | None = None, progress: Callable[[int], None] | None = None) -> Timeline:
    """Every frame's time up to `end` (seconds on the file's clock), and how much it differs from the one before.

    Raises MediaError where no frame can be decoded or lies before `end`; InputError for a picture that does not fit.
    """
    return scan_pictures(movie, end, progress) if isinstance(movie, Pictures) else scan_file(movie, end, progress)


def read_frames(
    movie: Movie, timeline: Timeline, first: int, last: int, size: tuple[int, int], bit_depth: int = 8
) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yields (frame number, RGB array (H, W, 3)) for the frames first .. last-1, in order, each once.

    `size` is (width, height) in pixels, of the movie as displayed. Arrays are uint8, for `bit_depth` 16 uint16 over
    its full range. The same bytes come whatever `first` is. Memory is fixed; closing the generator early ends the
    reading. Raises MediaError when a frame does not come.
    """
    read = read_pictures if isinstance(movie, Pictures) else read_file
    return read(movie, timeline, first, last, size, bit_depth)  # type: ignore[arg-type]


def read_chosen(
    movie: Movie, timeline: Timeline, frames: Sequence[int], size: tuple[int, int]
) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yields only these frames, which must be in order: as read_frames does, in 8 bits.

    What lies between two of them is decoded and thrown away, unless the file can be seeked and they lie far apart.
    """
    groups = ([frame] for frame in frames) if isinstance(movie, Pictures) else neighbours(movie, timeline, frames)
    for group in groups:
        wanted = set(group)
        for frame, image in read_frames(movie, timeline, group[0], group[-1] + 1, size):
            if frame in wanted:
                yield frame, image
