"""Pictures, folders, scenes and odd names through the command line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from vidstyle.cli import main

MOVIE = Path(__file__).parents[2] / "sample_videos" / "tiny.mp4"
UNPAINTED = ("--method", "none", "--end", "0.1", "--device", "cpu")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with a movie and three pictures."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VIDSTYLE_CACHE", str(tmp_path / "cache"))
    shutil.copy(MOVIE, tmp_path / "m.mp4")
    (tmp_path / "in").mkdir()
    for number in range(3):
        Image.new("RGB", (32, 32), (80 * number, 0, 0)).save(tmp_path / "in" / f"{number}.png")
    return tmp_path


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    return int(stop.value.code or 0)


@pytest.mark.parametrize(
    "name", ["-dash", "sp ace 'q\"uote", "new\nline", "100%d", "ünï:co,de[1]", "concat:a|b", "http:"], ids=ascii
)
def test_names_are_taken_as_they_are(here: Path, name: str) -> None:
    movie, output = f"{name}.mp4", f"{name}-out.mkv"
    shutil.copy(MOVIE, movie)
    assert run("stylize", *UNPAINTED, "-o", output, "--", movie) == 0
    assert run("status", "--", output) == 0
    assert {file.name for file in here.iterdir()} == {"cache", "in", "m.mp4", movie, output}


def test_pictures_in_and_out(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("stylize", "in", *UNPAINTED, "--fps", "30000/1001", "-o", "out/") == 0
    assert sorted(file.name for file in (here / "out").iterdir()) == [f"0000000{n}.png" for n in range(3)]
    assert run("stylize", "in", *UNPAINTED, "-o", "out") == 2
    assert "-y" in capsys.readouterr().err.splitlines()[-1]
    assert run("stylize", "in/1.png", *UNPAINTED) == 0
    assert (here / "1-none.png").exists()
    assert run("stylize", "m.mp4", *UNPAINTED, "-o", "x.gif") == 0
    assert run("resume", "out") == 0
    assert run("status") == 0
    assert "painted" not in capsys.readouterr().out  # all are finished


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("m.mp4", "-o", "x.png"), "holds one picture, and there are 16 frames"),
        (("m.mp4", "-o", "frames"), "end it in / for a folder"),
        (("m.mp4", "--fps", "30"), "--fps is for pictures"),
        (("in", "--fps", "fast"), "not a rate"),
        (("in", "--fps", "0"), "--fps"),
        (("in", "-o", "in/"), "replace the movie"),
        (("cache",), "no such file"),
        (("m.mp4", "--scenes", "none.txt"), "no such file of scenes"),
        (("m.mp4", "--scenes", "bad.txt"), "line 2"),
        (("m.mp4", "--scenes", "cuts.txt", "--no-cuts"), "leave out one"),
        (("m.mp4", "-o", "x.mp4", "--codec", "h264_vaapi"), "graphics card"),
    ],
)
def test_bad_use_is_one_line(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], says: str
) -> None:
    (here / "cuts.txt").write_text("3\n")
    (here / "bad.txt").write_text("3\nsoon\n")
    assert run("stylize", *arguments, "--method", "none") == 2
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert says in line
    assert not (here / "cache" / "v2").exists()
