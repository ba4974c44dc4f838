#!/usr/bin/env python3
"""Make the networks that vidstyle ships faster: fewer channels between the two convolutions of each block.

    python scripts/slim_networks.py styles --data ../shared/data --run runs/slim --hidden 32 --steps 4000
    python scripts/slim_networks.py predictor --data ../shared/data --run runs/slim --hidden 32 --steps 4000

The network of the package's file, or of ``--teacher``, is the teacher. Of each block those channels are left out that
are missed least (``vidstyle.train.slim``). Then the slim network is taught to paint what the teacher paints: the same
colours before the prior is mixed in, and the same gate, of stills and of clips that it has painted itself so far. Who
learns from differences paints with a little less contrast, which is made up for when styles are exported. The data
folder is that of ``train_styles.py``. Goes on from its last checkpoint when the same command is run again; ``--steps``
may be changed on the way. ``--export FILE`` writes a file in the form of the package's.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from train_decoders import UNSEEN_STYLES
from train_encoder import save_checkpoint
from train_predictor import Styles
from train_styles import footage, sample_frames

from vidstyle.cli.common import keep_freed_memory
from vidstyle.nets.encoder import load_compact
from vidstyle.nets.predictor import PredictedStyles, load_predicted, scaled_style
from vidstyle.nets.style_file import embedded_styles, read_styles, write_styles
from vidstyle.nets.transform import TransformNet
from vidstyle.nets.weights import write_weights
from vidstyle.pipeline.images import read_image
from vidstyle.train.export import previews
from vidstyle.train.footage import pictures_in
from vidstyle.train.recurrent import Scenes, TrainSettings, learning_rate, parameter_groups
from vidstyle.train.slim import Seen, amplify, patch_grams, slimmed, untrained

MEASURED = 48  # pictures by which channels are judged
CALIBRATED = 16  # pictures in each style by which contrast is made up for
EDGES = 1.0  # weight of differences between neighbours, so that strokes stay sharp
GATE = 0.5  # of how much of the prior is kept

#: A random share (S,) to paint a picture in.
Draw = Callable[[np.random.Generator], Tensor]


def seen(teacher: TransformNet, scenes: Scenes, draw: Draw) -> Iterator[Seen]:
    """What the teacher meets in ``MEASURED`` pictures, stills and long clips."""
    for number in range(MEASURED):
        share = draw(np.random.default_rng((scenes.settings.seed, number, 17)))
        inputs = scenes.draw(scenes.settings.steps - 1, [number % scenes.settings.batch], share[None])
        yield share, patch_grams(teacher, inputs, share)


class Slimming:
    """The slim network's training."""

    def __init__(self, teacher: TransformNet, slim: TransformNet, scenes: Scenes, draw: Draw, checkpoint: Path) -> None:
        self.teacher, self.slim, self.scenes, self.draw, self.checkpoint = teacher, slim, scenes, draw, checkpoint
        self.settings = scenes.settings
        self.optimizer = torch.optim.Adam(parameter_groups(slim), self.settings.learning_rate, betas=(0.9, 0.99))
        self.step, self.seconds, self.average = 0, 0.0, 0.0
        if checkpoint.exists():
            saved = torch.load(checkpoint, weights_only=True)
            slim.load_state_dict(saved["network"])
            self.optimizer.load_state_dict(saved["optimizer"])
            self.step, self.seconds = saved["step"], saved["seconds"]

    def run(self) -> None:
        while self.step < self.settings.steps:
            started = time.monotonic()
            loss = self.descend()
            self.seconds += time.monotonic() - started
            self.average = loss if not self.average else 0.98 * self.average + 0.02 * loss
            if self.step % 50 == 0 or self.step == self.settings.steps:
                print(f"step {self.step}/{self.settings.steps}  {self.seconds:.0f} s  {self.average:.5f}", flush=True)
            if self.step % 250 == 0 or self.step == self.settings.steps:
                state = {"network": self.slim.state_dict(), "optimizer": self.optimizer.state_dict()}
                save_checkpoint(self.checkpoint, {**state, "step": self.step, "seconds": self.seconds})

    def descend(self) -> float:
        settings = self.settings
        for group in self.optimizer.param_groups:
            group["lr"] = group["rate"] * learning_rate(settings, self.step)
        self.optimizer.zero_grad()
        total = 0.0
        for number in range(settings.batch):
            share = self.draw(np.random.default_rng((settings.seed, self.step, number, 13)))
            inputs = self.scenes.draw(self.step, [number], share[None])
            with torch.no_grad():
                aim, keep = self.teacher.strokes(*inputs, share)
            colors, kept = self.slim.strokes(*inputs, share)
            apart = colors - aim
            loss = apart.abs().mean() + EDGES * sum(apart.diff(dim=d).abs().mean() for d in (2, 3))
            loss = loss + GATE * (kept - keep).abs().mean()
            total += float(loss.detach()) / settings.batch
            (loss / settings.batch).backward()
        torch.nn.utils.clip_grad_norm_(self.slim.parameters(), 5.0)
        self.optimizer.step()
        self.step += 1
        return total


@torch.no_grad()
def contrast_lost(teacher: TransformNet, slim: TransformNet, scenes: Scenes) -> Tensor:
    """How many times as far apart neighbouring pixels are in what the teacher paints, by style: (S,)."""
    factors = []
    for share in torch.eye(teacher.styles):
        spread = torch.zeros(2)
        for number in range(CALIBRATED):
            inputs = scenes.draw(scenes.settings.steps, [number % scenes.settings.batch], share[None])
            for which, network in enumerate((teacher, slim)):
                colors, _ = network.strokes(*inputs, share)
                spread[which] += colors.diff(dim=2).square().sum() + colors.diff(dim=3).square().sum()
        factors.append((spread[0] / spread[1]).sqrt())
    return torch.stack(factors)


def one_of_all(styles: int) -> Draw:
    return lambda rng: torch.eye(styles)[rng.integers(styles)]


def predicted(both: PredictedStyles, styles: Styles) -> Draw:
    encoder = load_compact()

    @torch.no_grad()
    def draw(rng: np.random.Generator) -> Tensor:
        return both.shares(encoder, styles.draw(rng))

    return draw


def main() -> None:
    defaults = TrainSettings()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", choices=("styles", "predictor"))
    parser.add_argument("--data", type=Path, required=True, help="folder with photos, sequences, styles")
    parser.add_argument("--run", type=Path, default=Path("runs/slim"), help="the checkpoint goes here")
    parser.add_argument("--teacher", type=Path, help="file to begin with (default: the package's)")
    parser.add_argument("--hidden", type=int, default=32)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--export", type=Path, help="write the last checkpoint in the form of the package's file")
    args = parser.parse_args()
    args.run.mkdir(parents=True, exist_ok=True)
    keep_freed_memory()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    settings = TrainSettings(steps=args.steps, seed=args.seed, learning_rate=args.learning_rate, precision="float32")
    shown = footage(args.data)
    if args.network == "styles":
        file = read_styles(args.teacher or embedded_styles())
        teacher, draw = file.network, one_of_all(len(file.names))
    else:
        both = load_predicted(args.teacher)
        paths = [path for path in pictures_in(args.data / "styles") if path.stem not in UNSEEN_STYLES]
        paintings = [scaled_style(torch.from_numpy(read_image(path))) for path in paths]
        teacher, draw = both.network, predicted(both, Styles(paintings, list(shown.photos)))
    scenes = Scenes(settings, shown, teacher.train(), torch.device("cpu"))
    checkpoint = args.run / f"{args.network}.pt"
    if checkpoint.exists():  # which holds the channels that were chosen
        slim = untrained(teacher, args.hidden)
    else:
        slim = slimmed(teacher, args.hidden, list(seen(teacher, scenes, draw)))
    slimming = Slimming(teacher, slim, replace(scenes, network=slim), draw, checkpoint)
    if not args.export:
        slimming.run()
    elif args.network == "styles":
        factors = contrast_lost(teacher, slim, slimming.scenes)
        print("contrast:", ", ".join(f"{factor:.3f}" for factor in factors))
        amplify(slim, factors)
        notes = {**file.notes, "slimmed": {"hidden": args.hidden, "steps": slimming.step}}
        write_styles(args.export, file.names, slim, previews(slim.eval(), file.names, sample_frames()[0]), notes)
    else:
        both.network = slim
        tensors = {name: value.half() for name, value in both.state_dict().items()}
        write_weights(args.export, tensors, {"trained": f"slimmed, {slimming.step} steps"})


if __name__ == "__main__":
    main()
