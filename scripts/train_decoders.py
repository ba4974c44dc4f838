"""Train the decoders that vidstyle ships, for the compact encoder as it is.

    python scripts/train_decoders.py --data ../shared/data --run runs/decoders --part wct --steps 6000

Parts: ``wct``, one chain for all levels of the trunk; ``photo``, the same with unpooling; ``adain``, with the content
and style losses of Huang and Belongie (2017). The data folder holds photos/, sequences/ and styles/ (docs/models.md). A
training stops at any moment and goes on from its last checkpoint when the same command is run again, also with more
``--steps``. ``--report`` measures a part on photos held out, ``--export FILE`` writes all parts as one file of weights.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from train_encoder import augmented, crop, descend, read_picture, relative_error, save_checkpoint

from vidstyle.nets.autoencoder import DECODERS
from vidstyle.nets.compact import CompactEncoder, parameter_count
from vidstyle.nets.decoders import LEVELS, Decoder, UnpoolingDecoder
from vidstyle.nets.encoder import EncoderOptions, build_compact, find_weights
from vidstyle.nets.weights import read_weights, write_weights

UNSEEN_STYLES = ("cafe-terrace", "poppies", "sunflowers", "tahiti")  # of every figure: never trained on
HELD_OUT_SEQUENCES = ("bmx-trees", "camel", "libby", "soapbox")
HELD_OUT_PHOTOS = 40  # the last ones by name
BATCH = 8
LEARNING_RATE = 1e-3
WARM_UP = 100  # steps
DECAY_FROM = 0.6  # of all steps: from here on the learning rate falls to nearly zero
PIXEL_WEIGHT, STAGE_WEIGHT = 20.0, 0.3  # of mean squared differences in [0, 1], beside relative errors of features
STYLE_WEIGHT = 6.0
STYLE_LEVELS = {"relu1_1": 0.25, "relu2_1": 0.5, "relu3_1": 1.0, "relu4_1": 1.0}
"""Of the style loss. All alike, as in the paper, and fine levels are met by a woven pattern all over the picture."""
SAME_STYLE = 0.15  # share of AdaIN's pictures that are their own style, and are to stay as they are


@dataclass(frozen=True)
class Data:
    """Pictures (3, h, w), uint8."""

    contents: list[Tensor]
    paintings: list[Tensor]


def read_data(folder: Path) -> Data:
    photos = sorted((folder / "photos").glob("*.jpg"))[:-HELD_OUT_PHOTOS]
    sequences = sorted(p for p in (folder / "sequences").iterdir() if p.name not in HELD_OUT_SEQUENCES)
    frames = [frame for sequence in sequences for frame in sorted(sequence.glob("*.jpg"))[::10]]
    styles = [path for path in sorted((folder / "styles").glob("*.jpg")) if path.stem not in UNSEEN_STYLES]
    return Data([read_picture(path) for path in photos + frames], [read_picture(path) for path in styles])


def described(encoder: CompactEncoder, frames: Tensor, deepest: str, pooled: list[Tensor] | None = None) -> Features:
    """What the trunk and its heads say of frames, level by level down to ``deepest``."""
    trunk: dict[str, Tensor] = {}
    for level, value in encoder.walk(frames, pooled):
        if level in LEVELS:
            trunk[level] = value
        if level == deepest:
            break
    heads = encoder.heads
    wide = {level: heads[level](value).relu() if level in heads else value for level, value in trunk.items()}
    return Features(trunk, wide)


@dataclass(frozen=True)
class Features:
    trunk: Mapping[str, Tensor]
    wide: Mapping[str, Tensor]  # through the heads: what VGG-19 would say


# ---- what each part learns


class Reconstruction:
    """Pictures from their own features, of every level: pixels, and at a level by turns what the encoder sees."""

    def __init__(self, data: Data, encoder: CompactEncoder, network: nn.Module, levels: tuple[str, ...]) -> None:
        self.pictures = data.contents + 15 * data.paintings  # few, and what is decoded looks more like them
        self.encoder, self.network, self.levels = encoder, network, levels

    def batch(self, rng: np.random.Generator) -> Tensor:
        return torch.stack([augmented(crop(self.pictures, rng), self.pictures, rng) for _ in range(BATCH)]).clamp_(0, 1)

    def decode(self, features: Features, level: str, pooled: list[Tensor]) -> Tensor:
        unpools = isinstance(self.network, UnpoolingDecoder)
        value = features.trunk[level]
        decoded: Tensor = self.network(value, level, pooled) if unpools else self.network(value, level)
        return decoded.float()

    def losses(self, rng: np.random.Generator) -> dict[str, Tensor]:
        frames, pooled = self.batch(rng).to(memory_format=torch.channels_last), []
        with torch.no_grad():
            features = described(self.encoder, frames, self.levels[-1], pooled)
        losses: dict[str, Tensor] = {}
        looked_at = self.levels[int(rng.integers(1, len(self.levels)))]
        for level in self.levels:
            picture = self.decode(features, level, pooled)
            losses[level] = PIXEL_WEIGHT * (picture - frames).square().mean()
            if level == looked_at:
                seen = described(self.encoder, picture, level)
                errors = [relative_error(seen.wide[name], features.wide[name]) for name in seen.wide]
                losses["seen"] = torch.stack(errors).mean() * len(self.levels)
        if isinstance(self.network, Decoder):
            for coarse, fine in zip(self.levels[2:], self.levels[1:], strict=False):
                found = self.network.stages[coarse](features.trunk[coarse])
                losses[f"to {fine}"] = STAGE_WEIGHT * relative_error(found, features.trunk[fine])
        return losses


class AdaIn:
    """Pictures from features at relu4_1 that were given another picture's mean and deviation."""

    def __init__(self, data: Data, encoder: CompactEncoder, network: nn.Module) -> None:
        self.data, self.encoder, self.network = data, encoder, network

    def style(self, rng: np.random.Generator) -> Tensor:
        """A crop of a painting, often in other colours; sometimes of a photo."""
        pictures = self.data.paintings if rng.random() < 0.75 else self.data.contents
        patch = crop(pictures, rng)
        if rng.random() < 0.6:
            patch = patch[torch.from_numpy(rng.permutation(3))]
            gain = torch.from_numpy(rng.uniform(0.6, 1.4, (3, 1, 1)).astype(np.float32))
            patch = (
                (patch - 0.5) * gain + 0.5 + torch.from_numpy(rng.uniform(-0.15, 0.15, (3, 1, 1)).astype(np.float32))
            )
        return patch.clamp(0, 1)

    def losses(self, rng: np.random.Generator) -> dict[str, Tensor]:
        contents = torch.stack([crop(self.data.contents, rng) for _ in range(BATCH)]).clamp_(0, 1)
        same = torch.from_numpy(rng.random(BATCH) < SAME_STYLE)
        styles = torch.stack([c if s else self.style(rng) for c, s in zip(contents, same, strict=True)])
        contents, styles = (x.to(memory_format=torch.channels_last) for x in (contents, styles))
        with torch.no_grad():
            content = described(self.encoder, contents, "relu4_1").trunk["relu4_1"].float()
            style = described(self.encoder, styles, "relu4_1")
            moments = {level: moments_of(value) for level, value in style.wide.items()}
            mean, deviation = moments_of(content)
            style_mean, style_deviation = moments_of(style.trunk["relu4_1"])
            wanted = (content - mean) / deviation * style_deviation + style_mean
        picture = self.network(wanted.to(memory_format=torch.channels_last), "relu4_1").float()
        seen = described(self.encoder, picture, "relu4_1")
        terms = [
            STYLE_LEVELS[level] * relative_error(found, aim)
            for level, aims in moments.items()
            for found, aim in zip(moments_of(seen.wide[level]), aims, strict=True)
        ]
        kept = (picture - contents).square().mean((1, 2, 3)) * same
        return {
            "content": relative_error(seen.trunk["relu4_1"], wanted),
            "style": STYLE_WEIGHT * torch.stack(terms).mean(),
            "same": PIXEL_WEIGHT * kept.mean(),
        }


def moments_of(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of every channel, (N, C, 1, 1) each."""
    flat = features.float().flatten(2)
    variance, mean = torch.var_mean(flat, 2, correction=0)
    return mean[..., None, None], (variance + 1e-5).sqrt()[..., None, None]


Lesson = Reconstruction | AdaIn


def lesson(part: str, data: Data, encoder: CompactEncoder, network: nn.Module) -> Lesson:
    if part == "adain":
        return AdaIn(data, encoder, network)
    return Reconstruction(data, encoder, network, LEVELS if part == "wct" else LEVELS[1:4])


# ---- training


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with photos, sequences and styles")
    parser.add_argument("--run", type=Path, default=Path("runs/decoders"), help="checkpoints go here")
    parser.add_argument("--part", choices=list(DECODERS), default="wct")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--export", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.export:
        export(args.run, args.export)
    elif args.report:
        report(args)
    else:
        train(args)


def load_compact() -> CompactEncoder:
    encoder = build_compact(read_weights(find_weights("compact")), EncoderOptions())
    return encoder.to(memory_format=torch.channels_last).eval().requires_grad_(False)


def train(args: argparse.Namespace) -> None:
    args.run.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    network = DECODERS[args.part]().to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE, betas=(0.9, 0.99))
    checkpoint, step, seconds = args.run / f"{args.part}.pt", 0, 0.0
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        network.load_state_dict(saved["network"])
        optimizer.load_state_dict(saved["optimizer"])
        step, seconds = saved["step"], saved["seconds"]
    learn = lesson(args.part, read_data(args.data), load_compact(), network)
    print(f"{args.part}: {parameter_count(network):,} parameters, from step {step}", flush=True)
    averages: dict[str, float] = {}
    started = time.monotonic() - seconds
    while step < args.steps:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, args.steps)
        with torch.autocast("cpu", torch.bfloat16):
            losses = learn.losses(np.random.default_rng((args.seed, step)))
        descend(losses, network, optimizer, averages)
        step += 1
        if step % 100 == 0 or step == args.steps:
            seconds = time.monotonic() - started
            state = {"network": network.state_dict(), "optimizer": optimizer.state_dict()}
            save_checkpoint(checkpoint, {**state, "step": step, "steps": args.steps, "seconds": seconds})
            said = "  ".join(f"{name} {value:.4f}" for name, value in averages.items())
            print(f"step {step}  {seconds:.0f} s  {said}", flush=True)


def learning_rate(step: int, steps: int) -> float:
    left = (1 - step / steps) / (1 - DECAY_FROM)
    return LEARNING_RATE * min(1.0, (step + 1) / WARM_UP, max(0.01, left))


@torch.no_grad()
def report(args: argparse.Namespace) -> None:
    """PSNR in dB of photos held out, through encoder and decoder."""
    network = DECODERS[args.part]()
    saved = torch.load(args.run / f"{args.part}.pt", weights_only=True)
    network.load_state_dict(saved["network"])
    encoder, found = load_compact(), {}
    for path in sorted((args.data / "photos").glob("*.jpg"))[-HELD_OUT_PHOTOS:]:
        frame = read_picture(path).float()[None, :, :256, :256] / 255
        pooled: list[Tensor] = []
        features = described(encoder, frame, "relu5_1", pooled).trunk
        for level in LEVELS:
            if level not in network.stages or (args.part == "adain" and level != "relu4_1"):
                continue
            decoded = network(features[level], level, *([pooled] if args.part == "photo" else []))
            picture = decoded[..., : frame.shape[2], : frame.shape[3]].clamp(0, 1)
            found.setdefault(level, []).append(-10 * (picture - frame).square().mean().log10().item())
    print(f"after {saved['step']} steps, {saved['seconds'] / 60:.0f} min")
    print("  ".join(f"{level} {np.mean(values):.2f} dB" for level, values in found.items()))


def export(run: Path, path: Path) -> None:
    """All parts as one file of half precision."""
    tensors, about = {}, {}
    for part in DECODERS:
        saved = torch.load(run / f"{part}.pt", weights_only=True)
        tensors |= {f"{part}.{name}": value.half() for name, value in saved["network"].items()}
        about[part] = f"{saved['step']} steps, {saved['seconds'] / 60:.0f} min"
    write_weights(path, tensors, {"trained": json.dumps(about)})
    print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
