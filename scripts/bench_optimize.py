"""How much faster painting by optimisation is than the published schedule, and how far it gets.

    python scripts/bench_optimize.py --data ../shared/data --out OUT
    python scripts/bench_optimize.py --data ../shared/data --out OUT --size 192x108 --reference-iterations 300,150

One process, the same frames, styles, flow and masks for all. The **reference** minimises the measure itself as the
published program would (Ruder 2016): float32, L-BFGS with 100 pairs and the textbook's scale, at most 2000 iterations
for the first frame and 1000 for a later one, until the loss changes by less than 0.01 % over 50. Two measures:

judge    content 5, style 100 (the mean of five levels, each divided by its value at the unpainted frame; content by its
         value at noise: METHODS, "judge") with the networks that taught the compact encoder; temporal 0.03, tv 0.001.
compact  the loss that ships, with the compact encoder in float32: the same minimum for both, so it shows the schedule.

**Ours** are the stylizer's own settings and precision: with the compact encoder, and with the judge's networks in its
place, as someone who brings VGG-19 would use them. Their curves run on until they are within 1 % of the reference's
end, or for --our-iterations; what the measure costs on the way is not counted. A later frame of every curve starts
from the reference's painting of the frame before. The jobs, below, each go on from their own, to their own end.

--clock cpu counts the process's CPU seconds divided by its threads, for machines that do other things besides; wall is
for quiet ones. Writes curves.json, curves.png and painted-MEASURE.png (reference above, ours below) to --out.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from teachers import load_teacher
from torch import Tensor

from vidstyle import losses
from vidstyle.cli.common import keep_freed_memory
from vidstyle.config import OptimizeSettings, PredictSettings
from vidstyle.flow import DIS, backward_warp, consistency_map
from vidstyle.media import probe, read_frames, scan
from vidstyle.nets.encoder import find_weights, load_compact, load_encoder
from vidstyle.nets.predictor import load_predicted
from vidstyle.pipeline.devices import choose_precision
from vidstyle.pipeline.images import read_image
from vidstyle.stylize.base import Prior
from vidstyle.stylize.lbfgs import Lbfgs
from vidstyle.stylize.optimize import OptimizeStylizer, Targets, channels_last
from vidstyle.stylize.predict import PredictStylizer
from vidstyle.stylize.schedule import Turn

ROOT = Path(__file__).parent.parent
LEVELS = (0.1, 0.05, 0.01)
JUDGE_EVERY = 3  # iterations of ours between two looks of the measure
CPU = torch.device("cpu")


# ---- the measures


class JudgedStylizer(OptimizeStylizer):
    """Paints with the judge's own terms: those of ``vidstyle.metrics.judge``, differentiable."""

    @torch.no_grad()
    def targets(self, batch: Tensor, number: int = 0) -> Targets:
        targets = super().targets(batch, number)
        noise = torch.rand(batch.shape, generator=torch.Generator().manual_seed(0))
        (layer,) = self.settings.content_layers
        empty = self.encoder(channels_last(noise), (layer,))[layer].float()
        # What a term is divided by; a frozen dataclass keeps its cached properties where they can be given.
        targets.__dict__["content_energy"] = {layer: losses.content_loss(empty, targets.content[layer])}
        # The levels' weights depend on the frame here; the last one asked for is the one that is painted and measured.
        (goal,) = targets.style
        plain, levels = self.style.view(batch, (), [goal]).features, goal.statistics.items()
        self.style.weights = {level[1]: 1 / (len(levels) * self.style.loss(plain[level], own)) for level, own in levels}
        return targets


Measure = Callable[[Tensor], Tensor]


def measure_of(stylizer: OptimizeStylizer, frame: Tensor, priors: Sequence[Prior]) -> Measure:
    """The loss that ``stylizer`` minimises for a frame, of pictures ``(1, 3, H, W)``."""
    with torch.no_grad():
        targets = stylizer.targets(channels_last(frame[None]))
    return lambda x: losses.weighted_sum(stylizer.terms(x, targets, priors), stylizer.weights())


# ---- runs


class Clock:
    """Seconds of work, without those spent in ``pause``."""

    def __init__(self, kind: str) -> None:
        self.kind, self.paused = kind, 0.0
        self.started = self.now()

    def now(self) -> float:
        return time.process_time() / torch.get_num_threads() if self.kind == "cpu" else time.perf_counter()

    def seconds(self) -> float:
        return self.now() - self.started - self.paused

    def pause(self, work: Callable[[], Tensor]) -> float:
        began = self.now()
        value = work().item()
        self.paused += self.now() - began
        return value


@dataclass
class Run:
    """One painting of one frame: the measure over time, and what came out."""

    curve: list[tuple[float, float]] = field(default_factory=list)  # seconds, measure
    picture: Tensor | None = None
    seconds: float = 0.0
    iterations: int = 0

    @property
    def lowest(self) -> float:
        return min(value for _, value in self.curve)

    def time_to(self, level: float) -> float | None:
        return next((seconds for seconds, value in self.curve if value <= level), None)


def run_reference(measure: Measure, start: Tensor, iterations: int, clock_kind: str) -> Run:
    """The published schedule on the measure itself."""
    run, clock = Run(), Clock(clock_kind)
    x = start.detach().clone(memory_format=torch.contiguous_format).requires_grad_()
    memory = Lbfgs(history=100, boldness=1.0)
    window_start = None
    for iteration in range(iterations):
        value = measure(x)
        (gradient,) = torch.autograd.grad(value, x)
        run.curve.append((clock.seconds(), value.item()))
        memory.step(x, gradient)
        if iteration % 50 == 0:
            if window_start is not None and abs(window_start - value) < 1e-4 * abs(window_start):
                break
            window_start = value.detach()
    run.iterations, run.seconds, run.picture = len(run.curve), clock.seconds(), x.detach()[0].clamp(0, 1)
    return run


class EnoughError(Exception):
    """The level that was wanted is reached."""


def run_ours(
    stylizer: OptimizeStylizer,
    frame: Tensor,
    priors: Sequence[Prior],
    measure: Measure,
    clock_kind: str,
    until: float | None = None,
) -> Run:
    """One step of the stylizer, looked at by the measure on the way where ``until`` is given, and ended there."""
    run, clock = Run(), Clock(clock_kind)
    terms = stylizer.terms

    @torch.no_grad()
    def watched(x: Tensor, targets: Targets, priors: Sequence[Prior]) -> dict[str, Tensor]:
        if until is not None and run.iterations % JUDGE_EVERY == 0:
            run.curve.append((clock.seconds(), clock.pause(lambda: measure(x.detach()))))
            if run.curve[-1][1] <= until:
                raise EnoughError
        run.iterations += 1
        with torch.enable_grad():
            return terms(x, targets, priors)

    stylizer.terms = watched  # type: ignore[method-assign]
    try:
        run.picture, _ = stylizer.step(
            frame, priors, None, turn=Turn(0, 1 if priors else 0), seed=0, progress=lambda share: None
        )
        run.seconds = clock.seconds()
        run.curve.append((run.seconds, measure(run.picture[None]).item()))
    except EnoughError:
        run.seconds = clock.seconds()
    finally:
        stylizer.terms = terms  # type: ignore[method-assign]
    return run


# ---- the scene


@dataclass
class Scene:
    """Frames with what connects each to the one before."""

    frames: list[Tensor]
    flows: list[Tensor]  # backward, of the second frame on
    masks: list[Tensor]

    def priors(self, number: int, before: Tensor | None) -> tuple[Prior, ...]:
        """Of frame ``number``, the one before having been painted as ``before``."""
        if before is None:
            return ()
        stored = (before * 255).round() / 255
        return (Prior(stored, backward_warp(stored, self.flows[number - 1]), self.masks[number - 1]),)


def read_scene(movie: Path, first: int, count: int, size: tuple[int, int]) -> Scene:
    opened = probe(movie)
    pixels = [np.array(image) for _, image in read_frames(opened, scan(opened), first, first + count, size)]
    dis = DIS()
    prepared = [dis.prepare(image) for image in pixels]
    scene = Scene([torch.from_numpy(image).permute(2, 0, 1).float() / 255 for image in pixels], [], [])
    for before, now in itertools.pairwise(prepared):
        flow = dis.estimate(now, before)
        scene.flows.append(flow)
        scene.masks.append(consistency_map(flow, dis.estimate(before, now)))
    return scene


# ---- the comparison


@dataclass
class Comparison:
    """One measure, the published schedule on it, and ours by name."""

    name: str
    measure: OptimizeStylizer
    ours: dict[str, OptimizeStylizer]
    runs: dict[str, list[Run]] = field(default_factory=dict)  # curves, by schedule, frame by frame
    jobs: dict[str, list[Run]] = field(default_factory=dict)


def compare(comparison: Comparison, scene: Scene, args: argparse.Namespace) -> None:
    """Fill in the runs and jobs, reference and ours in turns, frame by frame."""
    painted: dict[str, Tensor | None] = {}
    for number, frame in enumerate(scene.frames):
        priors = scene.priors(number, painted.get("reference"))
        measure = measure_of(comparison.measure, frame, priors)
        start = comparison.measure.start(channels_last(frame[None]), priors, number, 0)
        run = run_reference(measure, start, args.reference_iterations[min(number, 1)], args.clock)
        comparison.runs.setdefault("reference", []).append(run)
        say(comparison.name, number, "reference", run)
        for name, stylizer in comparison.ours.items():
            limit = args.our_iterations[min(number, 1)]
            longer = replace(stylizer.settings, first_iterations=limit, iterations=limit, stop_change=0.0)
            settings, stylizer.settings = stylizer.settings, longer
            curve = run_ours(stylizer, frame, priors, measure, args.clock, until=1.01 * run.lowest)
            stylizer.settings = settings
            comparison.runs.setdefault(name, []).append(curve)
            say(comparison.name, number, name, curve)
            own = scene.priors(number, painted.get(name))
            job = run_ours(stylizer, frame, own, measure_of(comparison.measure, frame, own), args.clock)
            comparison.jobs.setdefault(name, []).append(job)
            painted[name] = job.picture
        painted["reference"] = run.picture
    comparison.jobs["reference"] = comparison.runs["reference"]


def say(measure: str, number: int, name: str, run: Run) -> None:
    print(
        f"{measure}, frame {number}, {name}: {run.lowest:.3f} after {run.iterations} in {run.seconds:.1f} s", flush=True
    )


def print_tables(comparisons: Sequence[Comparison]) -> None:
    print("\n| measure | frame | ours | to +10 % | to +5 % | to +1 % | lowest, of the reference's |\n|" + "---|" * 7)
    for comparison in comparisons:
        reference = comparison.runs["reference"]
        kinds = {"first": slice(0, 1), "later": slice(1, None)}
        for kind, part in kinds.items():
            for name in comparison.ours if reference[part] else ():
                cells = [level_cell(reference[part], comparison.runs[name][part], level) for level in LEVELS]
                pairs = zip(comparison.runs[name][part], reference[part], strict=True)
                lowest = mean([ours.lowest / theirs.lowest for ours, theirs in pairs])
                print(f"| {comparison.name} | {kind} | {name} | {' | '.join(cells)} | {lowest:.2f} |")
    print("\n| measure | whole job | first frame | later frame | measure, later | 48 frames | ratio |\n|" + "---|" * 7)
    for comparison in comparisons:
        whole = {name: job_seconds(runs) for name, runs in comparison.jobs.items()}
        for name, runs in comparison.jobs.items():
            first, later = runs[0].seconds, mean([run.seconds for run in runs[1:]])
            ends = mean([run.curve[-1][1] for run in runs[1:]])
            row = f"{first:.1f} s ({runs[0].iterations}) | {later:.2f} s | {ends:.2f} | {whole[name]:.0f} s"
            print(f"| {comparison.name} | {name} | {row} | {whole['reference'] / whole[name]:.1f}× |")


def level_cell(reference: Sequence[Run], ours: Sequence[Run], level: float) -> str:
    """Seconds of both to within ``level`` of the reference's end, and how many times faster ours is: means."""
    ends = [(1 + level) * run.lowest for run in reference]
    theirs = [run.time_to(end) for run, end in zip(reference, ends, strict=True)]
    mine = [run.time_to(end) for run, end in zip(ours, ends, strict=True)]
    if any(seconds is None for seconds in mine):
        return "not reached"
    a, b = mean([s for s in theirs if s is not None]), mean([s for s in mine if s is not None])
    return f"{a:.1f} s, {b:.1f} s: {a / max(b, 1e-9):.1f}×"


def job_seconds(runs: Sequence[Run]) -> float:
    """What a shot of 48 frames takes at the pace of these."""
    return runs[0].seconds + 47 * mean([run.seconds for run in runs[1:]])


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else float("nan")


# ---- what is written


def write_results(comparisons: Sequence[Comparison], out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    table = {c.name: {name: [run.curve for run in runs] for name, runs in c.runs.items()} for c in comparisons}
    (out / "curves.json").write_text(json.dumps(table))
    draw_curves(table, out / "curves.png")
    for comparison in comparisons:
        rows = [
            torch.cat([run.picture for run in runs if run.picture is not None], 2)
            for runs in comparison.jobs.values()
        ]  # fmt: skip
        pixels = (torch.cat(rows[::-1], 1) * 255).round().byte().permute(1, 2, 0).numpy()
        Image.fromarray(np.ascontiguousarray(pixels)).save(out / f"painted-{comparison.name}.png")


def draw_curves(table: Mapping[str, Mapping[str, Sequence[Sequence[tuple[float, float]]]]], path: Path) -> None:
    """A panel per measure and frame: log of time to the right, of the measure over the lowest upwards."""
    colours = ("black", "crimson", "royalblue", "seagreen")
    panels = [(m, n) for m, runs in table.items() for n in range(len(next(iter(runs.values()))))]
    width, height = 360, 240
    sheet = Image.new("RGB", (width * len(panels), height), "white")
    pen = ImageDraw.Draw(sheet)
    for column, (measure, number) in enumerate(panels):
        runs = {name: curves[number] for name, curves in table[measure].items()}
        low = min(value for curve in runs.values() for _, value in curve)
        longest = max(curve[-1][0] for curve in runs.values())
        for colour, (name, curve), row in zip(colours, runs.items(), range(len(runs)), strict=False):
            points = [
                (
                    column * width + (width - 20) * np.log1p(100 * seconds) / np.log1p(100 * longest) + 10,
                    height - 20 - (height - 40) * min(1.0, np.log(value / low) / np.log(10)),
                )
                for seconds, value in curve
            ]
            pen.line(points, fill=colour, width=2)
            pen.text((column * width + width - 130, 10 + 12 * row), name, fill=colour)
        pen.text((column * width + 10, height - 14), f"{measure}, frame {number}, to {longest:.0f} s", fill="black")
    sheet.save(path)


# ---- the command


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with weights")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--movie", type=Path, default=ROOT / "sample_videos" / "short.mp4")
    parser.add_argument("--style", type=Path, default=ROOT / "sample_videos" / "brushwork.jpg")
    parser.add_argument("--first", type=int, default=0, help="the frame that the shot begins with")
    parser.add_argument("--frames", type=int, default=3, help="later frames")
    parser.add_argument("--size", type=pair("x"), default=(320, 180))
    parser.add_argument("--reference-iterations", type=pair(","), default=(2000, 1000), help="first,later")
    parser.add_argument("--our-iterations", type=pair(","), default=(600, 200), help="first,later, of the curves")
    parser.add_argument("--measures", default="judge,compact")
    parser.add_argument("--precision", default="auto", choices=("auto", "float32", "bfloat16"))
    parser.add_argument("--threads", type=int, help="default: torch's")
    parser.add_argument("--clock", choices=("cpu", "wall"), default="wall")
    args = parser.parse_args()
    keep_freed_memory()  # as the command line does; both profit
    if args.threads:
        torch.set_num_threads(args.threads)
    precision = choose_precision(args.precision, "cpu")
    print(
        f"{args.size[0]}×{args.size[1]}, {precision}, {torch.get_num_threads()} threads, {args.clock} seconds",
        flush=True,
    )
    scene = read_scene(args.movie, args.first, args.frames + 1, args.size)
    comparisons = build_comparisons(args, precision)
    for comparison in comparisons:
        compare(comparison, scene, args)
    print_tables(comparisons)
    write_results(comparisons, args.out)


def build_comparisons(args: argparse.Namespace, precision: str) -> list[Comparison]:
    style = torch.from_numpy(read_image(args.style))
    weights, settings = find_weights("compact"), OptimizeSettings()

    def compact(precision: str) -> OptimizeStylizer:
        encoder = load_encoder("compact", weights, CPU, precision=precision)
        return OptimizeStylizer(settings, encoder, [style], args.size)

    def judged(precision: str) -> OptimizeStylizer:
        teacher = load_teacher(args.data / "weights", getattr(torch, precision))
        return JudgedStylizer(settings, teacher, [style], args.size)

    def begun(stylizer: OptimizeStylizer) -> OptimizeStylizer:
        """From what style prediction paints, as with --start-style predict."""
        networks, encoder = load_predicted(), load_compact(weights)
        predicts = PredictStylizer(PredictSettings(), networks, encoder, [style], lambda number: [1.0], CPU)
        stylizer.begin = predicts.picture
        return stylizer

    def ours() -> dict[str, OptimizeStylizer]:
        return {
            "judge's networks": judged(precision),
            "judge's networks, from predict": begun(judged(precision)),
            "compact": compact(precision),
        }

    known = {
        "judge": lambda: Comparison("judge", judged("float32"), ours()),
        "compact": lambda: Comparison("compact", compact("float32"), {"compact": compact(precision)}),
    }
    return [known[name]() for name in args.measures.split(",")]


def pair(separator: str) -> Callable[[str], tuple[int, int]]:
    def read(text: str) -> tuple[int, int]:
        a, b = text.split(separator)
        return int(a), int(b)

    return read


if __name__ == "__main__":
    main()
