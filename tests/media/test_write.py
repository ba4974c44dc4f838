"""Frames in, a movie out: times, sound, colour, shape, and always the same bytes."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from vidstyle.errors import MediaError, OutputError
from vidstyle.media import MovieWriter, check_output, probe, read_frames, scan

from .conftest import frames, lavfi, rewrite

TICK = {".mp4": 0, ".mov": 0, ".mkv": Fraction(1, 1000), ".webm": Fraction(1, 1000)}


def relative_times(path: Path) -> list[Fraction]:
    """From the first of all streams, as players count; the last is the end of the last frame."""
    movie = probe(path)
    timeline = scan(movie)
    return [timeline.time(i) - movie.clock_start for i in range(len(timeline) + 1)]


def test_names_need_not_be_text(make: Callable[[str], Path], tmp_path: Path) -> None:
    """On Linux a file's name is bytes: here é in Latin-1."""
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    shutil.copy(make("cfr.mp4"), folder / "in.mp4")
    movie = probe(folder / "in.mp4")
    rewrite(folder / "out.mp4", movie, scan(movie), 0, 5)
    assert len(scan(probe(folder / "out.mp4"))) == 5


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("name", ["cfr.mp4", "ntsc.mp4", "vfr.mp4", "late.mp4", "late.mkv"])
def test_times_survive(any_ffmpeg: str, make: Callable[[str], Path], tmp_path: Path, name: str, ending: str) -> None:
    movie = probe(make(name))
    rewrite(tmp_path / f"out{ending}", movie, scan(movie), preset="ultrafast")
    was, now = relative_times(movie.path), relative_times(tmp_path / f"out{ending}")
    assert len(now) == len(was)
    # Matroska of ffmpeg 5.1 cannot say that sound begins with 1024 samples of lead-in: pictures wait for it.
    lead = Fraction(1025, 44100) if ending == ".mkv" and movie.audio else 0
    assert max(abs(a - b) for a, b in zip(was, now, strict=True)) <= TICK[ending] + lead


@pytest.mark.parametrize(
    "name", ["nasa_13013_vfr.mp4", "var_fps_video.mp4", "test_non_zero_start.mp4", "sideways_movie.mov",
             "sine_stereo_mp2.mpg", "multi-track.mp4"]
)  # fmt: skip
def test_awkward_movies_keep_their_times(real: Callable[[str], Path], tmp_path: Path, name: str) -> None:
    movie = probe(real(f"awkward/{name}"))
    rewrite(tmp_path / "out.mp4", movie, scan(movie), preset="ultrafast")
    was, now = relative_times(movie.path), relative_times(tmp_path / "out.mp4")
    assert len(was) == len(now)
    assert max(abs(a - b) for a, b in zip(was, now, strict=True)) <= movie.time_base


@pytest.mark.parametrize("name", ["cfr.mp4", "tracks.mp4"])
def test_same_frames_give_the_same_bytes(
    any_ffmpeg: str, make: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    movie = probe(make(name))
    timeline = scan(movie)
    for trim, ending in itertools.product((False, True), (".mp4", ".mkv")):
        for number in range(2):
            rewrite(tmp_path / f"{number}{ending}", movie, timeline, 0, 40, trim=trim)
        assert (tmp_path / f"0{ending}").read_bytes() == (tmp_path / f"1{ending}").read_bytes()


def test_shape_and_rotation(any_ffmpeg: str, make: Callable[[str], Path], tmp_path: Path) -> None:
    for name in ("rotated.mp4", "narrow.mp4"):
        movie = probe(make(name))
        rewrite(tmp_path / "out.mp4", movie, scan(movie))
        out = probe(tmp_path / "out.mp4")
        assert (out.width, out.height, out.rotation) == (movie.width, movie.height, 0)
        assert out.sample_aspect_ratio == movie.sample_aspect_ratio


def test_odd_sizes_keep_all_pixels(any_ffmpeg: str, tmp_path: Path) -> None:
    movie = probe(
        lavfi(
            tmp_path / "odd.mkv",
            "mandelbrot=s=33x21,trim=duration=0.2",
            "-pix_fmt",
            "yuv444p",
            "-c:v",
            "ffv1",
        )
    )
    writer = rewrite(tmp_path / "out.mp4", movie, scan(movie))
    out = probe(tmp_path / "out.mp4")
    assert (out.width, out.height) == (34, 22)
    assert any("even sizes" in note for note in writer.notes)
    writer = rewrite(tmp_path / "444.mp4", movie, scan(movie), pix_fmt="yuv444p", crf=1)
    out = probe(tmp_path / "444.mp4")
    assert (out.width, out.height, writer.notes) == (33, 21, ())
    assert np.abs(frames(out, scan(out)).astype(int) - frames(movie, scan(movie))).mean() < 2


@pytest.mark.parametrize("name", ["bt601_full_range.mp4", "bt709_full_range.mp4", "h265_10bits.mp4",
                                  "pexels", "unspecified_limited_range.mp4"])  # fmt: skip
def test_colour_tags_and_values_survive(
    any_ffmpeg: str, real: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    movie = probe(real("pexels-cottonbro-6649832.mp4" if name == "pexels" else f"awkward/{name}"))
    timeline = scan(movie, end=movie.start_time + Fraction(1, 5))
    rewrite(tmp_path / "out.mp4", movie, timeline, pix_fmt="yuv444p", crf=4)
    out = probe(tmp_path / "out.mp4")
    assert out.color_matrix == movie.color_matrix or (movie.color_matrix, out.color_matrix) == (
        None,
        "smpte170m",
    )
    assert out.color_range == (movie.color_range or "tv")
    assert (out.color_primaries, out.color_transfer) == (movie.color_primaries, movie.color_transfer)
    difference = frames(out, scan(out)).astype(int) - frames(movie, timeline)
    assert abs(difference.mean()) < 0.5
    assert np.abs(difference).mean() < 1


def onsets(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Times in seconds, from the movie's beginning, of the white frames and of the beeps."""
    movie = probe(path)
    timeline = scan(movie)
    images = read_frames(movie, timeline, 0, len(timeline), (8, 8))
    white = [float(timeline.time(n) - movie.clock_start) for n, image in images if image.mean() > 128]
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        sounds = [(float(f.pts * f.time_base), f.to_ndarray()[0]) for f in container.decode(stream)]
        rate = stream.codec_context.sample_rate
    loud = np.concatenate([t + np.flatnonzero(np.abs(s) > 0.2 * _top(s)) / rate for t, s in sounds])
    return np.array(white), loud[np.diff(loud, prepend=-1) > 0.5] - float(movie.clock_start)


def _top(samples: np.ndarray) -> float:
    return 1.0 if samples.dtype.kind == "f" else float(np.iinfo(samples.dtype).max)


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".webm"])
@pytest.mark.parametrize("first", [0, 30])
def test_sound_is_in_sync(
    any_ffmpeg: str, make: Callable[[str], Path], tmp_path: Path, ending: str, first: int
) -> None:
    """The flash and the beep of each second come together: copied, converted, and cut in the middle."""
    movie = probe(make("sync.mp4"))
    timeline = scan(movie)
    writer = rewrite(tmp_path / f"out{ending}", movie, timeline, first, 140 if first else None, trim=first > 0)
    white, beeps = onsets(tmp_path / f"out{ending}")
    assert len(white) == len(beeps) == (4 if first else 5)
    # Opus in a webm of ffmpeg 5.1 comes its lead-in of 312 samples early; elsewhere it is exact.
    assert np.abs(white - beeps).max() < (0.008 if ending == ".webm" else 0.002)
    assert (ending == ".webm" or first > 0) == any("audio" in note for note in writer.notes)
    if first:
        with av.open(str(tmp_path / f"out{ending}")) as container:
            length = sum(f.samples for f in container.decode(audio=0)) / 44100 if ending == ".mp4" else 4.4
        assert length == pytest.approx(4.4, abs=0.03)


def test_tracks_chapters_and_metadata(any_ffmpeg: str, make: Callable[[str], Path], tmp_path: Path) -> None:
    movie = probe(make("tracks.mp4"))
    timeline = scan(movie)
    for ending, subtitles in ((".mp4", "mov_text"), (".mkv", "subrip")):
        rewrite(tmp_path / f"out{ending}", movie, timeline)
        out = probe(tmp_path / f"out{ending}")
        assert [a.codec for a in out.audio] == ["aac", "aac"]
        assert [s.codec for s in out.subtitles] == [subtitles]
        with av.open(str(out.path)) as container:
            assert container.metadata.get("title") == "A test"
            assert [c["metadata"]["title"] for c in container.chapters()] == ["one", "two"]
    rewrite(tmp_path / "part.mp4", movie, timeline, 30, 50, trim=True)
    with av.open(str(tmp_path / "part.mp4")) as container:
        assert [c["metadata"]["title"] for c in container.chapters()] == ["two"]


def test_copied_sound_is_untouched(make: Callable[[str], Path], tmp_path: Path) -> None:
    movie = probe(make("tracks.mp4"))
    rewrite(tmp_path / "out.mp4", movie, scan(movie))

    def packets(path: Path) -> list[bytes]:
        with av.open(str(path)) as container:
            return [bytes(packet) for packet in container.demux(audio=1)]

    assert packets(tmp_path / "out.mp4") == packets(movie.path)


@pytest.mark.parametrize("name", ["-dash.mp4", "sp ace 'q'.mp4", "100%d.mp4", "ünï:co,de[1].mp4", "new\nline.mp4"])
def test_odd_output_names(
    make: Callable[[str], Path], tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    movie = probe(make("narrow.mp4"))
    rewrite(Path(name), movie, scan(movie), 0, 3)
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_deep_frames_can_be_written(any_ffmpeg: str, make: Callable[[str], Path], tmp_path: Path) -> None:
    movie = probe(make("narrow.mp4"))
    timeline = scan(movie)
    with MovieWriter(tmp_path / "out.mkv", movie, timeline, 0, 3, (160, 120), codec="ffv1", bit_depth=16) as writer:
        for _, image in read_frames(movie, timeline, 0, 3, (160, 120), bit_depth=16):
            writer.write(image)
        writer.finish()
    out = probe(tmp_path / "out.mkv")
    assert np.abs(frames(out, scan(out)).astype(int) - frames(movie, timeline, 0, 3)).max() <= 2


def test_unfinished_files_are_removed(make: Callable[[str], Path], tmp_path: Path) -> None:
    movie = probe(make("narrow.mp4"))
    timeline = scan(movie)
    image = np.zeros((120, 160, 3), np.uint8)
    with (
        pytest.raises(MediaError, match="only 1 of 25"),
        MovieWriter(tmp_path / "out.mp4", movie, timeline, 0, 25, (160, 120)) as writer,
    ):
        writer.write(image)
        with pytest.raises(ValueError, match="frame of"):
            writer.write(image[1:])
        writer.finish()
    assert list(tmp_path.iterdir()) == []


def test_ffmpegs_own_words_are_in_the_error(make: Callable[[str], Path], tmp_path: Path) -> None:
    movie = probe(make("cfr.mp4"))
    timeline = scan(movie)
    with (
        pytest.raises(MediaError, match=r"no-such-preset|Invalid argument"),
        MovieWriter(tmp_path / "o.mp4", movie, timeline, 0, 200, (160, 120), preset="no-such-preset") as writer,
    ):
        for _ in range(200):
            writer.write(np.zeros((120, 160, 3), np.uint8))
        writer.finish()


def test_codecs(any_ffmpeg: str, make: Callable[[str], Path], tmp_path: Path) -> None:
    movie = probe(make("narrow.mp4"))
    timeline = scan(movie)
    rewrite(tmp_path / "h265.mp4", movie, timeline, 0, 5, codec="h265", preset="ultrafast")
    assert probe(tmp_path / "h265.mp4").codec == "hevc"
    with pytest.raises(OutputError, match="webm does not hold h264"):
        MovieWriter(tmp_path / "x.webm", movie, timeline, 0, 5, (160, 120), codec="libx264")
    with pytest.raises(OutputError, match="no encoder"):
        MovieWriter(tmp_path / "x.mp4", movie, timeline, 0, 5, (160, 120), codec="nonsense")


def test_check_output(tmp_path: Path) -> None:
    check_output(tmp_path / "fine.MP4")
    (tmp_path / "folder.mp4").mkdir()
    for bad, words in {
        "out.xyz": "xyz",
        "out": "without an ending",
        "none/out.mp4": "no such folder",
        "folder.mp4": "is a folder",
    }.items():
        with pytest.raises(OutputError, match=words):
            check_output(tmp_path / bad)
