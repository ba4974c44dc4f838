#!/usr/bin/env python3
"""Short-term consistency where the motion is known: the ways to begin a frame, as Ruder et al. 2016, table 1.

    python scripts/bench_consistency.py --data DATA --out FOLDER

Paints pairs of Sintel frames at 512×218, the first from noise, the second in each of the ways that are compared, and
prints a table in Markdown of the error (vidstyle.metrics.short_term_error) on the published flow, the mean over pairs
and styles; ``--width 256`` gives a quick look. DATA holds flow/sintel, styles and
weights/raft_small_torchvision_names.safetensors.

random     noise again, another one
previous   the first painting
warped     the first painting, warped, and the frame itself where the flow is not trusted
temporal   the same, and the temporal loss

Every painting is kept in FOLDER and not made again, so that the script may be stopped at any time; results.json there
has the error of each. Ends with 1 if the order is another than the paper's: random > previous > warped > temporal.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from vidstyle.config import FlowSettings, OptimizeSettings
from vidstyle.flow import FlowMethod, backward_warp, consistency_map, flow_method
from vidstyle.metrics import short_term_error
from vidstyle.nets.encoder import Encoder, find_weights, load_encoder
from vidstyle.nets.weights import read_weights
from vidstyle.pipeline.devices import choose_precision
from vidstyle.pipeline.images import read_image
from vidstyle.store import read_flo
from vidstyle.stylize.base import Prior
from vidstyle.stylize.optimize import OptimizeStylizer
from vidstyle.stylize.schedule import Turn

SCENES = ("alley_1", "cave_2", "temple_3")
STYLES = ("starry-night", "the-scream", "composition-vii")
WIDTH = 512  # half of Sintel's
FLOWS = ("dis", "raft-small")
RAFT = "raft_small_torchvision_names.safetensors"
NEAR = {"first_init": "noise", "temporal_weight": 0.0}
#: The settings of the second frame, by the name of the arm, and the flow that it takes.
ARMS: dict[str, tuple[dict[str, Any], str | None]] = {
    "random": ({**NEAR, "init": "noise"}, None),
    "previous": ({**NEAR, "init": "previous"}, None),
    "warped, dis": ({**NEAR, "init": "warped"}, "dis"),
    "temporal, dis": ({"init": "warped"}, "dis"),
    "warped, raft-small": ({**NEAR, "init": "warped"}, "raft-small"),
    "temporal, raft-small": ({"init": "warped"}, "raft-small"),
}


@dataclass(frozen=True)
class Pair:
    """Two frames (3, H, W), and the truth on the grid of the first."""

    frames: tuple[Tensor, Tensor]
    flow: Tensor  # (2, H, W), first → second
    counted: Tensor  # (H, W), boolean: visible in the second, and known


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with flow/sintel, styles and weights")
    parser.add_argument("--out", type=Path, required=True, help="folder for the paintings and results.json")
    parser.add_argument("--width", type=int, default=WIDTH, help="of the frames (default: 512)")
    parser.add_argument("--iterations", type=int, default=200, help="of every frame (default: 200)")
    parser.add_argument("--temporal-weight", type=float, default=OptimizeSettings().temporal_weight)
    parser.add_argument("--scenes", nargs="+", choices=SCENES, default=SCENES)
    parser.add_argument("--styles", nargs="+", default=STYLES, help="names in DATA/styles")
    parser.add_argument("--precision", default="auto", choices=("auto", "float32", "bfloat16"), help="of painting")
    parser.add_argument("--flows", nargs="+", choices=FLOWS, default=FLOWS)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    pairs = {scene: read_pair(options.data / "flow" / "sintel" / scene, options.width) for scene in options.scenes}
    precision = choose_precision(options.precision, "cpu")
    bench = Bench(options.data, options.out / precision, options.iterations, options.temporal_weight, precision)
    results: dict[str, dict[str, float]] = {name: {} for name, arm in ARMS.items() if arm[1] in (None, *options.flows)}
    for style in options.styles:
        for scene, pair in pairs.items():
            for arm in results:
                first, second = bench.first(scene, pair, style), bench.second(scene, pair, style, arm)
                error = short_term_error(first, second, pair.flow, pair.counted)
                results[arm][f"{scene}, {style}"] = error
                (options.out / "results.json").write_text(json.dumps(results, indent=2))
                print(f"{scene}, {style}, {arm}: {error:.6f}", file=sys.stderr, flush=True)
    print(f"`{shlex.join(['python', *sys.argv])}`\n")
    raise SystemExit(0 if report(results, options.scenes) else 1)


class Bench:
    """The paintings, each made once and kept as a PNG, as the program keeps its frames: 8 bits deep."""

    def __init__(self, data: Path, out: Path, iterations: int, temporal_weight: float, precision: str) -> None:
        self.data, self.out = data, out
        out.mkdir(exist_ok=True)
        self.settings = OptimizeSettings(
            first_init="noise",
            first_iterations=iterations,
            iterations=iterations,
            stop_change=0.0,
            temporal_weight=temporal_weight,
        )
        weights, cpu = find_weights("compact"), torch.device("cpu")
        self.encoder: Encoder = load_encoder("compact", weights, cpu, precision=precision)
        raft = read_weights(data / "weights" / RAFT)
        self.flows: dict[str, FlowMethod[Any]] = {
            "dis": flow_method(FlowSettings()),
            "raft-small": flow_method(FlowSettings("raft-small"), raft),
        }

    def first(self, scene: str, pair: Pair, style: str) -> Tensor:
        return self.painting(f"{scene}-{style}-first", style, {}, pair.frames[0], None, seed=1)

    def second(self, scene: str, pair: Pair, style: str, arm: str) -> Tensor:
        changes, flow = ARMS[arm]
        before = None if arm == "random" else self.prior(self.first(scene, pair, style), pair, flow)
        name = f"{scene}-{style}-{arm.replace(', ', '-')}"
        return self.painting(name, style, changes, pair.frames[1], before, seed=2)

    def prior(self, painted: Tensor, pair: Pair, flow: str | None) -> Prior:
        """The first painting as seen from the second frame; without a flow, where it was."""
        if flow is None:
            return Prior(painted, painted, torch.zeros(painted.shape[1:]))
        method = self.flows[flow]
        before, now = (method.prepare(frame) for frame in pair.frames)
        backward, forward = method.estimate(now, before), method.estimate(before, now)
        mask = consistency_map(backward, forward, frames=(pair.frames[1], pair.frames[0]))
        return Prior(painted, backward_warp(painted, backward), mask)

    def painting(
        self, name: str, style: str, changes: dict[str, Any], frame: Tensor, prior: Prior | None, seed: int
    ) -> Tensor:
        settings, size = replace(self.settings, **changes), (frame.shape[2], frame.shape[1])
        weight = settings.temporal_weight if prior else 0.0
        path = self.out / f"{name}-{size[0]}-{settings.iterations}-{weight:g}.png"
        if not path.exists():
            image = torch.from_numpy(read_image(self.data / "styles" / f"{style}.jpg"))
            stylizer = OptimizeStylizer(settings, self.encoder, [image], size)
            priors = [] if prior is None else [prior]
            painted, _ = stylizer.step(frame, priors, None, turn=Turn(0, 0), seed=seed, progress=lambda share: None)
            write_png(path, painted)
        return torch.from_numpy(read_image(path))


def write_png(path: Path, frame: Tensor) -> None:
    """Whole or not at all."""
    levels = (frame * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    temporary = path.with_suffix(".tmp")
    Image.fromarray(levels).save(temporary, "png")
    temporary.rename(path)


def read_pair(folder: Path, width: int) -> Pair:
    """A published pair at a size by which Sintel's divides; a pixel counts where all that it is made of do."""
    frames = [torch.from_numpy(read_image(path)) for path in sorted(folder.glob("frame_*.png"))]
    flow, known = read_flo(next(folder.glob("*.flo")))
    left_out = ~torch.from_numpy(known)
    for path in (*folder.glob("invalid_*.png"), *folder.glob("occlusion_*.png")):
        left_out |= torch.from_numpy(np.array(Image.open(path).convert("L"))) > 127
    factor = flow.shape[2] // width
    height = flow.shape[1] // factor
    counted = F.max_pool2d(left_out[None].float(), factor)[0] == 0
    first, second = (F.interpolate(f[None], (height, width), mode="area")[0] for f in frames)
    small = F.interpolate(torch.from_numpy(flow)[None], (height, width), mode="area")[0] / factor
    return Pair((first, second), small, counted)


def report(results: dict[str, dict[str, float]], scenes: list[str]) -> bool:
    """Print the means in units of 1e-4; whether they are in the paper's order, with either flow."""

    def average(arm: str, scene: str = "") -> float:
        return mean(error for cell, error in results[arm].items() if cell.startswith(scene))

    print(f"| error × 10⁴ | {' | '.join(scenes)} | mean |\n|---|{'---|' * len(scenes)}---|")
    for arm in results:
        cells = [f"{1e4 * average(arm, scene):.1f}" for scene in (*scenes, "")]
        print(f"| {arm} | {' | '.join(cells)} |")
    chains = [("random", "previous", f"warped, {flow}", f"temporal, {flow}") for flow in FLOWS]
    return all(
        average(worse) > average(better)
        for chain in chains
        if chain[-1] in results
        for worse, better in pairwise(chain)
    )


if __name__ == "__main__":
    main()
