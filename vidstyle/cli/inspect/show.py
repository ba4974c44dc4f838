"""What flow, mask, warp and frames have in common: measure, draw what was asked for, say what there was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from vidstyle.cli.common import cache_root, print_json
from vidstyle.cli.display import Display
from vidstyle.cli.inspect.gallery import PLOT, Gallery, check_files, make_folder, picture_name, sheet_name
from vidstyle.cli.inspect.survey import Survey
from vidstyle.cli.inspect.video import write_video
from vidstyle.cli.jobs import find_job
from vidstyle.errors import InputError
from vidstyle.media import CONTAINERS
from vidstyle.pipeline.events import Monitor
from vidstyle.pipeline.inspect import Inspection, open_inspection
from vidstyle.store import frame_name
from vidstyle.view.exhibits import Exhibit
from vidstyle.view.numbers import summary


@dataclass(frozen=True)
class Asked:
    """The options of the command line."""

    job: str | None
    output: Path
    frames: tuple[int, ...]
    columns: int | None
    table: bool
    video: bool
    as_json: bool
    overwrite: bool | None
    cache_dir: Path | None
    plot: bool = False

    @property
    def names_video(self) -> bool:
        return self.output.suffix.lower() in CONTAINERS and not self.output.is_dir()

    @property
    def folder(self) -> Path:
        return self.output.parent if self.names_video else self.output

    @property
    def wants_video(self) -> bool:
        return self.video or self.names_video

    @property
    def wants_pictures(self) -> bool:
        """Sheets, or single pictures: unless something else was asked for."""
        return not (self.table or self.plot or self.wants_video)

    @property
    def wants_numbers(self) -> bool:
        """All that can be measured of a frame."""
        return self.table or self.plot or self.as_json


def show(exhibit_of: Callable[[Inspection], Exhibit], asked: Asked, painting: bool = False) -> None:
    """Measure, draw and write, then say what there was."""
    inspection, display, monitor = open_job(asked, painting)
    exhibit = exhibit_of(inspection)
    check_frames(exhibit.pairs, inspection, asked.frames)
    if asked.frames and (asked.plot or asked.wants_video):
        raise InputError("a plot or a video is of all frames of the job: leave out --frame")
    video = video_path(asked, inspection, exhibit) if asked.wants_video else None
    make_folder(asked.folder)
    pictures = [asked.folder / name for name in picture_names(asked, inspection, exhibit)]
    check_files([*pictures, *([video] if video else [])], inspection.inputs, asked.overwrite, display)
    survey = Survey(inspection, exhibit, set(asked.frames), watcher(inspection, display, monitor))
    display.clear()
    if survey.is_empty:
        raise InputError(
            f"none of the {len(survey.asked)} {exhibit.things} of {inspection.job.id} that were asked for is in the "
            "cache: not made yet, not needed, or pruned"
        )
    gallery = Gallery(survey, asked.folder)
    if asked.wants_pictures:
        gallery.draw_pictures(asked.columns)
    if asked.plot:
        gallery.draw_plot()
    if video is not None:
        write_video(survey, video, monitor)
        gallery.files.append(str(video))
    display.clear()
    report(survey, gallery, asked, display)


def open_job(asked: Asked, painting: bool = False) -> tuple[Inspection, Display, Monitor]:
    """The job that was asked for, and whom to tell what is found on the way."""
    root = cache_root(asked.cache_dir)
    display = Display()
    monitor = Monitor(display)
    return open_inspection(find_job(root, asked.job), root, monitor, painting), display, monitor


def watcher(inspection: Inspection, display: Display, monitor: Monitor) -> Callable[[int], None]:
    begin, end = inspection.plan.frames

    def watch(frame: int) -> None:
        if display.terminal:  # in a log it would only be in the way of what is said
            monitor.progress("looking", frame + 1 - begin, end - begin)

    return watch


def check_frames(pairs: bool, inspection: Inspection, frames: tuple[int, ...]) -> None:
    """Raise InputError for a frame that cannot be shown, whatever is in the cache."""
    for frame in frames:
        first, _ = inspection.shots[inspection.shot_of(frame)]
        if pairs and frame == first:
            raise InputError(f"frame {frame} is the first of its shot, so it has no flow and no mask: try {frame + 1}")


def video_path(asked: Asked, inspection: Inspection, exhibit: Exhibit) -> Path:
    stem = Path(inspection.plan.request.output).stem
    return asked.output if asked.names_video else asked.folder / f"{stem}-{exhibit.name}.mp4"


def picture_names(asked: Asked, inspection: Inspection, exhibit: Exhibit) -> list[str]:
    """What the pictures are called that are asked for, before it is known which are in the cache."""
    which = [PLOT] if asked.plot else []
    if asked.wants_pictures:
        which += map(frame_name, asked.frames) if asked.frames else map(sheet_name, range(len(inspection.shots)))
    return [picture_name(inspection, exhibit, name) for name in which]


def report(survey: Survey, gallery: Gallery, asked: Asked, display: Display) -> None:
    """Numbers and names of files to stdout, remarks to stderr."""
    missing = [f"{count} {thing}" for thing, count in survey.absent().items()]
    notes = [f"not in the cache: {', '.join(missing)} of {len(survey.asked)}"] if missing else []
    for line in (*gallery.notes, *notes):
        display.say(line)
    if asked.table or asked.plot:
        for line in summary(survey.exhibit.measures, survey.worst):
            display.say(line)
    if asked.as_json:
        print_json(survey.document(gallery.file_of, gallery.files))
        return
    for line in aligned(survey.frame_rows(), right=True) if asked.table else aligned(survey.shot_rows()):
        click.echo(line, err=not asked.table)
    for file in gallery.files:
        if asked.table:
            display.say(f"wrote {file}")
        else:
            click.echo(file)


def aligned(rows: list[tuple[str, ...]], right: bool = False) -> list[str]:
    """Columns of one width; on the right, as numbers stand, all but the last."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [c.rjust(w) if right else c.ljust(w) for c, w in zip(row[:-1], widths, strict=False)]
        lines.append("  ".join([*cells, row[-1]]).rstrip())
    return lines
