"""Train the styles that vidstyle ships: one recurrent network for eight paintings.

    python scripts/train_styles.py --data ../shared/data --run runs/styles --steps 12000

The data folder holds photos/, sequences/, styles/ and weights/ (docs/models.md names their sources). Training stops at
any moment and goes on from its last checkpoint when the same command is run again; ``--steps`` may be changed on the
way. A sheet of what the network paints now is written every few minutes. ``--export FILE`` writes the file of styles,
``--picture FILE`` a JPEG of frames of the sample movie painted in each style of the package's file.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from pathlib import Path

import torch
from teachers import load_teacher
from torch import Tensor

from vidstyle.nets.style_file import embedded_styles, read_styles
from vidstyle.nets.transform import TransformNet
from vidstyle.pipeline.devices import training_precision
from vidstyle.pipeline.images import read_image
from vidstyle.train.export import export_styles
from vidstyle.train.footage import Footage, pictures_in, read_excerpts, read_photo
from vidstyle.train.preview import fitted, jpeg, preview_sheet
from vidstyle.train.recurrent import Progress, Training, TrainSettings

STYLES = (
    *("starry-night", "great-wave", "the-scream", "composition-vii"),
    *("udnie", "delaunay-portrait", "wheat-field", "woman-with-a-hat"),
)
HELD_OUT_SEQUENCES = ("bmx-trees", "camel", "libby", "soapbox")
HELD_OUT_PHOTOS = 40  # the last ones by name
SAMPLE = Path(__file__).parent.parent / "sample_videos" / "harbor.mp4"
PREVIEWS = (-3, -9, -21)  # of the photos held out


def main() -> None:
    defaults = TrainSettings()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with photos, sequences, styles, weights")
    parser.add_argument("--run", type=Path, default=Path("runs/styles"), help="checkpoint and sheets go here")
    parser.add_argument("--styles", nargs="+", default=list(STYLES))
    parser.add_argument("--only", nargs="+", default=[], help="train what these styles have of their own alone")
    parser.add_argument("--begin-at", type=int, default=0, help="count the beginning as so many steps")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--sheet-every", type=float, default=300, help="seconds")
    parser.add_argument("--average", type=Path, help="when exporting: another checkpoint, to take the mean of the two")
    parser.add_argument("--export", type=Path, help="write the last checkpoint as a file of styles")
    parser.add_argument("--picture", type=Path, help="show what the package's styles paint")
    for name, value in asdict(defaults).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    args = parser.parse_args()
    torch.set_num_threads(1 if args.device == "cpu" else 2)  # the workers are the threads
    if args.picture:
        args.picture.write_bytes(jpeg(painted_samples(), 85))
        return
    settings = TrainSettings(**{name: getattr(args, name) for name in asdict(defaults)})
    paintings = {name: torch.from_numpy(read_image(args.data / "styles" / f"{name}.jpg")) for name in args.styles}
    precision = getattr(torch, training_precision(settings.precision, torch.device(args.device).type))
    encoder = load_teacher(args.data / "weights", precision, args.device)
    training = Training(
        *(settings, paintings, footage(args.data), encoder, torch.device(args.device)),
        checkpoint=args.run / "checkpoint.pt",
        workers=args.workers,
        only=args.only,
        begin_at=args.begin_at,
    )
    photos = [read_photo(pictures_in(args.data / "photos")[number]).float() / 255 for number in PREVIEWS]
    if args.export:
        if args.average:
            average(training.network, args.average)
        export_styles(training, sample_frames()[0], args.export)
        print(f"{args.export}: {args.export.stat().st_size / 1e6:.2f} MB, after {training.step} steps")
        return
    training.run(Reporter(training, paintings, photos, args.run, args.sheet_every))


def average(network: TransformNet, checkpoint: Path) -> None:
    """Make the network's weights the mean of its own and a checkpoint's, of a training with the same beginning."""
    other = torch.load(checkpoint, map_location="cpu", weights_only=True)["network"]
    with torch.no_grad():
        for name, value in network.state_dict().items():
            value.copy_((value + other[name].to(value)) / 2)


def footage(data: Path) -> Footage:
    photos = [read_photo(path) for path in pictures_in(data / "photos")[:-HELD_OUT_PHOTOS]]
    sequences = sorted(p for p in (data / "sequences").iterdir() if p.is_dir() and p.name not in HELD_OUT_SEQUENCES)
    return Footage(photos, [[read_photo(path) for path in pictures_in(folder)] for folder in sequences])


def sample_frames() -> list[Tensor]:
    """Three frames of the sample movie: pictures of our own, which may be shown."""
    quay, hills = read_excerpts(SAMPLE)
    return [frame.float() / 255 for frame in (quay[8], quay[44], hills[24])]


@torch.no_grad()
def painted_samples(width: int = 320) -> Tensor:
    """The sample frames, then each style in its row, (3, H, W)."""
    file = read_styles(embedded_styles())
    frames = [fitted(frame, 288, 512) for frame in sample_frames()]
    rows = [torch.cat(frames, 2)]
    for name in file.names:
        share, nothing = file.share(name)[None], torch.zeros(1, 3, 288, 512)
        rows.append(torch.cat([file.network(frame[None], nothing, nothing[:, :1], share)[0] for frame in frames], 2))
    sheet = torch.cat(rows, 1)
    return fitted(sheet, width * len(rows) * 288 // 512, 3 * width)


class Reporter:
    """Prints a line now and then, and writes sheets of what the network paints."""

    def __init__(
        self, training: Training, paintings: dict[str, Tensor], photos: list[Tensor], run: Path, every: float
    ) -> None:
        self.training, self.paintings, self.photos, self.run, self.every = training, paintings, photos, run, every
        self.last_line = self.last_sheet = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        now, done = time.monotonic(), progress.step == progress.steps
        if now - self.last_line >= 30 or done:
            self.last_line = now
            losses = "  ".join(f"{name} {value:.4f}" for name, value in progress.losses.items())
            styles = " ".join(f"{name[:7]} {s:.3f}/{c:.3f}" for name, (s, c) in progress.by_style.items())
            left = progress.seconds_left / 60
            print(f"step {progress.step}/{progress.steps}  {left:.0f} min left  {losses}  {styles}", flush=True)
        if now - self.last_sheet >= self.every or done:
            self.last_sheet = now
            sheet = preview_sheet(self.training.network, self.paintings, self.photos)
            self.run.mkdir(parents=True, exist_ok=True)
            (self.run / f"sheet-{progress.step:06d}.jpg").write_bytes(jpeg(sheet, 88))


if __name__ == "__main__":
    main()
