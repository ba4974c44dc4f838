"""A movie in, a painted movie out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.pipeline.conftest import CUT, FRAMES, TINY, Work, times
from vidstyle.errors import MediaError, OutputError, VidstyleError
from vidstyle.media import Movie, Timeline, probe, read_frames, scan
from vidstyle.pipeline.demand import REMEMBERED, Painter, Recent
from vidstyle.pipeline.painted import Painted
from vidstyle.pipeline.run import ShotsFailed
from vidstyle.stylize.schedule import Turn


def opened(path: Path) -> tuple[Movie, Timeline]:
    movie = probe(path)
    return movie, scan(movie)


def pictures(path: Path) -> np.ndarray:
    movie, timeline = opened(path)
    size = (movie.width, movie.height)
    return np.stack([image for _, image in read_frames(movie, timeline, 0, len(timeline), size)])


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(np.float64) - b) ** 2)))


def test_output_has_the_frames_times_and_sound_of_the_movie(reference: Work) -> None:
    (source, before), (written, after) = opened(TINY), opened(reference.output)
    assert len(after) == len(before) == FRAMES
    assert [after.time(n) - after.time(0) for n in range(FRAMES + 1)] == [
        before.time(n) - before.time(0) for n in range(FRAMES + 1)
    ]
    assert (written.width, written.height) == (source.width, source.height)
    assert [audio.codec for audio in written.audio] == [audio.codec for audio in source.audio]
    assert len(source.audio) == 1


def test_output_is_painted(reference: Work) -> None:
    assert psnr(pictures(reference.output), pictures(TINY)) < 35


def test_every_frame_and_pair_is_stored(reference: Work) -> None:
    plan = reference.plan()
    assert plan.shots == [(0, CUT), (CUT, FRAMES)]
    assert len(list(plan.stages.decode.names())) == FRAMES
    assert [len(list(plan.stages.stylize(shot).names())) for shot in plan.shots] == [CUT, FRAMES - CUT]
    assert len(list(plan.stages.consistency.names())) == FRAMES - 2  # one for each frame with one before it in its shot
    assert len(list(plan.stages.flow.names())) == 2 * (FRAMES - 2)
    meta = plan.stages.stylize((0, CUT)).meta("00000001")
    assert meta is not None
    assert {"time", "duration", "tools"} <= set(meta)


def test_a_finished_job_is_left_alone(painted: Work) -> None:
    painted.paint()
    before = times(painted.cache), painted.output.stat().st_mtime_ns
    assert painted.paint() == painted.output
    assert len(painted.notes) == 1
    assert "finished already" in painted.notes[0]
    assert painted.progress == []
    assert (times(painted.cache), painted.output.stat().st_mtime_ns) == before


def test_a_file_in_the_way_is_kept_unless_asked(painted: Work, reference: Work) -> None:
    painted.output.write_text("precious")
    with pytest.raises(OutputError, match="-y"):
        painted.paint()
    assert painted.output.read_text() == "precious"
    painted.paint(overwrite=True)
    assert painted.output.read_bytes() == reference.output.read_bytes()


def test_a_changed_output_is_not_taken_for_ours(painted: Work, reference: Work) -> None:
    painted.paint()
    painted.output.write_bytes(b"x" + painted.output.read_bytes()[1:])
    with pytest.raises(OutputError):
        painted.paint()
    painted.paint(overwrite=True)
    assert painted.output.read_bytes() == reference.output.read_bytes()


def test_without_painting_the_movie_comes_back(empty: Work) -> None:
    empty.paint(style=(), method="none", stylize={}, encode={"crf": 1, "pix_fmt": "yuv444p"})
    assert psnr(pictures(empty.output), pictures(TINY)) > 40
    assert not (empty.cache / "v2" / "flow").exists()


def test_a_height_is_kept_to(empty: Work) -> None:
    empty.paint(height=36, stylize={"first_iterations": 1, "iterations": 1})
    movie, timeline = opened(empty.output)
    assert (movie.width, movie.height, len(timeline)) == (64, 36, FRAMES)
    assert empty.plan(height=36).size == (64, 36)


def test_progress_makes_sense(empty: Work) -> None:
    empty.paint()
    assert list(dict.fromkeys(event.stage for event in empty.progress)) == ["scan", "paint", "encode"]
    for stage in ("paint", "encode"):
        events = [event for event in empty.progress if event.stage == stage]
        done = [event.done for event in events]
        assert done == sorted(done)
        assert done[-1] == FRAMES
        assert {event.total for event in events} == {FRAMES}
    left = [event.seconds_left for event in empty.progress if event.stage == "paint"]
    assert all(seconds is not None and 0 <= seconds < 3600 for seconds in left)
    assert left[-1] == 0


def test_memory_does_not_grow_with_the_number_of_shots(painted: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    memories: list[Recent[object]] = []
    start = Recent.__init__

    def remember(self: Recent[object], *size: int) -> None:
        start(self, *size)
        memories.append(self)

    monkeypatch.setattr(Recent, "__init__", remember)
    painted.paint()
    # Decoded frames, what flow prepared of them, the last flow, stylized frames: one memory each, whatever the shots.
    assert len(memories) == 4
    assert max(len(memory.values) for memory in memories) <= REMEMBERED


def test_where_all_shots_fail_no_others_are_kept(empty: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(self: Painter, turn: Turn, progress: object) -> Painted:
        raise MediaError("the decoder gave up")

    monkeypatch.setattr(Painter, "paint", failing)
    with pytest.raises(ShotsFailed, match=r"^1 of 1 shots failed; shot at frame 0: the decoder gave up$"):
        empty.paint(shots={"detect": False})


@pytest.mark.parametrize("where", ["vidstyle.pipeline.run.picture", "vidstyle.pipeline.painted.encode_arrays"])
def test_too_little_memory_to_write_or_store_is_one_line(
    where: str, empty: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*arguments: object) -> None:
        raise MemoryError

    monkeypatch.setattr(where, failing)
    with pytest.raises(VidstyleError, match="too little memory to paint"):
        empty.paint()
    assert not empty.output.exists()


def test_a_shot_that_fails_costs_no_other(empty: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    paint = Painter.paint

    def failing(self: Painter, turn: Turn, progress: object) -> Painted:
        if self.shot[0] == 0:
            raise MediaError("the decoder gave up")
        return paint(self, turn, progress)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Painter, "paint", failing)
        with pytest.raises(ShotsFailed, match=r"1 of 2 shots failed.*decoder gave up") as error:
            empty.paint()
    assert error.value.exit_code == 3
    assert not empty.output.exists()
    assert len(list(empty.plan().stages.stylize((CUT, FRAMES)).names())) == FRAMES - CUT
    empty.paint()
    assert empty.output.exists()
