"""A small job, done once without interruption, that tests compare with, copy and damage."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vidstyle.pipeline.api import plan_for, stylize
from vidstyle.pipeline.events import Event, Monitor, Note, Progress
from vidstyle.pipeline.plan import Plan
from vidstyle.pipeline.request import request_from_plain
from vidstyle.store import Shelf, frame_name, pair_name

CHECKOUT = Path(__file__).resolve().parents[2]
TINY = CHECKOUT / "sample_videos" / "tiny.mp4"
FRAMES = 16
CUT = 8

#: Few iterations, and no more: these tests are about what lies around them.
QUICK: dict[str, Any] = {"device": "cpu", "stylize": {"first_iterations": 2, "iterations": 2}}


def draw_style(path: Path, seed: int) -> Path:
    """Coloured strokes."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((96, 128, 3), np.uint8)
    for _ in range(150):
        y, x = rng.integers(0, 90), rng.integers(0, 110)
        picture[y : y + rng.integers(2, 7), x : x + rng.integers(8, 30)] = rng.integers(0, 256, 3)
    Image.fromarray(picture).save(path)
    return path


@dataclass
class Work:
    """One cache, one output, and what was said while working on them."""

    folder: Path
    style: Path
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.output.parent.mkdir(parents=True, exist_ok=True)

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def output(self) -> Path:
        return self.folder / "out" / "painted.mp4"

    def paint(self, movie: Path = TINY, **asked: Any) -> Path:
        """Run the job; ``events`` are those of this run."""
        self.events.clear()
        given = {"output": self.output, "style": self.style, "cache_dir": self.cache, "progress": self.events.append}
        return stylize(movie, **{**given, **QUICK, **asked})

    def plan(self, movie: Path = TINY, **asked: Any) -> Plan:
        table = {"movie": str(movie), "output": str(self.output), "styles": [{"path": str(self.style)}], **QUICK}
        return plan_for(request_from_plain({**table, **asked}), self.cache, Monitor())

    @property
    def notes(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Note)]

    @property
    def progress(self) -> list[Progress]:
        return [event for event in self.events if isinstance(event, Progress)]

    def stylized(self, frame: int, plan: Plan | None = None) -> Path:
        plan = plan or self.plan()
        shot = max(shot for shot in plan.shots if shot[0] <= frame)
        return plan.stages.stylize(shot).path(frame_name(frame))

    def pair(self, shelf: Shelf[Any], frame: int) -> Path:
        return shelf.path(pair_name(frame, frame - 1))


def artifacts(cache: Path, *stages: str) -> dict[str, Path]:
    """Every file of the stages, by its place in the cache; without what was set aside as damaged.

    By default all but ``encode``, which notes sizes and times of output files.
    """
    stages = stages or ("scan", "decode", "flow", "consistency", "stylize")
    files = [file for stage in stages for file in (cache / "v2" / stage).rglob("*") if file.is_file()]
    return {str(file.relative_to(cache)): file for file in files if ".corrupt-" not in file.name}


def contents(cache: Path, *stages: str) -> dict[str, bytes]:
    return {name: file.read_bytes() for name, file in artifacts(cache, *stages).items()}


def times(cache: Path, *stages: str) -> dict[str, int]:
    """When each artifact was written: unchanged means untouched. The notes beside them are touched by every run."""
    files = artifacts(cache, *stages).items()
    return {name: file.stat().st_mtime_ns for name, file in files if file.name != "about.json"}


def temporary_files(folder: Path) -> list[Path]:
    return [file for file in folder.rglob(".*.tmp*") if "digests" not in file.parts]


@pytest.fixture(scope="session")
def style(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_style(tmp_path_factory.mktemp("style") / "strokes.png", seed=1)


@pytest.fixture(scope="session")
def other_style(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_style(tmp_path_factory.mktemp("style") / "other.png", seed=2)


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory, style: Path) -> Work:
    """The job done in one go. Look, do not touch."""
    work = Work(tmp_path_factory.mktemp("reference"), style)
    work.paint()
    return work


@pytest.fixture
def empty(tmp_path: Path, style: Path) -> Work:
    """The same job, with nothing done."""
    return Work(tmp_path, style)


@pytest.fixture
def painted(tmp_path: Path, reference: Work) -> Work:
    """The job done, as a copy to damage; its output is not there, so that a run has something to do."""
    shutil.copytree(reference.cache, tmp_path / "cache")
    return Work(tmp_path, reference.style)


@pytest.fixture
def same(reference: Work) -> Callable[[Work], None]:
    """Fails unless output and artifacts are, byte for byte, those of the reference."""

    def check(work: Work) -> None:
        assert work.output.read_bytes() == reference.output.read_bytes()
        ours, theirs = contents(work.cache), contents(reference.cache)
        assert sorted(ours) == sorted(theirs)
        assert [name for name in ours if ours[name] != theirs[name]] == []
        assert temporary_files(work.folder) == []

    return check


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of test data, which is not part of the project."""
    folder = Path(os.environ.get("VIDSTYLE_DATA") or CHECKOUT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no test data in {folder}: set VIDSTYLE_DATA")
    return folder
