#!/usr/bin/env python3
"""What the pipeline costs beside the flow and the painting themselves. Prints a table in Markdown.

    python scripts/bench_pipeline.py
    python scripts/bench_pipeline.py --movie bikes.mp4 --only flow

Everything that is compared runs in turns in one process, on the cores that the process may use, and the table holds
medians. Ends with 1 if a target is missed.

flow  The flow stage of a pair of 1080p frames in both directions, as a job runs it: gray, estimates, packing, checksum,
      writing, and the flow as it will be read back. Frames come from memory, where a job has them when it asks for
      flow. Against OpenCV's DIS medium alone, both directions, in whichever way is faster here: one after the other on
      OpenCV's own threads, or side by side on two.
mask  ``consistency_map`` and ``backward_warp`` of one direction, against one DIS medium estimate (half of the above).
job   The share of a whole ``optimize`` job that is neither flow nor ``step`` of the stylizer: scan, decoding, masks,
      warping, storing, the estimate of the time, encoding. Imports are not counted.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import platform
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import torch

from vidstyle.flow import DIS, backward_warp, consistency_map
from vidstyle.media import probe, read_frames, scan
from vidstyle.pipeline import demand
from vidstyle.pipeline.api import stylize
from vidstyle.store import FLOW, MASK, Shelf, Store, frame_to_float, pair_name, quantize_mask
from vidstyle.stylize.optimize import OptimizeStylizer

HOME = Path(__file__).resolve().parent.parent
SIZE = (1920, 1080)
FLOW_TARGET, MASK_TARGET, JOB_TARGET, BYTES_TARGET = 1.5, 0.5, 0.05, 1.5e6

Pixels = np.ndarray
Row = tuple[str, str, str, bool | None]  # what, measured, target, whether it holds


def machine() -> str:
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count()
    return (
        f"{cores} cores of {name}; Python {platform.python_version()}, torch {torch.__version__} on "
        f"{torch.get_num_threads()} threads, OpenCV {cv2.__version__} on {cv2.getNumThreads()}"
    )


def make_samples() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_samples", HOME / "scripts" / "make_samples.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def frames_of(movie: Path | None, count: int) -> list[Pixels]:
    """So many frames at 1080p: of the movie, or rendered."""
    if movie is None:
        samples = make_samples()
        scene = samples.SCENES["harbor"]
        return [np.ascontiguousarray(samples.render(scene, frame, *SIZE)) for frame in range(count)]
    opened = probe(movie)
    timeline = scan(opened)
    return [np.array(image) for _, image in read_frames(opened, timeline, 0, min(count, len(timeline)), SIZE)]


def seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


class FromMemory:
    """Stands for ``Frames``, with everything decoded."""

    def __init__(self, frames: list[Pixels]) -> None:
        self.frames = frames

    def get(self, frame: int) -> Pixels:
        return self.frames[frame]


def dis(a: Pixels, b: Pixels) -> np.ndarray:
    # A new object each time, as the stage makes one.
    return cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(a, b, None)  # type: ignore[call-overload]


def time_pair(
    a: int, b: int, frames: list[Pixels], flows: demand.Flows, masks: Shelf[Pixels], pool: ThreadPoolExecutor
) -> dict[str, float]:
    """Seconds of everything that is compared, for one pair of neighbours."""
    source, target = (cv2.cvtColor(frames[n], cv2.COLOR_RGB2GRAY) for n in (b, a))
    times = {
        "in turn": seconds(lambda: (dis(source, target), dis(target, source))),
        "side by side": seconds(lambda: list(pool.map(dis, (source, target), (target, source)))),
        "stage": seconds(lambda: flows.both(b, a)),
    }
    flow, opposite = (torch.from_numpy(field) for field in flows.both(b, a))
    painted = torch.from_numpy(frame_to_float(frames[a]))
    pair = frames[b], frames[a]
    times["mask"] = seconds(lambda: (consistency_map(flow, opposite, frames=pair), backward_warp(painted, flow)))
    mask = consistency_map(flow, opposite, frames=pair).numpy()
    times["storing"] = seconds(lambda: masks.save(pair_name(b, a), quantize_mask(mask)))
    return times


def bench_flow_and_mask(frames: list[Pixels], folder: Path, rounds: int) -> list[Row]:
    pairs = [(a, a + 1) for a in range(len(frames) - 1)]
    dis(*(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames[:2]))  # the first call is slower
    times: list[dict[str, float]] = []
    sizes: list[int] = []
    dis_medium = DIS()
    with ThreadPoolExecutor(2) as pool:
        for number in range(rounds):
            store = Store(folder / str(number), print)
            shelf, masks = store.shelf("flow", "0" * 32, FLOW), store.shelf("consistency", "0" * 32, MASK)
            flows = demand.Flows(shelf, FromMemory(frames), lambda: dis_medium, None, {})  # type: ignore[arg-type]
            flows.prepare(0)  # the first of a pair is the last of the pair before
            times += [time_pair(a, b, frames, flows, masks, pool) for a, b in pairs]
            sizes += [shelf.path(name).stat().st_size for name in shelf.names()]
            flows.close()
    of = {name: median(row[name] for row in times) for name in times[0]}
    bare = min(of["in turn"], of["side by side"])
    ratio, mask_ratio, size = of["stage"] / bare, of["mask"] / (bare / 2), median(sizes)
    return [
        ("bare DIS medium, both directions, in turn", ms(of["in turn"]), "", None),
        ("bare DIS medium, both directions, side by side", ms(of["side by side"]), "", None),
        ("flow stage, both directions", ms(of["stage"]), "", None),
        ("**flow stage / bare**", f"{ratio:.2f}", f"≤ {FLOW_TARGET}", ratio <= FLOW_TARGET),
        ("consistency + warp, one direction", ms(of["mask"]), "", None),
        ("**consistency + warp / one estimate**", f"{mask_ratio:.2f}", f"≤ {MASK_TARGET}", mask_ratio <= MASK_TARGET),
        ("packing and writing the mask, besides", ms(of["storing"]), "", None),
        (
            "**bytes of flow, one direction**",
            f"{size / 1e6:.2f} MB (at most {max(sizes) / 1e6:.2f})",
            f"≤ {BYTES_TARGET / 1e6} MB",
            size <= BYTES_TARGET,
        ),
    ]


def ms(time: float) -> str:
    return f"{1000 * time:.0f} ms"


class Stopwatch:
    """Wall time spent in functions while they are wrapped; what they call of each other counts for the outer one."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}
        self.stack: list[float] = []  # time of inner wrapped calls, per wrapped call that is open

    @contextlib.contextmanager
    def on(self, name: str, owner: Any, function: str) -> Iterator[None]:
        original = getattr(owner, function)

        def wrapped(*given: Any, **named: Any) -> Any:
            self.stack.append(0.0)
            started = time.perf_counter()
            try:
                return original(*given, **named)
            finally:
                took = time.perf_counter() - started
                inner = self.stack.pop()
                self.spent[name] = self.spent.get(name, 0.0) + took - inner
                if self.stack:
                    self.stack[-1] += took

        setattr(owner, function, wrapped)
        try:
            yield
        finally:
            setattr(owner, function, original)


def bench_job(movie: Path, style: Path, folder: Path, asked: dict[str, Any]) -> list[Row]:
    from vidstyle.pipeline import plan, run, studio

    watch = Stopwatch()
    wrapped = [
        ("stylizer's steps", OptimizeStylizer, "step"),
        ("flow stage", demand.Flows, "both"),  # both directions; `get` alone only reads
        ("masks", demand.Consistencies, "get"),
        ("warping", demand, "backward_warp"),
        ("decoding and storing frames", demand.Frames, "get"),
        ("quantising and storing painted frames, and reading", demand.Painter, "get"),
        ("estimate of the time", OptimizeStylizer, "seconds_per_frame"),
        ("probe, scan, digests", plan, "probe"),
        ("probe, scan, digests", plan, "load_timeline"),
        ("probe, scan, digests", plan, "digest_inputs"),
        ("loading the network and the style", studio, "build_stylizer"),
        ("writing the movie", run, "write_movie"),
    ]
    with contextlib.ExitStack() as stack:
        for name, owner, function in wrapped:
            stack.enter_context(watch.on(name, owner, function))
        total = seconds(
            lambda: stylize(movie, folder / "painted.mp4", style, cache_dir=folder / "job", device="cpu", **asked)
        )
    outside = total - watch.spent["flow stage"] - watch.spent["stylizer's steps"]
    watch.spent["the rest"] = total - sum(watch.spent.values())
    share = outside / total
    rows: list[Row] = [("whole job", f"{total:.1f} s", "", None)]
    rows += [(f"– {name}", f"{spent:.2f} s", "", None) for name, spent in watch.spent.items()]
    rows.append(("**outside flow and stylization**", f"{share:.1%}", f"≤ {JOB_TARGET:.0%}", share <= JOB_TARGET))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--movie", type=Path, help="of the flow, scaled to 1080p (default: harbor, rendered)")
    parser.add_argument("--frames", type=int, default=6, help="of it (default: 6)")
    parser.add_argument("--rounds", type=int, default=3, help="over them (default: 3)")
    parser.add_argument("--job-movie", type=Path, default=HOME / "sample_videos" / "short.mp4")
    parser.add_argument("--style", type=Path, default=HOME / "sample_videos" / "brushwork.jpg")
    parser.add_argument("--iterations", type=int, help="per frame of the job (default: the method's own)")
    parser.add_argument("--only", choices=["flow", "job"])
    options = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="vidstyle-bench-") as folder:
        if options.only != "job":
            rows += bench_flow_and_mask(frames_of(options.movie, options.frames), Path(folder), options.rounds)
        if options.only != "flow":
            count = options.iterations
            asked = {"stylize": {"first_iterations": count, "iterations": count}} if count else {}
            rows += bench_job(options.job_movie, options.style, Path(folder), asked)
    print(f"{machine()}\n`{shlex.join(['python', *sys.argv])}`\n")
    print("| | measured | target | |\n|---|---|---|---|")
    for what, measured, target, holds in rows:
        print(f"| {what} | {measured} | {target} | {'' if holds is None else 'yes' if holds else '**missed**'} |")
    raise SystemExit(1 if any(holds is False for *_, holds in rows) else 0)


if __name__ == "__main__":
    main()
