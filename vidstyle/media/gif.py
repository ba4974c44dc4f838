"""Painted frames into an animated GIF."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import ffmpeg
import numpy as np
from numpy.typing import NDArray

from vidstyle.errors import MediaError
from vidstyle.media.feed import Feed
from vidstyle.media.ffmpeg import command, file_url, find_ffmpeg
from vidstyle.media.probe import Movie
from vidstyle.media.source import ratio
from vidstyle.media.timeline import Timeline
from vidstyle.media.write import scaled_aspect
from vidstyle.media.write_pictures import left_out

TICK = Fraction(1, 100)  # second; GIF counts in these
SHORTEST = 2  # ticks; browsers show a frame of fewer for ten
PALETTE = (16, 16)  # pixels: 256 colours


class GifWriter:
    """Writes frames with one palette for all of them, which takes two passes: they are given twice.

    The same arguments and the same behaviour as MovieWriter. One palette and an ordered dither keep still what does
    not move: error diffusion, or a palette for each frame, makes it boil.
    """

    passes = 2

    def __init__(
        self,
        path: Path | str,
        movie: Movie,
        timeline: Timeline,
        first: int,
        last: int,
        size: tuple[int, int],
        trim: bool = False,
        bit_depth: int = 8,
        **encoding: Any,
    ) -> None:
        self.path, self.size, self.first, self.last = Path(path).absolute(), size, first, last
        # A name that is swept up like the file's own, should we be killed.
        self.palette = self.path.with_suffix(".palette")
        self.kind = np.dtype("u1" if bit_depth == 8 else "<u2")
        self.aspect = scaled_aspect(movie, size)
        self.ticks = [round((timeline.time(n) - timeline.time(first)) / TICK) for n in range(first, last + 1)]
        self.notes: tuple[str, ...] = (*left_out(movie, "GIFs", encoding), *self._time_notes())
        self._feed: Feed | None = None
        self._written, self._finished = 0, False

    def _time_notes(self) -> list[str]:
        steps = np.diff(np.array(self.ticks))
        notes = []
        if crowded := int((steps[:-1] < 1).sum()):
            notes.append(f"a GIF shows at most 100 frames a second: {crowded} frames are left out")
        if (steps[:-1] < SHORTEST).any():
            notes.append("frames shorter than 1/50 s: browsers show such a GIF too slowly")
        return notes

    def __enter__(self) -> GifWriter:
        return self

    def write(self, image: NDArray[Any]) -> None:
        """Takes the next frame, RGB (H, W, 3) of the size and depth said at the start; after the last, the first."""
        if image.shape != (self.size[1], self.size[0], 3) or image.dtype != self.kind:
            raise ValueError(f"a frame of {image.shape} {image.dtype}, not {self.size[::-1]} + (3,) {self.kind}")
        count = self.last - self.first
        turn, number = divmod(self._written, count)
        if turn >= self.passes:
            raise ValueError(f"more frames than {self.passes} times the {count} that were announced")
        if number == 0:
            self._begin(turn)
        assert self._feed is not None
        if number == 0 or self.ticks[number] > self.ticks[number - 1]:
            self._feed.write(image, self.ticks[number])
        self._written += 1
        if number == count - 1:
            self._feed.finish("writing the GIF")

    def _begin(self, turn: int) -> None:
        if self._feed is not None:
            self._feed.close()
        arguments = command(find_ffmpeg(), self._drawing() if turn else self._colours())
        self._feed = Feed(arguments, self.size, "rgb24" if self.kind.itemsize == 1 else "rgb48le", TICK, Fraction(25))

    def _colours(self) -> Any:
        """The first pass: the palette."""
        frames = ffmpeg.input("pipe:0", format="nut", analyzeduration=0)["0"]
        frames = frames.filter("format", "rgb24").filter("palettegen", stats_mode="full")
        return ffmpeg.output(frames, file_url(self.palette), format="rawvideo", pix_fmt="bgra", **{"frames:v": 1})

    def _drawing(self) -> Any:
        """The second: the GIF."""
        frames = ffmpeg.input("pipe:0", format="nut", copyts=None, analyzeduration=0)["0"]
        palette = ffmpeg.input(file_url(self.palette), format="rawvideo", pix_fmt="bgra", video_size=PALETTE)["0"]
        frames = frames.filter("format", "rgb24").filter("setsar", ratio(self.aspect))
        drawn = ffmpeg.filter([frames, palette], "paletteuse", dither="bayer", bayer_scale=3)
        return ffmpeg.output(
            drawn,
            file_url(self.path),
            format="gif",
            loop=0,  # for ever
            final_delay=max(1, self.ticks[-1] - self.ticks[-2]),
            fps_mode="passthrough",
            enc_time_base=ratio(TICK),
            fflags="+bitexact",
        )

    def finish(self) -> None:
        """MediaError unless all frames came, twice."""
        count = self.last - self.first
        if self._written != self.passes * count:
            raise MediaError(f"only {self._written} of {self.passes} times {count} frames were written")
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        self._finished = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._feed is not None:
            self._feed.close()
        self.palette.unlink(missing_ok=True)
        if not self._finished:
            self.path.unlink(missing_ok=True)
