"""``vidstyle inspect --table``, ``--plot`` and the numbers of ``--json``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.cli.conftest import fails, look, plan_of
from tests.pipeline.conftest import CUT, FRAMES, Work
from vidstyle.metrics import warping_error
from vidstyle.store import frame_name, frame_to_float, mask_to_float, pair_name

PAIRS = [frame for frame in range(FRAMES) if frame not in (0, CUT)]
MEASURES = ["mean_px", "median_px", "95%_px", "max_px", "trusted", "error"]


def rows_of(text: str) -> list[dict[str, str]]:
    """A table as programs read it: by blanks."""
    header, *lines = (line.split() for line in text.splitlines())
    assert all(len(line) == len(header) for line in lines)
    return [dict(zip(header, line, strict=True)) for line in lines]


def error_of(work: Work, frame: int) -> float:
    """By the definition, from what is stored."""
    stages = plan_of(work).stages
    pair = pair_name(frame, frame - 1)
    loaded = [stages.decode.load(frame_name(n)) for n in (frame, frame - 1)]
    now, before = (torch.from_numpy(frame_to_float(picture.value)) for picture in loaded if picture)
    flow, mask = stages.flow.load(pair), stages.consistency.load(pair)
    assert flow is not None and mask is not None
    return warping_error(now, before, torch.from_numpy(flow.value), torch.from_numpy(mask_to_float(mask.value)))


def test_a_line_for_each_frame_and_no_pictures(done: Work, tmp_path: Path) -> None:
    result = look(done, tmp_path, "flow", "--table")
    rows = rows_of(result.stdout)
    assert list(rows[0]) == ["frame", "time", "shot", *MEASURES, "worst"]
    assert [int(row["frame"]) for row in rows] == PAIRS
    assert [row["shot"] for row in rows] == ["1"] * 7 + ["2"] * 7
    assert list(tmp_path.iterdir()) == []
    for row in rows:
        assert float(row["error"]) == pytest.approx(error_of(done, int(row["frame"])), abs=6e-7)
    by_error = sorted(rows, key=lambda row: -float(row["error"]))
    assert {row["frame"] for row in rows if "largest-error" in row["worst"]} == {row["frame"] for row in by_error[:3]}
    worst = ", ".join(row["frame"] for row in by_error[:3])
    assert f"vidstyle: largest error: frame {worst}" in result.stderr.splitlines()


def test_json_has_the_same_numbers_and_the_worst_frames(done: Work, tmp_path: Path) -> None:
    rows = rows_of(look(done, tmp_path, "mask", "--table").stdout)
    document = json.loads(look(done, tmp_path, "mask", "--table", "--json").stdout)
    assert document["files"] == []
    for row, record in zip(rows, document["frames"], strict=True):
        assert float(row["median_px"]) == pytest.approx(record["median"], abs=6e-3)
        assert float(row["error"]) == pytest.approx(record["warping_error"], rel=1e-3, abs=6e-7)
    trust = {record["frame"]: record["trusted"] for record in document["frames"]}
    assert document["worst"]["trusted"] == sorted(trust, key=lambda frame: trust[frame])[:3]


def test_a_frame_filters_the_table(done: Work, tmp_path: Path) -> None:
    (row,) = rows_of(look(done, tmp_path, "warp", "--table", "--frame", "3").stdout)
    assert (row["frame"], row["worst"]) == ("3", "-")
    assert float(row["error"]) > 0


def test_what_is_not_known_is_a_dash(copied: Work, tmp_path: Path) -> None:
    plan = plan_of(copied)
    copied.pair(plan.stages.consistency, 3).unlink()
    plan.stages.decode.path(frame_name(10)).unlink()
    rows = {int(row["frame"]): row for row in rows_of(look(copied, tmp_path, "flow", "--table").stdout)}
    assert (rows[3]["trusted"], rows[3]["error"]) == ("-", "-")
    assert [frame for frame, row in rows.items() if row["error"] == "-"] == [3, 10, 11]
    assert "-" not in [row["mean_px"] for row in rows.values()]
    forward = rows_of(look(copied, tmp_path, "flow", "--table", "--forward").stdout)
    assert {row["error"] for row in forward} == {"-"}


def test_painted_frames_have_a_table_too(done: Work, tmp_path: Path) -> None:
    rows = rows_of(look(done, tmp_path, "frames", "--table").stdout)
    assert [(row["original"], row["painted"]) for row in rows] == [("1", "1")] * FRAMES


def test_the_plot_is_one_picture(done: Work, tmp_path: Path) -> None:
    result = look(done, tmp_path, "flow", "--plot")
    assert result.stdout.splitlines() == [str(tmp_path / "painted-flow-plot.png")]
    assert [file.name for file in tmp_path.iterdir()] == ["painted-flow-plot.png"]
    assert Image.open(tmp_path / "painted-flow-plot.png").width == 1600
    both = look(done, tmp_path, "flow", "--plot", "--table", "-y")
    assert "wrote" not in both.stdout and "painted-flow-plot.png" in both.stderr
    assert "leave out --frame" in fails(done, tmp_path, "flow", "--plot", "--frame", "3")


def test_warped_frames_need_the_frame_before(copied: Work, tmp_path: Path) -> None:
    stages = plan_of(copied).stages
    stages.decode.path(frame_name(4)).unlink()
    copied.pair(stages.consistency, 7).unlink()
    result = look(copied, tmp_path, "warp", "--frame", "4", "--frame", "5", "--frame", "7")
    assert [Path(name).stem[-1] for name in result.stdout.splitlines()] == ["4", "7"]
    assert "not in the cache: 1 warped frames, 1 masks of 3" in result.stderr
