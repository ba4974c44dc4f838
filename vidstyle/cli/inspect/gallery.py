"""The PNG files of a survey: contact sheets, single pictures, the plot."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from vidstyle.cli.common import may_replace
from vidstyle.cli.display import Display
from vidstyle.cli.inspect.survey import Survey
from vidstyle.errors import OutputError, StoreError
from vidstyle.media import CONTAINERS, PICTURE_ENDINGS, check_place
from vidstyle.pipeline.inspect import Inspection
from vidstyle.pipeline.outputs import Inputs, check_apart, check_existing
from vidstyle.store import atomic_write, frame_name
from vidstyle.view.exhibits import Exhibit
from vidstyle.view.numbers import motion_panels
from vidstyle.view.plot import plot_curves
from vidstyle.view.png import encode_png
from vidstyle.view.shot_sheet import shot_sheet

PLOT = "plot"
# What a file is called like, and a folder by mistake.
FILE_ENDINGS = (*PICTURE_ENDINGS, *CONTAINERS, ".gif", ".flo", ".txt", ".csv", ".json")


def sheet_name(shot: int) -> str:
    return f"shot-{shot + 1:03d}"


def picture_name(inspection: Inspection, exhibit: Exhibit, which: str) -> str:
    """What a picture is called: ``which`` is a sheet, a frame or PLOT."""
    return f"{Path(inspection.plan.request.output).stem}-{exhibit.name}-{which}.png"


class Gallery:
    """Draws and writes, one picture after the other; keeps names of files and no pictures."""

    def __init__(self, survey: Survey, folder: Path) -> None:
        self.survey, self.folder = survey, folder
        self.inspection, self.exhibit = survey.inspection, survey.exhibit
        self.stem = Path(self.inspection.plan.request.output).stem
        self.notes: list[str] = []
        self.files: list[str] = []
        self.file_of: dict[int, str] = {}

    def draw_pictures(self, columns: int | None) -> None:
        """A sheet for each shot, or the single pictures that were asked for."""
        for shot in self.survey.scales:
            if self.survey.wanted:
                self.draw_singles(shot)
            else:
                self.draw_sheet(shot, columns)

    def draw_singles(self, shot: int) -> None:
        shown, scale = [], self.survey.scales[shot]
        for frame in (frame for frame in self.survey.of_shot(shot) if frame in self.survey.asked):
            picture = self.exhibit.picture(frame, scale)
            if picture is not None:
                self.write(picture, frame_name(frame), [frame])
                shown.append(frame)
        if shown and scale is not None:
            self.notes.append(f"full colour in {', '.join(map(str, shown))} is a motion of {scale:g} px")

    def draw_sheet(self, shot: int, columns: int | None) -> None:
        first, last = self.inspection.shots[shot]
        numbers = self.survey.of_shot(shot)
        heading = f"{self.stem}, shot {shot + 1} of {len(self.inspection.shots)}, frames {first} to {last - 1}"
        sheet, shown = shot_sheet(self.exhibit, numbers, heading, self.survey.clock, columns)
        if sheet is not None:
            self.write(sheet, sheet_name(shot), shown)
        there = sum(self.exhibit.is_there(n) for n in numbers.values())
        if there > len(shown):
            self.notes.append(
                f"shot {shot + 1}: {len(shown)} of {there} {self.exhibit.things} are on the sheet, evenly spread"
            )

    def draw_plot(self) -> None:
        """Motion, trust and error over the time of the job, with its cuts."""
        inspection = self.inspection
        first, last = inspection.plan.frames

        def seconds(frame: int) -> float:
            return float(inspection.time(frame))

        panels, points = motion_panels(range(first, last), self.survey.numbers, seconds)
        marks = [(seconds(shot[0]), f"shot {n}") for n, shot in enumerate(inspection.shots, 1) if n > 1]
        shots = f"{len(marks) + 1} shots" if marks else "1 shot"
        size = "x".join(map(str, inspection.size))
        title = f"{self.stem}, frames {first} to {last - 1}, {shots}\nFlow from each frame to the one before, {size}"
        self.write(plot_curves(panels, title, marks=marks, points=points), PLOT, [])

    def write(self, picture: np.ndarray, suffix: str, frames: list[int]) -> None:
        path = self.folder / picture_name(self.inspection, self.exhibit, suffix)
        with writing(path):
            atomic_write(path, encode_png(picture))
        self.files.append(str(path))
        self.file_of.update(dict.fromkeys(frames, str(path)))


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the store says of the cache into what is so of a file that the user asked for."""
    try:
        yield
    except StoreError as error:
        reason = getattr(error.__cause__, "strerror", None) or error
        raise OutputError(f"cannot write {path}: {reason}; give another place") from error


def check_files(files: Sequence[Path], inputs: Inputs, overwrite: bool | None, display: Display) -> None:
    """Check what is about to be written, before that takes its time. Asks once for all files that exist.

    Raises:
        InputError: one would replace an input. OutputError: one cannot be written, or may not be replaced.
    """
    there = [file for file in files if file.exists()]
    for file in (*files[:1], *there):
        check_place(file.absolute())
        check_apart(file, inputs)
    for file in there[:1]:
        check_existing(file, lambda path: may_replace(path, overwrite, display, others=len(there) - 1))


def make_folder(folder: Path) -> None:
    """OutputError where it cannot be made, or is called like a file."""
    if folder.suffix.lower() in FILE_ENDINGS and not folder.exists():
        raise OutputError(f"what is written goes into a folder, and {folder} is called like a file: name a folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {folder}: {error.strerror}; give another with -o") from error
