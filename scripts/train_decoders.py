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
from teachers import load_teacher
from torch import Tensor, nn
from train_encoder import augmented, crop, descend, read_picture, relative_error, save_checkpoint

from vidstyle.config import METHODS, TransferSettings
from vidstyle.nets.autoencoder import DECODERS
from vidstyle.nets.compact import CompactEncoder, parameter_count
from vidstyle.nets.decoders import LEVELS, Decoder, UnpoolingDecoder
from vidstyle.nets.encoder import Encoder, load_compact
from vidstyle.nets.weights import write_weights
from vidstyle.pipeline.devices import training_precision
from vidstyle.stylize.moments import TRANSFORMS, StyleMoments
from vidstyle.stylize.moments import moments_of as all_moments_of
from vidstyle.train.perception import Perception

UNSEEN_STYLES = ("cafe-terrace", "poppies", "sunflowers", "tahiti")  # of every figure: never trained on
HELD_OUT_SEQUENCES = ("bmx-trees", "camel", "libby", "soapbox")
HELD_OUT_PHOTOS = 40  # the last ones by name
BATCH = 8
LEARNING_RATE = 1e-3
WARM_UP = 100  # steps
DECAY_FROM = 0.6  # of all steps: from here on the learning rate falls to nearly zero
PIXEL_WEIGHT, STAGE_WEIGHT = 20.0, 0.3  # of mean squared differences in [0, 1], beside relative errors of features
STYLE_WEIGHT = 6.0
JUDGED_FROM = {"wct": 0.6, "adain": 0.8}  # of all steps: from here on,
JUDGED_SHARE, JUDGED_RATE = 0.7, 0.3  # so many are judged by the teachers, at so much of the learning rate
JUDGED = 4  # pictures of such a step
JUDGED_STYLE, JUDGED_CONTENT = 10.0, 1.5  # as in the training of styles
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

    def losses(self, rng: np.random.Generator, done: float) -> dict[str, Tensor]:
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


def tempered(loss: Tensor) -> Tensor:
    """The loss, growing with its logarithm only where it is large: there are styles that hardly anything comes near."""
    return torch.where(loss < 1, loss, 1 + loss.clamp_min(1).log())


def drawn_style(data: Data, rng: np.random.Generator) -> Tensor:
    """A crop of a painting, often in other colours; sometimes of a photo."""
    patch = crop(data.paintings if rng.random() < 0.75 else data.contents, rng)
    if rng.random() < 0.6:
        patch = patch[torch.from_numpy(rng.permutation(3))]
        gain, lift = (
            torch.from_numpy(rng.uniform(*span, (3, 1, 1)).astype(np.float32)) for span in ((0.6, 1.4), (-0.15, 0.15))
        )
        patch = (patch - 0.5) * gain + 0.5 + lift
    return patch.clamp(0, 1)


class AdaIn:
    """Pictures from features at relu4_1 that were given another picture's mean and deviation."""

    def __init__(self, data: Data, encoder: CompactEncoder, network: nn.Module) -> None:
        self.data, self.encoder, self.network = data, encoder, network

    def losses(self, rng: np.random.Generator, done: float) -> dict[str, Tensor]:
        contents = torch.stack([crop(self.data.contents, rng) for _ in range(BATCH)]).clamp_(0, 1)
        same = torch.from_numpy(rng.random(BATCH) < SAME_STYLE)
        styles = torch.stack([c if s else drawn_style(self.data, rng) for c, s in zip(contents, same, strict=True)])
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


class Judged:
    """A frame's whole way to a painting, judged by the teachers, whom the compact encoder does not always follow.

    What only reconstructs photos, or pleases the compact encoder, gives back less of a style than it was given. Maps of
    features are the program's own. A step learns from the painting after one of the levels.
    """

    def __init__(self, data: Data, encoder: CompactEncoder, network: nn.Module, method: str, teacher: Encoder) -> None:
        self.data, self.encoder, self.network = data, encoder, network
        settings = METHODS[method]()
        assert isinstance(settings, TransferSettings)
        # All, though a level may be left out, or painted in a smaller picture, by default.
        self.levels = LEVELS[3::-1] if method == "wct" else settings.levels
        self.transform = TRANSFORMS[settings.transform]
        rng = np.random.default_rng(0)
        photos = torch.stack([crop(data.contents, rng) for _ in range(24)]).clamp_(0, 1)
        self.perception = Perception(teacher, photos[:1], photos)

    def losses(self, rng: np.random.Generator) -> dict[str, Tensor]:
        contents = torch.stack([crop(self.data.contents, rng) for _ in range(JUDGED)]).clamp_(0, 1)
        styles = torch.stack([drawn_style(self.data, rng) for _ in range(JUDGED)])
        contents, styles = (x.to(memory_format=torch.channels_last) for x in (contents, styles))
        levels = self.levels
        if "relu5_1" in self.network.levels and rng.random() < 0.25:  # as some will ask for
            levels = ("relu5_1", *levels)
        levels = levels[: 1 + int(rng.integers(len(levels)))]
        with torch.no_grad():
            wanted = described(self.encoder, styles, levels[0]).trunk
            painted = contents
            for level in levels[:-1]:
                painted = self.decoded(painted, wanted[level], level).clamp(0, 1)
        # Through the last level only: whitening blows gradients up, and from level to level more so.
        painted = self.decoded(painted, wanted[levels[-1]], levels[-1])
        beyond = (painted - painted.clamp(0, 1)).square().mean()
        judged = [self.judged(*three) for three in zip(painted, contents, styles, strict=True)]
        style, content = (torch.stack(values).mean() for values in zip(*judged, strict=True))
        return {
            "style": JUDGED_STYLE * style,
            "content": JUDGED_CONTENT * content,
            "beyond": PIXEL_WEIGHT * tempered(beyond),
        }

    def decoded(self, frames: Tensor, wanted: Tensor, level: str) -> Tensor:
        """Frames (N, 3, h, w) with the statistics of styles at a level; not clamped."""
        with torch.no_grad():
            features = described(self.encoder, frames, level).trunk[level].float()
            mapped = self.mapped(features, wanted)
        decoded: Tensor = self.network(mapped, level).float()
        return decoded

    def mapped(self, features: Tensor, style: Tensor) -> Tensor:
        """Features (N, C, h, w) with the statistics of a style's, each with those of its own."""
        mapped = []
        for own, wanted in zip(features, style, strict=True):
            with torch.no_grad(), torch.autocast("cpu", enabled=False):
                affine = self.transform(all_moments_of(own), StyleMoments(all_moments_of(wanted)))
            flat = affine.matrix.float() @ own.flatten(1) + affine.offset.float()[:, None]
            mapped.append(flat.view_as(own))
        return torch.stack(mapped).to(memory_format=torch.channels_last)

    def judged(self, painted: Tensor, content: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        found = self.perception.of(style)(painted[None], content[None], torch.ones(1, 1))
        return tempered(found[0][0]), found[1][0]


class ByTurns:
    """A lesson and, for the last part of the training, ``Judged`` by turns with it."""

    def __init__(self, plain: Reconstruction | AdaIn, judged: Judged, judged_from: float) -> None:
        self.plain, self.judged, self.judged_from = plain, judged, judged_from

    def losses(self, rng: np.random.Generator, done: float) -> dict[str, Tensor]:
        judges = done >= self.judged_from and rng.random() < JUDGED_SHARE
        return self.judged.losses(rng) if judges else self.plain.losses(rng, done)


def moments_of(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of every channel, (N, C, 1, 1) each."""
    flat = features.float().flatten(2)
    variance, mean = torch.var_mean(flat, 2, correction=0)
    return mean[..., None, None], (variance + 1e-5).sqrt()[..., None, None]


Lesson = Reconstruction | ByTurns


def lesson(
    part: str, data: Data, encoder: CompactEncoder, network: nn.Module, weights: Path, precision: torch.dtype
) -> Lesson:
    """What a part learns; ``weights``: the folder of the teachers', who judge in ``precision``."""
    if part == "photo":
        return Reconstruction(data, encoder, network, LEVELS[1:4])
    judged = Judged(data, encoder, network, part, load_teacher(weights, precision))
    plain = AdaIn(data, encoder, network) if part == "adain" else Reconstruction(data, encoder, network, LEVELS)
    return ByTurns(plain, judged, JUDGED_FROM[part])


# ---- training


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with photos, sequences and styles")
    parser.add_argument("--run", type=Path, default=Path("runs/decoders"), help="checkpoints go here")
    parser.add_argument("--part", choices=list(DECODERS), default="wct")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--precision", default="auto", help="float32, bfloat16 or auto: what this machine is faster in")
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
    precision = getattr(torch, training_precision(args.precision, "cpu"))
    learn = lesson(args.part, read_data(args.data), load_compact(), network, args.data / "weights", precision)
    print(f"{args.part}: {parameter_count(network):,} parameters, from step {step}", flush=True)
    averages: dict[str, float] = {}
    started = time.monotonic() - seconds
    judged_from = round(learn.judged_from * args.steps) if isinstance(learn, ByTurns) else 0
    while step < args.steps:
        if step == judged_from:
            optimizer.state.clear()  # it knows the gradients of a lesson learned: these are larger
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, args.steps, judged_from)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
            losses = learn.losses(np.random.default_rng((args.seed, step)), step / args.steps)
        descend(losses, network, optimizer, averages)
        step += 1
        if step % 100 == 0 or step == args.steps:
            seconds = time.monotonic() - started
            state = {"network": network.state_dict(), "optimizer": optimizer.state_dict()}
            save_checkpoint(checkpoint, {**state, "step": step, "steps": args.steps, "seconds": seconds})
            said = "  ".join(f"{name} {value:.4f}" for name, value in averages.items())
            print(f"step {step}  {seconds:.0f} s  {said}", flush=True)


def learning_rate(step: int, steps: int, judged_from: int) -> float:
    left = (1 - step / steps) / (1 - DECAY_FROM)
    begun = step - (judged_from if step >= judged_from else 0)
    rate = LEARNING_RATE * (1 if begun == step else JUDGED_RATE)
    return rate * min(1.0, (begun + 1) / WARM_UP, max(0.01, left))


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
