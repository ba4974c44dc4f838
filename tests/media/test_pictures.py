"""Pictures as a movie: stills, folders and animated WebP, read as a movie file of them would be."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from vidstyle.errors import InputError, MediaError
from vidstyle.media import Movie, Pictures, Timeline, find_cuts, probe, read_frames, scan
from vidstyle.media.pictures import natural, webp_times
from vidstyle.media.write_pictures import encode_picture

from .conftest import X264, ffmpeg, frames

CUT = 7


def scene(number: int, size: tuple[int, int] = (64, 48)) -> np.ndarray:
    """Frame `number` of a moving pattern that changes altogether at CUT."""
    y, x = np.mgrid[: size[1], : size[0]]
    wave = np.sin((x + 2 * number) / 9) * np.cos(y / 7) if number < CUT else np.sin((y - number) / 3)
    wave = wave if number < CUT else (wave - 1) / 2
    return np.uint8(np.stack([127 + 120 * wave, 127 + 90 * wave, 60 + 50 * wave], axis=-1))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Fourteen PNGs with a cut in the middle."""
    (tmp_path / "frames").mkdir()
    for number in range(14):
        Image.fromarray(scene(number)).save(tmp_path / "frames" / f"shot {number}.png")
    return tmp_path / "frames"


def read(movie: Movie, first: int = 0, depth: int = 8) -> tuple[Timeline, np.ndarray]:
    timeline = scan(movie)
    size = (movie.width, movie.height)
    return timeline, np.stack([image for _, image in read_frames(movie, timeline, first, len(timeline), size, depth)])


def test_a_folder_is_a_movie_in_natural_order(folder: Path) -> None:
    movie = probe(folder)
    timeline, images = read(movie)
    assert (movie.width, movie.height, movie.average_rate, movie.bit_depth) == (64, 48, 25, 8)
    assert [timeline.time(n) for n in (0, 1, 14)] == [0, Fraction(1, 25), Fraction(14, 25)]
    assert np.array_equal(images, [scene(n) for n in range(14)])
    assert np.array_equal(read(movie, 9)[1], images[9:])
    assert movie.notes == ("14 pictures are shown at 25 a second (--fps sets another rate)",)


def test_names_are_sorted_as_people_count() -> None:
    names = ["b1.png", "a10.png", "a9.png", "A2b3.png", "a2b10.png", "7.png", "010.png"]
    assert [p.name for p in sorted(map(Path, names), key=natural)] == [
        *("7.png", "010.png", "A2b3.png", "a2b10.png", "a9.png", "a10.png", "b1.png")
    ]


def test_the_rate_is_asked_for(folder: Path) -> None:
    movie = probe(folder, Fraction(30000, 1001))
    assert movie.notes == ()
    timeline = scan(movie, end=Fraction(1, 10))
    assert len(timeline) == 3
    assert timeline.time(3) == Fraction(3003, 30000)
    assert timeline.end == Fraction(1, 10)
    with pytest.raises(MediaError):
        scan(movie, end=Fraction(-1))


def test_scores_are_those_of_a_movie_of_the_pictures(folder: Path, tmp_path: Path) -> None:
    ffmpeg("-framerate", "25", "-i", folder / "shot %d.png", *X264[:-1], "yuv444p", "-crf", "0", tmp_path / "m.mp4")
    ours, theirs = scan(probe(folder)), scan(probe(tmp_path / "m.mp4"))
    assert np.abs(ours.scores - theirs.scores).max() < 0.1
    assert ours.scores.max() > 10
    assert find_cuts(ours.scores) == find_cuts(theirs.scores) == [CUT]


def test_what_else_lies_there_is_said(folder: Path) -> None:
    (folder / "notes.txt").write_text("x")
    (folder / "more").mkdir()
    (folder / ".hidden.png").write_text("x")
    movie = probe(folder)
    assert movie.frame_count_hint == 14
    assert "2 other files" in movie.notes[1]


def test_another_size_is_named(folder: Path) -> None:
    Image.new("RGB", (64, 50)).save(folder / "shot 3.png")
    with pytest.raises(InputError, match=r"shot 3.png is 64×50.*64×48"):
        scan(probe(folder))


def test_a_damaged_picture_is_named(folder: Path) -> None:
    movie, timeline = probe(folder), scan(probe(folder))
    file = folder / "shot 5.png"
    file.write_bytes(file.read_bytes()[:-300])
    with pytest.raises(InputError, match=r"shot 5.png"):
        scan(probe(folder))
    with pytest.raises(MediaError, match=r"shot 5.png"):
        list(read_frames(movie, timeline, 3, 8, (64, 48)))


def test_a_folder_without_pictures(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no pictures"):
        probe(tmp_path)


MODES: dict[str, Any] = {
    "RGB": (200, 100, 50),
    "L": 90,
    "P": (10, 200, 30),
    "RGBA": (200, 100, 50, 128),
    "LA": (90, 128),
    "1": 255,
    "CMYK": (0, 100, 200, 0),
}


@pytest.mark.parametrize("mode", MODES)
def test_all_kinds_of_pictures_become_rgb(tmp_path: Path, mode: str) -> None:
    picture = Image.new("RGB" if mode == "P" else mode, (20, 10), MODES[mode])
    picture = picture.quantize(4) if mode == "P" else picture
    path = tmp_path / ("x.tif" if mode == "CMYK" else "x.png")
    picture.save(path)
    movie = probe(path)
    timeline, images = read(movie)
    assert len(timeline) == 1
    assert np.array_equal(images[0], np.asarray(picture.convert("RGB")))
    assert ("transparency is left out" in movie.notes) == (mode in ("RGBA", "LA"))


@pytest.mark.parametrize("ending", [".png", ".jpg", ".webp", ".tif", ".bmp"])
def test_stills_of_all_formats(tmp_path: Path, ending: str) -> None:
    Image.fromarray(scene(0)).save(tmp_path / f"still{ending}", quality=95)
    movie = probe(tmp_path / f"still{ending}")
    assert isinstance(movie, Pictures)
    assert np.abs(read(movie)[1][0].astype(int) - scene(0)).mean() < 6
    Image.fromarray(scene(0)).save(tmp_path / f"still{ending}", quality=95)
    (tmp_path / f"still{ending}").rename(tmp_path / "misnamed.mp4")
    assert probe(tmp_path / "misnamed.mp4").frame_count_hint == 1


@pytest.mark.parametrize("ending", [".png", ".jpg", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_pictures(tmp_path: Path, ending: str, orientation: int) -> None:
    picture = Image.fromarray(scene(0, size=(32, 16)))
    exif = picture.getexif()
    exif[274] = orientation
    for name in (f"x{ending}", f"y{ending}"):
        picture.save(tmp_path / name, exif=exif, quality=95)
    with Image.open(tmp_path / f"y{ending}") as stored:
        upright = np.asarray(ImageOps.exif_transpose(stored))
    movie = probe(tmp_path / f"x{ending}")
    assert (movie.width, movie.height) == ((16, 32) if orientation > 4 else (32, 16))
    assert np.array_equal(read(movie)[1][0], upright)


def test_deep_pictures_stay_deep(tmp_path: Path) -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (6, 8, 3), dtype=np.uint16)
    (tmp_path / "deep.png").write_bytes(encode_picture(deep, ".png"))
    Image.fromarray(deep[..., 0]).save(tmp_path / "grey.png")
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(deep[..., 0]).save(tmp_path / "turned.tif", exif=exif)
    grey = np.repeat(deep[..., :1], 3, axis=2)
    for name, expected in {"deep.png": deep, "grey.png": grey, "turned.tif": np.rot90(grey, -1)}.items():
        movie = probe(tmp_path / name)
        assert movie.bit_depth == 16
        assert np.array_equal(read(movie, depth=16)[1][0], expected)
        assert np.array_equal(read(movie)[1][0], np.rint(expected / 257).astype(np.uint8))
    Image.fromarray(scene(0)).save(tmp_path / "deep.png")
    shallow = probe(tmp_path / "deep.png")
    assert np.array_equal(read(shallow, depth=16)[1][0], scene(0).astype(np.uint16) * 257)


def test_pictures_are_scaled(folder: Path) -> None:
    movie = probe(folder)
    ((_, small),) = read_frames(movie, scan(movie), 2, 3, (32, 24))
    means = scene(2).reshape(24, 2, 32, 2, 3).mean((1, 3))
    assert small.shape == (24, 32, 3)
    assert np.abs(small - means).mean() < 2
    ((_, deep),) = read_frames(movie, scan(movie), 2, 3, (32, 24), 16)
    assert np.abs(deep / 257 - small).max() <= 0.51


def test_an_animated_webp_has_its_own_times(tmp_path: Path) -> None:
    pictures = [Image.fromarray(scene(n)) for n in range(6)]
    durations = [40, 120, 30, 0, 500, 77]
    pictures[0].save(tmp_path / "a.webp", save_all=True, append_images=pictures[1:], duration=durations, lossless=True)
    movie = probe(tmp_path / "a.webp")
    timeline, images = read(movie)
    assert webp_times(tmp_path / "a.webp") == (0, 40, 160, 190, 191, 691, 768)
    assert [timeline.time(n) * 1000 for n in range(7)] == [0, 40, 160, 190, 191, 691, 768]
    assert np.array_equal(images, [scene(n) for n in range(6)])
    assert np.array_equal(read(movie, 4)[1], images[4:])
    assert len(scan(movie, end=Fraction(19, 100))) == 3
    with pytest.raises(InputError, match="--fps"):
        probe(tmp_path / "a.webp", Fraction(30))


def test_a_movie_file_takes_no_rate(tmp_path: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=32x32:d=0.2", *X264, tmp_path / "m.mp4")
    with pytest.raises(InputError, match="--fps"):
        probe(tmp_path / "m.mp4", Fraction(30))


@pytest.mark.parametrize("ending", [".gif", ".png"])
def test_gif_and_apng_keep_their_uneven_times(tmp_path: Path, ending: str) -> None:
    pictures = [Image.fromarray(scene(n)) for n in range(0, 12, 2)]
    durations = [40, 120, 30, 60, 500, 80]
    pictures[0].save(tmp_path / f"a{ending}", save_all=True, append_images=pictures[1:], duration=durations, loop=0)
    movie = probe(tmp_path / f"a{ending}")
    timeline = scan(movie)
    assert not isinstance(movie, Pictures)
    starts = [sum(durations[:n]) for n in range(7)]
    assert [round(1000 * (timeline.time(n) - timeline.time(0))) for n in range(6)] == starts[:6]
    if ending == ".gif":
        assert round(1000 * timeline.time(6)) == starts[6]
    assert np.abs(frames(movie, timeline).astype(int) - [scene(n) for n in range(0, 12, 2)]).mean() < 5


def test_transparency_of_a_gif_is_said(tmp_path: Path) -> None:
    picture = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    picture.save(tmp_path / "t.gif", save_all=True, append_images=[Image.new("RGBA", (16, 16), "red")], duration=50)
    assert "transparency is left out" in probe(tmp_path / "t.gif").notes
