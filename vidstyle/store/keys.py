"""Names for results by what made them: content keys, and digests of files that are remembered."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import math
import os
import re
import time
from collections.abc import Sequence
from enum import Enum
from fractions import Fraction
from pathlib import Path
from typing import Any

from vidstyle.errors import InputError, StoreError
from vidstyle.store.atomic import atomic_write, printable
from vidstyle.store.root import make_root

KEY_LENGTH = 32
_KEY = re.compile(rf"[0-9a-f]{{{KEY_LENGTH}}}")
# Raised only when the way in which keys are made changes, which empties every cache.
_KEY_FORMAT = 1
_CHUNK = 1 << 20
# A file may change again within the same tick of its clock (2 s on FAT), with no change of size or time to
# see.
_RACY_SECONDS = 2.0


def content_key(stage: str, version: int, settings: object, inputs: Sequence[str]) -> str:
    """The key, 32 hex digits, of what a stage makes from these settings and these inputs' keys.

    ``settings`` is a frozen dataclass or None. A field counts only where it differs from its default, so a
    new setting changes no key; a field without default always counts; the class's name counts. Fields may
    hold None, bools, ints, floats (by repr), strings, enums, Fractions, tuples and frozen dataclasses of
    these. TypeError for anything else, a Path above all: what a file is called says nothing about what is in
    it.
    """
    if isinstance(inputs, str) or not all(type(key) is str for key in inputs):
        raise TypeError(f"inputs must be a sequence of keys, not {inputs!r}")
    if settings is not None and not dataclasses.is_dataclass(settings):
        raise TypeError(f"settings must be a frozen dataclass or None, not {type(settings).__name__}")
    document = [_KEY_FORMAT, stage, version, _canonical(settings, "settings"), list(inputs)]
    return hashlib.sha256(_as_json(document)).hexdigest()[:KEY_LENGTH]


def is_key(name: str) -> bool:
    """Whether ``content_key`` may have given this."""
    return _KEY.fullmatch(name) is not None


def _as_json(document: object) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def _canonical(value: object, where: str) -> Any:
    """``value`` as JSON in which no two different values look alike."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {type(value).__name__: _changed_fields(value, where)}
    if isinstance(value, Enum):
        return {"enum": f"{type(value).__name__}.{value.name}"}
    if type(value) is tuple:
        return [_canonical(item, where) for item in value]
    if type(value) is Fraction:
        return {"fraction": str(value)}
    if type(value) is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    # Exact types: a numpy number would pass for a float, and its repr is another.
    if value is None or type(value) in (bool, int, str):
        return value
    raise TypeError(f"{where} holds {value!r} of type {type(value).__name__}, which cannot be part of a content key")


def _changed_fields(settings: Any, where: str) -> dict[str, Any]:
    if not settings.__dataclass_params__.frozen:
        raise TypeError(f"{where} holds a {type(settings).__name__}, which is not a frozen dataclass")
    changed: dict[str, Any] = {}
    for field in dataclasses.fields(settings):
        place = f"{where}.{field.name}"
        value = _canonical(getattr(settings, field.name), place)
        # Compared in canonical form, because True == 1 == 1.0 and 0.0 == -0.0.
        if field.default is not dataclasses.MISSING:
            is_default = _as_json(value) == _as_json(_canonical(field.default, place))
        elif field.default_factory is not dataclasses.MISSING:
            is_default = _as_json(value) == _as_json(_canonical(field.default_factory(), place))
        else:
            is_default = False
        if not is_default:
            changed[field.name] = value
    return changed


def file_digest(path: Path, memo: Path | None = None) -> str:
    """The sha256, 64 hex digits, of a file's bytes.

    With a ``memo`` folder, in the cache's, it is remembered by absolute path, size, modification time and
    inode, so that a large movie is read once. What changed within the last two seconds, or while it was read,
    is not remembered. A memo that is damaged or cannot be written is no error. InputError if the file cannot
    be read.
    """
    try:
        before = path.stat()
        known = None if memo is None else _recall(memo, path, before)
        if known is not None:
            return known
        digest = _hash_file(path)
        after = path.stat()
    except OSError as error:
        raise InputError(f"cannot read {printable(path)}: {error.strerror or error}") from error
    unchanged = _identity(path, before) == _identity(path, after)
    if memo is not None and unchanged and time.time() - after.st_mtime > _RACY_SECONDS:
        _remember(memo, path, after, digest)
    return digest


def files_digest(files: Sequence[Path], memo: Path | None = None) -> str:
    """What stands for several files in their order: of their bytes, whatever they are called."""
    whole = hashlib.sha256()
    for file in files:
        whole.update(f"{file_digest(file, memo)}\n".encode())
    return whole.hexdigest()


def _hash_file(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _identity(path: Path, stat: os.stat_result) -> list[object]:
    return [os.fsencode(path.absolute()).hex(), stat.st_size, stat.st_mtime_ns, stat.st_ino]


def _memo_file(memo: Path, path: Path) -> Path:
    return memo / f"{hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:KEY_LENGTH]}.json"


def _check_digit(identity: list[object], digest: str) -> str:
    return hashlib.sha256(_as_json([identity, digest])).hexdigest()[:16]


def _recall(memo: Path, path: Path, stat: os.stat_result) -> str | None:
    with contextlib.suppress(OSError, ValueError, RecursionError, TypeError, KeyError):
        identity = _identity(path, stat)
        entry = json.loads(_memo_file(memo, path).read_bytes())
        digest = entry["sha256"]
        if type(digest) is str and entry["file"] == identity and entry["check"] == _check_digit(identity, digest):
            return digest
    return None


def _remember(memo: Path, path: Path, stat: os.stat_result, digest: str) -> None:
    identity = _identity(path, stat)
    entry = {"file": identity, "sha256": digest, "check": _check_digit(identity, digest)}
    with contextlib.suppress(OSError, StoreError):
        make_root(memo.parent)
        memo.mkdir(exist_ok=True)
        atomic_write(_memo_file(memo, path), _as_json(entry))


def memo_files(memo: Path) -> list[Path]:
    """The files of a ``memo`` folder, by their names."""
    with contextlib.suppress(OSError):
        return sorted(path for path in memo.iterdir() if path.suffix == ".json" and is_key(path.stem))
    return []


def is_memo(path: Path) -> bool:
    """Whether a file of a ``memo`` folder is ours, by what it holds."""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        entry = json.loads(path.read_bytes())
        return isinstance(entry, dict) and set(entry) == {"file", "sha256", "check"}
    return False
