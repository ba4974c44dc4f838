"""What programs call: paint a movie, go on with a job, ask how far it is."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from vidstyle.errors import InputError, Interrupted
from vidstyle.pipeline.choice import with_method
from vidstyle.pipeline.events import Event, Monitor
from vidstyle.pipeline.outputs import check_existing
from vidstyle.pipeline.plan import Plan, make_plan
from vidstyle.pipeline.request import Request, request_from_plain, request_to_plain
from vidstyle.pipeline.run import run
from vidstyle.pipeline.studio import Studio
from vidstyle.pipeline.timing import time_left, unpainted
from vidstyle.store import Job, NoStore, Store, check_replaceable, default_limit, find_root, parse_size
from vidstyle.store.contents import old_layouts

Path_ = str | os.PathLike[str]
Listener = Callable[[Event], None]


def stylize(
    movie: Path_,
    output: Path_,
    style: Path_ | Mapping[str, Any] | Iterable[Path_ | Mapping[str, Any]] = (),
    *,
    progress: Listener | None = None,
    should_stop: Callable[[], bool] | None = None,
    overwrite: bool = False,
    cache_dir: Path_ | None = None,
    cache_limit: int | str | None = None,
    use_cache: bool = True,
    **settings: Any,
) -> Path:
    """Paint ``movie`` in one or more styles and write it to ``output``, with its sound and times.

    What an earlier call has finished is taken from the cache: calling again after an interruption goes on.

    Args:
        style: a picture, a table ``{"path": …, "weight": …, "scale": …}``, or several of either.
        progress: called with ``Note`` and ``Progress`` (vidstyle.pipeline.events).
        should_stop: asked between frames; True ends the work with ``Interrupted``.
        overwrite: replace an output file that is not this job's own.
        cache_dir: where intermediate results are kept; None: the user's cache folder.
        cache_limit: what the cache folder stays under, bytes or a text such as "20G"; None: $VIDSTYLE_CACHE_LIMIT.
        use_cache: False keeps nothing on the disk but the output; what is stopped then begins anew.
        settings: fields of ``Request`` by name: ``height=360``, ``method="optimize"``,
            ``stylize={"iterations": 30}``, ``flow={"preset": "fast"}``, ``start=Fraction(3, 2)`` …; without a method,
            ``within="10m"`` or seconds: what painting in pictures may take (vidstyle.pipeline.choice).
    Returns:
        The absolute path of the output.
    Raises:
        VidstyleError: see vidstyle.errors; every message is one line that says what to do.
    """
    items = [style] if isinstance(style, str | os.PathLike | Mapping) else list(style)
    styles = [dict(s) if isinstance(s, Mapping) else {"path": os.fspath(s)} for s in items]
    for item in styles:
        if not isinstance(item.get("path"), str | os.PathLike):
            raise InputError(f"a style needs a path: {item}")
        item["path"] = os.fspath(item["path"])
    plain = {name: os.fspath(value) if isinstance(value, os.PathLike) else value for name, value in settings.items()}
    table = {"movie": os.fspath(movie), "output": os.fspath(output), "styles": styles, **plain}
    request = request_from_plain(with_method(table))
    limit = parse_size(cache_limit) if isinstance(cache_limit, str) else cache_limit
    monitor = Monitor(progress, should_stop)
    root = find_root(cache_dir) if use_cache else None
    return perform(request, root, monitor, lambda path: overwrite, limit)


def perform(
    request: Request,
    root: Path | None,
    monitor: Monitor,
    may_replace: Callable[[Path], bool],
    cache_limit: int | None = None,
) -> Path:
    """Do what was asked for, alone on this job. Returns the output's path.

    Args:
        root: the cache folder; None: nothing is kept.
        may_replace: asked when the output exists and is not this job's own; False raises OutputError.
        cache_limit: bytes that the cache folder stays under; None: $VIDSTYLE_CACHE_LIMIT, else as many as it takes.
    """
    limit = default_limit() if cache_limit is None else cache_limit
    plan = make_plan(request, open_store(root, monitor), monitor)
    output = Path(request.output)
    if plan.is_written:
        monitor.note(f"{output} is finished already: nothing to do")
        return output
    if output.is_dir():
        check_replaceable(output)
    replaces = check_existing(output, may_replace)
    if root is None:
        run_without_cache(plan, monitor)
    else:
        run_job(open_job(request, root, cache_limit), plan, monitor, limit, replaces)
    return output


def run_without_cache(plan: Plan, monitor: Monitor) -> None:
    """Run a plan whose store keeps nothing. InputError where earlier passes have nowhere to be kept."""
    if plan.stages.schedule.passes > 1:
        raise InputError("several passes need a cache to keep each other's frames: leave out --no-cache or --passes")
    try:
        run(plan, monitor)
    except Interrupted:
        raise Interrupted("stopped; without a cache nothing is kept, so the same command begins anew") from None


def run_job(job: Job, plan: Plan, monitor: Monitor, cache_limit: int | None, replaces: bool) -> None:
    """Run the plan of a job, alone on it; ``replaces``: it was allowed to replace the output."""
    for layout in old_layouts(job.root):
        monitor.note(
            f"{layout} in the cache is of an older vidstyle and not used: `vidstyle cache prune --leftovers` removes it"
        )
    shelves = plan.shelves
    with job.lock(report=monitor.note, uses=[shelf.folder for shelf in shelves]):
        for shelf in shelves:
            shelf.touch()
        if replaces:
            job.allow_replacing(True)
        try:
            run(plan, monitor, cache_limit)
        except Interrupted as stopped:
            raise Interrupted(f"{stopped}, or `vidstyle resume {job.id}`") from None
        job.allow_replacing(False)


def open_store(root: Path | None, monitor: Monitor) -> Store:
    """The cache in ``root``; with None, one that keeps nothing."""
    return NoStore(monitor.note) if root is None else Store(root, monitor.note)


def open_job(request: Request, root: Path, cache_limit: int | None = None) -> Job:
    """The job file of a request, made if there is none. Why the method was chosen is no part of what was asked."""
    paths = (Path(request.movie), Path(request.output))
    asked = request_to_plain(dataclasses.replace(request, why=None))
    return Job.create(root, Path(request.movie).stem, asked, paths, cache_limit)


def plan_for(request: Request, root: Path | None, monitor: Monitor, may_scan: bool = True) -> Plan:
    """The plan of a request, without running it.

    Raises:
        InputError: the movie was never scanned, and ``may_scan`` is False.
    """
    return make_plan(request, open_store(root, monitor), monitor, may_scan)


def estimate_seconds(plan: Plan) -> float:
    """How long painting what is not painted yet will take, by a short trial on this machine."""
    with Studio(plan, Monitor()) as studio:
        return time_left(studio, unpainted(studio)).total()


def job_request(job: Job) -> Request:
    """What a job was asked for."""
    return request_from_plain(job.asked)
