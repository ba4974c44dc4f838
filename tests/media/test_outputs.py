"""Pictures, folders of pictures and GIFs as outputs, through the one interface that all writers have."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from vidstyle.errors import MediaError, OutputError
from vidstyle.media import (
    Movie,
    Timeline,
    Writer,
    check_count,
    check_encoder,
    check_output,
    default_ending,
    open_writer,
    probe,
    read_frames,
    scan,
)
from vidstyle.media.write_pictures import encode_picture

from .conftest import X264, lavfi


def write(
    name: str, path: Path, movie: Movie, timeline: Timeline, first: int = 0, last: int | None = None, **options: object
) -> Writer:
    """The movie's own frames, unpainted, as an output called `name`."""
    frames, size = (first, len(timeline) if last is None else last), (movie.width, movie.height)
    depth = options.get("bit_depth", 8)
    with open_writer(name, path, movie, timeline, frames, size, **options) as writer:
        for _ in range(writer.passes):
            for _, image in read_frames(movie, timeline, *frames, size, depth):  # type: ignore[arg-type]
                writer.write(image)
        writer.finish()
    return writer


@pytest.fixture
def movie(make: Callable[[str], Path]) -> tuple[Movie, Timeline]:
    movie = probe(make("sync.mp4"))  # 64×64, with sound
    return movie, scan(movie, end=Fraction(2, 5))


@pytest.mark.parametrize("depth", [8, 16])
def test_a_folder_of_numbered_pngs(movie: tuple[Movie, Timeline], tmp_path: Path, depth: int) -> None:
    writer = write("out/", tmp_path / "out", *movie, 3, 7, bit_depth=depth)
    names = sorted(file.name for file in (tmp_path / "out").iterdir())
    assert names == [f"0000000{n}.png" for n in range(3, 7)]
    written = probe(tmp_path / "out")
    assert written.bit_depth == depth
    for (_, was), (_, now) in zip(
        read_frames(*movie, 3, 7, (64, 64), depth),
        read_frames(written, scan(written), 0, 4, (64, 64), depth),
        strict=True,
    ):
        assert np.array_equal(was, now)
    assert any("no sound" in note for note in writer.notes)
    assert any("no times" in note for note in writer.notes)


@pytest.mark.parametrize("ending", [".png", ".jpg", ".webp"])
def test_one_picture(movie: tuple[Movie, Timeline], tmp_path: Path, ending: str) -> None:
    writer = write(f"x{ending}", tmp_path / f"x{ending}", *movie, 2, 3, crf=3)
    written = probe(tmp_path / f"x{ending}")
    assert (written.width, written.height, written.frame_count_hint) == (64, 64, 1)
    assert "crf: for movies, not used for pictures" in writer.notes


def test_pngs_hold_all_bits_and_the_shape_of_pixels(tmp_path: Path) -> None:
    deep = np.random.default_rng(1).integers(0, 65536, (5, 7, 3), dtype=np.uint16)
    (tmp_path / "deep.png").write_bytes(encode_picture(deep, ".png", Fraction(2, 3)))
    with Image.open(tmp_path / "deep.png") as picture:
        assert picture.info["aspect"] == (2, 3)
    assert probe(tmp_path / "deep.png").bit_depth == 16
    assert encode_picture(deep, ".png") == encode_picture(deep.copy(), ".png")


def test_the_shape_of_pixels_is_said(make: Callable[[str], Path], tmp_path: Path) -> None:
    movie = probe(make("narrow.mp4"))
    writer = write("x.png", tmp_path / "x.png", movie, scan(movie), 0, 1)
    assert any("2/3" in note for note in writer.notes)


@pytest.mark.parametrize("name", ["out/", "out.png", "out.gif"])
def test_nothing_unfinished_stays(movie: tuple[Movie, Timeline], tmp_path: Path, name: str) -> None:
    path = tmp_path / name.rstrip("/")
    with (
        pytest.raises(MediaError, match="only 1 of"),
        open_writer(name, path, *movie, (0, 4), (64, 64)) as writer,
    ):
        writer.write(np.zeros((64, 64, 3), np.uint8))
        with pytest.raises(ValueError, match="frame of"):
            writer.write(np.zeros((64, 63, 3), np.uint8))
        writer.finish()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["out/", "out.png", "out.gif", "out.mp4"])
def test_a_full_disk_is_one_line_that_says_where(movie: tuple[Movie, Timeline], small_disk: Path, name: str) -> None:
    noise = np.random.default_rng(2).integers(0, 256, (512, 512, 3), dtype=np.uint8)
    with (
        pytest.raises(MediaError, match=rf"^no space left in {small_disk}: free some, or write elsewhere"),
        open_writer(name, small_disk / name.rstrip("/"), *movie, (0, 1), (512, 512), crf=1) as writer,
    ):
        for _ in range(writer.passes):
            writer.write(noise)
        writer.finish()
    assert list(small_disk.iterdir()) == []


def test_a_pixel_format_that_the_encoder_does_not_take_is_refused(any_ffmpeg: str, tmp_path: Path) -> None:
    for pix_fmt in ("rgb24", "nonsense"):
        with pytest.raises(OutputError, match=rf"libx264 takes no --pix-fmt {pix_fmt}; it takes yuv420p, "):
            check_encoder(tmp_path / "x.mp4", (64, 64), pix_fmt=pix_fmt)
    check_encoder(tmp_path / "x.mp4", (64, 64), pix_fmt="yuv444p")


def durations(path: Path) -> list[int]:
    """Of a GIF's frames, in milliseconds."""
    found = []
    with Image.open(path) as gif:
        for number in range(gif.n_frames):  # type: ignore[attr-defined]
            gif.seek(number)
            found.append(int(gif.info["duration"]))
    return found


@pytest.mark.parametrize("name", ["ntsc.mp4", "vfr.mp4"])
def test_a_gif_keeps_times_to_its_tick(any_ffmpeg: str, make: Callable[[str], Path], tmp_path: Path, name: str) -> None:
    movie = probe(make(name))
    timeline = scan(movie, end=movie.start_time + 1)
    writer = write("x.gif", tmp_path / "x.gif", movie, timeline)
    starts = np.cumsum([0, *durations(tmp_path / "x.gif")])
    expected = sorted({10 * round(100 * (timeline.time(n) - timeline.time(0))) for n in range(len(timeline) + 1)})
    assert starts.tolist() == expected  # each rounded by itself, so that no error adds up
    with Image.open(tmp_path / "x.gif") as gif:
        assert gif.info["loop"] == 0
    assert len(expected) == len(timeline) + 1 or any("left out" in note for note in writer.notes)
    assert [file.name for file in tmp_path.iterdir()] == ["x.gif"]


def test_a_gif_leaves_out_what_it_cannot_time(tmp_path: Path) -> None:
    movie = probe(lavfi(tmp_path / "fast.mp4", "testsrc2=s=32x32:r=240:d=0.1", *X264))
    timeline = scan(movie)
    writer = write("x.gif", tmp_path / "x.gif", movie, timeline)
    shown = durations(tmp_path / "x.gif")
    assert any("left out" in note for note in writer.notes)
    assert any("too slowly" in note for note in writer.notes)
    assert sum(shown) == pytest.approx(100, abs=10)


def test_a_gif_holds_still_what_does_not_move(tmp_path: Path) -> None:
    """Only a small square moves over a gradient of many colours: no pixel elsewhere may flicker."""
    y, x = np.mgrid[:64, :96]
    still = np.uint8(np.stack([x * 2, y * 3, 255 - x - y], axis=-1))
    (tmp_path / "in").mkdir()
    for number in range(8):
        picture = still.copy()
        picture[50:60, 8 * number : 8 * number + 10] = (250, 20, 200)
        Image.fromarray(picture).save(tmp_path / "in" / f"{number}.png")
    movie = probe(tmp_path / "in")
    write("x.gif", tmp_path / "x.gif", movie, scan(movie))
    gif = probe(tmp_path / "x.gif")
    images = np.stack([image for _, image in read_frames(gif, scan(gif), 0, 8, (96, 64))])
    assert (images[:, :48] == images[:1, :48]).all()
    assert np.abs(images[0, :48].astype(int) - still[:48]).mean() < 12


def test_the_same_frames_give_the_same_gif(movie: tuple[Movie, Timeline], tmp_path: Path) -> None:
    for number in range(2):
        write("x.gif", tmp_path / f"{number}.gif", *movie)
    assert (tmp_path / "0.gif").read_bytes() == (tmp_path / "1.gif").read_bytes()


def test_names_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").touch()
    for good in ("x.GIF", "x.png", "new/", "folder.png/"):
        check_output(f"{tmp_path}/{good}")
    for bad, words in {
        "folder.png": "end the name in /",
        "file/": "is a file",
        "name": "without an ending.*end it in / for a folder",
        "none/new/": "no such folder",
    }.items():
        with pytest.raises(OutputError, match=words):
            check_output(f"{tmp_path}/{bad}")
    with pytest.raises(OutputError, match="holds one picture, and there are 2 frames"):
        check_count("x.png", 2)
    for name in ("x.gif", "x/", "x.mp4"):
        check_count(name, 2)


def test_an_output_is_by_itself_what_the_movie_is(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg")
    Image.new("RGB", (8, 8)).save(tmp_path / "a.tif")
    Image.new("RGB", (8, 8)).save(tmp_path / "a.webp", save_all=True, append_images=[Image.new("RGB", (8, 8), "red")])
    names = {
        "a.jpg": ".jpg",
        "a.tif": ".png",
        "a.webp": ".mp4",
        "b.mkv": ".mkv",
        "b.avi": ".mp4",
        "b.gif": ".gif",
        "": ".mp4",
    }
    assert {name: default_ending(tmp_path / name) for name in names} == names


def test_prores_goes_in_and_out(tmp_path: Path) -> None:
    source = probe(lavfi(tmp_path / "in.mov", "testsrc2=s=64x48:d=0.2", "-c:v", "prores_ks", "-profile:v", "3"))
    timeline = scan(source)
    assert (source.codec, source.bit_depth) == ("prores", 10)
    write("x.mov", tmp_path / "x.mov", source, timeline, codec="prores", bit_depth=16)
    with av.open(str(tmp_path / "x.mov")) as container:
        assert container.streams.video[0].codec_context.name == "prores"
        assert container.streams.video[0].codec_context.pix_fmt == "yuv422p10le"
    assert len(scan(probe(tmp_path / "x.mov"))) == len(timeline)
