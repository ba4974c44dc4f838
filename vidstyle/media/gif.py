"""Painted frames into an animated GIF."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import ffmpeg
import numpy as np
from numpy.typing import NDArray

from vidstyle.media.feed import Feed
from vidstyle.media.ffmpeg import command, file_url, find_ffmpeg
from vidstyle.media.probe import Movie
from vidstyle.media.source import ratio
from vidstyle.media.timeline import Timeline
from vidstyle.media.write import scaled_aspect
from vidstyle.media.write_pictures import left_out
from vidstyle.media.writer import Writer

TICK = Fraction(1, 100)  # second; GIF counts in these
SHORTEST = 2  # ticks; browsers show a frame of fewer for ten
PALETTE = (16, 16)  # pixels: 256 colours


class GifWriter(Writer):
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
        super().__init__(path, first, last, size, bit_depth)
        # A name that is swept up like the file's own, should we be killed.
        self.palette = self.path.with_suffix(".palette")
        self.aspect = scaled_aspect(movie, size)
        self.ticks = [round((timeline.time(n) - timeline.time(first)) / TICK) for n in range(first, last + 1)]
        self.notes = (*left_out(movie, "GIFs", encoding), *self._time_notes())
        self._feed: Feed | None = None

    def _time_notes(self) -> list[str]:
        steps = np.diff(np.array(self.ticks))
        notes = []
        if crowded := int((steps[:-1] < 1).sum()):
            notes.append(f"a GIF shows at most 100 frames a second: {crowded} frames are left out")
        if (steps[:-1] < SHORTEST).any():
            notes.append("frames shorter than 1/50 s: browsers show such a GIF too slowly")
        return notes

    def _write(self, turn: int, number: int, image: NDArray[Any]) -> None:
        if number == 0:
            self._begin(turn)
        assert self._feed is not None
        if number == 0 or self.ticks[number] > self.ticks[number - 1]:
            self._feed.write(image, self.ticks[number])
        if number == self.count - 1:
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

    def _end(self) -> None:
        with self.path.open("rb") as file:
            os.fsync(file.fileno())

    def _close(self) -> None:
        if self._feed is not None:
            self._feed.close()
        self.palette.unlink(missing_ok=True)
