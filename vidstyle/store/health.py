"""Whether a folder can be used as the cache, found out by doing it: writing, renaming, locking."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from vidstyle.errors import StoreError
from vidstyle.store.atomic import atomic_write, printable, store_error
from vidstyle.store.job import Job

_TRIAL = ".vidstyle-trial-"


@dataclass(frozen=True)
class Health:
    """What was found out about a cache folder."""

    root: Path
    exists: bool
    problem: str | None  # why it cannot be written, in one line that says what to do; None: it can
    lock_problem: str | None  # what is lost without locks; None: they hold
    free: int | None  # bytes on its disk; None: not known


def examine_cache(root: Path) -> Health:
    """Try what the cache needs, in ``root`` or where it would be made. Leaves nothing behind, never raises."""
    there = _nearest(root)
    problem, locks = None, None
    try:
        with tempfile.TemporaryDirectory(prefix=_TRIAL, dir=there) as name:
            atomic_write(Path(name) / "artifact", b"trial")
            locks = _lock_problem(Path(name))
    except StoreError as error:
        problem = str(error).replace(name, str(there))
    except OSError as error:
        problem = str(store_error(error, root))
    return Health(root, root.is_dir(), problem, locks, free_bytes(there))


def _nearest(path: Path) -> Path:
    """The folder itself, or the nearest above it that is there."""
    for folder in (path, *path.parents):
        with contextlib.suppress(OSError):  # a folder that may not be looked into
            if folder.exists():
                return folder
    return path


def _lock_problem(folder: Path) -> str | None:
    said: list[str] = []
    job = Job(folder, "trial", {})
    with job.lock(report=said.append):
        try:
            with job.lock():
                return said[0] if said else f"locks do not hold in {printable(folder.parent)}: run each job only once"
        except StoreError:  # held, as it must be
            return None


def free_bytes(folder: Path) -> int | None:
    """Free bytes on the disk of a folder; None where that cannot be known."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def folder_bytes(folder: Path, seconds: float = 3.0) -> tuple[int, bool]:
    """Bytes of all files in a folder as far as could be counted in that time, and whether these are all."""
    deadline, total = time.monotonic() + seconds, 0
    for above, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):  # another process may just have removed it
                total += (Path(above) / name).stat().st_size
        if time.monotonic() > deadline:
            return total, False
    return total, True
