"""Jobs are found again by what people would type, and one process at a time works on one."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from tests.store.conftest import Child
from vidstyle.errors import InputError, StoreError
from vidstyle.store import Job

ASKED = {"movie": "/films/bikes.mp4", "style": [{"file": "a.jpg", "weight": 0.7}], "end": None}


def test_the_same_request_is_the_same_job(tmp_path: Path) -> None:
    job = Job.create(tmp_path, "Bikes & Cars", ASKED, (Path("/films/bikes.mp4"),))
    assert job.id == "bikes-cars-eda087"
    assert job.file == tmp_path / "jobs" / job.id / "job.json"
    assert Job.load(tmp_path, job.id) == job == Job.create(tmp_path, "Bikes & Cars", ASKED, (Path("/films/bikes.mp4"),))
    assert Job.create(tmp_path, "Bikes & Cars", {**ASKED, "end": 1}).id != job.id
    assert len(Job.list(tmp_path)) == 2


@pytest.mark.parametrize(("stem", "start"), [("", "job-"), ("映画", "job-"), ("-x-", "x-"), ("A" * 99, "a" * 32 + "-")])
def test_ids_can_be_typed(tmp_path: Path, stem: str, start: str) -> None:
    assert Job.create(tmp_path, stem, {}).id.startswith(start)


def test_an_id_that_is_taken_gets_longer(tmp_path: Path) -> None:
    job = Job.create(tmp_path, "a", ASKED)
    Job(tmp_path, job.id, {"something": "else"}).save()
    other = Job.create(tmp_path, "a", ASKED)
    assert other.id.startswith(job.id) and len(other.id) == len(job.id) + 1
    assert Job.create(tmp_path, "a", ASKED) == other


def test_a_job_is_found_by_what_people_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    one = Job.create(tmp_path, "bikes", {"n": 1}, (Path("films/bikes.mp4"), Path("one.mp4")))
    two = Job.create(tmp_path, "bikes", {"n": 2}, (Path("films/bikes.mp4"), Path("two.mp4")))
    for name in (one.id, one.id[:-2], "one.mp4", tmp_path / "one.mp4", "./one.mp4", one.file, one.folder):
        assert Job.find(tmp_path, name) == one, name
    assert Job.find(tmp_path, "films/../two.mp4") == two
    for name in ("bikes", "films/bikes.mp4"):
        with pytest.raises(InputError, match=one.id) as caught:
            Job.find(tmp_path, name)
        assert two.id in str(caught.value)
    for name in ("", "none", "../x", "no\nne", "x" * 5000):
        with pytest.raises(InputError, match="no job") as missing:
            Job.find(tmp_path, name)
        assert "\n" not in str(missing.value)


def test_jobs_are_listed_latest_first_and_damaged_ones_are_said(tmp_path: Path) -> None:
    jobs = [Job.create(tmp_path, "a", {"n": n}) for n in range(3)]
    for age, job in enumerate(jobs):
        os.utime(job.file, (time.time() - age,) * 2)
    jobs[1].file.write_text("{")
    said: list[str] = []
    assert Job.list(tmp_path, said.append) == [jobs[0], jobs[2]]
    assert len(said) == 1 and jobs[1].id in said[0] and "\n" not in said[0]
    assert Job.list(tmp_path / "none") == []


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"version": 1, "id": "x", "asked": {}, "paths": []}', "[" * 10**5]
)
def test_a_damaged_job_is_one_line(tmp_path: Path, text: str) -> None:
    job = Job.create(tmp_path, "a", ASKED)
    job.file.write_text(text)
    with pytest.raises(StoreError, match="damaged") as caught:
        Job.load(tmp_path, job.id)
    assert "\n" not in str(caught.value)


def test_a_job_of_a_newer_version_says_so(tmp_path: Path) -> None:
    job = Job.create(tmp_path, "a", ASKED)
    job.file.write_text('{"version": 2}')
    with pytest.raises(StoreError, match="newer vidstyle"):
        Job.load(tmp_path, job.id)


HOLD = """
import sys
from pathlib import Path
from vidstyle.store import Job
with Job.load(Path(sys.argv[1]), sys.argv[2]).lock():
    print("locked", flush=True)
    sys.stdin.readline()
print("free", flush=True)
sys.stdin.readline()
"""


def test_one_process_at_a_time_and_a_killed_one_lets_go(tmp_path: Path, child: Child) -> None:
    job = Job.create(tmp_path, "a", ASKED)
    other = child(HOLD, tmp_path, job.id)
    assert other.stdout is not None and other.stdout.readline() == "locked\n"
    with pytest.raises(StoreError, match=f"process {other.pid}") as caught, job.lock():
        pass
    assert "\n" not in str(caught.value) and job.id in str(caught.value)
    start = time.monotonic()
    with pytest.raises(StoreError), job.lock(wait=0.3):
        pass
    assert time.monotonic() - start >= 0.3
    other.kill()
    other.wait()
    with job.lock(wait=1):
        pass


def test_the_lock_ends_with_its_block(tmp_path: Path, child: Child) -> None:
    job = Job.create(tmp_path, "a", ASKED)
    other = child(HOLD, tmp_path, job.id)
    assert other.stdout is not None and other.stdin is not None and other.stdout.readline() == "locked\n"
    threading.Timer(0.2, lambda: (other.stdin.write("\n"), other.stdin.flush())).start()  # type: ignore[union-attr]
    with job.lock(wait=10):
        assert other.stdout.readline() == "free\n"
        with pytest.raises(StoreError, match=f"process {os.getpid()}"), job.lock():
            pass
    with pytest.raises(ZeroDivisionError), job.lock():
        raise ZeroDivisionError
    with job.lock():
        pass


def test_a_disk_without_locks_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl")
    job = Job.create(tmp_path, "a", ASKED)

    def unknown(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unknown)
    said: list[str] = []
    with job.lock(report=said.append):
        pass
    assert len(said) == 1 and "No locks available" in said[0]


def test_an_output_means_the_latest_job_that_wrote_it(tmp_path: Path) -> None:
    movie, output = tmp_path / "a.mp4", tmp_path / "out.mp4"
    older = Job.create(tmp_path, "a", {"weight": 1}, (movie, output))
    newer = Job.create(tmp_path, "a", {"weight": 2}, (movie, output))
    os.utime(older.file, (1, 1))
    assert Job.find(tmp_path, output).id == newer.id
    with pytest.raises(InputError, match="name one"):
        Job.find(tmp_path, movie)
