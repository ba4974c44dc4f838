"""The methods that paint in any picture's style in one pass: how near, how calm, how fast, in how much memory.

    python scripts/bench_arbitrary.py style --data ../shared/data --out OUT
    python scripts/bench_arbitrary.py calm --data ../shared/data
    python scripts/bench_arbitrary.py speed --data ../shared/data
    python scripts/bench_arbitrary.py memory --methods wct
    python scripts/bench_arbitrary.py picture --out docs/images
    python scripts/bench_arbitrary.py sheet --data ../shared/data --out docs/images

style   the judge's style and content on photos held out, in styles that nothing was trained on, beside the optimiser
        (--optimize-photos of them) and the 16× compressed WCT decoders with their own encoders, levels 5 to 1.
        Also draws sheet.png: contents × styles for every method.
calm    warping error on the sequences held out, beside the same network frame by frame, and the judge's style of both.
speed   whole jobs, file to file with cold caches, at 640×360.
memory  the most memory that a process takes that paints one 4K frame.
picture what the documentation shows: frames of the sample movie in our own styles, by every method and the optimiser.
sheet   the same in the four unseen and two other paintings: a block for each, a row for each method in it.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from bench_flicker import Motion, clip_error
from PIL import Image
from safetensors.torch import load_file
from teachers import load_teacher
from torch import Tensor
from torch.nn import functional as F
from train_decoders import HELD_OUT_PHOTOS, HELD_OUT_SEQUENCES, UNSEEN_STYLES
from train_styles import SAMPLE, sample_frames

from vidstyle.config import (
    METHOD_DEFAULTS,
    METHODS,
    STYLE_LAYERS,
    OptimizeSettings,
    PredictSettings,
    TransferSettings,
)
from vidstyle.flow import DIS, backward_warp, consistency_map
from vidstyle.metrics import Judge, Judgement
from vidstyle.nets.autoencoder import DECODERS_FILE, Autoencoder, build_decoder
from vidstyle.nets.encoder import find_weights, load_compact, load_encoder
from vidstyle.nets.predictor import load_predicted
from vidstyle.nets.teacher import small_features
from vidstyle.nets.weights import embedded, read_weights
from vidstyle.pipeline.devices import choose_precision
from vidstyle.pipeline.images import read_image
from vidstyle.stylize.base import Prior, State, Stylizer
from vidstyle.stylize.moments import StyleMoments, moments_of, wct
from vidstyle.stylize.optimize import OptimizeStylizer
from vidstyle.stylize.predict import PredictStylizer
from vidstyle.stylize.schedule import Turn
from vidstyle.stylize.smoothing import finish_of
from vidstyle.stylize.style import resize_style
from vidstyle.stylize.transfer import TransferStylizer
from vidstyle.train.footage import read_excerpts
from vidstyle.train.preview import fitted, jpeg

ONE_PASS = ("predict", "adain", "wct", "photo")
VARIANTS = {
    "wct-from-relu5": ("wct", {"levels": tuple(reversed(STYLE_LAYERS))}),
    "wct-of-one-size": ("wct", {"levels": tuple(reversed(STYLE_LAYERS[:4]))}),
}
SEEN_STYLES = ("starry-night", "great-wave")  # on the sheet beside the unseen ones
FRAMES = 12  # of each sequence
SHOWN = 4  # photos on the sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=list(BENCHES))
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/arbitrary"))
    parser.add_argument("--photos", type=int, default=10)
    parser.add_argument("--optimize-photos", type=int, default=4)
    parser.add_argument("--methods", nargs="+", default=list(ONE_PASS))
    parser.add_argument("--size", type=int, nargs=2, default=(3840, 2160), help="of the frame of memory")
    parser.add_argument("--fusion", type=float, help="of calm; default: the settings'")
    parser.add_argument("--precision", default=choose_precision("auto", "cpu"))
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    BENCHES[args.what](args)


# ---- painters


def picture(path: Path) -> Tensor:
    return torch.from_numpy(read_image(path))


def painter_of(method: str, style: Tensor, size: tuple[int, int], precision: str, **changes: float) -> Stylizer:
    method, more = VARIANTS.get(method, (method, {}))
    settings = replace(METHODS[method](), **more, **changes)  # type: ignore[arg-type]
    compact = load_compact()
    if isinstance(settings, PredictSettings):
        device = torch.device("cpu")
        return PredictStylizer(
            settings, load_predicted(), compact, [style], lambda number: [1.0], device, getattr(torch, precision)
        )
    assert isinstance(settings, TransferSettings)
    decoder = build_decoder(method, read_weights(embedded(DECODERS_FILE)))
    both = Autoencoder(compact, decoder, torch.device("cpu"), getattr(torch, precision))
    return TransferStylizer(settings, both, [style], size, lambda number: [1.0], finish_of(settings))


def optimizer(style: Tensor, size: tuple[int, int], precision: str) -> Stylizer:
    encoder = load_encoder("compact", find_weights("compact"), torch.device("cpu"), None, precision)
    return OptimizeStylizer(OptimizeSettings(), encoder, [style], size)


def still(stylizer: Stylizer, frame: Tensor) -> Tensor:
    return stylizer.step(frame, (), None, turn=Turn(0, 0), seed=0, progress=lambda share: None)[0]


class Compressed:
    """WCT with the 16× compressed encoders and decoders of collaborative distillation, relu5_1 to relu1_1."""

    def __init__(self, weights: Path) -> None:
        names = {level: f"relu{level}_1" for level in (5, 4, 3, 2, 1)}
        self.encoders = {k: load_file(weights / f"vgg19_16x_encoder_{n}.safetensors") for k, n in names.items()}
        self.decoders = {k: load_file(weights / f"vgg19_16x_decoder_{n}.safetensors") for k, n in names.items()}

    def encode(self, x: Tensor, level: int) -> Tensor:
        """The network's own channels, without the wide heads."""
        own = {name: value for name, value in self.encoders[level].items() if "_aux" not in name}
        return small_features(own, x, [f"relu{level}_1"])[f"relu{level}_1"]

    def decode(self, x: Tensor, level: int) -> Tensor:
        weights = self.decoders[level]
        # The deepest first: conv51, conv44, …, conv11.
        convs = sorted({name.partition(".")[0] for name in weights}, reverse=True)
        for number, name in enumerate(convs):
            x = F.conv2d(F.pad(x, (1,) * 4, mode="reflect"), weights[f"{name}.weight"], weights[f"{name}.bias"])
            if number < len(convs) - 1:
                x = F.relu(x)
            if name.endswith("1") and name[-2] > "1":  # conv51, conv41 …: where the encoder pools
                x = F.interpolate(x, scale_factor=2, mode="nearest")
        return x

    @torch.no_grad()
    def __call__(self, frame: Tensor, style: Tensor) -> Tensor:
        x = frame[None]
        for level in (5, 4, 3, 2, 1):
            content, wanted = self.encode(x, level)[0], self.encode(style, level)[0]
            changed = wct(moments_of(content), StyleMoments(moments_of(wanted)))(content)
            x = self.decode(changed[None], level).clamp(0, 1)
        return x[0]


# ---- how near


def bench_style(args: argparse.Namespace) -> None:
    args.out.mkdir(parents=True, exist_ok=True)
    judging = load_teacher(args.data / "weights")
    photos = [square(picture(path)) for path in sorted((args.data / "photos").glob("*.jpg"))[-HELD_OUT_PHOTOS:]]
    photos = photos[:: HELD_OUT_PHOTOS // args.photos][: args.photos]
    compressed = Compressed(args.data / "weights")
    said: dict[str, list[Judgement]] = {}
    sheet: dict[str, list[list[Tensor]]] = {}
    for name in (*UNSEEN_STYLES, *SEEN_STYLES):
        style = picture(args.data / "styles" / f"{name}.jpg")
        resized = resize_style(style, (256, 256), 1.0)
        painters = {method: painter_of(method, style, (256, 256), args.precision) for method in args.methods}
        methods: dict[str, Callable[[Tensor], Tensor]] = {
            method: (lambda frame, painter=painter: still(painter, frame)) for method, painter in painters.items()
        }
        methods["16x"] = lambda frame, style=resized: compressed(frame, style)
        slow = optimizer(style, (256, 256), args.precision)
        methods["optimize"] = lambda frame, painter=slow: still(painter, frame)
        judge = Judge(judging, resized[0])
        for number, photo in enumerate(photos):
            for method, paint in methods.items():
                if method == "optimize" and number >= args.optimize_photos:
                    if number < SHOWN:
                        sheet.setdefault(method, []).append([photo, torch.ones_like(photo)])
                    continue
                painted = paint(photo)
                if number < SHOWN:
                    sheet.setdefault(method, []).append([photo, painted])
                if name in UNSEEN_STYLES:
                    said.setdefault(method, []).append(judge(photo, [painted])[0])
                    if number < args.optimize_photos:
                        said.setdefault(f"{method}, first {args.optimize_photos}", []).append(said[method][-1])
    print(f"{len(photos)} photos × {len(UNSEEN_STYLES)} unseen styles, 256×256, {args.precision}")
    print("| method | style | content |\n|---|---|---|")
    for method, judgements in said.items():
        style_mean, content = (np.mean([getattr(j, kind) for j in judgements]) for kind in ("style", "content"))
        print(f"| {method} | {style_mean:.3f} | {content:.3f} |")
    draw(sheet, args.out / "sheet.png")


def square(photo: Tensor, side: int = 256) -> Tensor:
    return photo[:, :side, :side].contiguous()


def draw(sheet: dict[str, list[list[Tensor]]], path: Path) -> None:
    """A row per method, a column per style and content."""
    contents = [pair[0] for pair in next(iter(sheet.values()))]
    rows = [torch.cat(contents, 2), *(torch.cat([pair[1] for pair in pairs], 2) for pairs in sheet.values())]
    pixels = F.interpolate(torch.cat(rows, 1)[None], scale_factor=0.5, mode="area")[0]
    Image.fromarray((pixels.clamp(0, 1) * 255).byte().permute(1, 2, 0).numpy()).save(path)


# ---- how calm


def bench_calm(args: argparse.Namespace) -> None:
    """Every sequence in an unseen style of its own."""
    judging = load_teacher(args.data / "weights")
    print(f"{FRAMES} frames of each sequence, {args.precision}; × 10⁻⁴")
    print(
        "| method | sequence, style | movie | frame by frame | fused | ratio | style | style, fused |\n|" + "---|" * 8
    )
    ratios: dict[str, list[float]] = {}
    for sequence, name in zip(HELD_OUT_SEQUENCES, UNSEEN_STYLES, strict=True):
        frames = [picture(path) for path in sorted((args.data / "sequences" / sequence).glob("*.jpg"))[:FRAMES]]
        size = frames[0].shape[2], frames[0].shape[1]
        style = picture(args.data / "styles" / f"{name}.jpg")
        judge = Judge(judging, resize_style(style, size, 1.0)[0])
        for method in args.methods:
            motions = [follow(method, b, a) for a, b in pairwise(frames)]
            changes = {} if args.fusion is None else {"fusion": args.fusion}
            stylizer = painter_of(method, style, size, args.precision, **changes)
            plain, fused = paint_clip(stylizer, frames, []), paint_clip(stylizer, frames, motions)
            errors = [1e4 * clip_error(clip, motions) for clip in (frames, plain, fused)]
            looks = [np.mean([judge(frames[n], [clip[n]])[0].style for n in (4, 8)]) for clip in (plain, fused)]
            ratios.setdefault(method, []).append(errors[2] / errors[1])
            numbers = " | ".join(f"{error:.1f}" for error in errors)
            row = f"{numbers} | {ratios[method][-1]:.2f} | {looks[0]:.3f} | {looks[1]:.3f}"
            print(f"| {method} | {sequence}, {name} | {row} |", flush=True)
    for method, found in ratios.items():
        print(f"{method}: {np.mean(found):.2f}")


def follow(method: str, now: Tensor, before: Tensor) -> Motion:
    """As the method's jobs do: DIS, fast, and masks as it likes them."""
    dis = DIS("fast")
    one, other = dis.prepare(now), dis.prepare(before)
    back, there = dis.estimate(one, other), dis.estimate(other, one)
    masks = METHOD_DEFAULTS[method].get("consistency", {})
    told = consistency_map(back, there, **masks, frames=(now, before))
    return Motion(back, consistency_map(back, there, **masks), told)


def paint_clip(stylizer: Stylizer, frames: Sequence[Tensor], motions: Sequence[Motion]) -> list[Tensor]:
    """As the program does; without ``motions`` every frame by itself."""
    painted: list[Tensor] = []
    state: State | None = None
    for number, frame in enumerate(frames):
        priors = []
        if number and motions:
            motion = motions[number - 1]
            warped = backward_warp(painted[-1], motion.flow, stylizer.interpolation)
            priors = [Prior(painted[-1], warped, motion.consistency)]
        carried = state if motions else None
        result, state = stylizer.step(frame, priors, carried, turn=Turn(0, number), seed=0, progress=lambda share: None)
        painted.append((result * 255).round() / 255)
    return painted


# ---- how fast


LONGER = {"predict": 192, "adain": 96, "photo, closed form": 12}
"""Frames of the longer of two jobs: enough that what starting takes, which differs from run to run, does not count."""


def bench_speed(args: argparse.Namespace) -> None:
    clip, style = args.data / "clips" / "cockatoo.mp4", args.data / "styles" / "cafe-terrace.jpg"
    print("| method | frames/s | seconds | frames |\n|---|---|---|---|")
    variants = {name: ["--method", name] for name in args.methods}
    if "photo" in variants:
        variants["photo, closed form"] = [*variants["photo"], "--smoothing", "closed-form"]
    for name, options in variants.items():
        seconds, count = [], LONGER.get(name, 48)
        for frames in (count // 4, count):
            with tempfile.TemporaryDirectory() as folder:
                command = [
                    *(sys.executable, "-m", "vidstyle", "stylize", str(clip), "--style", str(style), *options),
                    *("--width", "640", "--height", "360", "--end", f"{frames / 20:g}", "-q"),
                    *("-o", f"{folder}/out.mp4", "--cache-dir", f"{folder}/cache", "--no-cuts"),
                ]
                started = time.monotonic()
                subprocess.run(command, check=True, capture_output=True)
                seconds.append(time.monotonic() - started)
        done = count - count // 4
        rate = done / (seconds[1] - seconds[0])  # what starting takes is in both
        print(f"| {name} | {rate:.2f} | {seconds[1]:.1f} | {count} |", flush=True)


# ---- in how much memory


def bench_memory(args: argparse.Namespace) -> None:
    """Each method in a process of its own."""
    if len(args.methods) > 1:
        for method in args.methods:
            command = [sys.executable, __file__, "memory", "--methods", method, "--precision", args.precision]
            subprocess.run([*command, "--size", *map(str, args.size)], check=True)
        return
    width, height = args.size
    frame = F.interpolate(torch.rand(1, 3, height // 40, width // 40), size=(height, width), mode="bicubic")[0]
    stylizer = painter_of(args.methods[0], torch.rand(3, 400, 600), (width, height), args.precision)
    started = time.monotonic()
    still(stylizer, frame.clamp(0, 1))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    said = {"method": args.methods[0], "peak_gb": round(peak, 2), "seconds": round(time.monotonic() - started, 1)}
    print(json.dumps({**said, "size": f"{width}×{height}", "precision": args.precision}), flush=True)


# ---- what it looks like


def draw_picture(args: argparse.Namespace) -> None:
    """one-pass.jpg: the frames, then a row per method."""
    frames = [fitted(frame, 180, 320) for frame in sample_frames()[:2]]
    styles = [picture(SAMPLE.parent / f"{name}.jpg") for name in ("brushwork", "papercut")]
    rows = [torch.cat(frames * len(styles), 2)]
    for method in (*args.methods, "optimize"):
        make = optimizer if method == "optimize" else partial(painter_of, method)
        painters = [make(style, (320, 180), args.precision) for style in styles]
        rows.append(torch.cat([still(painter, frame) for painter in painters for frame in frames], 2))
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "one-pass.jpg").write_bytes(jpeg(torch.cat(rows, 1), 85))


def draw_sheet(args: argparse.Namespace) -> None:
    """any-style.jpg: blocks of four frames, unpainted and by every method, two blocks side by side."""
    quay, hills = read_excerpts(SAMPLE)
    frames = [fitted(frame.float() / 255, 180, 320) for frame in (quay[8], quay[44], hills[4], hills[24])]
    compressed, blocks = Compressed(args.data / "weights"), []
    for name in (*UNSEEN_STYLES, *SEEN_STYLES):
        style = picture(args.data / "styles" / f"{name}.jpg")
        rows = [torch.cat(frames, 2)]
        for method in args.methods:
            painter = painter_of(method, style, (320, 180), args.precision)
            rows.append(torch.cat([still(painter, frame) for frame in frames], 2))
        resized, slow = resize_style(style, (320, 180), 1.0), optimizer(style, (320, 180), args.precision)
        cut = [compressed(frame[..., :176, :], resized) for frame in frames]  # it takes multiples of 16
        rows.append(torch.cat([fitted(painted, 180, 320) for painted in cut], 2))
        rows.append(torch.cat([still(slow, frame) for frame in frames], 2))
        blocks.append(F.interpolate(torch.cat(rows, 1)[None], scale_factor=0.5, mode="area")[0])
    sheet = torch.cat([torch.cat(blocks[n : n + 2], 2) for n in range(0, len(blocks), 2)], 1)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "any-style.jpg").write_bytes(jpeg(sheet.clamp(0, 1), 80))


BENCHES = {
    "style": bench_style,
    "calm": bench_calm,
    "speed": bench_speed,
    "memory": bench_memory,
    "picture": draw_picture,
    "sheet": draw_sheet,
}

if __name__ == "__main__":
    main()
