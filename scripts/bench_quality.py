#!/usr/bin/env python3
"""What each --quality takes and gives: a table in Markdown, and a picture of the paintings, above each other.

    python scripts/bench_quality.py --picture docs/images/qualities.jpg

Twelve frames of a sample movie in which a boat passes, painted at each quality without a cache, file to file: the
first frame with everything that comes before it, and each of the eleven others. The time is the clock's, so this is
for a quiet machine. The picture has the movie above, then one row a quality: the first frame and the last two.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
from bench_pipeline import machine
from numpy.typing import NDArray
from PIL import Image

from vidstyle.config import QUALITIES
from vidstyle.media import probe, read_frames, scan
from vidstyle.pipeline.api import stylize
from vidstyle.pipeline.compare import Question, compare
from vidstyle.pipeline.events import Monitor
from vidstyle.pipeline.request import Style

ROOT = Path(__file__).resolve().parent.parent
MOVIE = ROOT / "sample_videos" / "harbor.mp4"
FIRST, FRAMES, RATE = 24, 12, 25
SIZE = (320, 180)

Picture = NDArray[np.uint8]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--style", type=Path, default=ROOT / "sample_videos" / "brushwork.jpg")
    parser.add_argument("--picture", type=Path, help="where the paintings are shown, a JPEG")
    options = parser.parse_args()
    print(f"`{shlex.join(['python', *sys.argv])}`, {machine()}\n", flush=True)
    with tempfile.TemporaryDirectory(prefix="vidstyle-bench-") as folder:
        paint(options.style, "draft", 1, Path(folder))  # warms up
        shown = [frames(MOVIE, FIRST)]
        print(
            "| quality | first frame | later frame | warping error × 10⁴ | style | content |\n|---|---|---|---|---|---|"
        )
        for quality in QUALITIES:
            _, first = paint(options.style, quality, 1, Path(folder))
            movie, whole = paint(options.style, quality, FRAMES, Path(folder))
            later = (whole - first) / (FRAMES - 1)
            print(
                f"| {quality} | {first:.1f} s | {later:.2f} s | {judged(movie, options.style, Path(folder))} |",
                flush=True,
            )
            shown.append(frames(movie, 0))
    if options.picture:
        save(options.picture, shown)


def paint(style: Path, quality: str, count: int, folder: Path) -> tuple[Path, float]:
    """The first ``count`` frames in a movie, and the seconds that it took."""
    output = folder / f"{quality}-{count}.mp4"
    start, end = Fraction(FIRST, RATE), Fraction(FIRST + count, RATE)
    started = time.perf_counter()
    stylize(
        *(MOVIE, output, style), quality=quality, height=SIZE[1], start=start, end=end, use_cache=False, overwrite=True
    )
    return output, time.perf_counter() - started


def judged(movie: Path, style: Path, folder: Path) -> str:
    """Cells of what ``vidstyle compare`` says of a painted movie."""
    start, end = Fraction(FIRST, RATE), Fraction(FIRST + FRAMES, RATE)
    question = Question(str(MOVIE), (str(movie),), Style(str(style)), start=start, end=end)
    ((_, curves),) = compare(question, folder / "cache", Monitor()).movies
    means = curves.means()
    return f"{1e4 * (means['warping_error'] or 0):.1f} | {means['style']:.3f} | {means['content']:.3f}"


def frames(movie: Path, first: int) -> list[Picture]:
    """The first frame of the part and its last two."""
    info = probe(movie)
    pixels = [frame for _, frame in read_frames(info, scan(info), first, first + FRAMES, SIZE)]
    return [pixels[0], *pixels[-2:]]


def save(path: Path, rows: list[list[Picture]]) -> None:
    Image.fromarray(np.concatenate([np.concatenate(row, 1) for row in rows], 0)).save(path, quality=88)


if __name__ == "__main__":
    main()
