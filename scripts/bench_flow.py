"""How exact flow and masks are where the truth is known: the sample movies, and published scenes.

    python scripts/bench_flow.py [--data DATA]

Prints a markdown table: end-point error in pixels, and the F-score of the occlusion mask (vidstyle.metrics), per scene
and DIS preset. DATA holds flow/middlebury and flow/sintel as published (frames, .flo, occlusion and invalid masks).
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from vidstyle.flow import DIS, consistency_map
from vidstyle.metrics import end_point_error, mask_f_score
from vidstyle.store import read_flo

PRESETS = ("ultrafast", "fast", "medium")
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with flow/middlebury and flow/sintel")
    data = parser.parse_args().data
    pairs = list(sample_pairs()) + (list(published_pairs(data / "flow")) if data else [])
    print("| scene | preset | end-point error, px | mask precision | recall | F-score |\n|---|---|---|---|---|---|")
    for scene in dict.fromkeys(pair.scene for pair in pairs):
        for preset in PRESETS:
            print(row(scene, preset, [pair for pair in pairs if pair.scene == scene]), flush=True)


def row(scene: str, preset: str, pairs: list[Pair]) -> str:
    method = DIS(preset)
    errors, scores = [], []
    for pair in pairs:
        flow, opposite = method.between(pair.source, pair.target), method.between(pair.target, pair.source)
        errors.append(end_point_error(flow, pair.flow, pair.valid))
        if pair.occluded is not None:
            scores.append(mask_f_score(consistency_map(flow, opposite), pair.occluded))
    cells = ["–"] * 3
    if scores:
        means = [np.mean([getattr(s, name) for s in scores]) for name in ("precision", "recall", "f_score")]
        cells = [f"{mean:.2f}" for mean in means]
    return f"| {scene} | {preset} | {np.mean(errors):.3f} | {' | '.join(cells)} |"


def sample_pairs() -> Iterator[Pair]:
    """Backward pairs, frame t → t − 1, as the pipeline uses them."""
    samples = load_samples()
    for name, scene in samples.SCENES.items():
        width, height = scene.size
        for t in np.linspace(1, samples.cuts(scene)[0] - 1, SAMPLE_PAIRS).astype(int):
            pictures = [samples.render(scene, int(frame), width, height) for frame in (t, t - 1)]
            ends = (int(t), int(t) - 1, width, height)
            flow = torch.from_numpy(samples.true_flow(scene, *ends))
            occluded = torch.from_numpy(samples.true_occlusion(scene, *ends))
            yield Pair(f"{name} (sample)", *pictures, flow, torch.ones_like(occluded), occluded)


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
