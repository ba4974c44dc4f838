#!/usr/bin/env python3
"""What the recurrent network is worth: how fast it is, how calm, and how near its styles. Tables in Markdown.

    python scripts/bench_recurrent.py speed [--threads 2]
    python scripts/bench_recurrent.py calm --data DATA [--styles starry-night ...] [--frames 24]
    python scripts/bench_recurrent.py style --data DATA [--photos 5] [--out FOLDER]

``speed``: milliseconds a frame at 1024×436, the network alone, beside the reference architecture in its slowest and its
best form, all in turns; the best of several rounds. ``calm``: warping error (× 10⁴) on sequences that nothing was
trained on, of the input, of every frame with an empty prior, and of the movie; how far what is newly uncovered in it
is from the same with an empty prior (squared difference × 10⁴); and the judge's style of its middle and last frame,
with an empty prior and in the movie, for what is calm may have lost its strokes; with ``--live`` also the errors with
each frame's own statistics instead of those that are held. ``style``: the judge's style and content of photos that
nothing was trained on, beside an optimisation of 300 iterations, at several content weights, so that its style can be
read off at the same content.

Ends with 1 if a target is missed. DATA holds sequences, photos, styles and weights. ``--file`` takes another file of
styles than the package's.
"""

from __future__ import annotations

import argparse
import math
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import mean

import torch
from bench_consistency import write_png
from bench_flicker import Motion, read_frames
from teachers import load_teacher
from torch import Tensor

from vidstyle.config import METHOD_DEFAULTS, OptimizeSettings
from vidstyle.flow import DIS, backward_warp, consistency_map
from vidstyle.metrics import Judge, Judgement, warping_error
from vidstyle.nets.encoder import Encoder, find_weights, load_encoder
from vidstyle.nets.predictor import style_picture
from vidstyle.nets.style_file import StyleFile, embedded_styles, read_styles
from vidstyle.nets.transform import ReferenceNet
from vidstyle.pipeline.devices import choose_precision
from vidstyle.pipeline.images import read_image
from vidstyle.stylize.base import Prior, State
from vidstyle.stylize.optimize import OptimizeStylizer
from vidstyle.stylize.recurrent import RecurrentStylizer, TrainedStyle, only
from vidstyle.stylize.schedule import Turn
from vidstyle.train.preview import fitted

CPU = torch.device("cpu")
SIZE = 436, 1024
SEQUENCES = ("bmx-trees", "camel", "libby", "soapbox")  # held out from training
HELD_OUT_PHOTOS, PHOTOS = 40, 5
FASTER, FASTER_THAN_BEST, MILLISECONDS = 20, 8, 45
CALMER_THAN_EMPTY, CALM_AS_INPUT = 0.5, 1.6
STYLE_FACTOR = 1.5
MASKS = METHOD_DEFAULTS["recurrent"]["consistency"]
CONTENT_WEIGHTS = (2.0, 8.0)  # of the optimisation
Painter = Callable[[Tensor, Tensor, Tensor], Tensor]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("speed", "calm", "style"))
    parser.add_argument("--data", type=Path, help="folder with sequences, photos, styles and weights")
    parser.add_argument("--file", type=Path, default=embedded_styles())
    parser.add_argument("--styles", nargs="+", help="default: all of the file")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--frames", type=int, default=24, help="of each sequence")
    parser.add_argument("--live", action="store_true", help="calm: also with each frame's own statistics")
    parser.add_argument("--photos", type=int, default=1, help="for each style, of five in turn")
    parser.add_argument("--out", type=Path, default=Path("runs/optimised"), help="folder for the optimised paintings")
    parser.add_argument("--encoder", choices=("compact", "teacher"), default="compact", help="of the optimisation")
    options = parser.parse_args()
    if options.part != "speed" and options.data is None:
        parser.error(f"{options.part} needs --data")
    torch.set_num_threads(options.threads)
    file = read_styles(options.file)
    options.styles = options.styles or list(file.names)
    print(f"`{shlex.join(['python', *sys.argv])}`\n")
    parts = {"speed": speed, "calm": calm, "style": style}
    raise SystemExit(0 if parts[options.part](file, options) else 1)


# ---- speed


@torch.inference_mode()
def speed(file: StyleFile, options: argparse.Namespace) -> bool:
    generator = torch.Generator().manual_seed(0)
    frame, prior = torch.rand(2, 1, 3, *SIZE, generator=generator)
    inputs = [frame, prior, torch.ones(1, 1, *SIZE)]
    reduced = [value.bfloat16().contiguous(memory_format=torch.channels_last) for value in inputs]
    reference = ReferenceNet().eval()
    best = ReferenceNet().eval().to(memory_format=torch.channels_last).bfloat16()
    share = file.share(file.names[0])
    held = file.network.statistics(frame, prior, inputs[2], share)
    ours, reduced_ours = file.network.folded(share, held), file.network.folded(share, held).bfloat16()
    runs: dict[str, Callable[[], Tensor]] = {
        "reference architecture, float32": lambda: reference(*inputs),
        "reference architecture, bfloat16, channels last": lambda: best(*reduced),
        "ours, float32": lambda: ours(*inputs),
        "ours, bfloat16": lambda: reduced_ours(*inputs),
    }
    times = dict.fromkeys(runs, math.inf)
    for number in range(options.rounds + 1):
        for name, run in runs.items():
            for _ in range(1 if "reference" in name else 5):
                started = time.perf_counter()
                run()
                if number:  # the first round is to warm up
                    times[name] = min(times[name], time.perf_counter() - started)
    slow, other, _, fast = times.values()
    print(f"{SIZE[1]}×{SIZE[0]}, {options.threads} threads, torch {torch.__version__}\n")
    print("| | ms a frame | times ours in bfloat16 |\n|---|---|---|")
    for name, seconds in times.items():
        print(f"| {name} | {1e3 * seconds:.1f} | {seconds / fast:.1f} |")
    return slow / fast >= FASTER and other / fast >= FASTER_THAN_BEST and 1e3 * fast <= MILLISECONDS


# ---- calm


def follow(frames: Sequence[Tensor]) -> Iterator[Motion]:
    """The motion of every frame but the first."""
    method = DIS()
    prepared = [method.prepare(frame) for frame in frames]
    for n, (before, now) in enumerate(pairwise(prepared), 1):
        flow, there = method.estimate(now, before), method.estimate(before, now)
        told = consistency_map(flow, there, **MASKS, frames=(frames[n], frames[n - 1]))
        yield Motion(flow, consistency_map(flow, there), told)


@torch.inference_mode()
def paint(network: Painter, frames: Sequence[Tensor], motions: Sequence[Motion], recurrent: bool) -> list[Tensor]:
    """A clip's paintings, (3, H, W) each, rounded to 8 bits as they would be stored."""
    painted: list[Tensor] = []
    for number, frame in enumerate(frames):
        prior, consistency = torch.zeros_like(frame), torch.zeros_like(frame[:1])
        if number and recurrent:
            motion = motions[number - 1]
            prior = backward_warp(painted[-1], motion.flow, "sharp")
            consistency = motion.consistency[None]
        painted.append((network(frame[None], prior[None], consistency[None])[0] * 255).round() / 255)
    return painted


class Held:
    """Paints a movie's frames as ``RecurrentStylizer`` does, with statistics that are held."""

    def __init__(self, method: RecurrentStylizer) -> None:
        self.method, self.number = method, 0
        self.state: State | None = None

    def __call__(self, frame: Tensor, prior: Tensor, consistency: Tensor) -> Tensor:
        priors = [Prior(prior[0], prior[0], consistency[0, 0])] if consistency.any() else []
        turn, self.number = Turn(0, self.number), self.number + 1
        painted, self.state = self.method.step(
            frame[0], priors, self.state, turn=turn, seed=0, progress=lambda share: None
        )
        return painted[None]


def alone(frame: int) -> list[float]:
    return [1.0]


def clip_error(clip: Sequence[Tensor], motions: Sequence[Motion]) -> float:
    """Mean warping error of neighbours, × 10⁴."""
    pairs = zip(clip, clip[1:], motions, strict=False)
    return 1e4 * mean(warping_error(now, before, m.flow, m.counted) for before, now, m in pairs)


def unlikeness(movie: Sequence[Tensor], empty: Sequence[Tensor], motions: Sequence[Motion]) -> float:
    """Mean squared difference of a movie to its frames with an empty prior, × 10⁴, where none can be trusted."""
    unknown = torch.stack([1 - motion.consistency for motion in motions])
    apart = torch.stack([(a - b).square().mean(0) for a, b in zip(movie[1:], empty[1:], strict=True)])
    return 1e4 * float((unknown * apart).sum() / unknown.sum())


def style_of(judge: Judge, frames: Sequence[Tensor], clip: Sequence[Tensor]) -> float:
    """The judge's style of a clip's middle and last frame, their mean."""
    return mean(judge(frames[number], [clip[number]])[0].style for number in (len(frames) // 2, len(frames) - 1))


def calm(file: StyleFile, options: argparse.Namespace) -> bool:
    judging, side = load_teacher(options.data / "weights"), style_size(file)
    clips = {name: read_frames(options.data / "sequences" / name, options.frames, 256) for name in SEQUENCES}
    motions = {name: list(follow(frames)) for name, frames in clips.items()}
    more = ("each frame's own statistics: empty prior", "movie") if options.live else ()
    columns = ("style", "input", "empty prior", "movie", "uncovered", "of empty", "of input")
    columns += ("judge's style: empty prior", "movie", *more)
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    rows: dict[str, list[float]] = {}
    for name in options.styles:
        share = file.share(name)
        judge = Judge(judging, style_picture(read_style(options.data, name), side))
        trained = TrainedStyle(file.network, only(file.names.index(name), len(file.names)))
        method = RecurrentStylizer([trained], alone, CPU, getattr(torch, choose_precision("auto", "cpu")))

        def live(*inputs: Tensor, share: Tensor = share) -> Tensor:
            return file.network(*inputs, share[None])

        values = []
        for sequence, frames in clips.items():
            way = motions[sequence]
            networks: list[tuple[Painter, bool]] = [(Held(method), False), (Held(method), True)]
            networks += [(live, False), (live, True)] if options.live else []
            arms = [paint(network, frames, way, recurrent) for network, recurrent in networks]
            errors = [clip_error(clip, way) for clip in (frames, *arms)]
            styles = [style_of(judge, frames, arm) for arm in arms[:2]]
            values.append([*errors[:3], unlikeness(arms[1], arms[0], way), *styles, *errors[3:]])
        rows[name] = [mean(column) for column in zip(*values, strict=True)]
        print(calm_line(name, rows[name]), flush=True)
    total = [mean(column) for column in zip(*rows.values(), strict=True)]
    print(calm_line("mean", total))
    return total[2] <= CALMER_THAN_EMPTY * total[1] and total[2] <= CALM_AS_INPUT * total[0]


def calm_line(name: str, row: Sequence[float]) -> str:
    floor, empty, movie, uncovered, *styles = row[:6]
    numbers = [f"{value:.1f}" for value in (floor, empty, movie, uncovered)]
    ratios = [f"{movie / empty:.2f}", f"{movie / floor:.2f}", *(f"{value:.3f}" for value in styles)]
    return f"| {' | '.join([name, *numbers, *ratios, *(f'{value:.1f}' for value in row[6:])])} |"


# ---- style


def style(file: StyleFile, options: argparse.Namespace) -> bool:
    judging = load_teacher(options.data / "weights")
    paths = sorted((options.data / "photos").glob("*.jpg"))[-HELD_OUT_PHOTOS:][:: HELD_OUT_PHOTOS // PHOTOS]
    photos = [fitted(torch.from_numpy(read_image(path)), 256, 256) for path in paths[:PHOTOS]]
    side = style_size(file)
    optimiser = Optimiser(options, side / 256)
    weights_named = " | ".join(f"optimised, content weight {weight:g}" for weight in CONTENT_WEIGHTS)
    print(f"| style | ours: style / content | {weights_named} | optimised at our content | times |")
    print("|---|---|" + "---|" * (len(CONTENT_WEIGHTS) + 2))
    factors = []
    for number, name in enumerate(options.styles):
        picture = read_style(options.data, name)
        judge = Judge(judging, style_picture(picture, side))
        share = file.share(name)[None]
        said = []
        for which in range(number, number + options.photos):
            photo = photos[which % PHOTOS]
            nothing = torch.zeros_like(photo)[None]
            with torch.inference_mode():
                mine = file.network(photo[None], nothing, nothing[:, :1], share)[0]
            label = f"{name}-{paths[which % PHOTOS].stem}"
            theirs = [optimiser.paint(label, photo, picture, weight) for weight in CONTENT_WEIGHTS]
            said.append(judge(photo, [mine, *theirs]))
        our, *their = [average(column) for column in zip(*said, strict=True)]
        at_ours = style_at(our.content, their)
        factors.append(our.style / at_ours)
        cells = " | ".join(f"{j.style:.3f} / {j.content:.3f}" for j in (our, *their))
        print(f"| {name} | {cells} | {at_ours:.3f} | {factors[-1]:.2f} |", flush=True)
    print(f"\nMean factor {mean(factors):.2f}, largest {max(factors):.2f}; target {STYLE_FACTOR}")
    return max(factors) <= STYLE_FACTOR


def style_size(file: StyleFile) -> int:
    """The side of a square as large as paintings were looked at."""
    return int(file.notes["settings"]["style_size"])


def read_style(data: Path, name: str) -> Tensor:
    return torch.from_numpy(read_image(data / "styles" / f"{name}.jpg"))


class Optimiser:
    """Paints photos by optimisation, 300 iterations, and keeps what it painted: that takes long."""

    def __init__(self, options: argparse.Namespace, scale: float) -> None:
        self.name, self.scale, self.out = options.encoder, scale, options.out
        compact = load_encoder("compact", find_weights("compact"), CPU, precision=choose_precision("auto", "cpu"))
        self.encoder: Encoder = compact if self.name == "compact" else load_teacher(options.data / "weights")

    def paint(self, label: str, photo: Tensor, picture: Tensor, content_weight: float) -> Tensor:
        path = self.out / f"{label}-{self.name}-{content_weight:g}.png"
        if not path.exists():
            settings = OptimizeSettings(first_iterations=300, stop_change=0.0, content_weight=content_weight)
            settings = replace(settings, styles=tuple(replace(s, scale=self.scale) for s in settings.styles))
            stylizer = OptimizeStylizer(settings, self.encoder, [picture], (256, 256))
            painted, _ = stylizer.step(photo, (), None, turn=Turn(0, 0), seed=0, progress=lambda share: None)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_png(path, painted)
        return torch.from_numpy(read_image(path))


def average(said: Sequence[Judgement]) -> Judgement:
    return Judgement(mean(j.style for j in said), mean(j.content for j in said))


def style_at(content: float, curve: Sequence[Judgement]) -> float:
    """The style that the optimisation reaches at ``content``: between its points in logarithms, flat beyond them."""
    points = sorted((j.content, math.log(j.style)) for j in curve)
    for (left, low), (right, high) in pairwise(points):
        if left <= content <= right:
            return math.exp(low + (high - low) * (content - left) / (right - left))
    return math.exp(points[0][1] if content < points[0][0] else points[-1][1])


if __name__ == "__main__":
    main()
