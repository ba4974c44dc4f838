"""Any pictures as a movie with the times of a job's frames."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from vidstyle.media import MovieWriter
from vidstyle.pipeline.events import Monitor
from vidstyle.pipeline.plan import Plan
from vidstyle.store import publish, sweep, temporary_path


def write_pictures(
    plan: Plan, output: Path, size: tuple[int, int], pictures: Iterable[np.ndarray], monitor: Monitor
) -> None:
    """Encode one picture for each frame of the plan, each shown when its frame is, without sound.

    Written to a temporary name beside ``output``, which it replaces when all is well.

    Args:
        size: ``(width, height)`` of the pictures, even.
        pictures: uint8 (H, W, 3).
    Raises:
        MediaError, OutputError: ffmpeg failed, or the output cannot be written.
    """
    sweep(output.parent)
    temporary = temporary_path(output, keep_suffix=True)
    movie = plan.movie.pictures_alone(*size)
    first, last = plan.frames
    try:
        with MovieWriter(temporary, movie, plan.timeline, first, last, size, trim=plan.request.is_part) as writer:
            for note in writer.notes:
                monitor.note(note)
            for done, picture in enumerate(pictures, 1):
                monitor.check()
                writer.write(picture)
                monitor.progress("video", done, last - first)
            writer.finish()
        publish(temporary, output)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
