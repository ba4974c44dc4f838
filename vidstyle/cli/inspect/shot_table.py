"""``vidstyle inspect shots``: where the cuts are, as a table, as pictures, and as a file to be edited."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np

from vidstyle.cli.common import cache_root, may_replace, print_json
from vidstyle.cli.display import Display
from vidstyle.cli.inspect.gallery import check_files, make_folder, writing
from vidstyle.cli.inspect.show import aligned
from vidstyle.errors import InputError
from vidstyle.pipeline.events import Monitor
from vidstyle.pipeline.outputs import check_file
from vidstyle.pipeline.shot_list import ShotList, find_request, open_shots
from vidstyle.store import atomic_write, printable
from vidstyle.view.exhibits import join
from vidstyle.view.png import encode_png
from vidstyle.view.sheet import contact_sheet

PER_SHEET = 40  # shots
HEIGHT = 216  # pixels of a thumbnail


def show_shots(
    job_or_movie: str | None,
    output: Path,
    columns: int | None,
    table: bool,
    export_to: Path | None,
    cut_threshold: float | None,
    as_json: bool,
    overwrite: bool | None,
    cache_dir: Path | None,
) -> None:
    """Print the table, write what was asked for."""
    if cut_threshold is not None and not 0 < cut_threshold <= 100:
        raise InputError(f"--cut-threshold is more than 0 and at most 100, not {cut_threshold:g}")
    root = cache_root(cache_dir)
    display = Display()
    monitor = Monitor(display)
    request = find_request(root, job_or_movie)
    inputs = [*request.inputs, ("painted movie", request.output or None)]
    if export_to is not None:
        check_file(export_to.absolute(), "file", lambda path: may_replace(path, overwrite, display), inputs)
    found = open_shots(root, job_or_movie, monitor, cut_threshold)
    display.clear()
    if not as_json:  # before the pictures, which take longer
        for line in aligned(rows(found)):
            click.echo(line)
        say_nearest_miss(found, display)
    files = []
    if export_to is not None:
        export(found, export_to)
        files.append(str(export_to))
    if not table and export_to is None:
        make_folder(output)
        check_files([output / name for name in sheet_names(found)], inputs, overwrite, display)
        files = draw(found, output, columns, monitor)
    display.clear()
    if as_json:
        print_json(document(found, files))
    else:
        for file in files:
            display.say(f"wrote {file}")


def rows(found: ShotList) -> list[tuple[str, ...]]:
    """For people; the first row is the header."""
    table: list[tuple[str, ...]] = [("shot", "first", "last", "start", "duration", "change", "stands out by")]
    for number, (first, last) in enumerate(found.shots, 1):
        seconds = float(found.time(last) - found.time(first))
        why = ("-", "-") if number == 1 else (f"{found.change(first):.1f}", f"{found.rise(first):.1f}")
        table.append((str(number), str(first), str(last - 1), clock(found, first), f"{seconds:.2f} s", *why))
    return table


def clock(found: ShotList, frame: int) -> str:
    minutes, seconds = divmod(float(found.time(frame)), 60)
    return f"{int(minutes)}:{seconds:05.2f}"


def say_nearest_miss(found: ShotList, display: Display) -> None:
    """The change that another threshold would make a cut of, or not."""
    frame = found.nearest_miss()
    if frame is not None:
        display.say(
            f"the strongest change that is no cut: frame {frame} at {clock(found, frame)}, "
            f"stands out by {found.rise(frame):.1f}"
        )


def document(found: ShotList, files: list[str]) -> dict[str, Any]:
    """Everything, for programs. ``change`` and ``rise`` of the first shot's first frame are no reason for it."""
    return {
        "movie": str(found.movie.path),
        "shots": [
            {
                "shot": number,
                "first": first,
                "last": last - 1,
                "time": round(float(found.time(first)), 6),
                "duration": round(float(found.time(last) - found.time(first)), 6),
                "change": round(found.change(first), 3) if number > 1 else None,
                "rise": round(found.rise(first), 3) if number > 1 else None,
            }
            for number, (first, last) in enumerate(found.shots, 1)
        ],
        "files": files,
    }


def export(found: ShotList, file: Path) -> None:
    """The first frames of all shots but the first, one a line: what ``--scenes`` reads."""
    lines = [
        f"# {printable(found.movie.path.name)}: a new shot begins at each of these frames, counted from 0",
        *(str(cut) for cut in found.cuts),
    ]
    with writing(file):
        atomic_write(file, "\n".join([*lines, ""]).encode())


def draw(found: ShotList, folder: Path, columns: int | None, monitor: Monitor) -> list[str]:
    """Sheets with each shot's first and last frame; their names."""
    files = []
    total = len(found.shots)
    for begin, name in zip(range(0, total, PER_SHEET), sheet_names(found), strict=True):
        chosen = found.shots[begin : begin + PER_SHEET]
        numbers = range(begin + 1, begin + 1 + len(chosen))
        labels = [label(found, number, shot) for number, shot in zip(numbers, chosen, strict=True)]
        title = f"{found.name}, shots {numbers[0]} to {numbers[-1]} of {total}\nFirst and last frame of each."
        pairs = ends(found, chosen, begin, monitor)
        sheet = contact_sheet(pairs, labels, columns or (None if len(pairs) > 8 else 2), title=title)
        with writing(folder / name):
            atomic_write(folder / name, encode_png(sheet))
        files.append(str(folder / name))
    return files


def sheet_names(found: ShotList) -> list[str]:
    pages = -(-len(found.shots) // PER_SHEET)
    return [f"{found.name}-shots{f'-{page:02d}' if pages > 1 else ''}.png" for page in range(1, pages + 1)]


def label(found: ShotList, number: int, shot: tuple[int, int]) -> str:
    first, last = shot
    why = f"   stands out by {found.rise(first):.1f}" if number > 1 else ""
    return f"{number}   {first} to {last - 1}   {clock(found, first)}{why}"


def ends(found: ShotList, shots: list[tuple[int, int]], begin: int, monitor: Monitor) -> list[np.ndarray]:
    """First and last frame of each shot, side by side."""
    wanted = sorted({frame for first, last in shots for frame in (first, last - 1)})
    pictures = {}
    for frame, picture in found.thumbnails(wanted, HEIGHT):
        pictures[frame] = picture
        monitor.progress("shots", 2 * begin + len(pictures), 2 * len(found.shots))
    return [join([pictures[first], pictures[last - 1]], 1) for first, last in shots]
