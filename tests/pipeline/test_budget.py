"""The cache under a limit: held while a job runs, at no cost to the result."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.blend import OFFSETS, SCHEDULE, Blend
from tests.pipeline.conftest import CHECKOUT, CUT, FRAMES, TINY, Work, artifacts
from vidstyle.errors import Interrupted, MediaError
from vidstyle.pipeline import budget, studio
from vidstyle.pipeline import stages as stages_module
from vidstyle.pipeline.demand import REMEMBERED, Painter, Recent
from vidstyle.pipeline.events import Event
from vidstyle.pipeline.painted import Painted
from vidstyle.pipeline.run import ShotsFailed
from vidstyle.store.contents import ShelfContents, read_contents
from vidstyle.stylize.schedule import Forward, Turn

STAGES = ("decode", "flow", "consistency", "stylize")


def use_blend(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(studio, "build_stylizer", lambda *asked: Blend())
    patch.setattr(stages_module, "schedule_of", lambda settings: SCHEDULE)


@pytest.fixture(autouse=True)
def blend(monkeypatch: pytest.MonkeyPatch) -> None:
    """All jobs here are painted by ``Blend``."""
    use_blend(monkeypatch)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, style: Path) -> Work:
    """The job without a limit. Look, do not touch."""
    with pytest.MonkeyPatch.context() as patch:
        use_blend(patch)
        work = Work(tmp_path_factory.mktemp("whole"), style)
        work.paint()
    return work


def size(work: Work) -> int:
    return sum(file.stat().st_size for file in work.cache.rglob("*") if file.is_file())


def size_of(work: Work, *stages: str) -> int:
    return sum(file.stat().st_size for file in artifacts(work.cache, *stages).values())


def a_frame(work: Work) -> int:
    """Bytes that are written for one frame at most: its own, and again the frames that it looks back on."""
    largest = {stage: max(file.stat().st_size for file in artifacts(work.cache, stage).values()) for stage in STAGES}
    pairs = len(OFFSETS) * (2 * largest["flow"] + largest["consistency"])
    return largest["stylize"] + pairs + largest["decode"] * (1 + max(OFFSETS))


def paint_watched(work: Work, limit: int, **asked: object) -> int:
    """Run the job, and return how large its cache was at most."""
    sizes = [0]

    def listen(event: Event) -> None:
        work.events.append(event)
        sizes.append(size(work))

    work.paint(cache_limit=limit, progress=listen, **asked)
    return max(sizes)


def painted_frames(work: Work) -> list[int]:
    return sorted(int(Path(name).name) for name in artifacts(work.cache, "stylize") if not name.endswith(".json"))


def streaming_notes(work: Work) -> list[str]:
    return [note for note in work.notes if "painted frames do not all fit" in note]


@pytest.mark.parametrize("share", [0.6, 0.9])
def test_a_movie_larger_than_the_limit_is_finished_within_it(share: float, empty: Work, whole: Work) -> None:
    limit = int(share * size_of(whole, "stylize"))
    assert paint_watched(empty, limit) <= limit + a_frame(whole)
    assert empty.output.read_bytes() == whole.output.read_bytes()
    assert len(streaming_notes(empty)) == 1
    frames = painted_frames(empty)
    assert 0 < len(frames) < FRAMES
    assert size(empty) <= limit


def test_what_painted_frames_were_made_from_goes_first(empty: Work, whole: Work) -> None:
    limit = size(whole) - size_of(whole, "flow") // 2
    assert paint_watched(empty, limit) <= limit + a_frame(whole)
    assert painted_frames(empty) == list(range(FRAMES))
    assert streaming_notes(empty) == []
    assert empty.output.read_bytes() == whole.output.read_bytes()


def test_with_room_enough_nothing_goes(empty: Work, whole: Work) -> None:
    paint_watched(empty, size(whole) * 2)
    assert sorted(artifacts(empty.cache)) == sorted(artifacts(whole.cache))


@pytest.mark.parametrize("when", [4, 12])
def test_a_job_stopped_under_a_limit_goes_on_from_its_beginning(
    when: int, empty: Work, whole: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = int(size_of(whole, "stylize") * 0.9)
    seen: list[float] = []

    def stop() -> bool:
        seen[:] = [event.done for event in empty.progress if event.stage == "paint"]
        return bool(seen) and seen[-1] >= when

    with pytest.raises(Interrupted):
        empty.paint(cache_limit=limit, should_stop=stop)
    kept = painted_frames(empty)
    assert kept[:3] == [0, 1, 2]
    again, paint = set(), Painter.paint

    def watched(self: Painter, turn: Turn, progress: Any) -> Painted:
        again.add(turn.frame)
        return paint(self, turn, progress)

    monkeypatch.setattr(Painter, "paint", watched)
    assert paint_watched(empty, limit) <= limit + a_frame(whole)
    assert not again & set(kept)
    assert empty.output.read_bytes() == whole.output.read_bytes()


def test_a_lower_limit_on_going_on_is_held_in_the_end(empty: Work, whole: Work) -> None:
    with pytest.raises(Interrupted):
        empty.paint(should_stop=lambda: empty.stylized(CUT + 3).exists())
    limit = size_of(whole, "stylize") // 2
    empty.paint(cache_limit=limit)
    assert empty.output.read_bytes() == whole.output.read_bytes()
    assert size(empty) <= limit


def test_other_shelves_go_first_the_longest_unused_of_the_cheapest_stage(
    empty: Work, whole: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "SPARE", 0.0)
    for name, flow, when in (("old", "ultrafast", 1000), ("new", "fast", 2000)):
        before = {shelf.folder for shelf in read_contents(empty.cache).shelves}
        empty.paint(flow={"preset": flow}, output=empty.output.with_name(f"{name}.mp4"))
        for shelf in read_contents(empty.cache).shelves:
            if shelf.folder not in before:
                os.utime(shelf.folder / "about.json", (when, when))

    def gone_at(limit: int) -> list[tuple[str, float]]:
        before = {shelf.folder: shelf for shelf in read_contents(empty.cache).shelves}
        empty.output.unlink(missing_ok=True)
        empty.paint(cache_limit=limit)
        left = {shelf.folder for shelf in read_contents(empty.cache).shelves}
        return sorted((shelf.stage, shelf.used) for folder, shelf in before.items() if folder not in left)

    empty.paint()
    full = size(empty)
    # A job that has everything makes room at its end only.
    shelf = by_stage_and_age(empty)["consistency", 1000.0]
    assert gone_at(full - shelf.bytes + 1) == [("consistency", 1000.0)]
    rest = [by_stage_and_age(empty)[key].bytes for key in (("consistency", 2000.0), ("flow", 1000.0))]
    assert gone_at(size(empty) - sum(rest) + 1) == [("consistency", 2000.0), ("flow", 1000.0)]
    assert empty.output.read_bytes() == whole.output.read_bytes()


def by_stage_and_age(work: Work) -> dict[tuple[str, float], ShelfContents]:
    return {(shelf.stage, shelf.used): shelf for shelf in read_contents(work.cache).shelves}


def test_what_a_running_job_uses_is_left_alone(empty: Work, style: Path, tmp_path: Path) -> None:
    other = Work(tmp_path / "other", style)
    (other.folder / "cache").symlink_to(empty.cache)
    empty.cache.mkdir()
    command = [sys.executable, "-m", "tests.pipeline.driver", str(TINY), str(style), str(other.folder), "hold"]
    running = subprocess.Popen(command, cwd=CHECKOUT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert running.stdout is not None
        assert running.stdout.readline().strip() == "painting"
        theirs = artifacts(empty.cache, "scan", "decode")
        assert theirs
        empty.paint(height=36, cache_limit=100_000)
        assert all(file.exists() for file in theirs.values())
    finally:
        running.kill()
        running.communicate()
    empty.output.unlink()
    empty.paint(height=36, flow={"preset": "fast"}, cache_limit=100_000)
    decoded = {name for name in theirs if "/decode/" in name}
    assert not decoded & set(artifacts(empty.cache))


def test_without_a_cache_so_many_frames_stay_in_memory_as_the_method_looks_back(
    empty: Work, whole: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    memories: list[Recent[object]] = []
    start, painted = Recent.__init__, []
    paint = Painter.paint

    def remember(self: Recent[object], *size: int) -> None:
        start(self, *size)
        memories.append(self)

    def count(self: Painter, turn: Turn, progress: object) -> Painted:
        painted.append(turn.frame)
        return paint(self, turn, progress)  # type: ignore[arg-type]

    far = 6
    assert far + 1 > REMEMBERED
    monkeypatch.setattr("tests.pipeline.test_budget.SCHEDULE", Forward((1, far)))
    monkeypatch.setattr(Recent, "__init__", remember)
    monkeypatch.setattr(Painter, "paint", count)
    empty.paint(use_cache=False)
    assert painted == list(range(FRAMES))
    # Besides, the one pair whose flow and mask a fast method makes ahead.
    assert sorted(memory.size for memory in memories) == [1, far + 1, far + 1, far + 1]
    assert all(len(memory.values) <= far + 1 for memory in memories)
    uncached = empty.output.read_bytes()
    empty.paint(overwrite=True)
    assert empty.output.read_bytes() == uncached != whole.output.read_bytes()


def test_a_shot_that_fails_where_not_all_fits(empty: Work, whole: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    paint = Painter.paint

    def failing(self: Painter, turn: Turn, progress: object) -> Painted:
        if turn.frame == CUT + 1:
            raise MediaError("the decoder gave up")
        return paint(self, turn, progress)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Painter, "paint", failing)
        with pytest.raises(ShotsFailed, match="decoder gave up") as error:
            empty.paint(cache_limit=size_of(whole, "stylize") // 2)
    assert error.value.exit_code == 3
    assert list(empty.output.parent.iterdir()) == []
    empty.paint(cache_limit=size_of(whole, "stylize") // 2)
    assert empty.output.read_bytes() == whole.output.read_bytes()


def test_an_older_layout_goes_and_a_newer_is_left(empty: Work, whole: Work) -> None:
    for layout in ("v1", "v3"):
        shelf = empty.cache / layout / "decode" / "00" / ("0" * 32)
        shelf.mkdir(parents=True)
        (shelf / "x").write_bytes(bytes(50_000))
    empty.paint(cache_limit=size(whole) + 90_000)
    assert not (empty.cache / "v1").exists()
    assert (empty.cache / "v3" / "decode" / "00" / ("0" * 32) / "x").exists()
    assert sorted(artifacts(empty.cache)) == sorted(artifacts(whole.cache))
