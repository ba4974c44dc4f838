#!/usr/bin/env python3
"""How fast a whole job in a trained style is, file to file. Prints a table in Markdown.

    python scripts/bench_recurrent_job.py
    python scripts/bench_recurrent_job.py --movie bikes.mp4 --style great-wave --size 640x272 --profile

The movie is brought to each size first, which is not counted. Then, in turns in one process: the frames alone
(``--method none``), and the style without a cache, with a fresh one, and again with everything in it. Everything else
is counted: finding the cuts, decoding, flow (DIS, fast), masks, warping, the network, packing, encoding. The table
holds the best of several rounds: frames a second by the clock, and the processor's milliseconds a frame, those of
ffmpeg too, which other work on the machine changes less; what these allow at most on all cores; and both divided by
those of the style without a cache. Ends with 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line does, before torch is loaded

import ffmpeg
from bench_pipeline import HOME, machine

from vidstyle.cli.common import keep_freed_memory
from vidstyle.media import find_ffmpeg, probe, scan
from vidstyle.pipeline.api import stylize

TARGETS = {"1024x436": 10.0, "640x272": 24.0}  # frames a second


@dataclass
class Times:
    """Seconds by the clock, and of all processors in this process and its children."""

    wall: float
    processor: float


def timed(work: Callable[[], Any]) -> Times:
    started, before = time.perf_counter(), os.times()
    work()
    wall, after = time.perf_counter() - started, os.times()
    return Times(wall, sum(after[:4]) - sum(before[:4]))


def at_size(movie: Path, size: str, seconds: float, folder: Path) -> Path:
    """The beginning of the movie, so large."""
    path = folder / f"{size}.mp4"
    width, height = size.split("x")
    scaled = ffmpeg.input(str(movie)).video.filter("scale", width, height).filter("setsar", 1)
    command = ffmpeg.compile(ffmpeg.output(scaled, str(path), t=seconds, crf=16, pix_fmt="yuv420p"), find_ffmpeg().path)
    subprocess.run(command, check=True, capture_output=True)
    return path


def bench(movie: Path, style: str, folder: Path, rounds: int) -> dict[str, Times]:
    """The best times of each way to do the job."""
    nothing: dict[str, Any] = {"method": "none", "use_cache": False}
    times: dict[str, list[Times]] = {}
    for number in range(rounds + 1):
        cache = {"style": style, "cache_dir": folder / f"cache-{movie.stem}-{number}"}
        ways = {
            "frames alone, no cache": nothing,
            "style, no cache": {"style": style, "use_cache": False},
            "style, fresh cache": cache,
            "style, again": cache,
        }
        for name, asked in ways.items():
            output = folder / "out.mp4"
            output.unlink(missing_ok=True)
            taken = timed(lambda asked=asked, output=output: stylize(movie, output, **asked))  # type: ignore[misc]
            if number:  # the first round warms up
                times.setdefault(name, []).append(taken)
    return {name: Times(min(t.wall for t in all_), min(t.processor for t in all_)) for name, all_ in times.items()}


def rows_of(size: str, frames: int, times: dict[str, Times]) -> list[str]:
    least = times["style, no cache"]
    rows = []
    for name, taken in times.items():
        ratio = f"{taken.wall / least.wall:.2f} / {taken.processor / least.processor:.2f}"
        ms = 1000 * taken.processor / frames
        cores = len(os.sched_getaffinity(0))
        rows.append(f"| {size} | {name} | {frames / taken.wall:.1f} | {ms:.1f} | {1000 * cores / ms:.1f} | {ratio} |")
    return rows


def profile(movie: Path, style: str, folder: Path) -> None:
    """Print where the main thread's time goes in the job without a cache."""
    profiler = cProfile.Profile()
    profiler.enable()
    stylize(movie, folder / "out.mp4", style, use_cache=False, overwrite=True)
    profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(25)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--movie", type=Path, default=HOME / "sample_videos" / "short.mp4")
    parser.add_argument("--style", default="great-wave")
    parser.add_argument("--size", action="append", help=f"(default: {' and '.join(TARGETS)})")
    parser.add_argument("--seconds", type=float, default=4.0, help="of the movie (default: 4)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", action="store_true", help="say what the main thread does instead")
    options = parser.parse_args()
    keep_freed_memory()  # as the command line does
    table = [
        "| size | job | frames/s | processor, ms/frame | frames/s at most | clock, processor / no cache |",
        "|---|---|---|---|---|---|",
    ]
    holds = True
    with tempfile.TemporaryDirectory(prefix="vidstyle-bench-") as name:
        folder = Path(name)
        for size in options.size or TARGETS:
            movie = at_size(options.movie, size, options.seconds, folder)
            if options.profile:
                profile(movie, options.style, folder)
                continue
            frames = len(scan(probe(movie)))
            times = bench(movie, options.style, folder, options.rounds)
            table += rows_of(size, frames, times)
            holds &= frames / times["style, fresh cache"].wall >= TARGETS.get(size, 0)
    if not options.profile:
        print(f"{machine()}\n`{shlex.join(['python', *sys.argv])}`\n")
        print("\n".join(table))
    raise SystemExit(0 if holds else 1)


if __name__ == "__main__":
    main()
