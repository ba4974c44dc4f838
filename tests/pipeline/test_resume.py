"""Stopped, killed or crashed anywhere and run again: the same bytes as without it."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pipeline.conftest import CHECKOUT, CUT, FRAMES, TINY, Work, artifacts, contents, temporary_files, times
from vidstyle.errors import Interrupted, StoreError
from vidstyle.pipeline import run as run_module
from vidstyle.pipeline.plan import stage_status

Same = Callable[[Work], None]
KILLS = 5


def start(work: Work, *how: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.pipeline.driver", str(TINY), str(work.style), str(work.folder), *how]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=CHECKOUT, text=True, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT)


def finish(process: subprocess.Popen[str]) -> None:
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said


def kill_when(process: subprocess.Popen[str], work: Work, files: int, rng: random.Random) -> bool:
    """SIGKILL as soon as there are so many artifacts; whether it came before the end."""
    while process.poll() is None and len(artifacts(work.cache)) < files:
        time.sleep(rng.uniform(0.01, 0.03))
    process.kill()
    process.communicate()
    return process.returncode < 0


def test_killed_at_random_moments_the_bytes_are_the_same(tmp_path: Path, style: Path) -> None:
    whole, killed = Work(tmp_path / "whole", style), Work(tmp_path / "killed", style)
    finish(start(whole))
    rng = random.Random(2)
    total = len(artifacts(whole.cache))
    kills = 0
    for files in sorted(rng.sample(range(1, total + 1), KILLS)):
        kills += kill_when(start(killed), killed, files, rng)
        assert not killed.output.exists()
    assert kills == KILLS
    finish(start(killed))
    assert killed.output.read_bytes() == whole.output.read_bytes()
    assert contents(killed.cache) == contents(whole.cache)
    assert temporary_files(killed.folder) == []


class Crash(BaseException):
    """What no handler expects, at a place of our choosing."""


@pytest.mark.parametrize("after", [False, True], ids=["before the rename", "after the rename"])
def test_a_crash_while_the_output_gets_its_name(
    after: bool, painted: Work, same: Same, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = run_module.publish

    def crash(temporary: Path, final: Path) -> None:
        if after:
            publish(temporary, final)
        raise Crash

    monkeypatch.setattr(run_module, "publish", crash)
    with pytest.raises(Crash):
        painted.paint()
    monkeypatch.undo()
    assert painted.output.exists() == after
    painted.paint()
    if after:
        assert "finished already" in painted.notes[0]
    same(painted)


def test_what_a_killed_process_left_beside_the_output_is_removed(painted: Work, same: Same) -> None:
    from vidstyle.store import temporary_path

    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    ours = temporary_path(painted.output, keep_suffix=True)
    pid = re.sub(r"-\d+-", f"-{gone.pid}-", ours.name)
    ours.with_name(pid).write_bytes(b"half a movie")
    painted.paint()
    same(painted)


def test_stopped_after_some_frames_it_goes_on_there(empty: Work, same: Same) -> None:
    def enough() -> bool:
        return max((event.done for event in empty.progress if event.stage == "paint"), default=0) >= 5

    with pytest.raises(Interrupted) as stopped:
        empty.paint(should_stop=enough)
    assert stopped.value.exit_code == 130
    assert not empty.output.exists()
    before = times(empty.cache)
    assert len(artifacts(empty.cache, "stylize")) == 6  # one of them is about.json
    empty.paint()
    after = times(empty.cache)
    assert {name: after[name] for name in before} == before
    same(empty)


def test_stopped_in_the_encoding_it_leaves_no_file(painted: Work, same: Same) -> None:
    with pytest.raises(Interrupted):
        painted.paint(should_stop=lambda: any(event.stage == "encode" for event in painted.progress))
    assert list(painted.output.parent.iterdir()) == []
    painted.paint()
    same(painted)


def test_status_before_half_way_and_after(empty: Work) -> None:
    def numbers() -> dict[str, tuple[int, int, int]]:
        return {row.stage: (row.done, row.total, row.to_do) for row in stage_status(empty.plan())}

    pairs = FRAMES - 2
    assert numbers() == {
        "decode": (0, FRAMES, FRAMES),
        "flow": (0, pairs, pairs),
        "consistency": (0, pairs, pairs),
        "stylize": (0, FRAMES, FRAMES),
        "encode": (0, 1, 1),
    }
    with pytest.raises(Interrupted):
        empty.paint(should_stop=lambda: empty.stylized(CUT - 1).exists())
    half = numbers()
    assert half["stylize"] == (CUT, FRAMES, FRAMES - CUT)
    assert half["consistency"] == half["flow"] == (CUT - 1, pairs, FRAMES - CUT - 1)
    assert half["decode"] == (CUT, FRAMES, FRAMES - CUT)
    empty.paint()
    assert numbers() == {
        "decode": (FRAMES, FRAMES, 0),
        "flow": (pairs, pairs, 0),
        "consistency": (pairs, pairs, 0),
        "stylize": (FRAMES, FRAMES, 0),
        "encode": (1, 1, 0),
    }
    assert all(row.why for row in stage_status(empty.plan()))


def test_two_processes_do_not_work_on_one_job(empty: Work, same: Same) -> None:
    first = start(empty, "hold")
    try:
        assert first.stdout is not None
        assert first.stdout.readline().strip() == "painting"
        with pytest.raises(StoreError, match=str(first.pid)) as refused:
            empty.paint()
        assert "\n" not in str(refused.value)
        first.communicate(timeout=120)
    finally:
        first.kill()
    assert first.returncode == 0
    same(empty)
