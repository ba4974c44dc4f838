"""``vidstyle resume`` and ``vidstyle status``: commands on jobs that were asked for before."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vidstyle.cli.common import (
    cache_limit_option,
    cache_option,
    cache_root,
    json_option,
    let_threads_sleep,
    overwrite_option,
    print_json,
    print_table,
    quiet_option,
)
from vidstyle.cli.display import Display
from vidstyle.cli.stylize import do, print_plan
from vidstyle.config import IN_ONE_PASS
from vidstyle.errors import InputError, VidstyleError

if TYPE_CHECKING:
    from vidstyle.store import Job


@click.command()
@click.argument("job", required=False)
@overwrite_option
@cache_option
@cache_limit_option
@quiet_option
def resume(
    job: str | None, overwrite: bool | None, cache_dir: Path | None, cache_limit: int | None, quiet: bool
) -> None:
    """Go on with JOB: its id (or the beginning), its movie or its output  [default: the latest]."""
    from vidstyle.pipeline.api import job_request

    root = cache_root(cache_dir)
    found = find_job(root, job)
    if found.asked.get("method") in IN_ONE_PASS:
        let_threads_sleep()
    # An output that might be replaced when the job began may be replaced when it goes on.
    granted = True if found.may_replace and overwrite is None else overwrite
    do(job_request(found), root, granted, quiet, found.cache_limit if cache_limit is None else cache_limit)


@click.command()
@click.argument("job", required=False)
@cache_option
@json_option
def status(job: str | None, cache_dir: Path | None, as_json: bool) -> None:
    """Say how far JOB is, stage by stage; without JOB, list all jobs."""
    root = cache_root(cache_dir)
    if job is None:
        list_jobs(root, as_json)
        return
    from vidstyle.pipeline.api import job_request, plan_for
    from vidstyle.pipeline.events import Monitor
    from vidstyle.pipeline.plan import stage_status

    plan = plan_for(job_request(find_job(root, job)), root, Monitor(Display()), may_scan=False)
    print_plan(plan, stage_status(plan), None, as_json)


def find_job(root: Path, name: str | None) -> Job:
    """The job that the user means. Raises InputError for none."""
    from vidstyle.store import Job

    if name is not None:
        return Job.find(root, name)
    jobs = Job.list(root)
    if not jobs:
        raise InputError("there is no job yet: begin one with `vidstyle stylize MOVIE --style PICTURE`")
    return jobs[0]


def list_jobs(root: Path, as_json: bool) -> None:
    from vidstyle.store import Job

    rows = [job_summary(job, root) for job in Job.list(root, lambda line: click.echo(line, err=True))]
    if as_json:
        print_json(rows)
    elif rows:
        print_table(("job", "state", "movie", "output"), [tuple(row.values()) for row in rows])
    else:
        click.echo("no jobs yet", err=True)


def job_summary(job: Job, root: Path) -> dict[str, Any]:
    from vidstyle.pipeline.api import job_request, plan_for
    from vidstyle.pipeline.events import Monitor
    from vidstyle.pipeline.plan import stage_status

    try:
        plan = plan_for(job_request(job), root, Monitor(), may_scan=False)
        painted = next(s for s in stage_status(plan) if s.stage == "stylize")
        state = "finished" if plan.is_written else f"{painted.done} of {painted.total} frames painted"
    except VidstyleError as error:
        state = str(error)
    return {"job": job.id, "state": state, "movie": job.paths[0], "output": job.paths[-1]}
