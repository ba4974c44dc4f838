"""The decoded video of a movie as an ffmpeg stream: what scan and read_frames have in common.

Both must see the same frames with the same times, so the start of their filter graph is made here.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from vidstyle.media.ffmpeg import open_file
from vidstyle.media.probe import Movie


def decoded(movie: Movie, **options: Any) -> Any:
    """Frames of the movie's video, with the file's own times in ticks of movie.time_base.

    `options` are further input options. A frame that the decoder could not complete is not given at all (so
    that reading from the middle gives the same pictures as reading from the start).
    """
    source = open_file(movie.path, copyts=None, flags="-output_corrupt", **options)
    return source[str(movie.video_index)].filter("settb", ratio(movie.time_base))


def ratio(value: Fraction) -> str:
    """As ffmpeg's options take it."""
    return f"{value.numerator}/{value.denominator}"
