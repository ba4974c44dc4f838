"""A finished job to look at, and the command to look with."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.pipeline.conftest import Work, draw_style
from vidstyle.cli.inspect import inspect
from vidstyle.errors import VidstyleError
from vidstyle.pipeline.api import job_request, plan_for
from vidstyle.pipeline.events import Monitor
from vidstyle.pipeline.plan import Plan
from vidstyle.store import Job


@pytest.fixture(scope="session")
def done(tmp_path_factory: pytest.TempPathFactory) -> Work:
    """A finished job. Look, do not touch."""
    folder = tmp_path_factory.mktemp("inspected")
    work = Work(folder, draw_style(folder / "strokes.png", seed=3))
    work.paint()
    return work


@pytest.fixture
def copied(done: Work, tmp_path: Path) -> Work:
    """The same cache, to take things out of."""
    shutil.copytree(done.cache, tmp_path / "cache")
    return Work(tmp_path, done.style)


def look(work: Work, out: Path, *arguments: str) -> Result:
    """Run one subcommand; errors are raised as they reach the command line's main."""
    command = [*arguments, "--cache-dir", str(work.cache), "-o", str(out)]
    result = CliRunner().invoke(inspect, command, standalone_mode=False)
    if result.exception is not None:
        assert result.stdout == ""
        raise result.exception
    return result


def job_of(work: Work) -> Job:
    return Job.list(work.cache)[0]


def plan_of(work: Work) -> Plan:
    return plan_for(job_request(job_of(work)), work.cache, Monitor())


def fails(work: Work, out: Path, *arguments: str) -> str:
    """The one line that it fails with, with exit code 2."""
    with pytest.raises(VidstyleError) as caught:
        look(work, out, *arguments)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)
