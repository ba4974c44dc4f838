"""What a run tells its caller while it works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vidstyle.errors import Interrupted


@dataclass(frozen=True)
class Note:
    """One line that the user should read: what was assumed, skipped, converted or made again."""

    text: str


@dataclass(frozen=True)
class Progress:
    """How far a stage is."""

    stage: str  # scan, paint or encode; or texture, in steps instead of frames
    done: float  # frames, with the share of the one being worked on
    total: int | None  # frames; None while it is not known
    seconds_left: float | None  # of the whole stage; None while it cannot be said


Event = Note | Progress


class Monitor:
    """Carries notes and progress out of a run, and the wish to stop into it.

    Args:
        listen: called with every event.
        should_stop: asked between frames; True ends the run after what is being worked on is stored.
    """

    def __init__(
        self,
        listen: Callable[[Event], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> None:
        self.listen = listen or (lambda event: None)
        self.should_stop = should_stop or (lambda: False)
        self.said: set[str] = set()

    def note(self, text: str) -> None:
        """Say ``text``, once in a run."""
        if text not in self.said:
            self.said.add(text)
            self.listen(Note(text))

    def progress(self, stage: str, done: float, total: int | None = None, seconds_left: float | None = None) -> None:
        self.listen(Progress(stage, done, total, seconds_left))

    def check(self) -> None:
        """Raise Interrupted if the user asked to stop."""
        if self.should_stop():
            raise Interrupted("stopped; everything finished so far is kept: run the same command again to go on")
