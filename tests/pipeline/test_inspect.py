"""What a job has in the cache, read back."""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.pipeline.conftest import CUT, FRAMES, TINY, Work, contents
from vidstyle.errors import InputError
from vidstyle.pipeline.api import open_job
from vidstyle.pipeline.events import Event, Monitor, Note
from vidstyle.pipeline.inspect import Inspection, eight_bit, open_inspection
from vidstyle.pipeline.request import request_from_plain
from vidstyle.store import Job


def inspection_of(work: Work, painting: bool = False, events: list[Event] | None = None) -> Inspection:
    listen = None if events is None else events.append
    return open_inspection(Job.list(work.cache)[0], work.cache, Monitor(listen), painting)


def test_it_gives_what_the_job_stored(reference: Work) -> None:
    before = contents(reference.cache)
    inspection, plan = inspection_of(reference, painting=True), reference.plan()
    assert inspection.shots == plan.shots == [(0, CUT), (CUT, FRAMES)]
    assert inspection.size == (96, 54)
    assert inspection.time(3) == Fraction(3, 1) * plan.timeline.duration(0)
    assert [inspection.shot_of(frame) for frame in (0, CUT - 1, CUT)] == [0, 0, 1]
    flow, mask = inspection.flow(3, 2), inspection.consistency(3, 2)
    assert flow is not None and flow.shape == (2, 54, 96)
    assert mask is not None and mask.shape == (54, 96)
    assert inspection.flow(2, 3) is not None
    assert inspection.flow(CUT, CUT - 1) is None
    original, painted = inspection.original(9), inspection.painted(9)
    assert original is not None and painted is not None and original.shape == painted.shape == (54, 96, 3)
    assert not np.array_equal(original, painted)
    assert contents(reference.cache) == before


def test_frames_outside_the_job_are_refused(reference: Work) -> None:
    with pytest.raises(InputError, match=r"no frame 16: tiny-\w+ has the frames 0 to 15"):
        inspection_of(reference).shot_of(FRAMES)


def test_what_is_not_there_is_none_and_stays_so(painted: Work) -> None:
    shutil.rmtree(painted.cache / "v2" / "flow")
    shutil.rmtree(painted.cache / "v2" / "decode")
    painted.stylized(12).unlink()
    inspection = inspection_of(painted, painting=True)
    assert inspection.flow(3, 2) is None
    assert inspection.original(3) is None
    assert not inspection.has_original(3)
    assert inspection.painted(12) is None
    assert not inspection.has_painted(12) and inspection.has_painted(11)
    assert not (painted.cache / "v2" / "flow").exists()


def test_a_damaged_artifact_is_said_and_counts_as_missing(painted: Work) -> None:
    path = painted.pair(painted.plan().stages.flow, 3)
    path.write_bytes(path.read_bytes()[:-1])
    events: list[Event] = []
    assert inspection_of(painted, events=events).flow(3, 2) is None
    assert ["damaged" in event.text for event in events if isinstance(event, Note)] == [True]


def test_a_movie_that_was_never_scanned_is_not_scanned(empty: Work) -> None:
    table = {"movie": str(TINY), "output": str(empty.output), "styles": [{"path": str(empty.style)}]}
    job = open_job(request_from_plain(table), empty.cache)
    with pytest.raises(InputError, match=rf"run `vidstyle resume {job.id}` first"):
        inspection_of(empty)
    assert not (empty.cache / "v2" / "scan").exists()


def test_flow_can_be_looked_at_when_the_style_has_gone(painted: Work, tmp_path: Path, style: Path) -> None:
    moved = shutil.copy(style, tmp_path / "style.png")
    table = {"movie": str(TINY), "output": str(tmp_path / "other.mp4"), "styles": [{"path": str(moved)}]}
    job = open_job(request_from_plain(table), painted.cache)
    Path(moved).unlink()
    assert open_inspection(job, painted.cache, Monitor()).flow(3, 2) is not None
    with pytest.raises(InputError, match=r"style\.png"):
        open_inspection(job, painted.cache, Monitor(), painting=True)


def test_sixteen_bits_are_shown_as_eight() -> None:
    deep = np.array([[[0, 32768, 65535]]], np.uint16)
    shown = eight_bit(deep)
    assert shown is not None and shown.dtype == np.uint8 and shown.tolist() == [[[0, 128, 255]]]


def test_the_frame_before_is_warped_by_the_stored_flow(reference: Work) -> None:
    inspection = inspection_of(reference)
    warped, flow, before = inspection.warped(3), inspection.flow(3, 2), inspection.original(2)
    assert warped is not None and flow is not None and before is not None and warped.shape == before.shape
    rows, columns = np.mgrid[5:49:7, 5:91:7]
    x, y = columns + flow[0, rows, columns], rows + flow[1, rows, columns]
    inside = (x >= 0) & (x < 95) & (y >= 0) & (y < 53)
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    for r, c, i, j, dx, dy in zip(*(a[inside] for a in (rows, columns, top, left, x - left, y - top)), strict=True):
        corners = before[i : i + 2, j : j + 2].astype(float)
        expected = (1 - dy) * ((1 - dx) * corners[0, 0] + dx * corners[0, 1])
        expected += dy * ((1 - dx) * corners[1, 0] + dx * corners[1, 1])
        assert np.abs(warped[r, c] - expected).max() <= 0.51
    assert inspection.warped(CUT) is None and inspection.warping_error(CUT) is None


def test_the_warping_error_is_that_of_the_movie(reference: Work) -> None:
    inspection = inspection_of(reference)
    now, before, warped = inspection.original(3), inspection.original(2), inspection.warped(3)
    mask, error = inspection.consistency(3, 2), inspection.warping_error(3)
    assert now is not None and before is not None and warped is not None and mask is not None and error is not None
    weight = mask.astype(float) / 255
    apart = ((now.astype(float) - warped) ** 2).sum(axis=2) / 255**2
    assert error == pytest.approx((weight * apart).sum() / weight.sum(), rel=0.05)  # warped is rounded here
    assert error < 0.5 * ((weight * ((now.astype(float) - before) ** 2).sum(axis=2)).sum() / weight.sum() / 255**2)


def test_frames_of_the_movie_come_from_the_movie(painted: Work) -> None:
    inspection = inspection_of(painted)
    stored = [inspection.original(frame) for frame in range(FRAMES)]
    shutil.rmtree(painted.cache / "v2" / "decode")
    frames = list(inspection_of(painted).movie_frames())
    assert [number for number, _ in frames] == list(range(FRAMES))
    assert all(np.array_equal(a, b) for a, (_, b) in zip(stored, frames, strict=True))
