"""Clips made on the spot with ffmpeg's own sources, the real ones, and every ffmpeg there is."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from vidstyle.media import Movie, MovieWriter, Timeline, read_frames

CHECKOUT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("VIDSTYLE_DATA", CHECKOUT / ".." / "shared" / "data"))
BUNDLED = imageio_ffmpeg.get_ffmpeg_exe()
# Further programs to test with can be named, separated as in PATH.
PROGRAMS = list(
    dict.fromkeys(
        [
            BUNDLED,
            *filter(None, [shutil.which("ffmpeg")]),
            *os.environ.get("VIDSTYLE_TEST_FFMPEGS", "").split(":"),
        ]
    )
)


@pytest.fixture(params=[program for program in PROGRAMS if program], ids=lambda path: Path(path).name)
def any_ffmpeg(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Runs the test once with each ffmpeg on this machine."""
    monkeypatch.setenv("VIDSTYLE_FFMPEG", request.param)
    return str(request.param)


def ffmpeg(*arguments: str | Path) -> None:
    """Runs the bundled ffmpeg to make test material."""
    subprocess.run(
        [BUNDLED, "-nostdin", "-loglevel", "error", "-y", *map(str, arguments)],
        check=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
    )


def lavfi(path: Path, source: str, *options: str | Path) -> Path:
    ffmpeg("-f", "lavfi", "-i", source, *options, path)
    return path


@pytest.fixture(scope="session")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The generated clip of a name in CLIPS, made once."""
    folder = tmp_path_factory.mktemp("clips")

    def made(name: str) -> Path:
        path = folder / name
        if not path.exists():
            CLIPS[name](path)
        return path

    return made


TEST = "testsrc2=s=160x120:r={rate}:d={seconds}"
X264 = ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p")


def _cfr(path: Path) -> None:
    lavfi(path, TEST.format(rate=25, seconds=8), *X264, "-bf", "3", "-g", "75", "-x264-params", "open-gop=1")


def _ntsc(path: Path) -> None:
    lavfi(path, TEST.format(rate="30000/1001", seconds=2), *X264, "-bf", "2")


def _vfr(path: Path) -> None:
    uneven = "settb=1/90000,setpts=(N*3000+mod(N*N*N\\,7)*411)"
    lavfi(path, TEST.format(rate=30, seconds=4), "-vf", uneven, "-fps_mode", "passthrough", *X264,
          "-enc_time_base", "1/90000", "-video_track_timescale", "90000")  # fmt: skip


def _late(path: Path) -> None:
    """Sound from 0, pictures from 0.72 s on."""
    ffmpeg("-itsoffset", "0.72", "-f", "lavfi", "-i", TEST.format(rate=25, seconds=2),
           "-f", "lavfi", "-i", "sine=d=3", *X264, "-c:a", "aac", path)  # fmt: skip


def _rotated(path: Path) -> None:
    flat = lavfi(path.with_name("flat-" + path.name), TEST.format(rate=25, seconds=1), *X264)
    ffmpeg("-display_rotation", "-90", "-i", flat, "-c", "copy", path)


def _narrow(path: Path) -> None:
    lavfi(path, TEST.format(rate=25, seconds=1), "-vf", "setsar=2/3", *X264)


def _cuts(path: Path) -> None:
    """Hard cuts at 20 and 45; a flash of one frame at 60; a fade to black at the end."""
    parts = (
        "testsrc2=s=160x120:r=25:d=0.8[a];mandelbrot=s=160x120:r=25,trim=duration=1[b];"
        "smptebars=s=160x120:r=25:d=2[c];"
        "[a]format=yuv420p[a];[b]format=yuv420p[b];[c]format=yuv420p[c];[a][b][c]concat=n=3,"
        "drawbox=c=white:t=fill:enable='eq(n\\,60)',fade=out:75:20"
    )
    lavfi(path, parts, *X264)


def _sync(path: Path) -> None:
    """A white frame and a beep together, each second from 1 s on."""
    picture = "color=black:s=64x64:r=25:d=6,drawbox=c=white:t=fill:enable='gt(t\\,0.5)*eq(mod(n\\,25)\\,0)'"
    sound = "aevalsrc='gt(t,0.5)*lt(mod(t,1),0.04)*sin(2*PI*1000*t)':s=44100:d=6"
    ffmpeg("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound, *X264, "-c:a", "aac", path)


def _tracks(path: Path) -> None:
    """Two sounds, subtitles, chapters, a title."""
    text = path.with_suffix(".srt")
    text.write_text("1\n00:00:00,500 --> 00:00:01,500\nhello\n")
    meta = path.with_suffix(".meta")
    meta.write_text(
        ";FFMETADATA1\ntitle=A test\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1000\ntitle=one\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=1000\nEND=2000\ntitle=two\n"
    )
    ffmpeg("-f", "lavfi", "-i", TEST.format(rate=25, seconds=2), "-f", "lavfi", "-i", "sine=d=2",
           "-f", "lavfi", "-i", "sine=f=800:d=2", "-i", text, "-i", meta, "-map", "0", "-map", "1",
           "-map", "2", "-map", "3", "-map_metadata", "4", *X264, "-c:a", "aac",
           "-c:s", "mov_text", path)  # fmt: skip


def _interlaced(path: Path) -> None:
    fields = TEST.format(rate=50, seconds=3) + ",interlace"
    lavfi(path, fields, *X264, "-flags", "+ilme+ildct", "-bf", "2", "-x264-params", "tff=1:keyint=25")


CLIPS: dict[str, Callable[[Path], None]] = {
    "cfr.mp4": _cfr,
    "cfr.mkv": _cfr,
    "ntsc.mp4": _ntsc,
    "vfr.mp4": _vfr,
    "interlaced.mp4": _interlaced,
    "late.mp4": _late,
    "late.mkv": _late,
    "rotated.mp4": _rotated,
    "narrow.mp4": _narrow,
    "cuts.mp4": _cuts,
    "sync.mp4": _sync,
    "tracks.mp4": _tracks,
}


@pytest.fixture(scope="session")
def real() -> Callable[[str], Path]:
    """A clip of the data folder; skips where it is not there."""

    def found(name: str) -> Path:
        path = DATA / "clips" / name
        if not path.exists():
            pytest.skip(f"{path} is not here (set VIDSTYLE_DATA)")
        return path

    return found


def frames(movie: Movie, timeline: Timeline, first: int = 0, last: int | None = None) -> np.ndarray:
    """(N, H, W, 3): the frames, asserting that each comes once, in order."""
    last = len(timeline) if last is None else last
    read = list(read_frames(movie, timeline, first, last, (movie.width, movie.height)))
    assert [number for number, _ in read] == list(range(first, last))
    return np.stack([image for _, image in read])


def rewrite(
    path: Path, movie: Movie, timeline: Timeline, first: int = 0, last: int | None = None, **options: object
) -> MovieWriter:
    """Writes the movie's own frames, unpainted."""
    last = len(timeline) if last is None else last
    size = (movie.width, movie.height)
    with MovieWriter(path, movie, timeline, first, last, size, **options) as writer:  # type: ignore[arg-type]
        for _, image in read_frames(movie, timeline, first, last, size):
            writer.write(image)
        writer.finish()
    return writer
