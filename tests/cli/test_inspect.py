"""``vidstyle inspect``: the pictures it writes, what it prints, and what it does when things are missing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import click
import numpy as np
import pytest
from PIL import Image

from tests.cli.conftest import fails, job_of, look, plan_of
from tests.pipeline.conftest import CUT, FRAMES, TINY, Work, contents
from vidstyle.cli.inspect.show import Asked, show
from vidstyle.errors import InputError, OutputError
from vidstyle.store import pair_name
from vidstyle.view.exhibits import Flow
from vidstyle.view.shot_sheet import MAX_TILES, spread


@pytest.mark.parametrize("kind", ["flow", "mask", "warp", "frames"])
def test_one_sheet_a_shot_and_nothing_but_their_names_on_stdout(done: Work, tmp_path: Path, kind: str) -> None:
    before = contents(done.cache)
    result = look(done, tmp_path, kind)
    names = [tmp_path / f"painted-{kind}-shot-00{shot}.png" for shot in (1, 2)]
    assert result.stdout.splitlines() == [str(name) for name in names]
    assert sorted(tmp_path.iterdir()) == sorted(names)
    assert [Image.open(name).width for name in names] == [1600, 1600]
    header, *rows = result.stderr.splitlines()
    assert header.startswith("shot  frames")
    assert [row.split()[0] for row in rows] == ["1", "2"]
    assert contents(done.cache) == before


@pytest.mark.parametrize(
    ("kind", "size"), [("flow", (96, 54)), ("mask", (96, 54)), ("warp", (96, 110)), ("frames", (96, 110))]
)
def test_single_pictures_are_of_full_size(done: Work, tmp_path: Path, kind: str, size: tuple[int, int]) -> None:
    result = look(done, tmp_path, kind, "--frame", "9", "--frame", "3")
    names = [tmp_path / f"painted-{kind}-0000000{frame}.png" for frame in (3, 9)]
    assert result.stdout.splitlines() == [str(name) for name in names]
    assert [Image.open(name).size for name in names] == [size, size]


def test_columns_shape_the_sheet(done: Work, tmp_path: Path) -> None:
    heights = []
    for columns in ("1", "7"):
        name = look(done, tmp_path, "flow", "--columns", columns, "-y").stdout.splitlines()[0]
        heights.append(Image.open(name).height)
    assert heights[0] > 7 * 800 > 800 > heights[1]


def test_numbers_are_those_of_the_stored_flow(done: Work, tmp_path: Path) -> None:
    document = json.loads(look(done, tmp_path, "flow", "--json").stdout)
    assert document["job"] == job_of(done).id
    assert document["missing"] == {}
    assert [(shot["first"], shot["last"]) for shot in document["shots"]] == [(0, CUT - 1), (CUT, FRAMES - 1)]
    assert [row["frame"] for row in document["frames"]] == [n for n in range(FRAMES) if n not in (0, CUT)]
    assert [Path(file).exists() for file in document["files"]] == [True, True]
    plan = plan_of(done)
    for row in document["frames"]:
        name = pair_name(row["frame"], row["frame"] - 1)
        flow, mask = plan.stages.flow.load(name), plan.stages.consistency.load(name)
        assert flow is not None and mask is not None
        length = np.sqrt((flow.value.astype(np.float64) ** 2).sum(axis=0))
        expected = (length.mean(), np.median(length), np.percentile(length, 95), length.max())
        found = tuple(row[key] for key in ("mean", "median", "percentile_95", "maximum"))
        assert found == pytest.approx(expected, abs=6e-4)
        assert row["trusted"] == pytest.approx((mask.value >= 128).mean(), abs=6e-5)
        assert row["time"] == pytest.approx(float(plan.timeline.time(row["frame"]) - plan.timeline.time(0)), abs=1e-6)
        assert row["file"] == document["files"][row["shot"] - 1]


def test_one_scale_a_shot_also_for_single_pictures(done: Work, tmp_path: Path) -> None:
    whole = json.loads(look(done, tmp_path, "flow", "--json").stdout)["shots"]
    single = json.loads(look(done, tmp_path, "flow", "--json", "--frame", "3").stdout)
    assert single["shots"] == whole[:1]
    assert [row["frame"] for row in single["frames"]] == [3]


def test_forward_flow_is_the_other_pair(done: Work, tmp_path: Path) -> None:
    document = json.loads(look(done, tmp_path, "flow", "--forward", "--json", "--frame", "3").stdout)
    stored = plan_of(done).stages.flow.load(pair_name(2, 3))
    assert stored is not None
    assert document["frames"][0]["maximum"] == pytest.approx(np.hypot(*stored.value).max(), abs=6e-4)
    assert document["frames"][0]["trusted"] is None
    assert document["files"] == [str(tmp_path / "painted-flow-forward-00000003.png")]


def test_a_job_is_found_by_id_output_and_movie(done: Work, tmp_path: Path) -> None:
    job = job_of(done)
    for name in (job.id, job.id[:7], str(done.output), str(TINY)):
        found = look(done, tmp_path, "mask", name, "--json", "--frame", "1", "-y")
        assert json.loads(found.stdout)["job"] == job.id


def test_a_half_done_job_shows_what_is_there(copied: Work, tmp_path: Path) -> None:
    plan = plan_of(copied)
    for frame in range(12, FRAMES):
        plan.stages.stylize((CUT, FRAMES)).path(f"{frame:08d}").unlink()
        copied.pair(plan.stages.flow, frame).unlink()
        copied.pair(plan.stages.consistency, frame).unlink()
    for kind, line in (
        ("flow", "not in the cache: 4 flows of 14"),
        ("mask", "not in the cache: 4 masks of 14"),
        ("frames", "not in the cache: 4 painted frames of 16"),
    ):
        result = look(copied, tmp_path / kind, kind)
        assert len(result.stdout.splitlines()) == 2
        assert result.stderr.splitlines()[0] == f"vidstyle: {line}"
    rows = json.loads(look(copied, tmp_path, "flow", "--json").stdout)["frames"]
    assert [row["frame"] for row in rows if row["median"] is None] == list(range(12, FRAMES))
    assert [row["frame"] for row in rows if row["file"] is None] == list(range(12, FRAMES))


def test_masks_of_a_pruned_job_lie_on_grey(copied: Work, tmp_path: Path) -> None:
    shutil.rmtree(copied.cache / "v2" / "flow")
    shutil.rmtree(copied.cache / "v2" / "decode")
    assert "none of the 14 flows" in fails(copied, tmp_path, "flow")
    result = look(copied, tmp_path, "mask", "--frame", "3")
    assert "1 frames below a mask (grey)" in result.stderr
    assert Image.open(result.stdout.strip()).size == (96, 54)
    assert not (copied.cache / "v2" / "flow").exists()


def test_what_cannot_be_shown_is_one_line(done: Work, tmp_path: Path) -> None:
    assert "no job 'nonesuch'" in fails(done, tmp_path, "flow", "nonesuch")
    assert "has the frames 0 to 15" in fails(done, tmp_path, "flow", "--frame", "16")
    assert "has the frames 0 to 15" in fails(done, tmp_path, "frames", "--frame", "-1")
    assert "try 9" in fails(done, tmp_path, "mask", "--frame", str(CUT))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot make the folder"):
        look(done, tmp_path / "file", "flow")
    for name in ("a.gif", "a.png", "cuts.txt"):
        assert "called like a file: name a folder" in fails(done, tmp_path / name, "flow")
        assert not (tmp_path / name).exists()
    with pytest.raises(InputError, match="there is no job yet"):
        look(Work(tmp_path / "nothing", done.style), tmp_path, "flow")


def test_pictures_are_replaced_only_if_that_is_granted(
    done: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = [tmp_path / f"painted-flow-shot-00{shot}.png" for shot in (1, 2)]
    for path in mine:
        path.write_text("mine")
    for options in ((), ("-n",)):
        assert "painted-flow-shot-001.png exists: add -y" in fails(done, tmp_path, "flow", *options)
    asked: list[str] = []

    def answer(question: str, **_: object) -> bool:
        asked.append(question)
        return False

    monkeypatch.setattr("vidstyle.cli.common.sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr(click, "confirm", answer)
    with pytest.raises(OutputError, match="add -y"):
        show(Flow, Asked(None, tmp_path, (), None, False, False, False, None, done.cache))
    assert asked == [f"{mine[0]} and 1 more exist. Replace them?"]
    assert [path.read_text() for path in mine] == ["mine"] * 2
    look(done, tmp_path, "flow", "-y")
    assert all(Image.open(path) for path in mine)


def test_pictures_are_not_put_among_those_of_the_movie(done: Work, tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(2):
        Image.new("RGB", (32, 32)).save(folder / f"{number}.png")
    work = Work(tmp_path / "work", done.style)
    work.paint(folder, method="none", style=(), stylize={})
    assert "one more picture of the movie" in fails(work, folder, "frames")


def test_a_long_shot_is_spread_over_the_sheet() -> None:
    frames = list(range(1, 1000))
    chosen = spread(frames, MAX_TILES)
    assert (len(chosen), chosen[0], chosen[-1]) == (MAX_TILES, 1, 999)
    assert set(np.diff(chosen)) <= {43, 44}
    assert spread([4, 5], MAX_TILES) == [4, 5]


def test_a_long_shot_says_how_many_are_shown(done: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vidstyle.view.shot_sheet.MAX_TILES", 3)
    result = look(done, tmp_path, "flow")
    assert "vidstyle: shot 1: 3 of 7 flows are on the sheet, evenly spread" in result.stderr.splitlines()
