#!/usr/bin/env python3
"""A whole hour through the program: memory must not grow, and the end must be as fast as the beginning.

    python scripts/soak_hour.py                       86,400 frames of 96×54, unpainted and painted
    python scripts/soak_hour.py --frames 2400         a quick look
    python scripts/soak_hour.py --methods optimize    one of the two

The movie is a sample clip, small, over and over, cuts included. Prints frames per second and resident memory for each
tenth of each stage; ends with 1 where the last tenths take more than 1.1 times the memory of the second, or less than
0.7 times its speed. Artifacts of an hour are many small files: the cache folder needs some 4 GB.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import vidstyle
from vidstyle.media import find_ffmpeg
from vidstyle.pipeline.events import Event, Progress

HOME = Path(__file__).resolve().parent.parent
CLIP = HOME / "sample_videos" / "harbor.mp4"
STYLE = HOME / "sample_videos" / "brushwork.jpg"
RATE = 24
HOUR = 3600 * RATE
SIZE = "96:54"
PARTS = 10
MOST_MEMORY, LEAST_SPEED = 1.10, 0.70
METHODS: dict[str, dict[str, Any]] = {
    "none": {"method": "none"},
    "optimize": {"style": STYLE, "stylize": {"first_iterations": 1, "iterations": 1}},
}


def make_movie(frames: int, path: Path) -> Path:
    """The clip at 96×54, repeated up to so many frames."""
    command = [find_ffmpeg().path, "-v", "error", "-y", "-stream_loop", "-1", "-i", str(CLIP), "-an"]
    command += ["-vf", f"scale={SIZE}:flags=area,fps={RATE}", "-frames:v", str(frames)]
    subprocess.run([*command, "-c:v", "libx264", "-crf", "18", str(path)], check=True, stdin=subprocess.DEVNULL)
    return path


class Tenths:
    """When each stage reached each tenth of its work, and how much memory the program then held."""

    def __init__(self) -> None:
        self.marks: dict[str, list[tuple[float, float, float]]] = {}

    def __call__(self, event: Event) -> None:
        if not isinstance(event, Progress) or not event.total:
            return
        marks = self.marks.setdefault(event.stage, [])
        if event.done >= event.total * len(marks) / PARTS:
            marks.append((time.monotonic(), event.done, resident()))


def resident() -> float:
    """MiB of memory that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def report(method: str, marks: dict[str, list[tuple[float, float, float]]]) -> bool:
    """Print one line per stage; whether memory and speed held to the end."""
    fine = True
    for stage, reached in marks.items():
        steps = list(itertools.pairwise(reached))
        speeds = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in steps if b[0] > a[0]]
        memory = [mark[2] for mark in reached[1:]]
        print(
            f"| {method} | {stage} | {' '.join(f'{s:.0f}' for s in speeds)} | {' '.join(f'{m:.0f}' for m in memory)} |"
        )
        if len(speeds) < PARTS:
            continue
        # The machine may be busy with other things for a while: the middle of the last three.
        slower = statistics.median(speeds[-3:]) < LEAST_SPEED * speeds[1]
        fine = fine and not slower and memory[-1] <= MOST_MEMORY * memory[1]
    return fine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=HOUR)
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")
    options = parser.parse_args()
    print("| method | stage | frames per second, by tenths | resident MiB, by tenths |\n|---|---|---|---|")
    fine = True
    with tempfile.TemporaryDirectory(prefix="vidstyle-hour-", dir=options.folder) as name:
        folder = Path(name)
        movie = make_movie(options.frames, folder / "hour.mp4")
        for method in options.methods:
            tenths, started = Tenths(), time.monotonic()
            settings = METHODS[method]
            vidstyle.stylize(movie, folder / f"{method}.mp4", progress=tenths, cache_dir=folder / "cache", **settings)
            fine = report(method, tenths.marks) and fine
            print(f"{method}: {options.frames} frames in {time.monotonic() - started:.0f} s", flush=True)
    raise SystemExit(0 if fine else 1)


if __name__ == "__main__":
    main()
