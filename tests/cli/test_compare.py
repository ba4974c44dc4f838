"""``vidstyle compare``: what it prints and draws."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from tests.pipeline.conftest import CUT, FRAMES, TINY, Work, draw_style
from vidstyle.cli.compare import compare
from vidstyle.errors import InputError, OutputError


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Work:
    """A finished job. Look, do not touch."""
    folder = tmp_path_factory.mktemp("compared")
    work = Work(folder, draw_style(folder / "strokes.png", seed=3))
    work.paint()
    return work


def measure(work: Work, *arguments: str | Path) -> Result:
    """Errors are raised as they reach the command line's main."""
    command = [str(TINY), str(work.output), "--cache-dir", str(work.cache), "--device", "cpu", "-q"]
    result = CliRunner().invoke(compare, [*command, *map(str, arguments)], standalone_mode=False)
    if result.exception is not None:
        assert result.stdout == ""
        raise result.exception
    return result


def test_a_row_for_the_movie_and_one_for_each_painting(done: Work) -> None:
    result = measure(done, TINY)
    header, floor, painting, itself = (line.split() for line in result.stdout.splitlines())
    assert header == ["movie", "warping", "error", "×", "input"]
    assert floor[0] == str(TINY)
    assert floor[-2:] == itself[-2:] == [itself[1], "1.00"]
    assert painting[0] == str(done.output)
    assert float(painting[2]) == pytest.approx(float(painting[1]) / float(floor[2]), abs=0.006)  # two places are shown
    assert result.stderr == ""


def test_style_adds_two_columns_and_two_panels(done: Work, tmp_path: Path) -> None:
    heights = []
    for name, style in (("one.png", ()), ("three.png", ("--style", done.style))):
        result = measure(done, "--plot", tmp_path / name, *style)
        with Image.open(tmp_path / name) as picture:
            heights.append(picture.height)
    assert heights[1] > 1.8 * heights[0]
    assert result.stdout.splitlines()[0].split()[-2:] == ["style", "content"]
    assert result.stdout.splitlines()[1].split()[-2:] == ["1.000", "0.000"]


def test_json_has_a_number_for_every_frame(done: Work) -> None:
    document = json.loads(measure(done, "--json", "--style", f"{done.style},scale=0.7").stdout)
    assert (document["width"], document["height"], document["flow"]) == (96, 54, "dis")
    assert document["shots"] == [{"first": 0, "last": CUT - 1}, {"first": CUT, "last": FRAMES - 1}]
    (painting,) = document["stylized"]
    for row in (document["movie"], painting):
        assert {len(values) for values in row["frames"].values()} == {FRAMES, len(document["times"])}
        errors = row["frames"]["warping_error"]
        assert [frame for frame, error in enumerate(errors) if error is None] == [0, CUT]
        assert row["warping_error"] == pytest.approx(sum(e for e in errors if e is not None) / (FRAMES - 2))
        assert row["style"] == pytest.approx(sum(row["frames"]["style"]) / FRAMES)
    assert painting["path"] == str(done.output)
    assert document["movie"]["style"] == 1


def test_a_single_frame_has_no_error(done: Work) -> None:
    assert measure(done, "--end", "0.01").stdout.splitlines()[1].split()[-2:] == ["–", "–"]


def test_the_plot_is_checked_before_anything_is_measured(
    done: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_yet(*_: object) -> None:
        raise AssertionError("measured")

    monkeypatch.setattr("vidstyle.pipeline.compare.compare", not_yet)
    movie, link, mine = TINY.read_bytes(), tmp_path / "link.png", tmp_path / "mine.png"
    link.symlink_to(done.output)
    mine.write_text("mine")
    for plot, options, says in (
        (tmp_path / "no folder" / "plot.png", (), "no such folder"),
        (tmp_path, ("-y",), "no name of a picture"),
        (TINY, ("-y",), "no name of a picture"),
        (link, ("-y",), "replace the stylized movie"),
        (done.style, ("-y", "--style", done.style), "replace the style itself"),
        (mine, (), "add -y"),
        (mine, ("-n",), "add -y"),
    ):
        with pytest.raises((InputError, OutputError), match=says):
            measure(done, "--plot", plot, *options)
    assert TINY.read_bytes() == movie and mine.read_text() == "mine"
    monkeypatch.undo()
    measure(done, "--plot", mine, "-y", "--end", "0.1")
    assert Image.open(mine).format == "PNG"


def test_what_does_not_work_is_one_line(done: Work, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--flow-weights is for"):
        measure(done, "--flow-weights", tmp_path / "raft.pth")
    with pytest.raises(InputError, match="scale is at least"):
        measure(done, "--style", f"{done.style},scale=0")
    with pytest.raises(click.UsageError, match="no option 'weight' here; it has scale"):
        measure(done, "--style", f"{done.style},weight=2")
