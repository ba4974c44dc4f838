"""Other pictures at the times of a movie: what a video about a movie is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from vidstyle.media import MovieWriter, probe, scan


@pytest.mark.parametrize("name", ["vfr.mp4", "late.mp4", "narrow.mp4"])
def test_times_stay_and_all_else_goes(make: Callable[[str], Path], tmp_path: Path, name: str) -> None:
    movie = probe(make(name))
    timeline = scan(movie)
    path, size, last = tmp_path / "out.mp4", (320, 94), len(timeline)  # of another shape than the movie
    with MovieWriter(path, movie.pictures_alone(*size), timeline, 0, last, size, trim=True) as writer:
        for frame in range(last):
            writer.write(np.full((94, 320, 3), 2 * frame, np.uint8))
        writer.finish()
    written = probe(path)
    assert (written.width, written.height, written.shape) == (320, 94, Fraction(320, 94))
    assert written.audio == () and writer.notes == ()
    again = scan(written)
    steps, wanted = ([t.time(n + 1) - t.time(n) for n in range(last)] for t in (again, timeline))
    assert steps == wanted and again.time(0) == 0


def test_the_shape_is_as_shown(make: Callable[[str], Path]) -> None:
    movie = probe(make("narrow.mp4"))
    assert movie.sample_aspect_ratio == Fraction(2, 3)
    assert movie.shape == Fraction(160 * 2, 120 * 3)
    assert movie.pictures_alone(100, 50).shape == 2


def test_colours_of_hdr_are_not_claimed(make: Callable[[str], Path]) -> None:
    movie = replace(probe(make("cfr.mp4")), color_primaries="bt2020", color_transfer="smpte2084")
    alone = movie.pictures_alone(16, 16)
    assert (alone.color_primaries, alone.color_transfer) == (None, None)
    plain = replace(movie, color_primaries="bt709", color_transfer="bt709").pictures_alone(16, 16)
    assert (plain.color_primaries, plain.color_transfer) == ("bt709", "bt709")
