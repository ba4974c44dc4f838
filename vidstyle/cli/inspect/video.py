"""The movie and what there is to see of it, side by side, as a video."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vidstyle.cli.inspect.survey import Survey
from vidstyle.errors import InputError, OutputError
from vidstyle.media import check_output
from vidstyle.pipeline.events import Monitor
from vidstyle.pipeline.inspect import Inspection
from vidstyle.pipeline.video import write_pictures
from vidstyle.view.beside import Beside


def check_video(path: Path, inspection: Inspection, overwrite: bool) -> None:
    """Raise before any work where the video cannot or should not be written."""
    request = inspection.plan.request
    for name, kept in (("movie", request.movie), ("painted movie", request.output)):
        if path.resolve() == Path(kept).resolve():
            raise InputError(f"the video would replace the {name} itself: give another name with -o")
    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists: add -y to replace it, or give another name with -o")
    if path.parent.is_dir():  # else it is made
        check_output(path)


def write_video(survey: Survey, path: Path, monitor: Monitor) -> None:
    """Every frame of the job from the movie, the exhibit beside it, at the movie's own times and without sound."""
    plan = survey.inspection.plan
    layout = Beside(plan.size, plan.movie.shape)
    write_pictures(plan, path, layout.size, pictures(survey, layout), monitor)


def pictures(survey: Survey, layout: Beside) -> Iterator[np.ndarray]:
    """The video's frames, one by one."""
    inspection, exhibit = survey.inspection, survey.exhibit
    for frame, original in inspection.movie_frames():
        shot = inspection.shot_of(frame)
        scale, time = survey.scales.get(shot), survey.clock(frame)
        if exhibit.pairs and frame == inspection.shots[shot][0]:
            picture, why = None, f"shot {shot + 1} begins"
        else:
            picture, why = exhibit.beside(frame, scale), "not in the cache"
        label = f"{frame}   {time}" if picture is None else exhibit.label(frame, time, survey.numbers[frame])
        colours = "" if scale is None or picture is None else f"   full colour: {scale:g} px"
        yield layout.join(original, picture, f"shot {shot + 1}   frame {label}{colours}", why)
