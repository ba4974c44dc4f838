#!/usr/bin/env python3
"""Peak resident memory of a short and of a ten times longer movie: it must not grow with the length.

    python scripts/soak_memory.py
    python scripts/soak_memory.py --frames 300 3000 --iterations 1

The movies are the tiny sample clip, over and over: 96×54 pixels, and a cut every eight frames. Ends with 1 if the
longer one takes more than 1.1 times the memory.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from vidstyle.media import find_ffmpeg

HOME = Path(__file__).resolve().parent.parent
CLIP = HOME / "sample_videos" / "tiny.mp4"
STYLE = HOME / "sample_videos" / "brushwork.jpg"
LIMIT = 1.10
# ru_maxrss is in KiB, on macOS in bytes.
RSS_UNIT = 1 if sys.platform == "darwin" else 1024


def loop(frames: int, path: Path) -> Path:
    """The clip repeated up to so many frames, with its sound."""
    command = [find_ffmpeg().path, "-v", "error", "-y", "-stream_loop", "-1", "-i", str(CLIP)]
    command += ["-frames:v", str(frames), "-shortest", "-c:v", "libx264", "-crf", "18", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


def peak(frames: int, folder: Path, options: argparse.Namespace) -> tuple[float, float]:
    """(MiB of resident memory at most, seconds) of painting so many frames: of the program or an ffmpeg of its."""
    movie = loop(frames, folder / f"{frames}.mp4")
    command = [
        *(sys.executable, "-m", "vidstyle", "stylize", str(movie), "--style", str(options.style), "-q"),
        *("-o", str(folder / f"{frames}-painted.mp4"), "--cache-dir", str(folder / f"{frames}-cache")),
        *("--first-iterations", str(options.iterations), "--iterations", str(options.iterations)),
        *("--device", options.device),
    ]
    started = time.monotonic()
    process = subprocess.Popen(command, cwd=HOME, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"vidstyle ended with {process.returncode}")
    return usage.ru_maxrss * RSS_UNIT / 2**20, time.monotonic() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--frames", type=int, nargs=2, default=[300, 3000], metavar=("SHORT", "LONG"))
    parser.add_argument("--iterations", type=int, default=1, help="per frame (default: 1)")
    parser.add_argument("--style", type=Path, default=STYLE)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    peaks = []
    with tempfile.TemporaryDirectory(prefix="vidstyle-soak-") as folder:
        for frames in options.frames:
            mebibytes, seconds = peak(frames, Path(folder), options)
            peaks.append(mebibytes)
            print(f"{frames} frames: {mebibytes:.0f} MiB at most, {seconds:.0f} s", flush=True)
    ratio = peaks[1] / peaks[0]
    print(f"ratio: {ratio:.3f} (at most {LIMIT:.2f})")
    raise SystemExit(1 if ratio > LIMIT else 0)


if __name__ == "__main__":
    main()
