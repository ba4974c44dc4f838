"""``vidstyle inspect --video``: the movie and what there is to see of it, beside each other."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.cli.conftest import fails, look, plan_of
from tests.pipeline.conftest import CUT, FRAMES, TINY, Work
from vidstyle.view.beside import BLANK
from vidstyle.view.overlay import TINT


def decoded(path: Path) -> tuple[list[Fraction], list[np.ndarray]]:
    """Times and pictures of a movie without any other track."""
    with av.open(str(path)) as container:
        assert [stream.type for stream in container.streams] == ["video"]
        frames = list(container.decode(video=0))
        times = [Fraction(frame.pts) * Fraction(frame.time_base) for frame in frames]
        return times, [frame.to_ndarray(format="rgb24") for frame in frames]


@pytest.mark.parametrize("kind", ["flow", "mask", "warp", "frames"])
def test_it_has_the_times_of_the_movie(done: Work, tmp_path: Path, kind: str) -> None:
    result = look(done, tmp_path, kind, "--video")
    path = tmp_path / f"painted-{kind}.mp4"
    assert result.stdout.splitlines() == [str(path)]
    assert list(tmp_path.iterdir()) == [path]
    times, pictures = decoded(path)
    timeline = plan_of(done).timeline
    assert times == [timeline.time(frame) - timeline.time(0) for frame in range(FRAMES)]
    assert {picture.shape for picture in pictures} == {(304, 968, 3)}  # 96×54 enlarged five times, and a line
    # To the left the movie, to the right something else; grey where a shot begins.
    blank = [np.abs(picture[20:60, 600:900].astype(int) - BLANK).mean() < 4 for picture in pictures]
    assert [n for n, grey in enumerate(blank) if grey] == ([] if kind == "frames" else [0, CUT])
    differ = [np.abs(p[:270, :480].astype(int) - p[:270, 488:]).mean() for p in pictures]
    assert min(differ) > 2


def test_the_left_side_is_the_movie_also_when_the_cache_has_no_frames(copied: Work, tmp_path: Path) -> None:
    stages = plan_of(copied).stages
    for file in stages.decode.folder.rglob("0*"):
        file.is_file() and file.unlink()
    copied.pair(stages.flow, 5).unlink()
    look(copied, tmp_path / "flow.mp4", "flow")
    _, pictures = decoded(tmp_path / "flow.mp4")
    with av.open(str(TINY)) as container:
        originals = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    for picture, original in zip(pictures, originals, strict=True):
        small = picture[2:270:5, 2:480:5].astype(int)
        assert np.abs(small - original[:54, :96]).mean() < 12
    blank = [np.abs(picture[20:60, 600:900].astype(int) - BLANK).mean() < 4 for picture in pictures]
    assert [n for n, grey in enumerate(blank) if grey] == [0, 5, CUT]


def test_nothing_is_replaced_unasked(done: Work, copied: Work, tmp_path: Path) -> None:
    for name in (TINY, tmp_path / "link.mp4"):
        if name != TINY:
            name.symlink_to(TINY)
        assert "replace the movie itself" in fails(done, name, "flow", "-y")
    before = done.output.read_bytes()
    assert "replace the painted movie itself" in fails(done, done.output, "flow", "-y")
    assert done.output.read_bytes() == before
    video = tmp_path / "name.mkv"
    video.write_bytes(b"something")
    assert "add -y" in fails(done, video, "flow")
    assert video.read_bytes() == b"something"
    assert look(done, video, "mask", "-y").stdout.splitlines() == [str(video)]
    _, pictures = decoded(video)
    pink = np.abs(pictures[12][:270, 488:].astype(int) - np.array(TINT)).max(axis=2) < 70
    assert pink.any()


def test_it_is_of_all_frames(done: Work, tmp_path: Path) -> None:
    assert "leave out --frame" in fails(done, tmp_path, "flow", "--video", "--frame", "3")
