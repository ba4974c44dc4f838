#!/usr/bin/env python3
"""How much calmer a movie is than its frames painted one by one, and what that costs in style.

    python scripts/bench_flicker.py --data DATA --out FOLDER

Paints the beginning of real sequences twice with the same settings and seed: as the program does, and every frame by
itself, from its content, without a prior. Prints a table in Markdown: the warping error (vidstyle.metrics; flow and
masks of the input, DIS) of the input, of the frames one by one and of the movie, and the judge's style and content of
both. DATA holds sequences, styles and weights. ``--temporal-weight`` and ``--iterations`` show what they trade.

Every painting is kept in FOLDER, as deep as the program keeps it (8 bits), and not made again. Ends with 1 if a
target is missed: an error at least 4 times lower, at a style by the judge that is no more than 5 % farther.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import mean

import torch
import torch.nn.functional as F
from bench_consistency import write_png
from teachers import load_teacher
from torch import Tensor

from vidstyle.config import OptimizeSettings
from vidstyle.flow import DIS, backward_warp, consistency_map
from vidstyle.metrics import judge, warping_error
from vidstyle.nets.encoder import find_weights, load_encoder
from vidstyle.pipeline.devices import choose_precision
from vidstyle.pipeline.images import read_image
from vidstyle.store import mask_to_float, quantize_flow, quantize_mask
from vidstyle.stylize.base import Prior
from vidstyle.stylize.optimize import OptimizeStylizer
from vidstyle.stylize.schedule import Turn
from vidstyle.stylize.style import resize_style

SEQUENCES = ("blackswan", "car-roundabout", "cows", "dog", "soapbox")
CALMER, STYLE_LOST = 4.0, 0.05
JUDGED_EVERY = 4  # frames; the judge is slow
DEFAULTS = OptimizeSettings()


@dataclass(frozen=True)
class Motion:
    """From a frame to the one before, on its grid."""

    flow: Tensor  # (2, H, W)
    counted: Tensor  # (H, W): where the error is measured, which is what the flow's own check says
    consistency: Tensor  # (H, W): what the painter is told


@dataclass(frozen=True)
class Row:
    """What was measured of one sequence."""

    floor: float  # warping error of the input
    alone: float  # of its frames painted one by one
    movie: float  # of the movie
    style: tuple[float, float]  # the judge's: one by one, movie
    content: tuple[float, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with sequences, styles and weights")
    parser.add_argument("--out", type=Path, required=True, help="folder for the paintings")
    parser.add_argument("--sequences", nargs="+", default=SEQUENCES, help="names in DATA/sequences")
    parser.add_argument("--style", default="starry-night", help="name in DATA/styles")
    parser.add_argument("--frames", type=int, default=24, help="of each sequence (default: 24)")
    parser.add_argument("--short-side", type=int, default=128, help="of the frames, in pixels (default: 128)")
    parser.add_argument("--temporal-weight", type=float, default=DEFAULTS.temporal_weight)
    parser.add_argument("--iterations", type=int, default=DEFAULTS.iterations)
    parser.add_argument("--init", default=DEFAULTS.init)
    options = parser.parse_args()
    rows = {}
    for name in options.sequences:
        frames = read_frames(options.data / "sequences" / name, options.frames, options.short_side)
        rows[name] = measure(name, frames, options)
        print(line(name, rows[name]), file=sys.stderr, flush=True)
    print(f"`{shlex.join(['python', *sys.argv])}`, {frames[0].shape[2]}×{frames[0].shape[1]}\n")
    raise SystemExit(0 if report(rows) else 1)


def measure(name: str, frames: list[Tensor], options: argparse.Namespace) -> Row:
    motions = list(follow(frames))
    painter = Painter(frames, motions, options)
    movie = painter.paint(name, options.temporal_weight, options.init)
    alone = painter.paint(name, None, "content")
    looks = [painter.judge(paintings) for paintings in (alone, movie)]
    errors = [clip_error(clip, motions) for clip in (frames, alone, movie)]
    return Row(*errors, (looks[0][0], looks[1][0]), (looks[0][1], looks[1][1]))


class Painter:
    """Paints one sequence, keeping every frame as a PNG."""

    def __init__(self, frames: list[Tensor], motions: list[Motion], options: argparse.Namespace) -> None:
        self.frames, self.motions, self.out = frames, motions, options.out
        self.size = frames[0].shape[2], frames[0].shape[1]
        self.style = torch.from_numpy(read_image(options.data / "styles" / f"{options.style}.jpg"))
        precision = choose_precision("auto", "cpu")
        self.name = f"{options.style}-{self.size[1]}-{options.iterations}-{precision}"
        self.settings = replace(DEFAULTS, iterations=options.iterations)
        weights, cpu = find_weights("compact"), torch.device("cpu")
        self.encoder = load_encoder("compact", weights, cpu, precision=precision)
        self.teacher = load_teacher(options.data / "weights")

    def paint(self, sequence: str, temporal_weight: float | None, init: str) -> list[Tensor]:
        """The paintings of all frames; without a temporal weight each by itself."""
        arm = "alone" if temporal_weight is None else f"{init}-{temporal_weight:g}"
        folder = self.out / f"{sequence}-{self.name}-{arm}"
        folder.mkdir(parents=True, exist_ok=True)
        settings = replace(self.settings, temporal_weight=temporal_weight or 0.0, init=init)
        # Without a prior a frame counts as a first one: it gets the iterations of its place all the same.
        first, later = settings, replace(settings, first_iterations=settings.iterations)
        stylizers = [OptimizeStylizer(s, self.encoder, [self.style], self.size) for s in (first, later)]
        paintings: list[Tensor] = []
        for number, frame in enumerate(self.frames):
            path = folder / f"{number:05d}.png"
            if not path.exists():
                priors = [] if temporal_weight is None or number == 0 else [self.prior(paintings[-1], number)]
                stylizer = stylizers[min(number, 1)]
                turn = Turn(0, number)
                painted, _ = stylizer.step(frame, priors, None, turn=turn, seed=number, progress=lambda share: None)
                write_png(path, painted)
            paintings.append(torch.from_numpy(read_image(path)))
        return paintings

    def prior(self, before: Tensor, number: int) -> Prior:
        motion = self.motions[number - 1]
        return Prior(before, backward_warp(before, motion.flow), motion.consistency)

    def judge(self, paintings: list[Tensor]) -> tuple[float, float]:
        """The judge's style and content, the mean over some of the frames."""
        style = resize_style(self.style, self.size, 1.0)[0]
        numbers = range(len(paintings) - 1, -1, -JUDGED_EVERY)
        said = [judge(self.teacher, paintings[n], self.frames[n], style) for n in numbers]
        return mean(j.style for j in said), mean(j.content for j in said)


def read_frames(folder: Path, count: int, short_side: int) -> list[Tensor]:
    """The first frames of a sequence, (3, H, W), scaled down."""
    images = [torch.from_numpy(read_image(path)) for path in sorted(folder.glob("*.jpg"))[:count]]
    height, width = images[0].shape[1:]
    size = [2 * round(side * short_side / min(height, width) / 2) for side in (height, width)]
    return [F.interpolate(i[None], size, mode="bilinear", antialias=True)[0].clamp(0, 1) for i in images]


def follow(frames: list[Tensor]) -> Iterator[Motion]:
    """The motion of every frame but the first."""
    method = DIS()
    prepared = [method.prepare(frame) for frame in frames]
    for n, (before, now) in enumerate(pairwise(prepared), 1):
        back, there = (quantize_flow(method.estimate(*p).numpy()) for p in ((now, before), (before, now)))
        flow = torch.from_numpy(back)
        checked = (consistency_map(flow, torch.from_numpy(there), frames=f) for f in (None, (frames[n], frames[n - 1])))
        counted, told = (torch.from_numpy(mask_to_float(quantize_mask(mask.numpy()))) for mask in checked)
        yield Motion(flow, counted, told)


def clip_error(clip: list[Tensor], motions: list[Motion]) -> float:
    """The mean warping error over pairs of neighbours."""
    pairs = zip(clip, clip[1:], motions, strict=False)
    return mean(warping_error(now, before, motion.flow, motion.counted) for before, now, motion in pairs)


def line(name: str, row: Row) -> str:
    errors = " | ".join(f"{1e4 * e:.1f}" for e in (row.floor, row.alone, row.movie))
    looks = " | ".join(f"{value:.3f}" for value in (*row.style, *row.content))
    return f"| {name} | {errors} | {row.alone / row.movie:.2f} | {looks} |"


def report(rows: dict[str, Row]) -> bool:
    """Print the table; whether the targets are met."""
    columns = ("error × 10⁴: input", "one by one", "movie", "times calmer")
    print(f"| | {' | '.join((*columns, 'style: one by one', 'movie', 'content: one by one', 'movie'))} |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, row in rows.items():
        print(line(name, row))
    calmer = min(row.alone / row.movie for row in rows.values())
    styles = [mean(row.style[k] for row in rows.values()) for k in (0, 1)]
    contents = [mean(row.content[k] for row in rows.values()) for k in (0, 1)]
    errors = [mean(e) for e in zip(*((r.floor, r.alone, r.movie) for r in rows.values()), strict=True)]
    print(line("mean", Row(*errors, tuple(styles), tuple(contents))))  # type: ignore[arg-type]
    return calmer >= CALMER and styles[1] <= (1 + STYLE_LOST) * styles[0]


if __name__ == "__main__":
    main()
