"""Paint the same pictures with the compact encoder and with the networks that taught it, and judge both.

    python scripts/compare_encoders.py --data ../shared/data

Prints a table of the judge's style and content (vidstyle.metrics.judge); ``--picture FILE`` also writes the painting
of a sample movie's frame side by side: style, compact, teacher.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from teachers import load_teacher
from torch import Tensor
from torch.nn import functional as F

from vidstyle.config import OptimizeSettings
from vidstyle.media import probe, read_frames, scan
from vidstyle.metrics import Judgement, judge
from vidstyle.nets.encoder import Encoder, find_weights, load_encoder
from vidstyle.pipeline.images import read_image
from vidstyle.stylize.optimize import OptimizeStylizer
from vidstyle.stylize.schedule import Turn
from vidstyle.stylize.style import resize_style

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "sample_videos"
STYLES = ("starry-night", "great-wave", "the-scream")
PHOTOS = (-1, -15)  # from the end of the folder: held out from training
WIDTH = 320


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with weights, photos and styles")
    parser.add_argument("--iterations", type=int, default=OptimizeSettings().first_iterations)
    parser.add_argument("--picture", type=Path)
    args = parser.parse_args()
    teacher = load_teacher(args.data / "weights")
    compact = load_encoder("compact", find_weights("compact"), torch.device("cpu"))
    encoders: dict[str, Encoder] = {"compact": compact, "teacher": teacher}
    if args.picture:
        compare_pictures(encoders, teacher, args.iterations, args.picture)
        return
    photos = sorted((args.data / "photos").glob("*.jpg"))
    print("| content | style | encoder | judge's style | judge's content |\n|---|---|---|---|---|")
    totals: dict[str, list[Judgement]] = {name: [] for name in encoders}
    for number in PHOTOS:
        content = shrink(torch.from_numpy(read_image(photos[number])))
        for style_name in STYLES:
            style = torch.from_numpy(read_image(args.data / "styles" / f"{style_name}.jpg"))
            for name, encoder in encoders.items():
                _, score = paint(encoder, teacher, content, style, args.iterations)
                totals[name].append(score)
                row = f"| {photos[number].stem} | {style_name} | {name} | {score.style:.3f} | {score.content:.3f} |"
                print(row, flush=True)
    for name, scores in totals.items():
        style_mean = sum(s.style for s in scores) / len(scores)
        content_mean = sum(s.content for s in scores) / len(scores)
        print(f"| mean | | {name} | {style_mean:.3f} | {content_mean:.3f} |")


def paint(
    encoder: Encoder, judging: Encoder, content: Tensor, style: Tensor, iterations: int
) -> tuple[Tensor, Judgement]:
    """The content painted with one encoder, and what the judge says of it."""
    size = content.shape[2], content.shape[1]
    settings = OptimizeSettings(first_iterations=iterations)
    stylizer = OptimizeStylizer(settings, encoder, [style], size)
    painted, _ = stylizer.step(content, (), None, turn=Turn(0, 0), seed=0, progress=lambda share: None)
    return painted, judge(judging, painted, content, resize_style(style, size, 1.0)[0])


def shrink(picture: Tensor) -> Tensor:
    height = round(picture.shape[1] * WIDTH / picture.shape[2] / 16) * 16
    return F.interpolate(picture[None], size=(height, WIDTH), mode="bilinear", antialias=True)[0]


def compare_pictures(encoders: dict[str, Encoder], judging: Encoder, iterations: int, path: Path) -> None:
    movie = probe(SAMPLES / "harbor.mp4")
    _, frame = next(read_frames(movie, scan(movie), 34, 35, (WIDTH, WIDTH * movie.height // movie.width)))
    content = torch.from_numpy(frame).permute(2, 0, 1).float() / 255
    rows = []
    for name in ("brushwork", "papercut"):
        style = torch.from_numpy(read_image(SAMPLES / f"{name}.jpg"))
        panels = [F.interpolate(style[None], size=content.shape[1:], mode="bilinear", antialias=True)[0]]
        for encoder_name, encoder in encoders.items():
            painted, score = paint(encoder, judging, content, style, iterations)
            print(f"{name}, {encoder_name}: style {score.style:.3f}, content {score.content:.3f}", flush=True)
            panels.append(painted)
        rows.append(torch.cat(panels, 2))
    pixels = (torch.cat(rows, 1).clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.ascontiguousarray(pixels)).save(path, quality=88)


if __name__ == "__main__":
    main()
