"""Train the compact encoder that vidstyle ships, by distillation from two published VGG-19s.

    python scripts/train_encoder.py --data ../shared/data --run runs/encoder --steps 24000

The data folder holds photos/, sequences/, styles/ and weights/ (docs/models.md names their sources). Training stops at
any moment and goes on from its last checkpoint when the same command is run again; ``--steps`` may be changed on the
way, since the learning rate stays constant until the last fifth, then falls to zero. ``--export`` writes the embedded
float16 file, ``--report`` the error per level on pictures that were not trained on.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.io import ImageReadMode, decode_image

from vidstyle.nets.compact import CHANNELS, CompactEncoder, parameter_count
from vidstyle.nets.teacher import exact_features, small_features

EXACT_LAYERS = ("relu1_1", "relu2_1", "relu3_1")
SMALL_LAYERS = ("relu4_1", "relu4_2", "relu5_1")
HELD_OUT_PHOTOS = 40  # the last ones by name
HELD_OUT_SEQUENCES = ("dog", "libby")
HELD_OUT_STYLES = ("poppies", "sunflowers")
CROP, BATCH = 128, 8
LEARNING_RATE = 2e-3
WARM_UP = 300  # steps


def main() -> None:
    args = parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    teacher = Teacher(args.data / "weights", args.device)
    if args.export:
        export(args.run / "checkpoint.pt", args.export)
        return
    if args.report:
        report(load_student(args.run, args.device), teacher, args.data, args.device)
        return
    train(args, teacher)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with photos, sequences, styles, weights")
    parser.add_argument("--run", type=Path, default=Path("runs/encoder"), help="checkpoint and log go here")
    parser.add_argument("--steps", type=int, default=24000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--export", type=Path, help="write the last checkpoint as a float16 .safetensors file")
    parser.add_argument("--report", action="store_true", help="measure the last checkpoint")
    return parser.parse_args()


class Teacher:
    """Both teachers as one: features of every level, scaled to a mean activation of 1 on photographs."""

    def __init__(self, weights: Path, device: str) -> None:
        self.exact = load_channels_last(weights / "vgg19_caffe_conv1_1-conv3_4.safetensors", device)
        self.small = load_channels_last(weights / "vgg19_16x_encoder_relu5_1.safetensors", device)
        self.scale = dict.fromkeys(CHANNELS, 1.0)

    @torch.no_grad()
    def __call__(self, frames: Tensor, border: str = "replicate") -> dict[str, Tensor]:
        features = exact_features(self.exact, frames, EXACT_LAYERS, border)
        features |= small_features(self.small, frames, SMALL_LAYERS)
        return {layer: value * self.scale[layer] for layer, value in features.items()}

    def calibrate(self, frames: Tensor) -> None:
        self.scale = dict.fromkeys(CHANNELS, 1.0)
        self.scale = {layer: 1 / value.mean().item() for layer, value in self(frames).items()}


def load_channels_last(path: Path, device: str) -> dict[str, Tensor]:
    """Weights in the memory layout in which convolutions are several times faster on a CPU."""
    return {
        name: value.contiguous(memory_format=torch.channels_last) if value.dim() == 4 else value
        for name, value in load_file(path, device=device).items()
    }


def read_picture(path: Path) -> Tensor:
    """(3, H, W) uint8."""
    return decode_image(str(path), mode=ImageReadMode.RGB)


def picture_paths(data: Path) -> tuple[list[Path], list[Path]]:
    """Pictures to train on and pictures held out; paintings are repeated, being few."""
    photos = sorted((data / "photos").glob("*.jpg"))
    sequences = sorted(p for p in (data / "sequences").iterdir() if p.name not in HELD_OUT_SEQUENCES)
    frames = [f for s in sequences for f in sorted(s.glob("*.jpg"))[::10]]
    held_frames = [f for s in HELD_OUT_SEQUENCES for f in sorted((data / "sequences" / s).glob("*.jpg"))[::10]]
    styles = sorted((data / "styles").glob("*.jpg"))
    held_styles = [s for s in styles if s.stem in HELD_OUT_STYLES]
    train = photos[:-HELD_OUT_PHOTOS] + frames + 15 * [s for s in styles if s.stem not in HELD_OUT_STYLES]
    return train, photos[-HELD_OUT_PHOTOS:] + held_frames + held_styles


def batches(pictures: list[Tensor], seed: int, first_step: int) -> Iterator[Tensor]:
    """Endless augmented crops (BATCH, 3, CROP, CROP) in [0, 1]; step n depends on (seed, n) only."""
    step = first_step
    while True:
        rng = np.random.default_rng((seed, step))
        yield torch.stack([augmented(crop(pictures, rng), pictures, rng) for _ in range(BATCH)]).clamp_(0, 1)
        step += 1


def crop(pictures: list[Tensor], rng: np.random.Generator) -> Tensor:
    """One random crop at a random scale (0.4 to 1.5), maybe mirrored, (3, CROP, CROP) in [0, 1]."""
    picture = pictures[rng.integers(len(pictures))]
    height, width = picture.shape[1:]
    side = int(min(CROP / rng.uniform(0.4, 1.5), height, width))
    top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)
    patch = picture[:, top : top + side, left : left + side].float() / 255
    patch = F.interpolate(patch[None], size=(CROP, CROP), mode="bilinear", antialias=True)[0]
    return patch.flip(2) if rng.random() < 0.5 else patch


def augmented(patch: Tensor, pictures: list[Tensor], rng: np.random.Generator) -> Tensor:
    """Half-painted frames are no photographs: noise, washed-out and blended pictures are trained on as well."""
    kind = rng.random()
    if kind < 0.15:  # noise, white or smooth, over the picture
        noise = torch.from_numpy(rng.standard_normal((3, CROP, CROP), dtype=np.float32))
        cell = int(rng.choice([1, 1, 2, 4]))
        if cell > 1:
            noise = F.interpolate(F.avg_pool2d(noise[None], cell) * cell, size=(CROP, CROP), mode="bicubic")[0]
        return patch + float(rng.uniform(0.02, 0.35)) * noise
    if kind < 0.25:  # two pictures in one: edges and textures where no photograph has them
        return torch.lerp(patch, crop(pictures, rng), float(rng.uniform(0.2, 0.8)))
    if kind < 0.40:  # colour and contrast
        gain = torch.from_numpy(rng.uniform(0.5, 1.6, (3, 1, 1)).astype(np.float32))
        return (patch - 0.5) * gain + 0.5 + float(rng.uniform(-0.2, 0.2))
    return patch


def relative_error(found: Tensor, wanted: Tensor) -> Tensor:
    """Σ(F − T)² / ΣT²."""
    return (found.float() - wanted.float()).square().sum() / wanted.float().square().sum()


def learning_rate(step: int, steps: int) -> float:
    decay = max(1, steps // 5)
    return LEARNING_RATE * min(1.0, (step + 1) / WARM_UP, max(0.0, (steps - step) / decay))


def train(args: argparse.Namespace, teacher: Teacher) -> None:
    args.run.mkdir(parents=True, exist_ok=True)
    paths, _ = picture_paths(args.data)
    pictures = [read_picture(path) for path in paths]
    calibration = next(batches(pictures[:1000], seed=0, first_step=0))
    teacher.calibrate(calibration.to(args.device))
    student = CompactEncoder().to(args.device, memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(student.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.99))
    step, seconds = 0, 0.0
    checkpoint = args.run / "checkpoint.pt"
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True, map_location=args.device)
        student.load_state_dict(saved["student"])
        optimizer.load_state_dict(saved["optimizer"])
        step, seconds = saved["step"], saved["seconds"]
    print(f"{parameter_count(student):,} parameters, {len(pictures)} pictures, from step {step}", flush=True)
    averages: dict[str, float] = {}
    started = time.monotonic() - seconds
    for frames in batches(pictures, args.seed, step):
        if step >= args.steps:
            break
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, args.steps)
        frames = frames.to(args.device, memory_format=torch.channels_last)
        with torch.autocast(torch.device(args.device).type, torch.bfloat16):
            targets = {layer: value.float() for layer, value in teacher(frames).items()}
            features = student(frames, CHANNELS)
        errors = {layer: relative_error(features[layer], target) for layer, target in targets.items()}
        descend(errors, student, optimizer, averages)
        step += 1
        if step % 250 == 0 or step == args.steps:
            seconds = time.monotonic() - started
            state = {"student": student.state_dict(), "optimizer": optimizer.state_dict()}
            save_checkpoint(checkpoint, {**state, "step": step, "seconds": seconds})
            line = " ".join(f"{layer} {error:.4f}" for layer, error in averages.items())
            print(f"step {step}  {seconds:.0f} s  {line}", flush=True)


def descend(
    losses: Mapping[str, Tensor], network: nn.Module, optimizer: torch.optim.Optimizer, averages: dict[str, float]
) -> None:
    """One step down the sum of ``losses``, each of which goes into its running average."""
    optimizer.zero_grad()
    sum(losses.values()).backward()  # type: ignore[union-attr]
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()
    for name, loss in losses.items():
        averages[name] = 0.98 * averages.get(name, loss.item()) + 0.02 * loss.item()


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Whole or not at all."""
    temporary = path.with_suffix(".tmp")
    torch.save(dict(state), temporary)
    temporary.replace(path)


def load_student(run: Path, device: str) -> CompactEncoder:
    student = CompactEncoder().to(device, memory_format=torch.channels_last)
    student.load_state_dict(torch.load(run / "checkpoint.pt", weights_only=True, map_location=device)["student"])
    return student.eval()


def export(checkpoint: Path, path: Path) -> None:
    saved = torch.load(checkpoint, weights_only=True, map_location="cpu")
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"network": "compact", "version": "1", "steps": str(saved["step"])}
    save_file({k: v.half().contiguous() for k, v in saved["student"].items()}, path, metadata)
    print(f"{path}: {path.stat().st_size:,} bytes")


@torch.no_grad()
def report(student: CompactEncoder, teacher: Teacher, data: Path, device: str) -> None:
    """Relative squared error per level on held-out pictures after one least-squares scale per channel.

    Both students against the exact VGG-19 with its own zero borders; above conv3_4, ours against the 16× network.
    """
    _, held_out = picture_paths(data)
    groups = {"photos": HELD_OUT_PHOTOS, "frames": len(held_out) - HELD_OUT_PHOTOS - len(HELD_OUT_STYLES)}
    kinds = ["photos"] * groups["photos"] + ["frames"] * groups["frames"] + ["paintings"] * len(HELD_OUT_STYLES)
    table: dict[str, dict[str, dict[str, float]]] = {}
    for kind in ("photos", "frames", "paintings"):
        ours, small = Fit(), Fit()
        for path, its_kind in zip(held_out, kinds, strict=True):
            if its_kind != kind:
                continue
            frames = read_picture(path).to(device).float()[None] / 255
            frames = frames[:, :, : frames.shape[2] // 16 * 16, : frames.shape[3] // 16 * 16]
            targets = teacher(frames, border="zeros")
            ours.add(student(frames.contiguous(memory_format=torch.channels_last), CHANNELS), targets)
            small.add(small_features(teacher.small, frames, EXACT_LAYERS), {k: targets[k] for k in EXACT_LAYERS})
        table[kind] = {"compact": ours.errors(), "16x": small.errors()}
    print(json.dumps(table, indent=2))


class Fit:
    """Least squares with one scale per channel, over any number of pictures: only its sums are kept."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}

    def add(self, features: dict[str, Tensor], targets: dict[str, Tensor]) -> None:
        for layer, target in targets.items():
            f, t = features[layer].double().flatten(2), target.double().flatten(2)
            sums = torch.stack([(f * t).sum((0, 2)), (f * f).sum((0, 2)), (t * t).sum((0, 2))])
            self.sums[layer] = self.sums.get(layer, 0) + sums

    def errors(self) -> dict[str, float]:
        """min over a of Σ(a F − T)² / ΣT² = 1 − Σ_c (F·T)²/(F·F) / ΣT²."""
        return {
            layer: round(1 - ((ft * ft / ff.clamp_min(1e-12)).sum() / tt.sum()).item(), 4)
            for layer, (ft, ff, tt) in self.sums.items()
        }


if __name__ == "__main__":
    main()
