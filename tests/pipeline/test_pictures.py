"""Pictures in and out, as jobs: what is made again, what is replaced, and what never is."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.pipeline.conftest import TINY, Work, contents, temporary_files, times
from vidstyle.errors import InputError, Interrupted, OutputError
from vidstyle.media import probe, scan
from vidstyle.pipeline.api import job_request, plan_for
from vidstyle.pipeline.events import Monitor
from vidstyle.pipeline.inspect import open_inspection
from vidstyle.pipeline.request import request_from_plain, request_to_plain
from vidstyle.store import Job, sweep, temporary_path

UNPAINTED = {"style": (), "method": "none", "stylize": {}}


def draw(folder: Path, count: int = 6) -> Path:
    """A folder of small pictures."""
    folder.mkdir()
    for number in range(count):
        y, x = np.mgrid[:32, :48]
        picture = np.uint8(np.stack([x * 5, y * 7, (x + 6 * number) % 256], axis=-1))
        Image.fromarray(picture).save(folder / f"{number}.png")
    return folder


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_a_folder_is_painted_and_another_rate_makes_only_the_movie_again(empty: Work, tmp_path: Path) -> None:
    movie = draw(tmp_path / "in", 2)
    empty.paint(movie)
    before = times(empty.cache)
    first = empty.output.read_bytes()
    empty.paint(movie, fps=Fraction(10), overwrite=True)
    assert times(empty.cache) == before
    assert {event.stage for event in empty.progress} == {"encode"}
    timeline = scan(probe(empty.output))
    assert [timeline.time(n) for n in (0, 1, 2)] == [0, Fraction(1, 10), Fraction(2, 10)]
    assert empty.output.read_bytes() != first
    empty.paint(movie, fps=25, overwrite=True)
    assert empty.output.read_bytes() == first


def test_a_part_of_a_folder_is_scanned_once_for_every_rate(empty: Work, tmp_path: Path) -> None:
    movie = draw(tmp_path / "in", 120)
    empty.paint(movie, **UNPAINTED, end="0.1")
    assert len(scan(probe(empty.output))) == 3
    scans = times(empty.cache, "scan")
    empty.paint(movie, **UNPAINTED, end="0.1", fps=20, overwrite=True)
    assert len(scan(probe(empty.output))) == 2
    assert times(empty.cache, "scan") == scans


def test_names_do_not_matter_but_their_order_and_the_bytes_do(empty: Work, tmp_path: Path) -> None:
    movie = draw(tmp_path / "in")
    key = empty.plan(movie).stages.decode_key
    for file in movie.iterdir():
        file.rename(file.with_name(f"renamed-{file.name}"))
    assert empty.plan(movie).stages.decode_key == key
    (movie / "renamed-5.png").rename(movie / "a.png")
    assert empty.plan(movie).stages.decode_key != key


def test_jobs_on_pictures_are_known_and_looked_at(empty: Work, tmp_path: Path) -> None:
    movie = draw(tmp_path / "in")
    empty.paint(movie, **UNPAINTED, fps=12)
    job = Job.find(empty.cache, str(movie))
    assert job_request(job).fps == 12
    plan = plan_for(job_request(job), empty.cache, Monitor(), may_scan=False)
    assert plan.is_written
    inspection = open_inspection(job, empty.cache, Monitor(), painting=True)
    assert inspection.time(5) == Fraction(5, 12)
    assert all(inspection.painted(frame) is not None for frame in range(6))


def test_a_still_is_painted_into_a_picture(empty: Work, tmp_path: Path) -> None:
    still = draw(tmp_path / "in", 1) / "0.png"
    out = empty.paint(still, output=tmp_path / "painted.png")
    assert probe(out).frame_count_hint == 1
    assert not np.array_equal(np.asarray(Image.open(out)), np.asarray(Image.open(still)))
    empty.paint(still, output=tmp_path / "painted.png")
    assert any("nothing to do" in note for note in empty.notes)


def test_one_frame_of_a_movie_is_a_picture_and_more_are_refused(empty: Work, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="holds one picture, and there are 16 frames"):
        empty.paint(**UNPAINTED, output=tmp_path / "x.png")
    assert not (empty.cache / "v2").exists()
    with pytest.raises(OutputError, match="holds one picture"):
        empty.paint(**UNPAINTED, output=tmp_path / "x.png", end="0.5")
    empty.paint(**UNPAINTED, output=tmp_path / "x.png", end="0.01")
    assert (tmp_path / "x.png").exists()


def test_a_folder_of_pngs_is_an_output_like_any_other(empty: Work, tmp_path: Path) -> None:
    folder = tmp_path / "pngs"
    empty.paint(**UNPAINTED, output=f"{folder}/")
    assert names(folder) == [f"{n:08d}.png" for n in range(16)]
    empty.paint(**UNPAINTED, output=folder)  # an existing folder needs no slash
    assert any("nothing to do" in note for note in empty.notes)
    (folder / "00000003.png").write_bytes(b"changed")
    with pytest.raises(OutputError, match="-y"):
        empty.paint(**UNPAINTED, output=folder)
    empty.paint(**UNPAINTED, output=folder, end="0.2", overwrite=True)
    assert len(names(folder)) < 16
    assert temporary_files(tmp_path) == []


def test_a_folder_with_anything_else_in_it_is_never_replaced(empty: Work, tmp_path: Path) -> None:
    folder = tmp_path / "holiday"
    folder.mkdir()
    empty.paint(**UNPAINTED, output=folder)  # an empty one may be
    (folder / "me.png").write_bytes(b"dear to me")
    before = contents_of(folder)
    for end in ("0.1", "0.2"):
        with pytest.raises(OutputError, match=r"me\.png"):
            empty.paint(**UNPAINTED, output=folder, end=end, overwrite=True)
    assert contents_of(folder) == before
    empty.paint(**UNPAINTED, output=folder)
    assert any("nothing to do" in note for note in empty.notes)  # ours are all there still


def contents_of(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_foreign_files_that_come_while_painting_stay(empty: Work, tmp_path: Path) -> None:
    folder = tmp_path / "pngs"
    empty.paint(**UNPAINTED, output=f"{folder}/")
    before = contents_of(folder)

    def late() -> bool:
        (folder / "late.txt").write_text("mine")
        return False

    with pytest.raises(OutputError, match=r"late\.txt"):
        empty.paint(**UNPAINTED, output=f"{folder}/", end="0.2", overwrite=True, should_stop=late)
    assert contents_of(folder) == {**before, "late.txt": b"mine"}
    assert temporary_files(tmp_path) == []


@pytest.mark.parametrize("name", ["pngs/", "x.gif"])
def test_stopped_while_writing_nothing_has_the_name(empty: Work, tmp_path: Path, name: str) -> None:
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > 20  # after the painting of 16

    with pytest.raises(Interrupted):
        empty.paint(**UNPAINTED, output=f"{tmp_path}/{name}", should_stop=stop)
    assert not (tmp_path / name).exists()
    assert temporary_files(tmp_path) == []
    empty.paint(**UNPAINTED, output=f"{tmp_path}/{name}")
    assert (tmp_path / name).exists()


KILLED = """
import sys, os
from vidstyle.media.write_pictures import FolderWriter
from vidstyle.pipeline.api import stylize
write = FolderWriter.write
def killed(self, image):
    write(self, image)
    if self._written == 9: os.kill(os.getpid(), 9)
FolderWriter.write = killed
stylize(sys.argv[1], sys.argv[2], method="none", cache_dir=sys.argv[3], device="cpu")
"""


def test_killed_while_writing_a_folder(empty: Work, tmp_path: Path) -> None:
    out = f"{tmp_path}/pngs/"
    done = subprocess.run([sys.executable, "-c", KILLED, TINY, out, empty.cache], timeout=120, check=False)
    assert done.returncode == -9
    assert not Path(out).exists()

    def temporary() -> list[Path]:
        """Of the output: in the cache a thread may have been writing at that moment."""
        return [path for path in temporary_files(tmp_path) if empty.cache not in path.parents]

    (left,) = temporary()
    assert len(names(left)) == 9
    empty.paint(**UNPAINTED, output=out)
    assert len(names(Path(out))) == 16
    assert temporary() == []


def test_the_sweep_deletes_no_foreign_content(tmp_path: Path) -> None:
    left = temporary_path(tmp_path / "pngs")
    left.mkdir()
    (left / "00000000.png").touch()
    (left / "mine.txt").touch()
    os.utime(left, (0, 0))
    sweep(tmp_path)
    assert names(left) == ["mine.txt"]


def test_of_a_link_to_a_folder_the_link_is_replaced(empty: Work, tmp_path: Path) -> None:
    empty.paint(**UNPAINTED, output=f"{tmp_path}/real/")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    empty.paint(**UNPAINTED, output=tmp_path / "link", end="0.2", overwrite=True)
    assert len(names(tmp_path / "real")) == 16
    assert len(names(tmp_path / "link")) < 16
    assert temporary_files(tmp_path) == []


def test_an_output_never_replaces_what_it_is_made_from(empty: Work, tmp_path: Path) -> None:
    movie = draw(tmp_path / "in")
    for output in (f"{movie}/", f"{tmp_path}/", f"{movie}/new.png"):
        with pytest.raises(InputError, match="the output would"):
            empty.paint(movie, output=output, overwrite=True)
    style = tmp_path / "style.png"
    style.write_bytes(empty.style.read_bytes())
    with pytest.raises(InputError, match="replace the style"):
        empty.paint(movie / "0.png", style=style, output=style, overwrite=True)
    assert len(names(movie)) == 6


def test_a_request_keeps_its_folder_and_rate(tmp_path: Path) -> None:
    table = {"movie": "in", "output": f"{tmp_path}/out/", "method": "none", "fps": "30000/1001"}
    request = request_from_plain(table)
    assert request.output == f"{tmp_path}/out/"
    assert request_from_plain(request_to_plain(request)) == request
    assert request_from_plain({**table, "output": str(tmp_path)}).output == f"{tmp_path}/"
    assert request_from_plain({**table, "output": f"{tmp_path}/new"}).output == f"{tmp_path}/new"
    for wrong in ("0", "-1", "5000"):
        with pytest.raises(InputError, match="--fps"):
            request_from_plain({**table, "fps": wrong})


def test_the_cache_is_the_same_whatever_the_output_is(empty: Work, tmp_path: Path) -> None:
    empty.paint(**UNPAINTED)
    before = contents(empty.cache)
    for name in ("x.gif", "pngs/", "x.mkv"):
        empty.paint(**UNPAINTED, output=f"{tmp_path}/{name}")
    assert contents(empty.cache) == before
