"""Every frame exactly once, with its own time, wherever reading begins."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from vidstyle.errors import MediaError
from vidstyle.media import Timeline, find_cuts, probe, read_chosen, read_frames, scan

from .conftest import X264, ffmpeg, frames, lavfi


def times_by_pyav(path: Path) -> list[int]:
    """The same frames as another decoder sees them."""
    with av.open(str(path)) as container:
        return [frame.pts for frame in container.decode(container.streams.video[0])]


@pytest.mark.parametrize("name", ["cfr.mp4", "cfr.mkv", "ntsc.mp4", "vfr.mp4", "late.mp4", "rotated.mp4"])
def test_times_are_the_files_own(any_ffmpeg: str, make: Callable[[str], Path], name: str) -> None:
    movie = probe(make(name))
    timeline = scan(movie)
    assert timeline.pts.tolist() == times_by_pyav(movie.path)
    assert timeline.notes == ()
    assert timeline.end is None
    assert len(frames(movie, timeline)) == len(timeline)


AWKWARD = ["nasa_13013_vfr.mp4", "var_fps_video.mp4", "test_non_zero_start.mp4", "sideways_movie.mov",
           "testsrc2_mpeg4.avi", "testsrc2_vp9.webm", "testsrc2_av1_10bit.mp4", "multi-track.mp4",
           "sine_stereo_mp2.mpg", "h265_10bits.mp4"]  # fmt: skip


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_movies(real: Callable[[str], Path], name: str) -> None:
    movie = probe(real(f"awkward/{name}"))
    timeline = scan(movie)
    assert timeline.pts.tolist() == times_by_pyav(movie.path)
    whole = frames(movie, timeline)
    start = len(timeline) * 2 // 3
    assert np.array_equal(frames(movie, timeline, start), whole[start:])


def test_edit_list(any_ffmpeg: str, make: Callable[[str], Path], tmp_path: Path) -> None:
    """A copy that begins between key frames has frames before its beginning, which an edit list hides."""
    ffmpeg("-ss", "1.3", "-i", make("cfr.mp4"), "-c", "copy", tmp_path / "edit.mp4")
    movie = probe(tmp_path / "edit.mp4")
    timeline = scan(movie)
    assert timeline.pts.tolist() == times_by_pyav(movie.path)
    whole = frames(movie, timeline)
    assert np.array_equal(frames(movie, timeline, 100), whole[100:])


@pytest.mark.parametrize("name", ["cfr.mp4", "cfr.mkv"])
def test_reading_from_the_middle_is_bit_identical(any_ffmpeg: str, make: Callable[[str], Path], name: str) -> None:
    movie = probe(make(name))
    timeline = scan(movie)
    whole = frames(movie, timeline)
    for first in (1, 40, 74, 75, 76, 111, 149, 150, 190, 199):  # around key frames, and inside open groups
        last = min(first + 4, len(timeline))
        assert np.array_equal(frames(movie, timeline, first, last), whole[first:last])


@pytest.mark.parametrize("name", ["cfr.mp4", "cfr.mkv"])
def test_chosen_frames_are_those_of_the_whole(make: Callable[[str], Path], name: str) -> None:
    movie = probe(make(name))
    timeline = scan(movie)
    chosen = [3, 4, 20, 190, 199]  # with a gap that is worth seeking
    found = dict(read_chosen(movie, timeline, chosen, (160, 120)))
    assert list(found) == chosen
    for frame in chosen:
        assert np.array_equal(found[frame], frames(movie, timeline, frame, frame + 1)[0])
    assert list(read_chosen(movie, timeline, [], (160, 120))) == []


def test_interlaced_movies(any_ffmpeg: str, make: Callable[[str], Path]) -> None:
    movie = probe(make("interlaced.mp4"))
    assert movie.interlaced
    timeline = scan(movie)
    whole = frames(movie, timeline)
    assert len(whole) == len(timeline) == 75
    assert np.array_equal(frames(movie, timeline, 60), whole[60:])


def test_old_444_movie_from_the_middle(any_ffmpeg: str, real: Callable[[str], Path]) -> None:
    """x264 names its version in the first packet only, and decoding depends on it."""
    movie = probe(real("cockatoo.mp4"))
    timeline = scan(movie)
    size = (160, 90)
    whole = [i for _, i in itertools.islice(read_frames(movie, timeline, 0, len(timeline), size), 98, 101)]
    part = [i for _, i in read_frames(movie, timeline, 98, 101, size)]
    assert np.array_equal(part, whole)


def test_scan_stops_at_the_end_that_was_asked(any_ffmpeg: str, make: Callable[[str], Path]) -> None:
    movie = probe(make("vfr.mp4"))
    whole, part = scan(movie), scan(movie, end=Fraction(1))
    assert part.end == 1
    assert part.pts.tolist() == [t for t in whole.pts.tolist() if t < 90000]
    assert np.array_equal(part.scores, whole.scores[: len(part)])
    assert part.time(len(part)) == whole.time(len(part))
    beyond = scan(movie, end=Fraction(100))
    assert beyond.end is None
    assert beyond == whole
    with pytest.raises(MediaError):
        scan(movie, end=Fraction(-1))


def test_progress_is_told(make: Callable[[str], Path]) -> None:
    told: list[int] = []
    timeline = scan(probe(make("cfr.mp4")), progress=told.append)
    assert told == sorted(told)
    assert told[-1] == len(timeline) == 200


def test_timeline_goes_through_json(make: Callable[[str], Path]) -> None:
    timeline = scan(probe(make("cuts.mp4")), end=Fraction(2, 3))
    again = Timeline.from_json(timeline.to_json())
    assert again == timeline
    assert again.pts.dtype == np.int64
    assert again.scores.dtype == np.float32
    assert np.array_equal(again.scores, timeline.scores)


def test_truncated_movie_is_used_up_to_there(any_ffmpeg: str, make: Callable[[str], Path], tmp_path: Path) -> None:
    ffmpeg("-i", make("cfr.mp4"), "-c", "copy", "-movflags", "faststart", tmp_path / "whole.mp4")
    data = (tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "part.mp4").write_bytes(data[: len(data) * 6 // 10])
    movie = probe(tmp_path / "part.mp4")
    timeline = scan(movie)
    assert 50 < len(timeline) < 190
    assert any("breaks off" in note for note in timeline.notes)
    assert timeline.duration(len(timeline) - 1) == Fraction(1, 25)
    assert len(frames(movie, timeline)) == len(timeline)


def test_a_missing_frame_is_an_error(make: Callable[[str], Path]) -> None:
    movie = probe(make("ntsc.mp4"))
    timeline = scan(movie)
    longer = replace(timeline, pts=np.append(timeline.pts, timeline.pts[-1] + 512))
    with pytest.raises(MediaError, match="frame 60"):
        list(read_frames(movie, longer, 0, 61, (16, 12)))
    moved = replace(timeline, pts=timeline.pts + (np.arange(60) > 30))
    with pytest.raises(MediaError, match="frame 31"):
        list(read_frames(movie, moved, 0, 60, (16, 12)))
    with pytest.raises(MediaError):
        list(read_frames(movie, moved, 50, 60, (16, 12)))


def test_closing_early_ends_ffmpeg(make: Callable[[str], Path]) -> None:
    movie = probe(make("cfr.mp4"))
    reader = read_frames(movie, scan(movie), 0, 200, (640, 480))
    next(reader)
    reader.close()  # type: ignore[attr-defined]
    assert list(read_frames(movie, scan(movie), 5, 5, (640, 480))) == []


def test_rotation_is_applied(any_ffmpeg: str, make: Callable[[str], Path]) -> None:
    turned, flat = probe(make("rotated.mp4")), probe(make("rotated.mp4").with_name("flat-rotated.mp4"))
    upright = np.rot90(frames(flat, scan(flat), 0, 3), k=-1, axes=(1, 2)).astype(int)
    # Chroma is scaled up in another direction, so pixels differ at edges.
    assert np.abs(frames(turned, scan(turned), 0, 3) - upright).mean() < 2


@pytest.mark.parametrize("matrix", ["bt709", "smpte170m"])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("bits", [8, 16])
def test_colour_is_converted_by_its_tags(any_ffmpeg: str, tmp_path: Path, matrix: str, full: bool, bits: int) -> None:
    """Known Y'CbCr values give the RGB of the standard's formula, within one level."""
    kr, kb = (0.2126, 0.0722) if matrix == "bt709" else (0.299, 0.114)
    y, cb, cr = 120, 100, 160
    path = lavfi(
        tmp_path / "c.mkv", "color=black:s=32x32:d=0.2", "-vf",
        f"format=yuv444p,geq=lum={y}:cb={cb}:cr={cr},"
        f"setparams=range={'pc' if full else 'tv'}:colorspace={matrix}",
        *X264[:-1], "yuv444p", "-qp", "0", "-colorspace", matrix, "-color_range", "pc" if full else "tv",
    )  # fmt: skip
    luma = y / 255 if full else (y - 16) / 219
    blue, red = ((v - 128) / (255 if full else 224) for v in (cb, cr))
    r, b = luma + 2 * (1 - kr) * red, luma + 2 * (1 - kb) * blue
    g = (luma - kr * r - kb * b) / (1 - kr - kb)
    movie = probe(path)
    (_, image), *_ = read_frames(movie, scan(movie), 0, 1, (32, 32), bit_depth=bits)
    top = 255 if bits == 8 else 65535
    assert image.dtype == (np.uint8 if bits == 8 else np.uint16)
    assert np.abs(image[16, 16] / top - [r, g, b]).max() <= 1 / 255


@pytest.mark.parametrize(
    "name", ["-dash.mp4", "sp ace 'q' \"d\".mp4", "100%d.mp4", "ünï:co,de[1].mp4", "new\nline.mp4"]
)
def test_odd_file_names(
    any_ffmpeg: str, make: Callable[[str], Path], tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_bytes(make("ntsc.mp4").read_bytes())
    monkeypatch.chdir(tmp_path)
    movie = probe(name)
    timeline = scan(movie)
    assert len(frames(movie, timeline, 55)) == 5


def test_cuts_are_found_and_flashes_and_fades_are_not(any_ffmpeg: str, make: Callable[[str], Path]) -> None:
    assert find_cuts(scan(probe(make("cuts.mp4"))).scores) == [20, 45]


CUTS = {"bikes.mp4": [30, 76, 137, 187, 242], "bigbuckbunny.mp4": [], "cockatoo.mp4": [],
        "awkward/fades.mp4": [], "awkward/issue-134-rotate.mp4": [90, 210],
        "awkward/nasa_13013.mp4": [202]}  # fmt: skip


@pytest.mark.parametrize("name", CUTS)
def test_cuts_of_real_movies(real: Callable[[str], Path], name: str) -> None:
    assert find_cuts(scan(probe(real(name))).scores) == CUTS[name]
