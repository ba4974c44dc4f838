#!/usr/bin/env python3
"""What keeping everything costs: bytes and time of every stage, and of a whole fast job. Prints tables in Markdown.

    python scripts/bench_cache.py
    python scripts/bench_cache.py --movie bikes.mp4 --only job

Everything that is compared runs in turns in one process, and the tables hold the best of several rounds. Ends with 1 if
the target is missed.

stages  One artifact of each stage, written and read back through its shelf, checksums and all. Frames are rendered (or
        the movie's), flow and mask are estimated from them, and for the painted frame stands a painting of that size.
job     Decoding, flow (DIS, fast), masks, warping and encoding at 640×360 with a method that takes next to no time:
        with a fresh cache, and with ``--no-cache``. A method that paints for real takes seconds a frame, beside which
        the cache cannot be seen. Also the processor's time of this process, which other work on the machine does not
        change, and of the thread that everything waits for: what is saved is packed in another.
"""

from __future__ import annotations

import argparse
import importlib.util
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vidstyle.flow import DIS, consistency_map
from vidstyle.flow.warp import Interpolation
from vidstyle.media import probe, read_frames, scan
from vidstyle.pipeline import studio
from vidstyle.pipeline.api import stylize
from vidstyle.pipeline.painted import PAINTED, Painted
from vidstyle.store import FLOW, FRAME, MASK, Codec, Shelf, Store, frame_name, quantize_mask
from vidstyle.stylize.base import Prior, Progress, State
from vidstyle.stylize.schedule import Turn

HOME = Path(__file__).resolve().parent.parent
SIZES = {"360p": (640, 360), "720p": (1280, 720), "1080p": (1920, 1080)}
TARGET = 0.20  # of the job without a cache

Pixels = np.ndarray


class Cheap:
    """Carries the previous frame along and mixes it with the present one: two operations a pixel."""

    interpolation: Interpolation = "bilinear"

    def step(
        self, frame: Tensor, priors: Sequence[Prior], state: State | None, *, turn: Turn, seed: int, progress: Progress
    ) -> tuple[Tensor, State | None]:
        for prior in priors:
            frame = torch.lerp(frame, prior.warped, 0.5 * prior.consistency)
        return frame, None

    def seconds_per_frame(self, size: tuple[int, int]) -> tuple[float, float]:
        return 0.0, 0.0


def load_script(name: str) -> ModuleType:
    """Another script of this folder, as a module."""
    spec = importlib.util.spec_from_file_location(name, HOME / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def two_frames(movie: Path | None, size: tuple[int, int]) -> list[Pixels]:
    if movie is None:
        samples = load_script("make_samples")
        return [np.ascontiguousarray(samples.render(samples.SCENES["harbor"], frame, *size)) for frame in (0, 1)]
    opened = probe(movie)
    return [np.array(image) for _, image in read_frames(opened, scan(opened), 0, 2, size)]


@dataclass
class Times:
    """Seconds by the clock, of the processor's in all threads, and in the calling thread."""

    wall: float
    processor: float
    thread: float


def timed(work: Callable[[], Any]) -> Times:
    started = time.perf_counter(), time.process_time(), time.thread_time()
    work()
    return Times(time.perf_counter() - started[0], time.process_time() - started[1], time.thread_time() - started[2])


def best(times: list[Times]) -> Times:
    """The least of each: what other work on the machine adds is no property of ours."""
    return Times(min(t.wall for t in times), min(t.processor for t in times), min(t.thread for t in times))


def bench_stages(movie: Path | None, painting: Path, folder: Path, rounds: int) -> list[str]:
    """A row for each stage: bytes, and milliseconds to write and to read, at every size."""
    rows: dict[str, list[str]] = {}
    for name, size in SIZES.items():
        frames = two_frames(movie, size)
        method = DIS()
        prepared = [method.prepare(frame) for frame in frames]
        flow, opposite = method.estimate(*prepared), method.estimate(*reversed(prepared))
        mask = quantize_mask(consistency_map(flow, opposite).numpy())
        picture = Image.open(painting).convert("RGB").resize(size, Image.Resampling.BICUBIC)
        store = Store(folder / name, print)
        values: dict[str, tuple[Codec[Any], Any]] = {
            "decode": (FRAME, frames[0]),
            "flow": (FLOW, flow.numpy()),
            "consistency": (MASK, mask),
            "stylize": (PAINTED, Painted(np.array(picture))),
        }
        for stage, (codec, value) in values.items():
            rows.setdefault(stage, []).append(time_artifact(store.shelf(stage, "0" * 32, codec), value, rounds))
    head = [f"| one artifact: bytes, ms to write / read | {' | '.join(SIZES)} |", "|---" * (1 + len(SIZES)) + "|"]
    return head + [f"| {stage} | {' | '.join(cells)} |" for stage, cells in rows.items()]


def time_artifact(shelf: Shelf[Any], value: Any, rounds: int) -> str:
    write = best([timed(lambda n=n: shelf.save(frame_name(n), value)) for n in range(rounds)])  # type: ignore[misc]
    read = best([timed(lambda n=n: shelf.load(frame_name(n))) for n in range(rounds)])  # type: ignore[misc]
    length = shelf.path(frame_name(0)).stat().st_size
    return f"{length / 1e6:.2f} MB, {1000 * write.thread:.1f} / {1000 * read.thread:.1f}"


def bench_job(movie: Path, folder: Path, rounds: int) -> tuple[list[str], bool]:
    """Rows of the job with and without a cache, and whether the target is met."""
    studio.build_stylizer = lambda *asked: Cheap()  # type: ignore[assignment]
    style = HOME / "sample_videos" / "brushwork.jpg"

    def job(name: str, **asked: Any) -> Times:
        output = folder / f"{name}.mp4"
        output.unlink(missing_ok=True)
        size = {"width": 640, "height": 360}
        return timed(lambda: stylize(movie, output, style, flow={"preset": "fast"}, device="cpu", **size, **asked))

    job("warm-up", use_cache=False)
    without, fresh, again = "without a cache", "with a fresh cache", "again, everything cached"
    times: dict[str, list[Times]] = {without: [], fresh: [], again: []}
    for number in range(rounds):
        cache = folder / f"cache-{number}"
        times[without].append(job("without", use_cache=False))
        times[fresh].append(job("with", cache_dir=cache))
        times[again].append(job("with", cache_dir=cache))
    assert (folder / "with.mp4").read_bytes() == (folder / "without.mp4").read_bytes()
    size = sum(file.stat().st_size for file in cache.rglob("*") if file.is_file())
    frames = len(scan(probe(movie)))
    rows = [
        f"| a job of {frames} frames at 640×360, ms a frame | by the clock | processor | of it in the main thread |",
        "|---|---|---|---|",
    ]
    of = {name: best(taken) for name, taken in times.items()}
    for name, taken in of.items():
        cells = (1000 * seconds / frames for seconds in (taken.wall, taken.processor, taken.thread))
        rows.append(f"| {name} | {' | '.join(f'{cell:.1f}' for cell in cells)} |")
    costs = [getattr(of[fresh], kind) / getattr(of[without], kind) - 1 for kind in ("wall", "processor", "thread")]
    rows.append(f"| **caching costs** (at most {TARGET:.0%} by the clock) | {' | '.join(f'{c:+.0%}' for c in costs)} |")
    rows.append(f"| bytes in the cache, a frame | {size / frames / 1e6:.2f} MB | | |")
    return rows, costs[0] <= TARGET


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--movie", type=Path, help="(default: harbor, rendered, and the sample movie)")
    parser.add_argument("--painting", type=Path, default=HOME / "sample_videos" / "brushwork.jpg")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=["stages", "job"])
    options = parser.parse_args()
    machine = load_script("bench_pipeline").machine()
    tables, holds = [], True
    with tempfile.TemporaryDirectory(prefix="vidstyle-bench-") as folder:
        if options.only != "job":
            tables.append(bench_stages(options.movie, options.painting, Path(folder), options.rounds))
        if options.only != "stages":
            rows, holds = bench_job(options.movie or HOME / "sample_videos" / "short.mp4", Path(folder), options.rounds)
            tables.append(rows)
    print(f"{machine}\n`{shlex.join(['python', *sys.argv])}`\n")
    print("\n\n".join("\n".join(rows) for rows in tables))
    raise SystemExit(0 if holds else 1)


if __name__ == "__main__":
    main()
