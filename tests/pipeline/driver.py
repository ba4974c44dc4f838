"""The job as a process of its own: ``python -m tests.pipeline.driver MOVIE STYLE FOLDER [hold]``.

With ``hold`` it says "painting" when it has begun to paint, and then waits for its stdin to end.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.pipeline.conftest import Work
from vidstyle.pipeline.events import Event, Progress


def main() -> None:
    movie, style, folder, *how = sys.argv[1:]
    held = "hold" not in how

    def listen(event: Event) -> None:
        nonlocal held
        if not held and isinstance(event, Progress) and event.stage == "paint":
            held = True
            print("painting", flush=True)
            sys.stdin.read()

    Work(Path(folder), Path(style)).paint(Path(movie), progress=listen)


if __name__ == "__main__":
    main()
