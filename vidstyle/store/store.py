"""The cache: results on disk, found by what made them.

::

    <root>/CACHEDIR.TAG                            backup programs leave the folder out, if it is a cache alone
    <root>/v2/<stage>/<key[:2]>/<key>/about.json   for people: what made this; its time: when it was used last
    <root>/v2/<stage>/<key[:2]>/<key>/00000/00000042            frame 42
    <root>/v2/<stage>/<key[:2]>/<key>/00000/00000042-00000041   the pair 42 -> 41
    <root>/v2/<stage>/<key[:2]>/<key>/shots                     what belongs to no frame
    <root>/jobs/<id>/job.json, lock                see ``job``

Frames lie in folders of a thousand by their (first) number, so that an hour of film (86,400 frames) makes no
folder that is slow to list. A file ``name.corrupt-<n>`` failed its check and was set aside; a hidden
``.….tmp`` is being written, or was when its process died. That an artifact exists and checks out is the only
record that it is done.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from vidstyle.errors import StoreError
from vidstyle.store.artifact import CorruptArtifact, Meta, read_artifact, read_meta, write_artifact
from vidstyle.store.atomic import atomic_write, is_temporary, printable, store_error, sweep
from vidstyle.store.background import Background
from vidstyle.store.codecs import Codec
from vidstyle.store.root import make_root

T = TypeVar("T")

LAYOUT = "v2"
_STAGE = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_KEY = re.compile(r"[0-9a-f]{8,64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_FRAME = re.compile(r"[0-9]{8}")
_PAIR = re.compile(r"([0-9]{8})-([0-9]{8})")
_SHARDED = re.compile(r"([0-9]{5})[0-9]{3}(?![0-9])")
_CORRUPT = re.compile(r"\.corrupt-[0-9]+$")
ABOUT = "about.json"


def frame_name(frame: int) -> str:
    """The artifact's name for frame ``frame``: 42 is "00000042"."""
    if not 0 <= frame < 10**8:
        raise ValueError(f"frame numbers run from 0 to 99999999, not {frame}")
    return f"{frame:08d}"


def pair_name(a: int, b: int) -> str:
    """The artifact's name for the ordered pair a -> b: (42, 41) is "00000042-00000041"."""
    return f"{frame_name(a)}-{frame_name(b)}"


def parse_frame_name(name: str) -> int:
    """The frame that ``frame_name`` named; ValueError if it is no such name."""
    if not _FRAME.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of a frame")
    return int(name)


def parse_pair_name(name: str) -> tuple[int, int]:
    """The pair that ``pair_name`` named; ValueError if it is no such name."""
    match = _PAIR.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r} is not the name of a pair of frames")
    return int(match[1]), int(match[2])


@dataclass(frozen=True)
class Artifact(Generic[T]):
    """A value from the cache, and what its header says about it."""

    value: T
    meta: Meta


class Store:
    """A cache folder. Nothing is written before the first ``save``, so a read-only one can be read.

    ``report`` is called with one line for whatever the user should know, such as an artifact that was
    damaged.
    """

    def __init__(self, root: Path, report: Callable[[str], None]) -> None:
        self.root = root
        self.report = report
        self.written = 0  # bytes, by this object
        self._prepared = False
        self._counting = threading.Lock()
        self._background: Background | None = None

    @property
    def keeps(self) -> bool:
        """Whether what is saved can be loaded again; see ``NoStore``."""
        return True

    @property
    def digests(self) -> Path | None:
        """Where digests of files are remembered, for ``file_digest``."""
        return self.root / "digests"

    def shelf(self, stage: str, key: str, codec: Codec[T], describe: Mapping[str, Any] | None = None) -> Shelf[T]:
        """The results of one stage under one content key.

        ``describe`` (JSON) goes into about.json, for people.
        """
        if not _STAGE.fullmatch(stage) or not _KEY.fullmatch(key):
            raise ValueError(f"not a stage and a content key: {stage!r}, {key!r}")
        return Shelf(self, stage, self.root / LAYOUT / stage / key[:2] / key, codec, describe)

    @contextlib.contextmanager
    def in_background(self) -> Iterator[None]:
        """Inside the block, ``Shelf.save`` returns before it is done, in another thread (see ``background``).

        What is saved must not be changed any more. An error that comes then is raised by a later ``save``, or by
        ``settle``, or by the end of the block.
        """
        self._background = background = Background()
        try:
            yield
            background.settle()
        finally:
            self._background = None
            background.close()

    def settle(self) -> None:
        """Wait until everything that was saved is written. StoreError if it cannot be."""
        if self._background is not None:
            self._background.settle()

    def submit(self, path: Path, task: Callable[[], None]) -> None:
        """Do what writes ``path``: now, or in the background."""
        if self._background is None:
            task()
        else:
            self._background.submit(path, task)

    def wait_for(self, path: Path) -> None:
        """Wait until ``path`` is written, if it is to be."""
        if self._background is not None:
            self._background.wait_for(path)

    def count(self, written: int) -> None:
        """Add to the bytes written. For several threads."""
        with self._counting:
            self.written += written

    def make_folder(self, folder: Path) -> None:
        """Make ``folder``, somewhere in the cache.

        StoreError if it cannot be, or if the cache has vanished since.
        """
        try:
            if not self._prepared:
                make_root(self.root)
                self._prepared = True
            elif not self.root.is_dir():
                # The disk was unplugged: do not go on below its mount point, on another disk.
                raise StoreError(f"the cache folder {printable(self.root)} has vanished: bring it back and run again")
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise store_error(error, self.root) from error


class Shelf(Generic[T]):
    """The artifacts of one stage under one content key, by name.

    Safe to use from several processes and threads.
    """

    def __init__(
        self, store: Store, stage: str, folder: Path, codec: Codec[T], describe: Mapping[str, Any] | None
    ) -> None:
        self.stage = stage
        self.folder = folder
        self._store = store
        self._codec = codec
        self._describe = describe
        self._ready: set[Path] = set()

    def path(self, name: str) -> Path:
        """Where the artifact of this name lies, or would."""
        if not _NAME.fullmatch(name) or is_set_aside(name) or name == ABOUT:
            raise ValueError(f"not a name for an artifact: {name!r}")
        shard = _SHARDED.match(name)
        return self.folder / shard[1] / name if shard else self.folder / name

    def has(self, name: str) -> bool:
        """Whether there is such an artifact. It is not opened: ``load`` may still find it damaged."""
        path = self.path(name)
        self._store.wait_for(path)
        return path.exists()

    def load(self, name: str) -> Artifact[T] | None:
        """The artifact, or None if there is none, or if it is damaged: then that is said and it is set aside.

        StoreError if the disk cannot be read.
        """
        path = self.path(name)
        self._store.wait_for(path)
        try:
            meta, payload = read_artifact(path)
            if meta.get("codec") != self._codec.name:
                raise CorruptArtifact(path, f"holds {meta.get('codec')} instead of {self._codec.name}")
            try:
                return Artifact(self._codec.decode(payload), meta)
            except ValueError as error:
                raise CorruptArtifact(path, str(error)) from error
        except FileNotFoundError:
            return None
        except CorruptArtifact as error:
            self._set_aside(name, error)
            return None

    def meta(self, name: str) -> Meta | None:
        """What the artifact's header says, without reading (or checking) its payload.

        None as for ``load``.
        """
        try:
            return read_meta(self.path(name))
        except FileNotFoundError:
            return None
        except CorruptArtifact as error:
            self._set_aside(name, error)
            return None

    def save(self, name: str, value: T, meta: Mapping[str, Any] | None = None) -> None:
        """Store a value and what is to be said about it (see ``write_artifact``), whole or not at all.

        StoreError, one line, if the disk does not take it. ValueError if the codec does not. Either may come later:
        see ``Store.in_background``.
        """
        path = self.path(name)
        self._store.submit(path, lambda: self._write(path, value, meta))

    def _write(self, path: Path, value: T, meta: Mapping[str, Any] | None) -> None:
        payload = self._codec.encode(value)
        about = {**(meta or {}), "codec": self._codec.name}
        if path.parent not in self._ready or not path.parent.is_dir():
            self._make_ready(path.parent)
        try:
            written = write_artifact(path, payload, about)
        except StoreError as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise
            self._make_ready(path.parent)  # somebody has removed the folder just now
            written = write_artifact(path, payload, about)
        self._store.count(written)

    def _make_ready(self, folder: Path) -> None:
        """Make a folder of the shelf, say what it is, and clean up what killed processes left."""
        self._store.make_folder(folder)
        self._write_about()
        sweep(folder)
        self._ready.add(folder)

    def touch(self) -> None:
        """Note that the shelf is in use now, if it is there: what was not used for long is pruned first.

        Never an error: a read-only cache can be used too.
        """
        with contextlib.suppress(OSError):
            os.utime(self.folder / ABOUT)

    def names(self) -> Iterator[str]:
        """The names of all artifacts here: those of frames in order, then the others."""
        entries = sorted(_scan(self.folder))
        for shard in (name for name, is_folder in entries if is_folder):
            yield from sorted(name for name, _ in _scan(self.folder / shard) if is_artifact(name))
        yield from (name for name, is_folder in entries if not is_folder and is_artifact(name))

    def size(self) -> int:
        """Bytes of all files here, including what was set aside."""
        total = 0
        for folder, _, files in os.walk(self.folder):
            for name in files:
                with contextlib.suppress(OSError):  # another process may just have renamed it
                    total += (Path(folder) / name).stat().st_size
        return total

    def _write_about(self) -> None:
        about = self.folder / ABOUT
        if self._describe is not None and not about.exists():
            text = json.dumps(self._describe, indent=2, sort_keys=True, ensure_ascii=False, default=str)
            atomic_write(about, text.encode("utf-8", errors="backslashreplace") + b"\n")

    def _set_aside(self, name: str, error: CorruptArtifact) -> None:
        what = f"{self.stage} {name} in the cache is damaged ({printable(error.reason)})"
        try:
            aside = set_aside(error.path)
        except StoreError as failure:
            raise StoreError(f"{what} and cannot be set aside: {failure}") from failure
        if aside is not None:  # else another process was faster, and has said so
            self._store.report(f"{what}: set aside as {aside.name}, and will be made again")


def set_aside(path: Path) -> Path | None:
    """Rename a damaged artifact, so that it is made again and can still be looked at. Returns its new path.

    None if it has gone meanwhile. StoreError if the disk does not allow it.
    """
    number = 1
    while (aside := path.with_name(f"{path.name}.corrupt-{number}")).exists():
        number += 1
    try:
        path.rename(aside)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise store_error(error, path.parent) from error
    return aside


def _scan(folder: Path) -> Iterator[tuple[str, bool]]:
    """Names of a folder's entries, and which of them are folders. Nothing if there is no such folder."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                yield entry.name, entry.is_dir(follow_symlinks=False)
    except FileNotFoundError:
        return
    except OSError as error:
        raise store_error(error, folder) from error


def is_artifact(name: str) -> bool:
    """Whether a file in a shelf's folder is an artifact, by its name."""
    return bool(_NAME.fullmatch(name)) and name != ABOUT and not is_set_aside(name) and not is_temporary(name)


def is_set_aside(name: str) -> bool:
    """Whether a file's name says that it was an artifact, and damaged."""
    return _CORRUPT.search(name) is not None
