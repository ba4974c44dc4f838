"""What lies in a cache is listed, checked and pruned, and what a running job uses is left alone."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from tests.store.conftest import Child
from vidstyle.errors import InputError
from vidstyle.store import (
    FRAME,
    JSON,
    Job,
    Store,
    file_digest,
    frame_name,
    parse_size,
    running_jobs,
    size_text,
    temporary_path,
)
from vidstyle.store.contents import last_first, old_layouts, read_contents
from vidstyle.store.prune import Criteria, prune, remove_empty_layouts
from vidstyle.store.verify import verify

NOISE = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
STAGES = ("decode", "flow", "consistency", "stylize")
FRAMES = 5
DAY = 86400.0


def fill(root: Path) -> Path:
    """Two shelves of each stage, the first of which was not used for two days, the second not for one."""
    store = Store(root, print)
    for number, stage in enumerate(STAGES):
        for age, digit in ((2, "a"), (1, "b")):
            about = {"stage": stage, "movie": f"/films/{digit}.mp4", "settings": {"styles": ["/s.jpg"]}}
            shelf = store.shelf(stage, digit * 31 + str(number), FRAME, about)
            for frame in range(1, FRAMES + 1):
                shelf.save(frame_name(frame * 500), NOISE)
            os.utime(shelf.folder / "about.json", (time.time() - age * DAY,) * 2)
    return root


def files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def total(root: Path) -> int:
    return sum(path.stat().st_size for path in files(root))


def left(root: Path) -> dict[str, int]:
    """Artifacts by stage and first digit of the key."""
    return {f"{shelf.stage} {shelf.key[0]}": shelf.artifacts for shelf in read_contents(root).shelves}


def test_what_is_there(tmp_path: Path) -> None:
    root = fill(tmp_path)
    contents = read_contents(root)
    assert contents.bytes == total(root)
    assert len(contents.shelves) == 2 * len(STAGES)
    for shelf in contents.shelves:
        assert shelf.artifacts == FRAMES
        about = (shelf.folder / "about.json").stat()
        assert shelf.bytes == total(shelf.folder) - about.st_size
        assert shelf.used == about.st_mtime
        assert (shelf.movie, shelf.styles) == (f"/films/{shelf.key[0]}.mp4", ["/s.jpg"])
    assert read_contents(tmp_path / "none").shelves == []


@pytest.mark.parametrize("text", ["", "[]", "{", '{"movie": 3, "settings": []}', '{"settings": {"styles": [1]}}'])
def test_notes_for_people_may_be_anything(tmp_path: Path, text: str) -> None:
    shelf = read_contents(fill(tmp_path)).shelves[0]
    (shelf.folder / "about.json").write_text(text)
    again = next(other for other in read_contents(tmp_path).shelves if other.folder == shelf.folder)
    assert (again.movie, again.styles, again.artifacts) == ("", [], FRAMES)


def test_hundreds_of_thousands_are_listed_fast(tmp_path: Path) -> None:
    shelf = Store(tmp_path, print).shelf("decode", "0" * 32, JSON)
    shelf.save("00000000", 0)
    for n in range(1, 20_000):
        path = shelf.path(frame_name(n))
        if n % 1000 == 0:
            path.parent.mkdir()
        path.touch()
    start = time.process_time()
    assert read_contents(tmp_path).shelves[0].artifacts == 20_000
    assert time.process_time() - start < 1


def test_the_last_frames_come_first(tmp_path: Path) -> None:
    shelf = Store(tmp_path, print).shelf("decode", "0" * 32, JSON)
    names = ["shots", "00000001", "00000999", "00001000", "00123456-00000001"]
    for name in names:
        shelf.save(name, 0)
    assert [file.name for file in last_first(shelf.folder)] == [*reversed(names[1:]), "shots"]


def test_every_damaged_artifact_is_found_and_set_aside(tmp_path: Path) -> None:
    root = fill(tmp_path)
    damaged = [path for path in files(root) if path.name == frame_name(1000)]
    for number, path in enumerate(damaged):
        content = bytearray(path.read_bytes())
        content[number * 7] ^= 4
        path.write_bytes(content)
    empty = damaged[0].with_name(frame_name(1500))
    empty.write_bytes(b"")
    done: list[int] = []
    verified = verify(read_contents(root), progress=done.append)
    assert verified.artifacts == done[-1] == 2 * len(STAGES) * FRAMES
    assert sorted(damage.path for damage in verified.damage) == sorted([*damaged, empty])
    for damage in verified.damage:
        assert damage.aside is not None and damage.aside.exists() and not damage.path.exists()
        assert damage.aside.name == f"{damage.path.name}.corrupt-1"
    assert verify(read_contents(root)).damage == []
    assert {leftover.path for leftover in read_contents(root).leftovers} == {d.aside for d in verified.damage}
    assert verify(read_contents(root), ("flow",)).artifacts == 2 * FRAMES - 2


def test_damage_on_a_read_only_disk_is_found(small_disk: Path) -> None:
    shelf = Store(small_disk, print).shelf("decode", "0" * 32, FRAME)
    shelf.save("00000001", NOISE)
    shelf.path("00000001").write_bytes(b"damaged")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    (damage,) = verify(read_contents(small_disk)).damage
    assert damage.aside is None and damage.path.exists()


def test_pruning_down_to_a_size_takes_what_is_missed_least(tmp_path: Path) -> None:
    root = fill(tmp_path)
    one = read_contents(root).shelves[0].bytes // FRAMES
    order = [f"{stage} {digit}" for stage in ("decode", "consistency", "flow", "stylize") for digit in "ab"]
    for count, gone in ((2, order[:0]), (FRAMES, order[:1]), (4 * FRAMES, order[:5])):
        size = total(root)
        pruned = prune(root, Criteria(to=size - count * one))
        assert total(root) == pruned.left <= size - count * one
        assert sum(freed.files for freed in pruned.freed.values()) <= count
        assert sorted(left(root)) == sorted(order[len(gone) :])
    names = [path.name for path in files(root) if "/stylize/aa" in str(path) and path.name.isdigit()]
    assert names == sorted(names)[: len(names)] and frame_name(500) in names


def test_each_choice_narrows(tmp_path: Path) -> None:
    root = fill(tmp_path)
    everything = left(root)
    assert prune(root, Criteria(unused_since=time.time() - 3 * DAY)).freed == {}
    assert left(root) == everything
    prune(root, Criteria(stages=("flow",), unused_since=time.time() - 1.5 * DAY))
    assert set(everything) - set(left(root)) == {"flow a"}
    folder = next(shelf.folder for shelf in read_contents(root).shelves if shelf.stage == "decode")
    prune(root, Criteria(folders=frozenset({folder}), stages=("decode", "stylize")))
    assert set(everything) - set(left(root)) == {"flow a", "decode a"}
    assert not folder.exists()
    assert folder.parent.parent.exists()


def test_a_dry_run_says_the_same_and_removes_nothing(tmp_path: Path) -> None:
    root = fill(tmp_path)
    Job.create(root, "a", {"n": 1})
    before = files(root)
    for criteria in (Criteria(stages=("flow",)), Criteria(to=total(root) // 2), Criteria(everything=True)):
        said = prune(root, criteria, dry_run=True)
        assert files(root) == before
        copy = tmp_path.with_name("copy")
        subprocess.run(["cp", "-a", str(root), str(copy)], check=True)
        done = prune(copy, criteria)
        assert done.freed == said.freed
        subprocess.run(["rm", "-r", str(copy)], check=True)


def test_everything_is_everything_but_the_tag(tmp_path: Path) -> None:
    root = fill(tmp_path)
    Job.create(root, "a", {"n": 1})
    pruned = prune(root, Criteria(everything=True))
    assert [path.name for path in files(root)] == ["CACHEDIR.TAG"]
    assert pruned.freed["jobs"].files == 1
    assert list((root / "v2").iterdir()) == []


HEX = "0123456789abcdef" * 2  # as long as a key is
STRANGE = (
    "v1/src/main.c",
    f"v1/blobs/01/{HEX}",
    "v2/src/lib/main/main.c",
    f"v2/blobs/01/{HEX}/00000000",
    f"v2/decode/02/{HEX}/00000000",
    "v2/decode/01/0123/00000000",
    "v3/notes.txt",
    "jobs/report.txt",
    "jobs/nightly/job.json",
    "jobs/nightly-202401/job.json",
    "jobs/nightly-202401/lock",
    "digests/letter.txt",
    f"digests/{HEX}.json",
    "notes.txt",
)


def test_what_others_have_made_is_neither_removed_nor_counted(tmp_path: Path) -> None:
    mine = [tmp_path / name for name in STRANGE]
    for path in mine:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    root = fill(tmp_path)
    job = Job.create(root, "a", {"n": 1})
    (job.folder / "remarks.txt").write_text("of the user")
    movie = tmp_path / "notes.txt"
    os.utime(movie, (time.time() - DAY,) * 2)
    file_digest(movie, root / "digests")
    contents = read_contents(root)
    assert contents.leftovers == [] and contents.newer == [] and old_layouts(root) == []
    assert len(contents.shelves) == 2 * len(STAGES)
    strange = [*mine, job.folder / "remarks.txt"]
    ours_by_name = root / "digests" / f"{HEX}.json"
    assert contents.bytes == total(root) - sum(path.stat().st_size for path in strange if path != ours_by_name)
    said: list[str] = []
    assert Job.list(root, said.append) == [job]
    assert ["nightly-202401" in line for line in said] == [True]
    prune(root, Criteria(everything=True))
    assert files(root) == sorted(strange)


def test_of_an_older_layout_only_what_was_listed_goes(tmp_path: Path) -> None:
    old = tmp_path / "v1" / "decode" / "01" / HEX / "00000" / "00000001"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"x")
    (tmp_path / "v1" / "flow" / "02").mkdir(parents=True)
    remove_empty_layouts(tmp_path)
    assert old.exists()
    old.unlink()
    remove_empty_layouts(tmp_path)
    assert [path.name for path in (tmp_path / "v1").iterdir()] == ["flow"]


def test_what_nobody_can_use_goes_in_any_case(tmp_path: Path) -> None:
    root = fill(tmp_path)
    gone = subprocess.Popen(["true"])
    gone.wait()
    shelf = read_contents(root).shelves[0].folder
    mine = temporary_path(shelf / "00000" / frame_name(1))
    dead = mine.with_name(mine.name.replace(f"-{os.getpid()}-", f"-{gone.pid}-"))
    aside = shelf / "00000" / f"{frame_name(1)}.corrupt-1"
    old, newer = (root / layout / "decode" / "01" / HEX / "x" for layout in ("v1", "v3"))
    for path in (mine, dead, aside, old, newer):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 100)
    contents = read_contents(root)
    assert {leftover.path: leftover.why for leftover in contents.leftovers} == {
        dead: "unfinished",
        aside: "set aside",
        old: "older layout",
    }
    assert contents.newer == ["v3"]
    assert contents.bytes == total(root)
    before = left(root)
    pruned = prune(root, Criteria(artifacts=False))
    assert (pruned.bytes, pruned.newer) == (300, ["v3"])
    assert left(root) == before
    assert mine.exists() and newer.exists() and not (root / "v1").exists()
    assert not dead.exists() and not aside.exists()


HOLD = """
import sys
from pathlib import Path
from vidstyle.store import Job
root = Path(sys.argv[1])
with Job.load(root, sys.argv[2]).lock(uses=[root / name for name in sys.argv[3:]]):
    print("locked", flush=True)
    sys.stdin.readline()
"""


def test_what_a_running_job_uses_stays_until_it_ends_or_dies(tmp_path: Path, child: Child) -> None:
    root = fill(tmp_path)
    job = Job.create(root, "a", {"n": 1})
    uses = [shelf.folder.relative_to(root) for shelf in read_contents(root).shelves if shelf.key[0] == "a"]
    assert not job.is_running
    other = child(HOLD, root, job.id, *uses)
    assert other.stdout is not None and other.stdout.readline() == "locked\n"
    assert [running.id for running in running_jobs(root)] == [job.id]
    pruned = prune(root, Criteria(everything=True))
    assert set(left(root)) == {f"{stage} a" for stage in STAGES}
    assert job.file.exists()
    assert list(pruned.kept) == [job.id]
    other.kill()
    other.wait()
    assert running_jobs(root) == []
    assert {folder.relative_to(root) for folder in job.uses} == set(uses)
    prune(root, Criteria(stages=STAGES))
    assert left(root) == {}


def test_looking_whether_a_job_runs_does_not_stop_it(tmp_path: Path, child: Child) -> None:
    job = Job.create(tmp_path, "a", {"n": 1})
    looking = child(
        "import sys\nfrom pathlib import Path\nfrom vidstyle.store import running_jobs\nprint('go', flush=True)\n"
        "while True: running_jobs(Path(sys.argv[1]))",
        tmp_path,
    )
    assert looking.stdout is not None and looking.stdout.readline() == "go\n"
    for _ in range(50):
        with job.lock():
            pass


def test_a_disk_without_locks_goes_by_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl")
    job = Job.create(tmp_path, "a", {"n": 1})

    def unknown(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unknown)
    with job.lock():
        assert job.is_running
    assert not job.is_running


@pytest.mark.parametrize("text", ["", "{", '{"a": 1}', "[1]"])
def test_a_damaged_list_of_uses_is_none(tmp_path: Path, text: str) -> None:
    job = Job.create(tmp_path, "a", {"n": 1})
    (job.folder / "uses.json").write_text(text)
    assert job.uses == ()


def test_the_limit_is_kept_with_the_job_and_is_no_part_of_what_it_is(tmp_path: Path) -> None:
    job = Job.create(tmp_path, "a", {"n": 1}, cache_limit=10**9)
    assert Job.load(tmp_path, job.id).cache_limit == 10**9
    assert Job.create(tmp_path, "a", {"n": 1}).id == job.id
    assert Job.load(tmp_path, job.id).cache_limit is None


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("500M", 500_000_000),
        ("20G", 20 * 10**9),
        ("1.5T", 1_500_000_000_000),
        ("20 gb", 20 * 10**9),
        ("1Gi", 2**30),
        ("2KiB", 2048),
        ("100000", 100_000),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "G", "20", "-1G", "1e9", "20X", "i", "5i", "1,5G", "9" * 400, "1000001T"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(InputError) as error:
        parse_size(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (20 * 10**9, "20.0 GB"), (999_600, "1.00 MB")]
)
def test_sizes_for_people(size: int, text: str) -> None:
    assert size_text(size) == text
