"""``vidstyle inspect shots``: of a job, and of a movie that nobody has painted."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.conftest import fails, look, plan_of
from tests.pipeline.conftest import CUT, FRAMES, TINY, Work, contents
from vidstyle.cli.inspect import shot_table
from vidstyle.config import Cut
from vidstyle.pipeline.api import open_job
from vidstyle.pipeline.request import request_from_plain
from vidstyle.pipeline.scenes import read_scenes


@pytest.fixture
def nothing(tmp_path: Path, done: Work) -> Work:
    return Work(tmp_path / "nothing", done.style)


def test_a_movie_without_a_job_is_scanned(nothing: Work, tmp_path: Path, done: Work) -> None:
    result = look(nothing, tmp_path, "shots", str(TINY))
    header, *rows = result.stdout.splitlines()
    assert header.split() == ["shot", "first", "last", "start", "duration", "change", "stands", "out", "by"]
    assert [row.split()[:4] for row in rows] == [["1", "0", "7", "0:00.00"], ["2", "8", "15", "0:00.64"]]
    assert rows[0].split()[-2:] == ["-", "-"]
    scores = plan_of(done).timeline.scores
    assert rows[1].split()[-2:] == [f"{scores[CUT]:.1f}", f"{scores[CUT] - scores[CUT - 3 : CUT].max():.1f}"]
    assert "that is no cut: frame 1 at 0:00.08" in result.stderr
    assert Image.open(tmp_path / "tiny-shots.png").width == 1600
    assert sorted({name.split("/")[1] for name in contents(nothing.cache)}) == ["scan"]
    again = look(nothing, tmp_path, "shots", str(TINY), "--table")
    assert "scanning" not in again.stderr and again.stdout == result.stdout


def test_of_a_job_and_nothing_is_made(done: Work, tmp_path: Path) -> None:
    before = contents(done.cache)
    document = json.loads(look(done, tmp_path, "shots", "--json").stdout)
    assert [(shot["first"], shot["last"]) for shot in document["shots"]] == [(0, CUT - 1), (CUT, FRAMES - 1)]
    assert document["files"] == [str(tmp_path / "painted-shots.png")]
    assert [shot["duration"] for shot in document["shots"]] == [0.64, 0.64]
    assert [shot["rise"] is None for shot in document["shots"]] == [True, False]
    assert contents(done.cache) == before
    assert look(done, tmp_path, "shots", str(done.output), "--table").stdout.count("\n") == 3


def test_a_job_that_has_not_begun_is_scanned(nothing: Work, tmp_path: Path) -> None:
    table = {"movie": str(TINY), "output": str(nothing.output), "method": "none", "start": "1/4", "end": "1"}
    job = open_job(request_from_plain(table), nothing.cache)
    document = json.loads(look(nothing, tmp_path, "shots", job.id, "--json", "--table").stdout)
    assert [(shot["first"], shot["last"]) for shot in document["shots"]] == [(4, 7), (8, 12)]


def test_pictures_are_the_first_and_the_last_frame(nothing: Work, tmp_path: Path) -> None:
    look(nothing, tmp_path, "shots", str(TINY))
    sheet = np.asarray(Image.open(tmp_path / "tiny-shots.png").convert("RGB")).astype(int)
    pictures = sheet[80:180]
    assert pictures.std(axis=(0, 2)).min() >= 0 and (pictures.reshape(-1, 3).std(axis=0) > 20).all()
    left, right = pictures[:, 20:790], pictures[:, 810:1580]
    assert np.abs(left[:, :300].mean(axis=(0, 1)) - right[:, :300].mean(axis=(0, 1))).max() > 3


def test_cuts_go_into_a_file(done: Work, nothing: Work, tmp_path: Path) -> None:
    file = tmp_path / "cuts.txt"
    look(nothing, tmp_path, "shots", str(TINY), "--export", str(file))
    lines = file.read_text().splitlines()
    assert lines[0].startswith("# tiny.mp4") and lines[1:] == [str(CUT)]
    assert not list(tmp_path.glob("*.png"))
    assert "add -y" in fails(nothing, tmp_path, "shots", str(TINY), "--export", str(file))
    movie = tmp_path / "movie.mp4"
    shutil.copy(TINY, movie)
    for name, says in ((movie, "replace the movie itself"), (tmp_path / "no/cuts.txt", "no such folder")):
        assert says in fails(
            Work(tmp_path / "new", done.style), tmp_path, "shots", str(movie), "--export", str(name), "-y"
        )
    assert not (tmp_path / "new" / "cache").exists()
    assert movie.read_bytes() == TINY.read_bytes()
    look(nothing, tmp_path, "shots", str(TINY), "--export", str(file), "-y", "--cut-threshold", "99")
    assert file.read_text().splitlines() == lines[:1]


@pytest.mark.parametrize("name", [b"line\nbreak.mp4", b"caf\xe9.mp4"])
def test_cuts_of_a_movie_of_any_name_are_read_again(nothing: Work, tmp_path: Path, name: bytes) -> None:
    movie, file = tmp_path / os.fsdecode(name), tmp_path / "cuts.txt"
    shutil.copy(TINY, movie)
    look(nothing, tmp_path, "shots", str(movie), "--export", str(file))
    assert read_scenes(file) == (Cut(frame=CUT),)


def test_shots_of_a_folder_of_pictures(nothing: Work, tmp_path: Path) -> None:
    for number in range(3):
        shutil.copy(nothing.style, tmp_path / f"{number}{nothing.style.suffix}")
    assert look(nothing, tmp_path, "shots", str(tmp_path), "--table").stdout.count("\n") == 2


def test_another_threshold_shows_other_cuts(done: Work, tmp_path: Path) -> None:
    found = look(done, tmp_path, "shots", "--table", "--cut-threshold", "30")
    assert found.stdout.count("\n") == 2
    assert f"no cut: frame {CUT}" in found.stderr
    assert "more than 0" in fails(done, tmp_path, "shots", "--cut-threshold", "0")


def test_many_shots_take_several_sheets(nothing: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shot_table, "PER_SHEET", 1)
    result = look(nothing, tmp_path, "shots", str(TINY))
    names = [tmp_path / f"tiny-shots-0{page}.png" for page in (1, 2)]
    assert sorted(tmp_path.glob("*.png")) == names
    assert [line for line in result.stderr.splitlines() if "wrote" in line] == [f"vidstyle: wrote {n}" for n in names]


def test_names_that_mean_nothing(done: Work, nothing: Work, tmp_path: Path) -> None:
    assert "no movie and no job 'nonesuch.mp4'" in fails(done, tmp_path, "shots", "nonesuch.mp4")
    assert "name a movie" in fails(nothing, tmp_path, "shots")
    shutil.copy(done.style, tmp_path / "text.mp4")
    (tmp_path / "text.mp4").write_text("no movie")
    assert "not a movie" in fails(nothing, tmp_path, "shots", str(tmp_path / "text.mp4"))
