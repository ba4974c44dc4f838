"""How exact flow and masks are where the truth is known: the sample movies, and published scenes.

    python scripts/bench_flow.py [--data DATA] [--raft-small WEIGHTS] [--raft-large WEIGHTS]

Prints a markdown table: end-point error in pixels, the F-score of the occlusion mask (vidstyle.metrics), and the time
of both directions as a ratio, per scene and method. On the CPU the time is the processor's, all threads together, which
does not depend on what else the machine is doing. DATA holds flow/middlebury and flow/sintel as published (frames,
.flo, occlusion and invalid masks).
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from vidstyle.config import DIS_PRESETS, RAFT_METHODS, FlowSettings
from vidstyle.flow import FlowMethod, consistency_map, flow_method
from vidstyle.metrics import end_point_error, mask_f_score
from vidstyle.nets.weights import read_weights
from vidstyle.store import read_flo

SAMPLE_PAIRS = 6  # per sample movie, spread over its first shot
SCENES = ("middlebury/RubberWhale", "middlebury/Grove2", "sintel/alley_1", "sintel/cave_2", "sintel/temple_3")


@dataclass(frozen=True)
class Pair:
    """Two frames (uint8, (H, W, 3)) and the truth on the grid of the first."""

    scene: str
    source: NDArray[np.uint8]
    target: NDArray[np.uint8]
    flow: Tensor  # (2, H, W), source → target
    valid: Tensor  # (H, W), where the flow is known
    occluded: Tensor | None  # (H, W), not visible in the target
    opposite: Tensor | None = None  # (2, H, W), target → source, on the target's grid


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with flow/middlebury and flow/sintel")
    parser.add_argument("--raft-small", type=Path, help="its weights; without them only DIS is measured")
    parser.add_argument("--raft-large", type=Path, help="its weights")
    parser.add_argument("--device", default="cpu", help="where RAFT runs")
    options = parser.parse_args()
    pairs = list(sample_pairs()) + (list(published_pairs(options.data / "flow")) if options.data else [])
    methods = all_methods(options)
    print("| scene | method | end-point error, px | mask precision | recall | F-score | time, DIS medium = 1 |")
    print("|---|---|---|---|---|---|---|")
    for scene in dict.fromkeys(pair.scene for pair in pairs):
        clock = time.process_time if options.device == "cpu" else time.perf_counter
        own = [pair for pair in pairs if pair.scene == scene]
        measured = {name: measure(method, own, clock) for name, method in methods.items()}
        if own[0].opposite is not None:
            cells = [f"{value:.2f}" for value in mask_of_the_truth(own)]
            print(f"| {scene} | exact flow | 0 | {' | '.join(cells)} | – |", flush=True)
        for name, row in measured.items():
            ratio = row.seconds / measured["dis medium"].seconds
            cells = ["–" if value is None else f"{value:.2f}" for value in row.mask]
            print(f"| {scene} | {name} | {row.error:.3f} | {' | '.join(cells)} | {ratio:.2f} |", flush=True)


def all_methods(options: argparse.Namespace) -> dict[str, FlowMethod[Any]]:
    asked = {f"dis {preset}": FlowSettings(preset=preset) for preset in DIS_PRESETS}
    asked["dis medium, half size"] = FlowSettings(scale=0.5)
    for name in RAFT_METHODS:
        if getattr(options, name.replace("-", "_")):
            asked |= {
                name: FlowSettings(name),
                f"{name}, bfloat16": FlowSettings(name, precision="bfloat16"),
                f"{name}, half size": FlowSettings(name, scale=0.5),
            }
    device, made = torch.device(options.device), {}
    for name, settings in asked.items():
        path = getattr(options, settings.method.replace("-", "_"), None)
        made[name] = flow_method(settings, None if path is None else read_weights(path), device)
    return made


@dataclass(frozen=True)
class Row:
    error: float  # pixels
    mask: tuple[float | None, float | None, float | None]  # precision, recall, F-score; None without truth
    seconds: float  # both directions of a pair, nothing prepared


def measure(method: FlowMethod[Any], pairs: list[Pair], clock: Callable[[], float]) -> Row:
    """Means over the pairs of one scene; the time is the median."""
    errors, scores, times = [], [], []
    method.between(pairs[0].source, pairs[0].target)  # the first call is slower
    for pair in pairs:
        started = clock()
        source, target = method.prepare(pair.source), method.prepare(pair.target)
        flow, opposite = method.estimate(source, target), method.estimate(target, source)
        times.append(clock() - started)
        errors.append(end_point_error(flow, pair.flow, pair.valid))
        if pair.occluded is not None:
            mask = consistency_map(flow, opposite, frames=(pair.source, pair.target))
            scores.append(mask_f_score(mask, pair.occluded))
    return Row(float(np.mean(errors)), mean_scores(scores), float(np.median(times)))


def mask_of_the_truth(pairs: list[Pair]) -> tuple[float | None, float | None, float | None]:
    """The scores of the mask from exact flow: what the check itself allows."""
    scores = []
    for pair in pairs:
        assert pair.opposite is not None and pair.occluded is not None
        mask = consistency_map(pair.flow, pair.opposite, frames=(pair.source, pair.target))
        scores.append(mask_f_score(mask, pair.occluded))
    return mean_scores(scores)


def mean_scores(scores: list[Any]) -> tuple[float | None, float | None, float | None]:
    """Mean precision, recall and F-score; None of nothing."""
    if not scores:
        return None, None, None
    precision, recall, f_score = (
        float(np.mean([getattr(score, name) for score in scores])) for name in ("precision", "recall", "f_score")
    )
    return precision, recall, f_score


def sample_pairs() -> Iterator[Pair]:
    """Backward pairs, frame t → t − 1, as the pipeline uses them."""
    samples = load_samples()
    for name, scene in samples.SCENES.items():
        width, height = scene.size
        for t in np.linspace(1, samples.cuts(scene)[0] - 1, SAMPLE_PAIRS).astype(int):
            pictures = [samples.render(scene, int(frame), width, height) for frame in (t, t - 1)]
            ends = (int(t), int(t) - 1, width, height)
            flow = torch.from_numpy(samples.true_flow(scene, *ends))
            opposite = torch.from_numpy(samples.true_flow(scene, int(t) - 1, int(t), width, height))
            occluded = torch.from_numpy(samples.true_occlusion(scene, *ends))
            yield Pair(f"{name} (sample)", *pictures, flow, torch.ones_like(occluded), occluded, opposite)


def load_samples() -> ModuleType:
    path = Path(__file__).parent / "make_samples.py"
    spec = importlib.util.spec_from_file_location("make_samples", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_samples"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def published_pairs(folder: Path) -> Iterator[Pair]:
    """Frame → next frame, with the published flow; pixels marked unknown or invalid are left out."""
    for name in SCENES:
        scene = folder / name
        frames = sorted(scene.glob("frame*.png"))
        flow, known = read_flo(next(scene.glob("*.flo")))
        valid, occluded = torch.from_numpy(known), None
        for path in scene.glob("invalid_*.png"):
            valid &= torch.from_numpy(gray(path)) < 128
        for path in scene.glob("occlusion_*.png"):
            occluded = torch.from_numpy(gray(path)) > 127
        yield Pair(name, rgb(frames[0]), rgb(frames[1]), torch.from_numpy(flow), valid, occluded)


def rgb(path: Path) -> NDArray[np.uint8]:
    return np.asarray(Image.open(path).convert("RGB"))


def gray(path: Path) -> NDArray[np.uint8]:
    return np.array(Image.open(path).convert("L"))


if __name__ == "__main__":
    main()
