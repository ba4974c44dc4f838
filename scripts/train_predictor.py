"""Train the style prediction that vidstyle ships: one recurrent network for any picture, and what finds its codes.

    python scripts/train_predictor.py --data ../shared/data --run runs/predictor --steps 4000

It begins with the package's trained styles. The data folder holds photos/, sequences/, styles/ and weights/
(docs/models.md). Training stops at any moment and goes on from its last checkpoint when the same command is run again;
``--steps`` may be changed on the way. A sheet of what is painted in paintings it never sees in training is written
every few minutes. ``--export FILE`` writes the file of both networks.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from teachers import load_teacher
from torch import Tensor
from torch.nn import functional as F
from train_decoders import UNSEEN_STYLES, tempered
from train_encoder import save_checkpoint
from train_styles import PREVIEWS, footage

from vidstyle.nets.compact import CompactEncoder, parameter_count
from vidstyle.nets.encoder import load_compact
from vidstyle.nets.predictor import CODES, PredictedStyles, Predictor, moments, scaled_style
from vidstyle.nets.style_file import embedded_styles, read_styles
from vidstyle.nets.transform import TransformNet
from vidstyle.nets.weights import write_weights
from vidstyle.pipeline.devices import training_precision
from vidstyle.pipeline.images import read_image
from vidstyle.train.footage import pictures_in, read_photo
from vidstyle.train.perception import Perception
from vidstyle.train.preview import fitted, jpeg, thumbnail
from vidstyle.train.recurrent import (
    Scenes,
    TrainSettings,
    learning_rate,
    parameter_groups,
    uncovered_loss,
    weighted,
)

STYLE_CROP = 192  # side of the pieces of style pictures
PHOTO_SHARE, RECOLORED_SHARE = 0.25, 0.6  # of the styles: those that are photos, those in other colours
STRETCH = (0.6, 1.5)  # of their sides, each by itself
NOISE = 0.15  # added to the standardised moments: pictures that are alike have codes that are alike
PREDICTOR_RATE = 0.3  # learning rate, in units of the network's
TRIED = 400  # styles whose moments say how moments are scaled


@dataclass(frozen=True)
class Styles:
    """An endless supply of styles: pieces of paintings and photos, at several sizes and in many colours."""

    paintings: list[Tensor]  # (3, h, w) in [0, 1], as large as they are looked at
    photos: list[Tensor]  # uint8

    def draw(self, rng: np.random.Generator) -> Tensor:
        """A piece (3, h, w) in [0, 1], at most ``STYLE_CROP`` on a side."""
        if rng.random() < PHOTO_SHARE:
            picture = self.photos[rng.integers(len(self.photos))].float() / 255
        else:
            picture = self.paintings[rng.integers(len(self.paintings))]
        size = [round(side * rng.uniform(*STRETCH)) for side in picture.shape[1:]]
        picture = F.interpolate(picture[None], size=size, mode="bilinear", antialias=True)[0]
        top, left = (int(rng.integers(max(1, side - STYLE_CROP + 1))) for side in size)
        piece = picture[:, top : top + STYLE_CROP, left : left + STYLE_CROP]
        piece = piece.flip(2) if rng.random() < 0.5 else piece
        piece = piece.transpose(1, 2) if rng.random() < 0.5 else piece
        return recolored(piece, rng).clamp(0, 1) if rng.random() < RECOLORED_SHARE else piece.clamp(0, 1)


def recolored(piece: Tensor, rng: np.random.Generator) -> Tensor:
    """The piece with its channels exchanged and mixed, and other contrast; at times its negative."""
    mix = np.eye(3)[rng.permutation(3)] + rng.normal(0, 0.2, (3, 3))
    mix = mix / np.abs(mix).sum(1, keepdims=True) * rng.uniform(0.7, 1.4) * (-1 if rng.random() < 0.1 else 1)
    lift = torch.from_numpy(rng.uniform(-0.12, 0.12, (3, 1, 1)).astype(np.float32))
    return torch.tensordot(torch.from_numpy(mix.astype(np.float32)), piece - 0.5, 1) + 0.5 + lift


def beginning(seed: int) -> PredictedStyles:
    """The shipped styles as the first codes, and mixtures of what sets them apart as the others."""
    torch.manual_seed(seed)
    both, shipped = PredictedStyles(), read_styles(embedded_styles()).network
    known = shipped.styles
    mixing = torch.cat([torch.eye(known), torch.randn(CODES - known, known) / known**0.5])

    def rows(values: Tensor) -> Tensor:
        mean = values.mean(0)
        return mean + torch.tensordot(mixing, values - mean, 1)

    state = both.network.state_dict()
    for name, value in shipped.state_dict().items():
        if name.endswith(".own"):
            weight = name.removesuffix("own") + "weight"
            state[weight] = shipped.state_dict()[weight] + value.mean(0)
            if name in state:
                state[name] = rows(value - value.mean(0))
        elif name.endswith((".gain", ".shift", ".bias")):
            state[name] = rows(value)
        elif name.removesuffix("weight") + "own" not in shipped.state_dict():
            state[name] = value
    both.network.load_state_dict(state)
    with torch.no_grad():
        both.predictor.code.bias.fill_(1 / CODES)  # what all styles have in common counts once
    return both


class Training:
    """Network and predictor together; a step's pictures are in two styles drawn for it."""

    def __init__(self, settings: TrainSettings, data: Path, run: Path) -> None:
        self.settings, self.checkpoint = settings, run / "predictor.pt"
        shown = footage(data)
        paths = [path for path in pictures_in(data / "styles") if path.stem not in UNSEEN_STYLES]
        self.styles = Styles([scaled_style(torch.from_numpy(read_image(path))) for path in paths], list(shown.photos))
        self.encoder = load_compact()
        self.both = beginning(settings.seed)
        self.both.network.precision = getattr(torch, settings.precision)
        self.both.network.train()
        self.scenes = Scenes(settings, shown, self.both.network, torch.device("cpu"))
        teacher = load_teacher(data / "weights", getattr(torch, settings.precision))
        self.perception = Perception(teacher, self.styles.paintings[:1], self.scenes.calibration())
        groups = parameter_groups(self.both.network)
        groups.append({"params": list(self.both.predictor.parameters()), "rate": PREDICTOR_RATE})
        self.optimizer = torch.optim.Adam(groups, settings.learning_rate, betas=(0.9, 0.99))
        self.step, self.seconds, self.averages = 0, 0.0, dict.fromkeys(("style", "content", "temporal"), 0.0)
        if self.checkpoint.exists():
            saved = torch.load(self.checkpoint, weights_only=True)
            self.both.load_state_dict(saved["both"])
            self.optimizer.load_state_dict(saved["optimizer"])
            self.step, self.seconds, self.averages = saved["step"], saved["seconds"], saved["averages"]
        else:
            scale_moments(self.both.predictor, self.encoder, self.styles)

    def run(self, sheet: Path, photos: list[Tensor], paintings: list[Tensor], every: float) -> None:
        drawn = time.monotonic()
        while self.step < self.settings.steps:
            started = time.monotonic()
            self.descend()
            self.seconds += time.monotonic() - started
            done = self.step == self.settings.steps
            if self.step % 50 == 0 or done:
                self.save()
                said = "  ".join(f"{name} {value:.4f}" for name, value in self.averages.items())
                print(f"step {self.step}/{self.settings.steps}  {self.seconds:.0f} s  {said}", flush=True)
            if done or time.monotonic() - drawn > every:
                drawn = time.monotonic()
                picture = painted_sheet(self.both, self.encoder, photos, paintings)
                sheet.with_name(f"sheet-{self.step:06d}.jpg").write_bytes(jpeg(picture, 88))

    def descend(self) -> None:
        settings = self.settings
        for group in self.optimizer.param_groups:
            group["lr"] = group["rate"] * learning_rate(settings, self.step)
        self.optimizer.zero_grad()
        half = settings.batch // 2
        for part in range(half):
            rng = np.random.default_rng((settings.seed, self.step, part, 11))
            style = self.styles.draw(rng)
            code = self.code(style, rng)
            numbers = range(part, settings.batch, half)  # a still and, later, a clip
            shares = code.expand(len(numbers), -1)
            frames, priors, consistencies = self.scenes.draw(self.step, numbers, shares.detach())
            painted = self.both.network(frames, priors, consistencies, shares)
            judge = self.perception.of(style)
            style_loss, content = judge(painted, frames, torch.ones(len(numbers), 1))
            temporal = (consistencies * (painted - priors).square()).mean((1, 2, 3))
            uncovered = uncovered_loss(settings, self.both.network, painted, frames, consistencies, shares.detach())
            weighted(settings, self.step, painted, tempered(style_loss), content, temporal, uncovered).backward()
            self.remember(tempered(style_loss), content, temporal[consistencies.amax((1, 2, 3)) > 0])
        # Some style in ten thousand, or a painting of it, is so flat that a gradient is no number.
        if torch.nn.utils.clip_grad_norm_(self.both.parameters(), 5.0).isfinite():
            self.optimizer.step()
        self.step += 1

    def code(self, style: Tensor, rng: np.random.Generator) -> Tensor:
        predictor: Predictor = self.both.predictor
        noise = torch.from_numpy(rng.normal(0, NOISE, predictor.mean.shape).astype(np.float32))
        return self.both.blend(moments(self.encoder, style) + noise * predictor.deviation, style)[None]

    def remember(self, *losses: Tensor) -> None:
        for name, values in zip(self.averages, losses, strict=True):
            if len(values):
                new = float(values.detach().mean())
                old = self.averages[name] or new
                self.averages[name] = 0.99 * old + 0.01 * new

    def save(self) -> None:
        state = {"both": self.both.state_dict(), "optimizer": self.optimizer.state_dict()}
        save_checkpoint(
            self.checkpoint, {**state, "step": self.step, "seconds": self.seconds, "averages": self.averages}
        )


def scale_moments(predictor: Predictor, encoder: CompactEncoder, styles: Styles) -> None:
    """What moments are on the average, and how much they differ."""
    found = torch.stack([moments(encoder, styles.draw(np.random.default_rng((0, n, 13)))) for n in range(TRIED)])
    predictor.mean.copy_(found.mean(0))
    predictor.deviation.copy_(found.std(0).clamp_min(1e-3))


@torch.no_grad()
def painted_sheet(
    both: PredictedStyles, encoder: CompactEncoder, photos: list[Tensor], paintings: list[Tensor]
) -> Tensor:
    """The photos in each of the paintings, with an empty prior."""
    network: TransformNet = both.network
    network.eval()
    rows = [torch.cat([torch.ones(3, 224, 224), *(fitted(photo, 224, 224) for photo in photos)], 2)]
    for painting in paintings:
        code = both.shares(encoder, scaled_style(painting))[None]

        def paint(*inputs: Tensor, code: Tensor = code) -> Tensor:
            return network(*inputs, code).cpu()

        rows.append(torch.cat([fitted(painting, 224, 224), *(thumbnail(paint, photo, 224) for photo in photos)], 2))
    network.train()
    return torch.cat(rows, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with photos, sequences, styles, weights")
    parser.add_argument("--run", type=Path, default=Path("runs/predictor"), help="checkpoint and sheets go here")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--crop", type=int, default=144)
    parser.add_argument("--style-weight", type=float, default=TrainSettings.style_weight)
    parser.add_argument("--temporal-weight", type=float, default=TrainSettings.temporal_weight)
    parser.add_argument("--uncovered-weight", type=float, default=TrainSettings.uncovered_weight)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--precision", default="auto", help="float32, bfloat16 or auto: what this machine is faster in")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sheet-every", type=float, default=300, help="seconds")
    parser.add_argument("--export", type=Path, help="write the last checkpoint as the file of both networks")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.export:
        export(args.run / "predictor.pt", args.export)
        return
    args.run.mkdir(parents=True, exist_ok=True)
    settings = TrainSettings(
        steps=args.steps,
        crop=args.crop,
        seed=args.seed,
        style_weight=args.style_weight,
        temporal_weight=args.temporal_weight,
        uncovered_weight=args.uncovered_weight,
        precision=training_precision(args.precision, "cpu"),
    )
    training = Training(settings, args.data, args.run)
    print(f"{parameter_count(training.both):,} parameters, from step {training.step}", flush=True)
    photos = [read_photo(pictures_in(args.data / "photos")[number]).float() / 255 for number in PREVIEWS]
    shown = [*UNSEEN_STYLES, "starry-night", "great-wave"]
    paintings = [torch.from_numpy(read_image(args.data / "styles" / f"{name}.jpg")) for name in shown]
    training.run(args.run / "sheet.jpg", photos, paintings, args.sheet_every)


def export(checkpoint: Path, path: Path) -> None:
    """Both networks in half precision."""
    saved = torch.load(checkpoint, weights_only=True)
    tensors = {name: value.half() for name, value in saved["both"].items()}
    write_weights(path, tensors, {"trained": f"{saved['step']} steps, {saved['seconds'] / 60:.0f} min"})
    print(f"{path}: {path.stat().st_size:,} bytes, after {saved['step']} steps")


if __name__ == "__main__":
    main()
