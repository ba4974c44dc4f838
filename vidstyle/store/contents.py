"""What lies in a cache folder: by shelf, what nobody can use any more, and everything else that we have made there.

The folder may be one of the user's that holds other things, whatever they are called: what is not ours by its name and
place is neither looked into nor counted.

Looks at names and sizes alone, one folder at a time, so that hundreds of thousands of artifacts are listed in
seconds. What other processes remove meanwhile is no error.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vidstyle.store.atomic import is_abandoned, is_temporary, store_error
from vidstyle.store.job import Job
from vidstyle.store.keys import is_key, memo_files
from vidstyle.store.root import TAG
from vidstyle.store.store import ABOUT, LAYOUT, is_artifact, is_set_aside

#: Stages by what their artifacts cost to make again: the first are missed least.
CHEAP_FIRST = ("decode", "consistency", "flow", "stylize", "encode", "scan")
_LAYOUT = re.compile(r"v(\d+)")
_OURS = int(LAYOUT[1:])

SET_ASIDE, UNFINISHED, OLD_LAYOUT = "set aside", "unfinished", "older layout"


@dataclass(frozen=True)
class Leftover:
    """A file that nobody can use."""

    path: Path
    bytes: int
    why: str  # SET_ASIDE, UNFINISHED or OLD_LAYOUT


@dataclass(frozen=True)
class ShelfContents:
    """The artifacts of one stage under one content key."""

    stage: str
    key: str
    folder: Path
    artifacts: int
    bytes: int  # of the artifacts
    used: float  # when a run used it last, in seconds since 1970
    about: dict[str, Any]  # what was noted for people; empty where nothing was

    @property
    def movie(self) -> str:
        """The path of the movie that it was made from, as it was then; empty where that was not noted."""
        movie = self.about.get("movie")
        return movie if isinstance(movie, str) else ""

    @property
    def styles(self) -> list[str]:
        """The paths of the styles that were painted; none but for ``stylize``."""
        settings = self.about.get("settings")
        styles = settings.get("styles") if isinstance(settings, dict) else None
        return [style for style in styles if isinstance(style, str)] if isinstance(styles, list) else []


@dataclass
class Contents:
    """A whole cache folder."""

    root: Path
    shelves: list[ShelfContents] = field(default_factory=list)
    leftovers: list[Leftover] = field(default_factory=list)
    newer: list[str] = field(default_factory=list)  # folders of layouts that a newer vidstyle has made
    bytes: int = 0  # of all files that are ours


def read_contents(root: Path) -> Contents:
    """Look through a cache folder; an empty one where there is none. StoreError if it cannot be read."""
    contents = Contents(root)
    for number, layout in _layouts(root):
        if number == _OURS:
            contents.shelves = [_read_shelf(folder, contents) for folder in shelf_folders(layout)]
            continue
        files = [file for folder in shelf_folders(layout) for file in files_below(folder)]
        contents.bytes += sum(map(size, files))
        if number < _OURS:
            contents.leftovers += [Leftover(Path(file.path), size(file), OLD_LAYOUT) for file in files]
        else:
            contents.newer.append(layout.name)
    jobs = Job.list(root)
    beside = [root / TAG, *memo_files(root / "digests"), *(file for job in jobs for file in job.files)]
    contents.bytes += sum(map(size, beside))
    for folder in (root, root / "digests", *(job.folder for job in jobs)):
        for file in entries(folder):
            if is_abandoned(file) and not file.is_dir(follow_symlinks=False):
                contents.leftovers.append(Leftover(Path(file.path), size(file), UNFINISHED))
                contents.bytes += size(file)
    return contents


def old_layouts(root: Path) -> list[str]:
    """The names of folders that an older vidstyle has made, and that are not used any more."""
    return [layout.name for number, layout in _layouts(root) if number < _OURS]


def _layouts(root: Path) -> Iterator[tuple[int, Path]]:
    """The folders of layouts and their numbers, where there are shelves in them: people call folders v1, too."""
    for entry in entries(root):
        layout = _LAYOUT.fullmatch(entry.name)
        if layout is not None and any(shelf_folders(Path(entry.path))):
            yield int(layout[1]), Path(entry.path)


def shelf_folders(layout: Path) -> Iterator[Path]:
    """The folders of all shelves of a layout, in order of their names; whatever else lies there is not ours."""
    for stage in entries(layout):
        for start in entries(stage) if stage.name in CHEAP_FIRST else ():
            for key in entries(start):
                if is_key(key.name) and key.name[:2] == start.name and key.is_dir(follow_symlinks=False):
                    yield Path(key.path)


def _read_shelf(folder: Path, contents: Contents) -> ShelfContents:
    """One shelf; all its files are counted in ``contents``, and its leftovers noted there."""
    artifacts = bytes_ = 0
    used = 0.0
    about: dict[str, Any] = {}
    for file in files_below(folder):
        length = size(file)
        contents.bytes += length
        if file.name == ABOUT:
            about, used = _read_about(file)
        elif is_set_aside(file.name):
            contents.leftovers.append(Leftover(Path(file.path), length, SET_ASIDE))
        elif is_artifact(file.name):
            artifacts, bytes_ = artifacts + 1, bytes_ + length
        elif is_abandoned(file):
            contents.leftovers.append(Leftover(Path(file.path), length, UNFINISHED))
    if not used:
        with contextlib.suppress(OSError):
            used = folder.stat().st_mtime
    return ShelfContents(folder.parts[-3], folder.name, folder, artifacts, bytes_, used, about)


def _read_about(file: os.DirEntry[str]) -> tuple[dict[str, Any], float]:
    with contextlib.suppress(OSError, ValueError, RecursionError):
        used = file.stat(follow_symlinks=False).st_mtime
        about = json.loads(Path(file.path).read_bytes())
        return (about if isinstance(about, dict) else {}), used
    return {}, 0.0


def missed_least(shelves: Iterable[ShelfContents]) -> list[ShelfContents]:
    """Shelves in the order in which they should go: what is cheap to make again, then what was not used for long."""
    ranks = {stage: rank for rank, stage in enumerate(CHEAP_FIRST)}
    return sorted(shelves, key=lambda shelf: (ranks.get(shelf.stage, len(ranks)), shelf.used, shelf.key))


def last_first(folder: Path) -> Iterator[os.DirEntry[str]]:
    """The artifacts of a shelf, those of the last frames first: what is left can be gone on from."""
    here = sorted(entries(folder), key=lambda entry: entry.name, reverse=True)
    for shard in (entry for entry in here if entry.is_dir(follow_symlinks=False)):
        files = sorted(entries(Path(shard.path)), key=lambda entry: entry.name, reverse=True)
        yield from (file for file in files if is_artifact(file.name))
    yield from (entry for entry in here if is_artifact(entry.name) and not entry.is_dir(follow_symlinks=False))


def remove_if_empty(folder: Path) -> int:
    """Remove the folder of a shelf that has no artifact any more. Returns the bytes that were freed."""
    if any(is_artifact(file.name) or is_temporary(file.name) for file in files_below(folder)):
        return 0
    freed = sum(size(file) for file in files_below(folder) if file.name == ABOUT)
    with contextlib.suppress(OSError):  # someone has just begun to use it again, or it cannot be removed
        for shard in (entry for entry in entries(folder) if entry.is_dir(follow_symlinks=False)):
            Path(shard.path).rmdir()
        (folder / ABOUT).unlink(missing_ok=True)
        for empty in (folder, folder.parent, folder.parent.parent):
            empty.rmdir()
    return freed


def entries(folder: Path | os.DirEntry[str]) -> list[os.DirEntry[str]]:
    """What is in a folder, by name; nothing where there is no such folder."""
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise store_error(error, Path(folder)) from error


def files_below(top: os.DirEntry[str] | Path) -> Iterator[os.DirEntry[str]]:
    """A file itself, or all files in a folder and the folders in it."""
    if isinstance(top, os.DirEntry) and not top.is_dir(follow_symlinks=False):
        yield top
        return
    for entry in entries(Path(top)):
        yield from files_below(entry)


def size(file: os.DirEntry[str] | Path) -> int:
    """Bytes of a file; 0 if it is not there."""
    try:
        return file.stat(follow_symlinks=False).st_size
    except OSError:
        return 0
