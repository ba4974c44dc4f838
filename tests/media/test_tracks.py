"""What else is in a movie: tracks of sound, subtitles, broken ends and beginnings, other codecs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from vidstyle.media import probe, scan

from .conftest import TEST, X264, ffmpeg, frames, lavfi, rewrite

SOUND = ("-f", "lavfi", "-i", "sine=d=2", "-f", "lavfi", "-i", "sine=f=800:d=2")


def samples(path: Path, track: int = 0) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=track)])


@pytest.mark.parametrize(("source", "codec"), [(".mp4", "aac"), (".mkv", "flac"), (".webm", "libopus")])
@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".webm", ".mov"])
def test_every_track_of_sound_arrives(tmp_path: Path, source: str, codec: str, ending: str) -> None:
    """Copied where the file type holds it, converted where not, and then it is said."""
    video = ("-c:v", "libvpx-vp9", "-cpu-used", "8") if source == ".webm" else X264
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=32x32:r=10:d=2", *SOUND, "-map", "0", "-map", "1", "-map", "2",
           *video, "-c:a", codec, tmp_path / f"in{source}")  # fmt: skip
    movie = probe(tmp_path / f"in{source}")
    writer = rewrite(tmp_path / f"out{ending}", movie, scan(movie))
    out = probe(tmp_path / f"out{ending}")
    assert len(out.audio) == 2
    changed = [was.codec for was in movie.audio] != [now.codec for now in out.audio]
    assert changed == any("does not go into" in note for note in writer.notes)
    pitch = [np.abs(np.fft.rfft(samples(out.path, n).astype(float)[8000:28000])).argmax() for n in (0, 1)]
    assert pitch[1] / pitch[0] == pytest.approx(800 / 440, rel=0.02)


def test_a_movie_without_sound_gets_none(make: Callable[[str], Path], tmp_path: Path) -> None:
    movie = probe(make("narrow.mp4"))
    timeline = scan(movie)
    for number, (first, last) in enumerate(((0, 25), (5, 9))):
        writer = rewrite(tmp_path / f"{number}.mp4", movie, timeline, first, last, trim=number == 1)
        assert probe(tmp_path / f"{number}.mp4").audio == ()
        assert not any("audio" in note for note in writer.notes)


@pytest.mark.parametrize(("first", "last"), [(0, 7), (3, 20), (30, 49)])
def test_a_part_has_its_sound_to_the_sample(tmp_path: Path, first: int, last: int) -> None:
    noise = "aevalsrc='random(0)-0.5':s=48000:d=2"
    ffmpeg("-f", "lavfi", "-i", TEST.format(rate=25, seconds=2), "-f", "lavfi", "-i", noise, *X264,
           "-c:a", "pcm_s16le", tmp_path / "in.mkv")  # fmt: skip
    movie = probe(tmp_path / "in.mkv")
    timeline = scan(movie)
    rewrite(tmp_path / "out.mkv", movie, timeline, first, last, trim=True)
    begin, end = (round((timeline.time(n) - movie.clock_start) * 48000) for n in (first, last))
    assert np.array_equal(samples(tmp_path / "out.mkv"), samples(movie.path)[begin:end])


def test_srt_becomes_what_mp4_holds(tmp_path: Path) -> None:
    (tmp_path / "t.srt").write_text("1\n00:00:00,500 --> 00:00:01,500\nhello\n")
    ffmpeg("-f", "lavfi", "-i", TEST.format(rate=25, seconds=2), "-i", tmp_path / "t.srt", *X264, "-c:s", "srt",
           tmp_path / "in.mkv")  # fmt: skip
    movie = probe(tmp_path / "in.mkv")
    writer = rewrite(tmp_path / "out.mp4", movie, scan(movie))
    assert [s.codec for s in probe(tmp_path / "out.mp4").subtitles] == ["mov_text"]
    assert "subrip subtitles become mov_text" in writer.notes
    with av.open(str(tmp_path / "out.mp4")) as container:
        texts = [(float(p.pts * p.time_base), bytes(p)[2:]) for p in container.demux(subtitles=0) if p.size > 2]
    assert texts == [(0.5, b"hello")]


def test_av1_goes_in_and_out(tmp_path: Path) -> None:
    movie = probe(lavfi(tmp_path / "in.mp4", TEST.format(rate=25, seconds=0.4), "-c:v", "libsvtav1", "-preset", "12"))
    timeline = scan(movie)
    rewrite(tmp_path / "out.webm", movie, timeline, codec="av1", preset="12")
    out = probe(tmp_path / "out.webm")
    assert (movie.codec, out.codec, len(scan(out))) == ("av1", "av1", 10)


def test_a_stream_that_begins_between_key_frames(tmp_path: Path) -> None:
    lavfi(tmp_path / "whole.ts", TEST.format(rate=25, seconds=3), *X264, "-g", "25")
    data = (tmp_path / "whole.ts").read_bytes()
    (tmp_path / "part.ts").write_bytes(data[188 * (len(data) // 188 // 6) :])
    movie = probe(tmp_path / "part.ts")
    timeline = scan(movie)
    whole = frames(movie, timeline)
    assert len(timeline) == 50  # from the second key frame on
    assert np.array_equal(frames(movie, timeline, 20), whole[20:])
    rewrite(tmp_path / "out.mp4", movie, timeline)
    assert len(scan(probe(tmp_path / "out.mp4"))) == 50


@pytest.mark.parametrize("ending", [".mkv", ".mp4"])
def test_a_movie_broken_off_is_said(make: Callable[[str], Path], tmp_path: Path, ending: str) -> None:
    ffmpeg("-i", make("cfr.mp4"), "-c", "copy", "-movflags", "+faststart", tmp_path / f"whole{ending}")
    data = (tmp_path / f"whole{ending}").read_bytes()
    (tmp_path / f"part{ending}").write_bytes(data[: len(data) * 6 // 10])
    movie = probe(tmp_path / f"part{ending}")
    timeline = scan(movie)
    assert 60 < len(timeline) < 160
    assert any("breaks off" in note for note in timeline.notes)
    assert timeline.time(len(timeline)) - timeline.time(0) == pytest.approx(len(timeline) / 25, abs=0.15)
