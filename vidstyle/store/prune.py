"""Removing what is missed least, and never what a running job needs."""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from vidstyle.errors import StoreError
from vidstyle.store.atomic import store_error
from vidstyle.store.contents import (
    ShelfContents,
    last_first,
    missed_least,
    old_layouts,
    read_contents,
    remove_if_empty,
    shelf_folders,
    size,
)
from vidstyle.store.job import Job, running_jobs
from vidstyle.store.keys import is_memo, memo_files


@dataclass(frozen=True)
class Criteria:
    """What may go. Each narrows the choice; leftovers go in any case."""

    stages: tuple[str, ...] = ()  # of these stages; none named: of all
    folders: frozenset[Path] | None = None  # these shelves; None: all
    unused_since: float | None = None  # not used since then, in seconds since 1970
    to: int | None = None  # no more than it takes for the whole cache to have so many bytes
    artifacts: bool = True  # False: nothing but leftovers
    everything: bool = False  # also jobs, and what is remembered of files

    def choose(self, shelf: ShelfContents) -> bool:
        """Whether a shelf may go, were it not in use."""
        return (
            self.artifacts
            and (not self.stages or shelf.stage in self.stages)
            and (self.folders is None or shelf.folder in self.folders)
            and (self.unused_since is None or shelf.used < self.unused_since)
        )


@dataclass
class Freed:
    """Files and bytes of one kind that were removed."""

    files: int = 0
    bytes: int = 0

    def add(self, freed: int) -> None:
        self.files += 1
        self.bytes += freed


@dataclass
class Pruned:
    """What was removed, by stage or kind, and what could not be."""

    freed: dict[str, Freed] = field(default_factory=lambda: defaultdict(Freed))
    left: int = 0  # bytes that the cache has now
    kept: dict[str, int] = field(default_factory=dict)  # by running job: bytes that would have gone without it
    newer: list[str] = field(default_factory=list)  # folders of a newer vidstyle, which were left alone

    @property
    def bytes(self) -> int:
        return sum(freed.bytes for freed in self.freed.values())


def prune(root: Path, criteria: Criteria, dry_run: bool = False) -> Pruned:
    """Remove what ``criteria`` chooses from a cache folder, and all leftovers; with ``dry_run`` only say so.

    What takes least to make again goes first, of that what was not used for longest, and of one shelf the last
    frames. StoreError, one line, if something cannot be removed.
    """
    contents = read_contents(root)
    pruned = Pruned(left=contents.bytes, newer=contents.newer)
    running = running_jobs(root)
    users = {folder: job.id for job in running for folder in job.uses}
    for leftover in contents.leftovers:
        _remove(leftover.path, leftover.bytes, leftover.why, pruned, dry_run)
    if not dry_run:
        remove_empty_layouts(root)
    for shelf in missed_least(filter(criteria.choose, contents.shelves)):
        if criteria.to is not None and pruned.left <= criteria.to:
            break
        if shelf.folder in users:
            pruned.kept[users[shelf.folder]] = pruned.kept.get(users[shelf.folder], 0) + shelf.bytes
        else:
            _empty(shelf, criteria.to, pruned, dry_run)
    if criteria.everything:
        _empty_beside(root, {job.id for job in running}, pruned, dry_run)
    return pruned


def _empty(shelf: ShelfContents, to: int | None, pruned: Pruned, dry_run: bool) -> None:
    """Remove artifacts of a shelf, until the cache has ``to`` bytes or the shelf is empty."""
    for file in last_first(shelf.folder):
        if to is not None and pruned.left <= to:
            return
        _remove(Path(file.path), size(file), shelf.stage, pruned, dry_run)
    if not dry_run:
        pruned.left -= remove_if_empty(shelf.folder)


def _empty_beside(root: Path, running: set[str], pruned: Pruned, dry_run: bool) -> None:
    """Remove what lies beside the shelves: jobs that do not run, and digests."""
    jobs = [job for job in Job.list(root) if job.id not in running]
    digests = [file for file in memo_files(root / "digests") if is_memo(file)]
    for kind, files in (("jobs", [file for job in jobs for file in job.files]), ("digests", digests)):
        for file in files:
            _remove(file, size(file), kind, pruned, dry_run)
    if not dry_run:
        for folder in (*(job.folder for job in jobs), root / "jobs", root / "digests"):
            _remove_if_empty(folder)


def _remove(path: Path, length: int, kind: str, pruned: Pruned, dry_run: bool) -> None:
    if not dry_run:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"cannot remove {path.name}: {store_error(error, path.parent)}") from error
    pruned.freed[kind].add(length)
    pruned.left -= length


def remove_empty_layouts(root: Path) -> None:
    """Remove the folders of older layouts, as far as their files have gone as leftovers."""
    for name in old_layouts(root):
        for shelf in list(shelf_folders(root / name)):
            for folder, _, _ in os.walk(shelf, topdown=False):
                _remove_if_empty(Path(folder))
            for above in shelf.parents[:3]:
                _remove_if_empty(above)


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()
