"""Cuts from a file."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.pipeline.conftest import Work
from vidstyle.config import Cut, ShotSettings
from vidstyle.errors import InputError
from vidstyle.media import Timeline
from vidstyle.pipeline.request import request_from_plain, request_to_plain
from vidstyle.pipeline.scenes import cut_frames, read_scenes

HEADER = "Scene Number,Start Frame,Start Timecode,Start Time (seconds),End Frame,End Timecode,End Time (seconds)"
ROWS = """1,1,00:00:00.000,0.000,240,00:00:10.010,10.010
2,241,00:00:10.010,10.010,480,00:00:20.020,20.020
3,481,00:00:20.020,20.020,600,00:00:25.025,25.025
"""
LISTED = (Cut(frame=240), Cut(frame=480))


def written(folder: Path, text: str) -> Path:
    path = folder / "scenes"
    path.write_bytes(text.encode())
    return path


def timeline(count: int = 100, end: Fraction | None = None) -> Timeline:
    return Timeline(Fraction(1001, 30000), np.arange(50, 50 + count), np.zeros(count, np.float32), end, 1)


@pytest.mark.parametrize(
    "text",
    [
        f"{HEADER}\n{ROWS}",
        f"Timecode List:,00:00:10.010,00:00:20.020\n{HEADER}\n{ROWS}",
        f"\ufeffTimecode List:,00:00:10.010,00:00:20.020\n{HEADER}\n{ROWS}".replace("\n", "\r\n"),
        f"{HEADER}\n1,0,,0.000,240\n2,240,,10.010,480\n3,480,,20.020,600\n",  # counted from 0
    ],
)
def test_lists_of_pyscenedetect(tmp_path: Path, text: str) -> None:
    assert read_scenes(written(tmp_path, text)) == LISTED


def test_plain_lists(tmp_path: Path) -> None:
    text = "# my cuts\n120\n\n12.5s  # the door\n0:01:02.5\n1:02.5\n7s\n"
    times = [Cut(time=Fraction(t)) for t in ("12.5", "62.5", "62.5", "7")]
    assert read_scenes(written(tmp_path, text)) == (Cut(frame=120), *times)
    assert read_scenes(written(tmp_path, "")) == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("10\n12.5\n", "line 2, '12.5'"),
        ("soon\n", "line 1, 'soon'"),
        ("# x\n\n-3\n", "line 3, '-3'"),
        ("0:99:99:1\n", "line 1"),
        (f"{HEADER}\n1,1,x\n2,one,x\n", "line 3.*no number under 'Start Frame'"),
        (f"Timecode List:,x\n{HEADER}\n1,1\n2\n", "line 4"),
        ("Scene Number,Begin\n1,1\n", "needs a column 'Start Frame'"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as error:
        read_scenes(written(tmp_path, text))
    assert "\n" not in str(error.value)


def test_a_missing_or_binary_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_scenes(tmp_path / "none")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(InputError, match="cannot be read as text"):
        read_scenes(tmp_path / "binary")


def test_times_mean_the_nearest_frame() -> None:
    cuts = tuple(Cut(time=Fraction(t)) for t in ("0.333", "0.334", "0.3503", "2"))
    frames, notes = cut_frames((*cuts, Cut(frame=7)), timeline())
    assert frames == [7, 10, 60]  # 10 begins at 0.33367, 11 at 0.367
    assert notes == []


def test_cuts_that_are_none_are_said() -> None:
    cuts = (Cut(frame=0), Cut(frame=5), Cut(time=Fraction(0)), Cut(frame=100), Cut(frame=999), Cut(time=Fraction(1000)))
    frames, notes = cut_frames(cuts, timeline())
    assert frames == [5]
    assert ["2 of 6 cuts" in notes[0], "3 of 6 cuts" in notes[1]] == [True, True]
    # Where only a part was scanned, the rest of the movie is not known.
    assert len(cut_frames(cuts, timeline(end=Fraction(3)))[1]) == 1


def test_detection_has_no_place_beside_them() -> None:
    for other in ({"detect": False}, {"threshold": 20.0}):
        with pytest.raises(InputError, match="--scenes"):
            ShotSettings(cuts=(), **other)  # type: ignore[arg-type]


def test_a_job_holds_the_cuts_not_the_file(empty: Work, tmp_path: Path) -> None:
    scenes = written(tmp_path, "3\n0.4s\n99\n")
    asked = {"style": (), "method": "none", "stylize": {}, "scenes": scenes}
    empty.paint(**asked)
    assert any("1 of 3 cuts" in note for note in empty.notes)
    request = request_from_plain(
        {"movie": "m", "output": "o.mp4", "method": "none", "scenes": str(scenes), "shots": {"detect": True}}
    )
    scenes.unlink()
    assert request.shots.cuts == (Cut(frame=3), Cut(time=Fraction(2, 5)), Cut(frame=99))
    assert request_from_plain(request_to_plain(request)) == request
    plan = empty.plan(shots={"cuts": [{"frame": 3}, {"time": "2/5"}]})
    starts = [first for first, _ in plan.shots]
    assert starts[:2] == [0, 3]
    assert len(starts) == 3
