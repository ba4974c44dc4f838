"""Without a cache: the same bytes, no trace on the disk, and memory that does not grow."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pipeline.conftest import CUT, FRAMES, Work
from vidstyle.errors import Interrupted, MediaError
from vidstyle.pipeline.demand import Painter
from vidstyle.pipeline.painted import Painted
from vidstyle.pipeline.run import ShotsFailed
from vidstyle.stylize.schedule import Turn


def test_the_output_is_the_same_and_nothing_is_left(
    empty: Work, reference: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDSTYLE_CACHE", str(tmp_path / "elsewhere"))
    empty.paint(use_cache=False)
    assert empty.output.read_bytes() == reference.output.read_bytes()
    assert sorted(tmp_path.rglob("*")) == [empty.output.parent, empty.output]


def test_nothing_is_read_from_a_cache_either(painted: Work, reference: Work) -> None:
    painted.paint(use_cache=False)
    assert painted.output.read_bytes() == reference.output.read_bytes()
    done = [event.done for event in painted.progress if event.stage == "paint"]
    assert done == sorted(done)
    assert done[-1] == FRAMES
    assert [event.done for event in painted.progress if event.stage == "encode"] == [FRAMES]


def test_a_stop_says_that_nothing_is_kept(empty: Work, tmp_path: Path) -> None:
    with pytest.raises(Interrupted, match="nothing is kept"):
        empty.paint(use_cache=False, should_stop=lambda: any(event.stage == "paint" for event in empty.progress))
    assert sorted(tmp_path.rglob("*")) == [empty.output.parent]


def test_a_shot_that_fails_ends_the_run(empty: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paint = Painter.paint

    def failing(self: Painter, turn: Turn, progress: object) -> Painted:
        if turn.frame == CUT:
            raise MediaError("the decoder gave up")
        return paint(self, turn, progress)  # type: ignore[arg-type]

    monkeypatch.setattr(Painter, "paint", failing)
    with pytest.raises(ShotsFailed, match=r"shots failed, nothing is kept; shot at frame 8.*decoder gave up") as error:
        empty.paint(use_cache=False)
    assert error.value.exit_code == 3
    assert sorted(tmp_path.rglob("*")) == [empty.output.parent]
