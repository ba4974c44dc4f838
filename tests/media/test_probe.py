"""What probe() says of good files and of bad ones."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from vidstyle.errors import InputError
from vidstyle.media import probe

from .conftest import ffmpeg, lavfi


def test_size_is_as_displayed(make: Callable[[str], Path]) -> None:
    movie = probe(make("rotated.mp4"))
    assert (movie.width, movie.height, movie.rotation) == (120, 160, 90)
    movie = probe(make("narrow.mp4"))
    assert (movie.width, movie.height, movie.sample_aspect_ratio) == (160, 120, Fraction(2, 3))


def test_times(make: Callable[[str], Path]) -> None:
    movie = probe(make("ntsc.mp4"))
    assert movie.average_rate == Fraction(30000, 1001)
    assert movie.frame_count_hint == 60
    late = probe(make("late.mp4"))
    assert late.start_time == Fraction(18, 25)
    assert late.clock_start == 0
    assert [(a.codec, a.sample_rate) for a in late.audio] == [("aac", 44100)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("SAR-2by3.mp4", {"sample_aspect_ratio": Fraction(2, 3)}),
        ("bt601_full_range.mp4", {"color_matrix": "smpte170m", "color_range": "pc"}),
        ("bt709_full_range.mp4", {"color_matrix": "bt709", "color_range": "pc", "color_primaries": "bt709"}),
        ("unspecified_limited_range.mp4", {"color_matrix": None, "notes": ()}),
        ("testsrc2_hdr.mp4", {"color_transfer": "smpte2084", "bit_depth": 10}),
        ("testsrc2_odd_dims_10bit.mp4", {"width": 321, "height": 241, "pixel_format": "yuv444p10le"}),
        ("issue-134-rotate.mp4", {"width": 544, "height": 1280}),
        ("sideways_movie.mov", {"width": 480, "height": 640, "rotation": 90}),
        ("nasa_13013.mp4", {"width": 320, "video_streams": 2, "video_index": 0}),
        ("test_non_zero_start.mp4", {"start_time": Fraction(127995, 15360)}),
    ],
)
def test_real_clips(real: Callable[[str], Path], name: str, expected: dict[str, object]) -> None:
    movie = probe(real(f"awkward/{name}"))
    assert {key: getattr(movie, key) for key in expected} == expected


def test_notes(real: Callable[[str], Path]) -> None:
    assert "video tracks" in probe(real("awkward/nasa_13013.mp4")).notes[0]
    assert "BT.709" in probe(real("bigbuckbunny.mp4")).notes[0]
    assert "HDR" in probe(real("awkward/testsrc2_hdr.mp4")).notes[0]


def bad_files(folder: Path) -> dict[str, Path]:
    files = {"missing": folder / "none.mp4", "folder": folder}
    files["empty"] = folder / "empty.mp4"
    files["empty"].touch()
    files["text"] = folder / "text.mp4"
    files["text"].write_text("not a movie at all\n" * 100)
    files["sound"] = lavfi(folder / "sound.mp4", "sine=d=1", "-c:a", "aac")
    return files


@pytest.mark.parametrize("kind", ["missing", "folder", "empty", "text", "sound"])
def test_bad_input_is_one_clear_line(tmp_path: Path, kind: str) -> None:
    with pytest.raises(InputError) as caught:
        probe(bad_files(tmp_path)[kind])
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("name", ["broken.mp4", "empty.flv"])
def test_broken_files(real: Callable[[str], Path], name: str) -> None:
    with pytest.raises(InputError, match="not a movie"):
        probe(real(f"awkward/{name}"))


def test_files_that_name_other_files_are_refused(tmp_path: Path) -> None:
    secret = lavfi(tmp_path / "secret.mp4", "testsrc2=d=0.2", "-c:v", "libx264")
    ffmpeg("-i", secret, "-c", "copy", "-f", "mpegts", tmp_path / "secret.ts")
    hostile = {
        "list.mp4": f"ffconcat version 1.0\nfile {secret.name}\n",
        "list.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.ts\n#EXT-X-ENDLIST\n",
    }
    for name, text in hostile.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError, match="not a movie"):
            probe(tmp_path / name)
