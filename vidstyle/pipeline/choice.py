"""Which method paints in pictures where none is asked for: the best one that the user has time for.

Nothing here loads torch: how its threads wait is to be said before it is loaded, and depends on the method.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vidstyle.config import METHODS, TRAINED_ENDINGS
from vidstyle.errors import InputError
from vidstyle.media import probe, working_size
from vidstyle.pipeline.lengths import length_text, parse_length
from vidstyle.structure import from_plain, read_ratio

PATIENCE = 30 * 60
"""Seconds that painting may take where nothing else is said."""

#: Seconds for a megapixel of a frame on two cores with matrix instructions for bfloat16, flow and encoding included,
#: the best method first (docs/benchmarks.md). Known beforehand and not measured on the spot, so that the same command
#: always chooses the same.
SECONDS = {"optimize": 30.0, "wct": 1.25, "adain": 0.5, "predict": 0.28}
CORES, MOST_CORES = 2, 16
#: Times as long on a CPU without those instructions.
PLAIN = {"optimize": 2.8, "wct": 3.8, "adain": 3.1, "predict": 2.1}
GPU = 30.0  # times as fast on a graphics card: an estimate
#: What only optimisation takes, besides its settings.
FOR_OPTIMIZE = ("quality", "start_style", "encoder_weights")


def with_method(table: Mapping[str, Any]) -> dict[str, Any]:
    """A request's table (``request_from_plain``) without ``within``, the time that there is, and with a method.

    The method is added, and ``why`` it is that one, where none is asked for and all styles are pictures. ``within`` is
    in seconds, or a text such as "90s", "30m" or "1h30m".

    Raises:
        InputError: the time is none, a method is asked for as well, or the movie cannot be read.
    """
    rest = dict(table)
    within = rest.pop("within", None)
    wait = PATIENCE if within is None else parse_length(within, "--within")
    paths = [style["path"] for style in rest.get("styles", ()) if isinstance(style, Mapping) and "path" in style]
    chooses = rest.get("method") is None and paths and all(is_surely_picture(path) for path in paths)
    if within is not None and not chooses:
        refuse_within(rest.get("method"), paths)
    candidates = methods_for(rest) if chooses else []
    if len(candidates) == 1 and within is None:  # what was asked for leaves no choice
        return {**rest, "method": candidates[0]}
    if not candidates:
        return rest
    try:
        seconds = estimates(rest, candidates)
    except (ValueError, TypeError, ArithmeticError):  # sizes or times that are none: refused where a request is read
        return rest
    chosen = next((name for name in candidates if seconds[name] <= wait), min(seconds, key=seconds.__getitem__))
    return {**rest, "method": chosen, "why": reason(paths, chosen, seconds, wait)}


def refuse_within(method: object, paths: list[str]) -> None:
    """Raise InputError that says why there is no choice that the time could make."""
    if method is not None:
        raise InputError("--within chooses the method, which --method names already: leave out one of them")
    for path in paths:
        if not is_surely_picture(path):
            raise InputError(
                f"--within chooses among the methods for pictures, which {path} is not by its name: leave out --within"
            )


def is_surely_picture(path: str) -> bool:
    """Whether a style is a picture by its name alone; the others may be trained ones."""
    return Path(path).suffix.lower() not in ("", *TRAINED_ENDINGS)


def methods_for(table: Mapping[str, Any]) -> list[str]:
    """The methods that take all settings of a table, the best first."""
    fitting = [name for name in SECONDS if takes(name, table.get("stylize", {}))]
    if any(table.get(name) is not None for name in FOR_OPTIMIZE):
        return [name for name in fitting if name == "optimize"]
    return fitting


def takes(method: str, settings: Any) -> bool:
    """Whether a method has all these settings, and they may be so."""
    try:
        from_plain(METHODS[method], settings, "[stylize]")
    except InputError:
        return False
    return True


def estimates(table: Mapping[str, Any], methods: list[str]) -> dict[str, float]:
    """About how many seconds each method takes to paint the movie of a table."""
    fps = table.get("fps")
    movie = probe(Path(table["movie"]).expanduser(), None if fps is None else read_ratio(str(fps)))
    width, height = working_size(movie, table.get("width"), table.get("height"))
    count = float(movie.frame_count_hint or 1)
    start, end = (None if table.get(name) is None else float(read_ratio(str(table[name]))) for name in ("start", "end"))
    length = float(movie.duration or 0)
    if length and (start is not None or end is not None):
        count *= max(0.0, min(end or length, length) - (start or 0)) / length
    megapixels = max(1, count) * width * height / 1e6
    device = str(table.get("device") or "auto")
    return {name: SECONDS[name] * megapixels / speed(name, device) for name in methods}


def speed(method: str, device: str) -> float:
    """How fast this machine is with a method, in units of the one that ``SECONDS`` are for."""
    card = Path("/dev/nvidiactl").exists() or shutil.which("nvidia-smi") is not None
    if device.startswith(("cuda", "mps")) or (device == "auto" and card):
        return GPU
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_CORES) / CORES / (1 if has_matrix_instructions() else PLAIN[method])


def has_matrix_instructions() -> bool:
    try:
        return "amx_bf16" in Path("/proc/cpuinfo").read_text("utf-8", "replace")
    except OSError:
        return False


def reason(paths: list[str], chosen: str, seconds: Mapping[str, float], wait: float) -> str:
    """In one line, why this method was chosen and how to get another."""
    names = [Path(path).name for path in paths]
    what = f"{names[0]} is a picture" if len(names) == 1 else f"{' and '.join(names)} are pictures"
    if len(seconds) == 1:
        return f"{what}: of all methods only {chosen} takes these options (about {length_text(seconds[chosen])} here)"
    fits = seconds[chosen] <= wait
    how = "the best method that is done" if fits else "the fastest method, though not done"
    others = ", ".join(f"{name} {length_text(value)}" for name, value in seconds.items() if name != chosen)
    return (
        f"{what}: {chosen} is {how} within {length_text(wait)} here (about {length_text(seconds[chosen])}"
        f"{'; ' + others if others else ''}); --within 2h gives it more time, --method NAME chooses another"
    )
