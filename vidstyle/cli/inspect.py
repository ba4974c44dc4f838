"""``vidstyle inspect``: pictures and numbers of what a job has in the cache."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from vidstyle.cli.common import PATH, cache_option, cache_root, json_option, print_json
from vidstyle.errors import InputError, OutputError, StoreError

if TYPE_CHECKING:
    import numpy as np

    from vidstyle.pipeline.inspect import Inspection
    from vidstyle.view.exhibits import Exhibit, Numbers

Command = TypeVar("Command", bound=Callable[..., Any])


def say(line: str) -> None:
    click.echo(f"vidstyle: {line}", err=True)


def inspect_options(command: Command) -> Command:
    """What flow, mask and frames have in common, passed on to ``show``."""
    for option in (
        cache_option,
        json_option,
        click.option("--columns", type=click.IntRange(1, 24), help="Pictures in a row  [default: as fits]"),
        click.option("--frame", "frames", type=int, multiple=True, help="Only this frame, in full size; repeatable"),
        click.option("-o", "--output", "folder", type=PATH, default=".", help="Folder for the pictures  [default: .]"),
        click.argument("job", required=False),
    ):
        command = option(command)
    return command


@click.group()
def inspect() -> None:
    """Look at what a job has in the cache: sheets of pictures, one a shot, and numbers.

    JOB is its id (or the beginning), its movie or its output; by default the latest. Nothing is made for it:
    what is not in the cache is counted. The names of the written files go to stdout, all else to stderr.
    """


@inspect.command()
@inspect_options
@click.option("--forward", is_flag=True, help="Flow from each frame's predecessor to it, instead of back")
def flow(forward: bool, **given: Any) -> None:
    """Optical flow from each frame to the one before, as colours with one scale a shot."""
    from vidstyle.view.exhibits import Flow

    show(lambda source: Flow(source, forward), **given)


@inspect.command()
@inspect_options
def mask(**given: Any) -> None:
    """Where that flow cannot be trusted (disoccluded, or at the edge of a motion), over the frame."""
    from vidstyle.view.exhibits import Mask

    show(Mask, **given)


@inspect.command()
@inspect_options
def frames(**given: Any) -> None:
    """Frames before and after painting."""
    from vidstyle.view.exhibits import Frames

    show(Frames, painting=True, **given)


def show(
    exhibit_of: Callable[[Any], Exhibit],
    job: str | None,
    folder: Path,
    frames: tuple[int, ...],
    columns: int | None,
    cache_dir: Path | None,
    as_json: bool,
    painting: bool = False,
) -> None:
    """Measure, draw and write shot by shot, then say what there was."""
    from vidstyle.cli.display import Display
    from vidstyle.cli.jobs import find_job
    from vidstyle.pipeline.events import Monitor
    from vidstyle.pipeline.inspect import open_inspection

    root = cache_root(cache_dir)
    display = Display()
    monitor = Monitor(display)
    inspection = open_inspection(find_job(root, job), root, monitor, painting)
    exhibit = exhibit_of(inspection)
    check_frames(exhibit, inspection, frames)
    make_folder(folder)
    begin, end = inspection.plan.frames

    def watch(frame: int) -> None:
        if display.terminal:  # in a log it would only be in the way of what is said
            monitor.progress("looking", frame + 1 - begin, end - begin)

    tour = Tour(inspection, exhibit, folder, set(frames), columns, watch)
    for shot in range(len(inspection.shots)):
        tour.visit(shot)
    display.clear()
    if not tour.files:
        raise InputError(
            f"none of the {tour.asked} {exhibit.things} of {inspection.job.id} that were asked for is in the cache: "
            "not made yet, not needed, or pruned"
        )
    for line in tour.remarks:
        say(line)
    if as_json:
        print_json(tour.document())
    else:
        for line in table(tour.table()):
            click.echo(line, err=True)
        for file in tour.files:
            click.echo(file)


def check_frames(exhibit: Exhibit, inspection: Inspection, frames: tuple[int, ...]) -> None:
    """Raise InputError for a frame that cannot be shown, whatever is in the cache."""
    for frame in frames:
        first, _ = inspection.shots[inspection.shot_of(frame)]
        if exhibit.pairs and frame == first:
            raise InputError(f"frame {frame} is the first of its shot, so it has no flow and no mask: try {frame + 1}")


def make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {folder}: {error.strerror}; give another with -o") from error


class Tour:
    """A walk through a job's shots. Keeps numbers and names of files, but no pictures."""

    def __init__(
        self,
        inspection: Inspection,
        exhibit: Exhibit,
        folder: Path,
        wanted: set[int],
        columns: int | None,
        watch: Callable[[int], None],  # called with every frame that was measured
    ) -> None:
        self.inspection, self.exhibit, self.folder = inspection, exhibit, folder
        self.wanted, self.columns, self.watch = wanted, columns, watch
        self.stem = Path(inspection.plan.request.output).stem
        self.asked = 0  # things that would be shown if all were there
        self.absent: dict[str, int] = {}  # what is not there, and how often
        self.notes: list[str] = []
        self.files: list[Path] = []
        self.file_of: dict[int, Path] = {}
        self.numbers: dict[int, Numbers] = {}  # of the frames that were asked for
        self.scales: dict[int, float | None] = {}  # by shot

    def visit(self, shot: int) -> None:
        """Measure one shot, and write its sheet or the single pictures that were asked for."""
        first, last = self.inspection.shots[shot]
        frames = range(first + 1 if self.exhibit.pairs else first, last)
        asked = [frame for frame in frames if not self.wanted or frame in self.wanted]
        if not asked:
            return
        # All of the shot, also for a single picture: it has the colours that it has on the sheet.
        numbers = {}
        for frame in frames:
            numbers[frame] = self.exhibit.numbers(frame)
            self.watch(frame)
        self.numbers.update((frame, numbers[frame]) for frame in asked)
        self.scales[shot] = scale = self.exhibit.scale(numbers.values())
        self.asked += len(asked)
        shown = self.write_singles(asked, scale) if self.wanted else self.write_sheet(shot, numbers)
        for frame in asked:
            for thing in self.exhibit.absent(numbers[frame]):
                self.absent[thing] = self.absent.get(thing, 0) + 1
        there = sum(self.exhibit.is_there(numbers[frame]) for frame in asked)
        if there > len(shown):
            self.notes.append(
                f"shot {shot + 1}: {len(shown)} of {there} {self.exhibit.things} are on the sheet, evenly spread"
            )

    def write_singles(self, frames: list[int], scale: float | None) -> list[int]:
        shown = []
        for frame in frames:
            picture = self.exhibit.picture(frame, scale)
            if picture is not None:
                self.write(picture, f"{frame:08d}", [frame])
                shown.append(frame)
        if shown and scale is not None:
            self.notes.append(f"full colour in {', '.join(map(str, shown))} is a motion of {scale:g} px")
        return shown

    def write_sheet(self, shot: int, numbers: dict[int, Numbers]) -> list[int]:
        from vidstyle.view.exhibits import shot_sheet

        first, last = self.inspection.shots[shot]
        heading = f"{self.stem}, shot {shot + 1} of {len(self.inspection.shots)}, frames {first} to {last - 1}"
        sheet, shown = shot_sheet(self.exhibit, numbers, heading, self.clock, self.columns)
        if sheet is not None:
            self.write(sheet, f"shot-{shot + 1:03d}", shown)
        return shown

    def write(self, picture: np.ndarray, suffix: str, frames: list[int]) -> None:
        from vidstyle.store import atomic_write
        from vidstyle.view.png import encode_png

        path = self.folder / f"{self.stem}-{self.exhibit.name}-{suffix}.png"
        try:
            atomic_write(path, encode_png(picture))
        except StoreError as error:  # it speaks of the cache
            reason = getattr(error.__cause__, "strerror", None) or error
            raise OutputError(f"cannot write {path}: {reason}; give another folder with -o") from error
        self.files.append(path)
        self.file_of.update(dict.fromkeys(frames, path))

    def clock(self, frame: int) -> str:
        minutes, seconds = divmod(float(self.inspection.time(frame)), 60)
        return f"{int(minutes)}:{seconds:05.2f}"

    @property
    def remarks(self) -> list[str]:
        """One line each on what is not shown."""
        counts = [f"{count} {thing}" for thing, count in self.absent.items()]
        return [*self.notes, f"not in the cache: {', '.join(counts)} of {self.asked}"] if counts else self.notes

    def document(self) -> dict[str, Any]:
        """Everything, for programs."""
        return {
            "job": self.inspection.job.id,
            "kind": self.exhibit.name,
            "movie": self.inspection.plan.request.movie,
            "output": self.inspection.plan.request.output,
            "width": self.inspection.size[0],
            "height": self.inspection.size[1],
            "missing": self.absent,
            "shots": [
                {"shot": shot + 1, "first": self.inspection.shots[shot][0], "last": self.inspection.shots[shot][1] - 1}
                | ({} if scale is None else {"scale": scale})
                for shot, scale in self.scales.items()
            ],
            "frames": [self.row(frame, numbers) for frame, numbers in self.numbers.items()],
            "files": [str(file) for file in self.files],
        }

    def row(self, frame: int, numbers: Numbers) -> dict[str, Any]:
        file = self.file_of.get(frame)
        return {
            "frame": frame,
            "time": round(float(self.inspection.time(frame)), 6),
            "shot": self.inspection.shot_of(frame) + 1,
            **self.exhibit.record(numbers),
            "file": None if file is None else str(file),
        }

    def table(self) -> list[tuple[str, ...]]:
        """Per shot, for people; the first row is the header."""
        rows = [("shot", "frames", "time", *self.exhibit.columns)]
        for shot in self.scales:
            first, last = self.inspection.shots[shot]
            members = {frame: n for frame, n in self.numbers.items() if first <= frame < last}
            shown = str(min(members)) if len(members) == 1 else f"{min(members)} to {max(members)}"
            rows.append((str(shot + 1), shown, self.clock(min(members)), *self.exhibit.summary(members)))
        return rows


def table(rows: list[tuple[str, ...]]) -> list[str]:
    """Aligned columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
