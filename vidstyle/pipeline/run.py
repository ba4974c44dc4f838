"""Runs a plan: paints every shot, and encodes the movie in one go while it is painted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from vidstyle.errors import MediaError, PaintError, VidstyleError
from vidstyle.media import open_writer
from vidstyle.pipeline.events import Monitor
from vidstyle.pipeline.painted import Painted
from vidstyle.pipeline.plan import Plan, file_record, output_name
from vidstyle.pipeline.stages import Shot
from vidstyle.pipeline.studio import Studio, enough_memory
from vidstyle.pipeline.timing import TimeLeft, time_to_paint
from vidstyle.store import discard, publish, sweep, temporary_path
from vidstyle.stylize.schedule import Turn


class ShotsFailed(VidstyleError):  # noqa: N818 (named for what it says)
    """Some shots could not be painted; the others are."""

    exit_code = 3


def run(plan: Plan, monitor: Monitor, cache_limit: int | None = None) -> None:
    """Paint what is not painted and write the output movie, frame by frame.

    Args:
        cache_limit: bytes that the cache folder stays under; None: as many as it takes.
    Raises:
        Interrupted: the monitor wished to stop; everything finished is stored.
        ShotsFailed: some shots failed, and no movie is written; all others are painted and stored, if they can be.
        MediaError, StoreError, OutputError: ffmpeg failed, the cache or the output cannot be written.
        PaintError: there was too little memory to write a movie, or to store a frame.
    """
    with enough_memory(plan.size), Studio(plan, monitor, cache_limit) as studio:
        left = time_to_paint(studio)
        try:
            write_movie(studio, left)
        except ShotFailed as failure:
            failures = [failure, *paint_others(studio, failure.shot, left)]
            raise ShotsFailed(f"{failed_text(studio, len(failures))}; {failures[0]}") from failure
        if studio.budget is not None:
            studio.budget.hold(plan.frames[1], needed=plan.frames[1], written=True)


def failed_text(studio: Studio, failed: int) -> str:
    """How many shots failed, and what becomes of the others."""
    count = len(studio.plan.shots)
    text = f"{failed} of {count} shots failed"
    if not studio.plan.stages.store.keeps:
        return f"{text}, nothing is kept"
    if failed == count:
        return text
    return f"{text}, {'the others are kept' if studio.has_room else 'what the cache has room for is kept'}"


class ShotFailed(VidstyleError):  # noqa: N818
    """One shot could not be painted."""

    def __init__(self, shot: Shot, error: VidstyleError) -> None:
        super().__init__(f"shot at frame {shot[0]}: {error}")
        self.shot = shot


def paint_others(studio: Studio, failed: Shot, left: TimeLeft) -> list[ShotFailed]:
    """Paint the shots after one that failed, while there is room to keep them; those that fail too."""
    failures: list[ShotFailed] = []
    for shot in studio.plan.shots:
        try:
            if shot > failed:
                paint_shot(studio, shot, left)
        except ShotFailed as failure:
            failures.append(failure)
    return failures


def paint_shot(studio: Studio, shot: Shot, left: TimeLeft) -> None:
    """Paint what is missing of one shot, while there is room."""
    for turn in studio.painters[shot[0]].missing():
        studio.check()
        if not studio.make_room(shot, turn, written=False):
            return
        paint_turn(studio, shot, turn, left)


def paint_turn(studio: Studio, shot: Shot, turn: Turn, left: TimeLeft) -> None:
    """Paint one frame of a shot in one pass, saying after each step how far everything is.

    Raises:
        ShotFailed: it cannot be painted; that is said, too.
    """
    painter, monitor, count = studio.painters[shot[0]], studio.monitor, studio.plan.frame_count
    kind, started = painter.kind(turn), time.monotonic()

    def tell(share: float) -> None:
        done = count - (sum(left.left) - share) / painter.schedule.passes
        monitor.progress("paint", done, count, left.total() - share * left.per_turn(kind))

    try:
        with enough_memory(studio.plan.size):
            painter.get(turn, tell)
    except (MediaError, PaintError) as error:
        failure = ShotFailed(shot, error)
        monitor.note(str(failure))
        raise failure from error
    left.add(kind, time.monotonic() - started)
    tell(0.0)


def write_movie(studio: Studio, left: TimeLeft) -> None:
    """Encode all frames to a temporary name beside the output, and rename it when all has ended well.

    What is not stored is painted when it is its turn: encoding takes place beside the painting.
    """
    plan, monitor = studio.plan, studio.monitor
    output, settings = Path(plan.request.output), plan.request.encode
    sweep(output.parent)
    temporary = temporary_path(output, keep_suffix=True)
    try:
        with open_writer(
            plan.request.output,
            temporary,
            plan.movie,
            plan.timeline,
            plan.frames,
            plan.size,
            codec=settings.codec,
            crf=settings.crf,
            preset=settings.preset,
            pix_fmt=settings.pix_fmt,
            trim=plan.request.is_part,
            bit_depth=plan.movie.working_depth,
        ) as writer:
            for note in writer.notes:
                monitor.note(note)
            for done, (shot, frame) in enumerate(frames_of(plan, writer.passes), 1):
                studio.check()
                writer.write(picture(studio, shot, frame, left).pixels)
                if left.is_over or done == plan.frame_count:  # before, painting is what takes the time
                    monitor.progress("encode", done / writer.passes, plan.frame_count)
            writer.finish()
        # Noted first, as a rename changes none of it: killed between the two, the file would not be known as ours.
        plan.stages.encode(plan.shots).save(output_name(plan), file_record(temporary))
        plan.stages.store.settle()
        publish(temporary, output)
    except BaseException:
        discard(temporary)
        raise


def frames_of(plan: Plan, times: int) -> Iterator[tuple[Shot, int]]:
    """(its shot, frame) of all frames in order, so many times over."""
    for _ in range(times):
        for shot in plan.shots:
            yield from ((shot, frame) for frame in range(*shot))


def picture(studio: Studio, shot: Shot, frame: int, left: TimeLeft) -> Painted:
    """The stylized frame, stored or painted now."""
    painter = studio.painters[shot[0]]
    for turn in painter.missing_for(frame):
        studio.check()
        studio.make_room(shot, turn, written=True)
        paint_turn(studio, shot, turn, left)
    return painter.final(frame)
