"""Notes and progress on stderr: a bar with the time left on a terminal, plain lines in a log."""

from __future__ import annotations

import shutil
import sys
import time

import click

from vidstyle.pipeline.events import Event, Note, Progress

LABELS = {
    "scan": "scanning",
    "paint": "painting",
    "encode": "encoding",
    "compare": "comparing",
    "texture": "synthesising",
    "verify": "checking",
    "read": "reading",
    "train": "training",
}
UNITS = {"texture": "steps", "verify": "artifacts", "read": "pictures", "train": "steps"}  # of other stages: frames
BAR_SECONDS = 0.1  # between two drawings of the bar
LOG_SECONDS = 30.0  # between two lines in a log


class Display:
    """Shows events. One object a run: it remembers what is on the line."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self.terminal = sys.stderr.isatty()
        self.shown_at = 0.0
        self.stage = ""
        self.bar_is_drawn = False

    def __call__(self, event: Event) -> None:
        if self.quiet:
            return
        if isinstance(event, Note):
            self.say(event.text)
        else:
            self.progress(event)

    def say(self, text: str) -> None:
        """One line of its own, whatever bar is drawn."""
        self.clear()
        click.echo(f"vidstyle: {text}", err=True)

    def progress(self, event: Progress) -> None:
        now = time.monotonic()
        is_last = event.total is not None and event.done >= event.total
        pause = BAR_SECONDS if self.terminal else LOG_SECONDS
        if event.stage == self.stage and not is_last and now - self.shown_at < pause:
            return
        self.stage, self.shown_at = event.stage, now
        if self.terminal:
            self.draw(event)
            if is_last:
                self.clear()
        else:
            click.echo(f"vidstyle: {self.text(event)}", err=True)

    def text(self, event: Progress) -> str:
        label, unit = LABELS.get(event.stage, event.stage), UNITS.get(event.stage, "frames")
        if event.total is None:
            return f"{label}: {int(event.done)} {unit}"
        left = "" if event.seconds_left is None else f", {clock(event.seconds_left)} left"
        return f"{label}: {int(event.done)} of {event.total} {unit}{left}"

    def draw(self, event: Progress) -> None:
        text = self.text(event)
        width = max(10, min(40, shutil.get_terminal_size().columns - len(text) - 4))
        share = event.done / event.total if event.total else 0.0
        filled = min(width, int(share * width))
        click.echo(f"\r\x1b[2K[{'█' * filled}{'·' * (width - filled)}] {text}", err=True, nl=False)
        self.bar_is_drawn = True

    def clear(self) -> None:
        """Take the bar off the terminal."""
        if self.bar_is_drawn:
            click.echo("\r\x1b[2K", err=True, nl=False)
            self.bar_is_drawn = False


def clock(seconds: float) -> str:
    """Seconds as 0:07, 12:30 or 1:02:03."""
    whole = max(0, round(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, rest = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
