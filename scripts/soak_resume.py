#!/usr/bin/env python3
"""Kill one job with SIGKILL at random moments, resume it each time, and compare every byte with an uninterrupted run.

    python scripts/soak_resume.py
    python scripts/soak_resume.py --kills 100 --seed 7 --movie bikes.mp4 --style starry-night.jpg

Ends with 1 if the output movie or any artifact differs, or anything unfinished was left behind.
"""

from __future__ import annotations

import argparse
import collections
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent
ENCODING = 0.15  # share of the kills that come while the movie is written
STARTING = 0.15  # ... and while the program starts
START_SECONDS = 3.0
ENCODE_SECONDS = 0.3
POLL_SECONDS = 0.01


class Job:
    """One cache and one output for what is always the same job."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self.cache, self.output = folder / "cache", folder / "out" / "painted.mp4"
        self.output.parent.mkdir(parents=True)
        self.command = [
            *(sys.executable, "-m", "vidstyle", "stylize", str(options.movie), "--style", str(options.style)),
            *("-o", str(self.output), "--cache-dir", str(self.cache)),
            *("--first-iterations", str(options.iterations), "--iterations", str(options.iterations)),
            *("--device", options.device, *options.more),
        ]

    def start(self) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return subprocess.Popen(self.command, cwd=HOME, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True)

    def finish(self) -> float:
        """Run to the end; how many seconds it took."""
        started = time.monotonic()
        process = self.start()
        _, said = process.communicate()
        if process.returncode != 0:
            raise SystemExit(f"the job failed with {process.returncode}:\n{said}")
        return time.monotonic() - started

    def artifacts(self) -> dict[str, Path]:
        """Every result by its place in the cache. ``encode`` notes sizes and times of output files, and is left out."""
        files = [file for file in (self.cache / "v2").rglob("*") if file.is_file() and ".tmp" not in file.name]
        return {str(f.relative_to(self.cache)): f for f in files if f.relative_to(self.cache).parts[1] != "encode"}

    def is_encoding(self, total: int) -> bool:
        """Whether everything is painted, and the last frames are on their way into the movie."""
        return any(self.output.parent.glob(".*.tmp*")) and len(self.artifacts()) >= total

    def leftovers(self) -> list[Path]:
        """Temporary files that nobody removed, and what was set aside as damaged."""
        found = [*self.cache.rglob(".*.tmp*"), *self.output.parent.glob(".*.tmp*"), *self.cache.rglob("*.corrupt-*")]
        return [file for file in found if "digests" not in file.parts]


Moment = tuple[str, float]  # what the job is doing then, and: seconds after its start, artifacts, seconds of encoding


def moments(kills: int, total: int, rng: random.Random) -> list[Moment]:
    """Random moments over the whole of a job, in an order in which each can still be reached."""
    starting, encoding = round(kills * STARTING), max(1, round(kills * ENCODING))
    painting = max(0, kills - starting - encoding)
    chosen: list[Moment] = [("painting", wanted) for wanted in sorted(rng.choices(range(1, total), k=painting))]
    for _ in range(starting):
        chosen.insert(rng.randint(0, len(chosen)), ("starting", rng.uniform(0, START_SECONDS)))
    return chosen + [("encoding", rng.uniform(0, ENCODE_SECONDS)) for _ in range(encoding)]


def kill_at(job: Job, moment: Moment, total: int) -> bool:
    """Start the job and kill it then; False if it was done before that."""
    phase, when = moment
    process = job.start()
    if phase == "painting":
        while process.poll() is None and len(job.artifacts()) < when:
            time.sleep(POLL_SECONDS)
    else:
        while phase == "encoding" and process.poll() is None and not job.is_encoding(total):
            time.sleep(POLL_SECONDS)
        time.sleep(when)
    process.kill()
    process.communicate()
    if process.returncode == 0:
        job.output.unlink()  # it was faster; let it write the movie again
    elif process.returncode != -signal.SIGKILL:
        raise SystemExit(f"the job ended by itself with {process.returncode}")
    return process.returncode != 0


def differences(a: Job, b: Job) -> list[str]:
    ours, theirs = a.artifacts(), b.artifacts()
    different = [f"only in one of them: {name}" for name in sorted(set(ours) ^ set(theirs))]
    same = sorted(set(ours) & set(theirs))
    different += [f"differs: {name}" for name in same if ours[name].read_bytes() != theirs[name].read_bytes()]
    if a.output.read_bytes() != b.output.read_bytes():
        different.append("the output movies differ")
    return different


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--movie", type=Path, default=HOME / "sample_videos" / "short.mp4")
    parser.add_argument("--style", type=Path, default=HOME / "sample_videos" / "brushwork.jpg")
    parser.add_argument("--kills", type=int, default=20, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--iterations", type=int, default=3, help="per frame (default: 3)")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--folder", type=Path, help="where to work and to keep everything (default: a temporary one)")
    parser.add_argument("more", nargs="*", help="further options of `vidstyle stylize`, after --")
    options = parser.parse_args()
    options.movie, options.style = options.movie.resolve(), options.style.resolve()
    return options


def soak(options: argparse.Namespace, folder: Path) -> int:
    rng = random.Random(options.seed)
    whole, killed = Job(folder / "whole", options), Job(folder / "killed", options)
    seconds = whole.finish()
    total = len(whole.artifacts())
    print(f"uninterrupted: {total} artifacts, {whole.output.stat().st_size} bytes of movie, {seconds:.0f} s")
    phases: collections.Counter[str] = collections.Counter()
    for moment in moments(options.kills, total, rng):
        phase, when = moment
        while not kill_at(killed, moment, total):
            moment = phase, when = phase, when / 2
        phases[phase] += 1
        print(f"killed while {phase}, with {len(killed.artifacts())} of {total} artifacts", flush=True)
    killed.finish()
    problems = differences(whole, killed) + [f"left behind: {file}" for file in killed.leftovers()]
    for problem in problems:
        print(problem)
    verdict = f"{len(problems)} DIFFERENCES" if problems else "output and artifacts are byte-identical"
    print(f"{options.kills} kills ({', '.join(f'{n} while {p}' for p, n in phases.items())}): {verdict}")
    return 1 if problems else 0


def main() -> None:
    options = parse()
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    if options.folder:
        raise SystemExit(soak(options, options.folder.absolute()))
    with tempfile.TemporaryDirectory(prefix="vidstyle-soak-") as folder:
        raise SystemExit(soak(options, Path(folder)))


if __name__ == "__main__":
    main()
