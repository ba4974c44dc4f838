"""Jobs: small files beside the cache that hold everything that was asked for, and a lock for each.

``<root>/jobs/<id>/job.json`` and ``<root>/jobs/<id>/lock``; beside them ``uses.json``, the shelves that its last run
uses, which nobody else may remove while the lock is held. The id is typed by people: the movie's name and
six digits of a hash of what was asked, so that asking the same again finds the same job.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vidstyle.errors import InputError, StoreError
from vidstyle.store.atomic import atomic_write, printable, store_error
from vidstyle.store.codecs import decode_json, encode_json
from vidstyle.store.lock import Lock
from vidstyle.store.root import make_root

_VERSION = 1
_FILE = "job.json"
_MAY_REPLACE = "may-replace"
_USES = "uses.json"
_LOCK = "lock"
_FILES = (_FILE, _MAY_REPLACE, _USES, _LOCK)
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,80}")
_MADE = re.compile(r"[a-z0-9-]+-[0-9a-f]{6,64}")  # an id as ``Job.create`` makes it


@dataclass(frozen=True)
class Job:
    """One thing that was asked for.

    root: the cache's folder.
    id: unique within it, such as "bikes-3fa9c1".
    asked: whatever the pipeline needs to do it, as JSON.
    paths: absolute paths of the movie and, last, the output, by which a user may name the job too.
    cache_limit: bytes that the cache was to stay under when it was asked for last; None: any number.
    """

    root: Path
    id: str
    asked: Mapping[str, Any]
    paths: tuple[str, ...] = ()
    cache_limit: int | None = None

    @classmethod
    def create(
        cls,
        root: Path,
        stem: str,
        asked: Mapping[str, Any],
        paths: tuple[Path, ...] = (),
        cache_limit: int | None = None,
    ) -> Job:
        """The job for ``asked``, saved; if the same was asked before, the same job.

        ``stem`` is what its id begins with, such as the movie's name. Only ``asked`` makes the hash.
        StoreError if it cannot be saved.
        """
        name = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:32].rstrip("-") or "job"
        digest = hashlib.sha256(encode_json(asked)).hexdigest()
        known = tuple(os.path.abspath(path) for path in paths)  # noqa: PTH100 (resolve() would follow links)
        for digits in range(6, 65):  # more only where six are taken by something else
            job = cls(root, f"{name}-{digest[:digits]}", asked, known, cache_limit)
            if not job.file.exists() or encode_json(cls.load(root, job.id).asked) == encode_json(asked):
                job.save()
                return job
        raise StoreError(f"cannot find a free name for the job {name} in {printable(root)}")

    @property
    def folder(self) -> Path:
        """The job's folder."""
        return self.root / "jobs" / self.id

    @property
    def file(self) -> Path:
        """The job's file."""
        return self.folder / _FILE

    @property
    def files(self) -> list[Path]:
        """All files that the job has made in its folder."""
        return [self.folder / name for name in _FILES if (self.folder / name).is_file()]

    @property
    def may_replace(self) -> bool:
        """Whether the job was allowed to replace a file that had its output's name, and has not done so yet."""
        return (self.folder / _MAY_REPLACE).exists()

    def allow_replacing(self, allowed: bool) -> None:
        """Note that permission, or take it back. StoreError if it cannot be noted."""
        if allowed:
            atomic_write(self.folder / _MAY_REPLACE, b"")
        else:
            with contextlib.suppress(OSError):
                (self.folder / _MAY_REPLACE).unlink()

    def save(self) -> None:
        """Write the job's file, whole or not at all. StoreError if the disk does not take it."""
        document = {"version": _VERSION, "id": self.id, "asked": self.asked, "paths": list(self.paths)}
        if self.cache_limit is not None:
            document["cache_limit"] = self.cache_limit
        text = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=True, allow_nan=False)
        try:
            make_root(self.root)
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise store_error(error, self.root) from error
        atomic_write(self.file, text.encode("ascii") + b"\n")

    @classmethod
    def load(cls, root: Path, job_id: str) -> Job:
        """The job with this id. InputError if there is none, StoreError if its file is damaged."""
        if not _ID.fullmatch(job_id) or not (root / "jobs" / job_id / _FILE).exists():
            raise InputError(f"no job {printable(job_id)!r}: `vidstyle status` lists the jobs that there are")
        file = root / "jobs" / job_id / _FILE
        try:
            document = decode_json(file.read_bytes())
        except OSError as error:
            raise store_error(error, file.parent) from error
        except ValueError:
            document = None
        match document:
            case {"version": int(version)} if version > _VERSION:
                raise StoreError(
                    f"{printable(file)} is from a newer vidstyle: update, or give the command in full again"
                )
            case {"version": 1, "id": str(found), "asked": dict(asked), "paths": list(paths)} if found == job_id:
                limit = document.get("cache_limit")
                if all(isinstance(path, str) for path in paths) and isinstance(limit, int | None):
                    return cls(root, job_id, asked, tuple(paths), limit)
        raise StoreError(f"{printable(file)} is damaged: delete it and give the command in full again")

    @classmethod
    def list(cls, root: Path, report: Callable[[str], None] | None = None) -> list[Job]:
        """All jobs, the latest first. Damaged ones are left out, and reported in one line each."""
        dated: list[tuple[float, Job]] = []
        for file in _files(root, _FILE):
            try:
                dated.append((file.stat().st_mtime, cls.load(root, file.parent.name)))
            except (OSError, StoreError, InputError) as error:
                if report is not None:
                    report(str(error))
        return [job for _, job in sorted(dated, key=lambda item: (-item[0], item[1].id))]

    @classmethod
    def find(cls, root: Path, name: str | Path) -> Job:
        """The job that the user means: by id or its beginning, file or folder, output or movie.

        Of several jobs that wrote the same output (the last of ``paths``) the latest is meant. InputError if there
        is none, or more than one otherwise; the message names them.
        """
        text = str(name)
        if _ID.fullmatch(text) and (root / "jobs" / text / _FILE).exists():
            return cls.load(root, text)
        path = os.path.abspath(text)  # noqa: PTH100 (resolve() would follow links)
        jobs = cls.list(root)
        found = [job for job in jobs if path in (*job.paths, str(job.file.absolute()), str(job.folder.absolute()))]
        outputs = [job for job in found if job.paths and job.paths[-1] == path]
        found = outputs[:1] or found or [job for job in jobs if text and job.id.startswith(text)]
        if not found:
            raise InputError(f"no job {printable(text)!r}: `vidstyle status` lists the jobs that there are")
        if len(found) > 1:
            raise InputError(f"{printable(text)!r} may be any of {', '.join(job.id for job in found)}: name one")
        return found[0]

    @property
    def uses(self) -> tuple[Path, ...]:
        """The folders of the shelves that its last run uses, or used; none if it never ran or that is damaged."""
        with contextlib.suppress(OSError, ValueError):
            names = decode_json((self.folder / _USES).read_bytes())
            if isinstance(names, list) and all(isinstance(name, str) for name in names):
                return tuple(self.root / name for name in names)
        return ()

    @property
    def is_running(self) -> bool:
        """Whether a process holds the lock. Where the disk knows no locks: whether one that took it may still live."""
        return self._lock.is_held

    @contextlib.contextmanager
    def lock(
        self, wait: float = 0.0, report: Callable[[str], None] | None = None, uses: Iterable[Path] = ()
    ) -> Iterator[None]:
        """Work on this job alone, as ``Lock.hold``; without locks artifacts are whole even so, but may be made twice.

        ``uses``: the folders of the shelves that are worked on, which others then leave alone.
        """
        with self._lock.hold(self.id, wait, report):
            atomic_write(self.folder / _USES, encode_json([_below(folder, self.root) for folder in uses]))
            yield

    @property
    def _lock(self) -> Lock:
        return Lock(self.folder / _LOCK)


def _files(root: Path, name: str) -> list[Path]:
    """The files of this name in all folders that are called as jobs are: others may have a folder ``jobs``, too."""
    return sorted(file for file in (root / "jobs").glob(f"*/{name}") if _MADE.fullmatch(file.parent.name))


def _below(folder: Path, root: Path) -> str:
    return folder.relative_to(root).as_posix()


def running_jobs(root: Path) -> list[Job]:
    """The jobs that some process works on now, also those whose files are damaged."""
    found = (Job(root, file.parent.name, {}) for file in _files(root, _LOCK))
    return [job for job in found if job.is_running]
