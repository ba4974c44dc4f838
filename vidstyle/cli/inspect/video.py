"""The movie and what there is to see of it, side by side, as a video."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vidstyle.cli.inspect.survey import Survey
from vidstyle.pipeline.events import Monitor
from vidstyle.pipeline.video import write_pictures
from vidstyle.view.beside import Beside


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
