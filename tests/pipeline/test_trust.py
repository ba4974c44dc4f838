"""Nothing that is damaged reaches the output, wherever in the cache it is, and a bad disk loses nothing."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.blend import Blend
from tests.pipeline.conftest import CUT, Work, artifacts, contents
from vidstyle.errors import StoreError
from vidstyle.pipeline import studio
from vidstyle.pipeline.api import plan_for
from vidstyle.pipeline.events import Event, Monitor, Progress
from vidstyle.pipeline.plan import Plan
from vidstyle.pipeline.request import request_from_plain
from vidstyle.store import Shelf

FLIPS = 200
JOBS = 6  # whole jobs with damage of all kinds


@pytest.fixture(autouse=True)
def blend(monkeypatch: pytest.MonkeyPatch) -> None:
    """All jobs here are painted by ``Blend``."""
    monkeypatch.setattr(studio, "build_stylizer", lambda *asked: Blend())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, style: Path) -> Work:
    """The job done in one go. Look, do not touch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(studio, "build_stylizer", lambda *asked: Blend())
        work = Work(tmp_path_factory.mktemp("whole"), style)
        work.paint()
    return work


@pytest.fixture
def copy(tmp_path: Path, whole: Work) -> Work:
    """The same with its output, to damage."""
    shutil.copytree(whole.cache, tmp_path / "cache")
    return Work(tmp_path, whole.style)


def all_artifacts(work: Work) -> list[Path]:
    stages = ("scan", "decode", "flow", "consistency", "stylize", "encode")
    return sorted(file for file in artifacts(work.cache, *stages).values() if file.name != "about.json")


def flip(file: Path, rng: random.Random) -> None:
    data = bytearray(file.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    file.write_bytes(data)


def plan_of(work: Work, events: list[Event]) -> Plan:
    table: dict[str, Any] = {"output": str(work.output), "styles": [{"path": str(work.style)}], "device": "cpu"}
    stylize = {"first_iterations": 2, "iterations": 2}
    movie = str(Path(__file__).parents[2] / "sample_videos" / "tiny.mp4")
    request = request_from_plain({**table, "movie": movie, "stylize": stylize})
    return plan_for(request, work.cache, Monitor(events.append))


def test_a_flipped_bit_anywhere_is_noticed_said_and_set_aside(copy: Work) -> None:
    events: list[Event] = []
    plan = plan_of(copy, events)
    shelves: dict[Path, Shelf[Any]] = {shelf.folder: shelf for shelf in plan.shelves}
    files = all_artifacts(copy)
    of_stage: dict[str, list[tuple[Path, Shelf[Any]]]] = {}
    for file in files:
        shelf = next(shelf for folder, shelf in shelves.items() if folder in file.parents)
        of_stage.setdefault(shelf.stage, []).append((file, shelf))
    rng = random.Random(1)
    stages = set()
    for number in range(FLIPS):
        file, shelf = rng.choice(rng.choice(list(of_stage.values())))
        good = file.read_bytes()
        stages.add(shelf.stage)
        assert shelf.load(file.name) is not None
        flip(file, rng)
        said = len(events)
        assert shelf.load(file.name) is None
        assert len(events) == said + 1, f"flip {number} of {file}"
        assert not file.exists()
        assert list(file.parent.glob(f"{file.name}.corrupt-*"))
        file.write_bytes(good)
    assert stages == {"scan", "decode", "flow", "consistency", "stylize", "encode"}


def cut(file: Path, rng: random.Random) -> None:
    file.write_bytes(file.read_bytes()[: rng.randrange(1, file.stat().st_size)])


def empty_it(file: Path, rng: random.Random) -> None:
    file.write_bytes(b"")


@pytest.mark.parametrize("seed", range(JOBS))
def test_whole_jobs_on_a_damaged_cache_give_the_same_bytes(seed: int, copy: Work, whole: Work) -> None:
    rng = random.Random(seed)
    # With all painted frames there, nobody would look at the other stages.
    for file in rng.sample(sorted(artifacts(copy.cache, "stylize").values()), 6):
        if file.name != "about.json":
            file.unlink()
    harmed = rng.sample(all_artifacts(copy), 20)
    for number, file in enumerate(harmed):
        (flip, cut, empty_it)[number % 3](file, rng)
    copy.paint()
    assert copy.output.read_bytes() == whole.output.read_bytes()
    read = [file for file in harmed if list(file.parent.glob(f"{file.name}.corrupt-*"))]
    said = [note for note in copy.notes if "damaged" in note]
    assert len(said) == len(read) > 0
    assert all("\n" not in note for note in said)
    # Whatever was found was made again as it was, unless nobody needed it any more.
    right = contents(whole.cache)
    for file in read:
        name = str(file.relative_to(copy.cache))
        assert name not in right or not file.exists() or file.read_bytes() == right[name]


def test_damage_to_the_note_on_the_output_costs_nothing_but_a_question(copy: Work, whole: Work) -> None:
    copy.paint()
    for name, note in artifacts(copy.cache, "encode").items():
        if not name.endswith("about.json"):
            note.write_bytes(b"")
    copy.paint(overwrite=True)
    assert any("encode" in line and "damaged" in line for line in copy.notes)
    assert copy.output.read_bytes() == whole.output.read_bytes()


def listener(work: Work, act: Callable[[], None], frame: int = CUT) -> Callable[[Event], None]:
    """Does something once, when that frame is being painted."""
    acts: Iterator[Callable[[], None]] = iter([act])

    def listen(event: Event) -> None:
        work.events.append(event)
        if isinstance(event, Progress) and event.stage == "paint" and event.done > frame:
            next(acts, lambda: None)()

    return listen


def test_a_disk_that_fills_up_is_one_line_and_with_room_the_job_goes_on(
    small_disk: Path, style: Path, whole: Work, tmp_path: Path
) -> None:
    work = Work(tmp_path, style)
    work.cache.symlink_to(small_disk / "cache")
    work.cache.resolve().mkdir()
    with pytest.raises(StoreError, match="no space left") as error:
        work.paint()
    assert "\n" not in str(error.value)
    assert error.value.exit_code == 1
    assert list(work.output.parent.iterdir()) == []
    kept = len(artifacts(work.cache, "stylize"))
    assert kept > 2
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    work.paint()
    first = min(event.done for event in work.progress if event.stage == "paint")
    assert first >= kept - 1  # one is about.json
    assert work.output.read_bytes() == whole.output.read_bytes()


def test_a_cache_that_vanishes_ends_the_job(empty: Work, whole: Work) -> None:
    # In one step: removing file by file would race with what is still being written there.
    with pytest.raises(StoreError, match="has vanished") as error:
        empty.paint(progress=listener(empty, lambda: empty.cache.rename(empty.folder / "gone")))
    assert "\n" not in str(error.value)
    assert not empty.cache.exists()
    assert list(empty.output.parent.iterdir()) == []
    empty.paint()
    assert empty.output.read_bytes() == whole.output.read_bytes()


def test_a_read_only_cache_is_said_before_anything_is_painted(small_disk: Path, style: Path, tmp_path: Path) -> None:
    work = Work(tmp_path, style)
    work.cache.symlink_to(small_disk / "cache")
    work.cache.resolve().mkdir()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(StoreError, match=r"read-only.*--cache-dir"):
        work.paint()
    assert not any(event.stage == "paint" for event in work.progress)
    work.paint(use_cache=False)
    assert work.output.exists()


@pytest.mark.parametrize("layout", ["v1", "v3"])
def test_another_layout_is_neither_used_nor_touched(layout: str, copy: Work, whole: Work) -> None:
    (copy.cache / "v2").rename(copy.cache / layout)
    before = sorted(path for path in (copy.cache / layout).rglob("*"))
    copy.paint()
    assert copy.output.read_bytes() == whole.output.read_bytes()
    assert sorted(path for path in (copy.cache / layout).rglob("*")) == before
    said = [note for note in copy.notes if layout in note]
    assert len(said) == (1 if layout == "v1" else 0)
    assert all("cache prune --leftovers" in note for note in said)


def test_pruning_everything_under_a_running_job_harms_nothing(empty: Work, whole: Work) -> None:
    from vidstyle.store.prune import Criteria, prune

    empty.paint(progress=listener(empty, lambda: prune(empty.cache, Criteria(everything=True)) and None))
    assert empty.output.read_bytes() == whole.output.read_bytes()
    assert sorted(artifacts(empty.cache)) == sorted(artifacts(whole.cache))


def test_shelves_removed_by_hand_under_a_running_job_harm_nothing(empty: Work, whole: Work) -> None:
    def remove() -> None:
        while (empty.cache / "v2").exists():  # the job goes on writing meanwhile, into folders that are being removed
            shutil.rmtree(empty.cache / "v2", ignore_errors=True)

    empty.paint(progress=listener(empty, remove))
    assert empty.output.read_bytes() == whole.output.read_bytes()


def test_two_jobs_at_once_that_share_everything(empty: Work, whole: Work) -> None:
    outputs = [empty.output.with_name(f"{number}.mp4") for number in range(2)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda output: empty.paint(output=output), outputs))
    assert [output.read_bytes() for output in outputs] == [whole.output.read_bytes()] * 2
    assert contents(empty.cache) == contents(whole.cache)
