"""``vidstyle inspect flow --export``: the flow itself, in files that others read, and ``--flow-from`` too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from vidstyle.cli.common import print_json
from vidstyle.cli.inspect.gallery import check_files, make_folder, writing
from vidstyle.cli.inspect.show import Asked, check_frames, open_job, watcher
from vidstyle.errors import InputError
from vidstyle.pipeline.inspect import Inspection
from vidstyle.pipeline.outputs import is_same
from vidstyle.store import pair_name, write_flow

ENDINGS = {"flo": ".flo", "kitti": ".png"}


def export(asked: Asked, folder: Path, form: str, directions: tuple[bool, ...]) -> None:
    """Write the flow of each pair that was asked for and is in the cache; one direction, or both.

    Args:
        form: flo or kitti.
        directions: True is forward, from the frame before.
    """
    if not asked.wants_pictures:
        raise InputError("--export writes flow and nothing else: leave out --table, --plot and --video")
    inspection, display, monitor = open_job(asked)
    check_frames(True, inspection, asked.frames)
    given = inspection.plan.request.flow_from
    if given is not None and is_same(folder, Path(given)):
        raise InputError("--export would replace the job's own --flow-from: name another folder")
    make_folder(folder)
    paths = {pair: folder / f"{pair_name(*pair)}{ENDINGS[form]}" for pair in pairs(asked, inspection, directions)}
    check_files(list(paths.values()), inspection.inputs, asked.overwrite, display)
    watch = watcher(inspection, display, monitor)
    files: list[str] = []
    for pair, path in paths.items():
        flow = inspection.flow(*pair)
        if flow is not None:
            with writing(path):
                write_flow(path, flow)
            files.append(str(path))
        watch(max(pair))
    missing = len(paths) - len(files)
    display.clear()
    if not files:
        raise InputError(
            f"none of the {missing} flows of {inspection.job.id} that were asked for is in the cache: "
            "not made yet, not needed, or pruned"
        )
    if missing:
        display.say(f"not in the cache: {missing} flows of {missing + len(files)}")
    if asked.as_json:
        print_json({"job": inspection.job.id, "format": form, "missing": missing, "files": files})
    else:
        for file in files:
            click.echo(file)


def pairs(asked: Asked, inspection: Inspection, directions: tuple[bool, ...]) -> Iterator[tuple[int, int]]:
    """The pairs of frames whose flow was asked for, in order."""
    for first, last in inspection.shots:
        for frame in range(first + 1, last):
            for forward in directions if not asked.frames or frame in asked.frames else ():
                yield (frame - 1, frame) if forward else (frame, frame - 1)
