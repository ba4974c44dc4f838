"""Every awkward movie goes through unpainted, and keeps its frames, times, length and tracks."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from tests.media.conftest import CLIPS
from tests.pipeline.conftest import Work
from vidstyle.media import probe, scan

#: Of the data folder; those that are broken on purpose are not here.
AWKWARD = [
    *("SAR-2by3.mp4", "bt601_full_range.mp4", "bt709_full_range.mp4", "example_yuv422p.mp4", "fades.mp4"),
    *("h265_10bits.mp4", "issue-134-rotate.mp4", "multi-track.mp4", "nasa_13013.mp4", "nasa_13013_rotated.mp4"),
    *("nasa_13013_vfr.mp4", "sideways_movie.mov", "sine_stereo_mp2.mpg", "test_non_zero_start.mp4"),
    *("testsrc2_444_8bit_hevc.mp4", "testsrc2_av1_10bit.mp4", "testsrc2_hdr.mp4", "testsrc2_mpeg4.avi"),
    *("testsrc2_odd_dims_10bit.mp4", "testsrc2_odd_height_and_width_vp9.mp4", "testsrc2_vp9.webm"),
    *("unspecified_limited_range.mp4", "var_fps_video.mp4", "weird_aspect.small.mpg"),
]
#: How finely each kind of file tells times, in seconds.
TICK = {".mp4": Fraction(1, 10_000), ".mov": Fraction(1, 10_000), ".mkv": Fraction(1, 1000), ".webm": Fraction(1, 1000)}
FEW = {"encode": {"preset": "ultrafast"}, "style": (), "method": "none", "stylize": {}}
END = Fraction(1, 5)


def check(work: Work, source: Path, output: Path, end: Fraction | None) -> None:
    """Goes through the movie up to `end`, and holds the output to it."""
    work.paint(source, **FEW, output=output, end=end)
    movie, written = probe(source), probe(output)
    before, now = scan(movie, None if end is None else movie.start_time + end), scan(written)
    was = [before.time(n) - before.time(0) for n in range(len(before) + 1)]
    count = len(before)
    assert len(now) == count
    tick = max(TICK[output.suffix], movie.time_base)
    for frame in range(count):
        assert abs(now.time(frame) - now.time(0) - was[frame]) <= tick, f"frame {frame}"
    assert abs(now.time(count) - now.time(0) - was[count]) <= was[count] - was[count - 1]
    assert len(written.audio) == len(movie.audio)
    shape = written.sample_aspect_ratio * written.width / written.height
    assert float(shape) == pytest.approx(movie.sample_aspect_ratio * movie.width / movie.height, rel=0.02)


@pytest.mark.parametrize("name", AWKWARD)
def test_the_beginning_of_awkward_movies(empty: Work, data: Path, name: str) -> None:
    check(empty, data / "clips" / "awkward" / name, empty.folder / "x.mp4", END)


@pytest.mark.parametrize("name", ["late.mp4", "interlaced.mp4", "rotated.mp4", "tracks.mp4", "vfr.mp4"])
def test_the_beginning_of_made_movies(empty: Work, name: str) -> None:
    CLIPS[name](empty.folder / name)
    check(empty, empty.folder / name, empty.folder / "x.mkv", END)


@pytest.mark.slow
@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".webm"])
@pytest.mark.parametrize("name", AWKWARD)
def test_all_of_awkward_movies(empty: Work, data: Path, name: str, ending: str) -> None:
    check(empty, data / "clips" / "awkward" / name, empty.folder / f"x{ending}", None)
