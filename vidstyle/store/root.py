"""The cache's own folder: which one it is, and making it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import platformdirs

from vidstyle.errors import InputError
from vidstyle.store.atomic import atomic_write, printable

TAG = "CACHEDIR.TAG"
_TAG = b"""Signature: 8a477f597d28d172789f06886806bc55
# This folder is a cache of vidstyle. Everything in it can be made again, at the price of time.
"""


def find_root(named: str | os.PathLike[str] | None = None) -> Path:
    """The cache's folder, absolute: the one that is named, else $VIDSTYLE_CACHE, else the platform's for caches.

    InputError, one line, for an empty name, and where a file is in the way.
    """
    if named is not None and not os.fspath(named):
        raise InputError("the cache's folder has an empty name: name a folder, or leave --cache-dir out")
    wanted = named or os.environ.get("VIDSTYLE_CACHE") or platformdirs.user_cache_dir("vidstyle", appauthor=False)
    root = Path(wanted).expanduser().absolute()
    with contextlib.suppress(OSError):  # what may not be looked into is found out when it is used
        there = next(path for path in (root, *root.parents) if path.exists())
        if not there.is_dir():
            option = "$VIDSTYLE_CACHE" if named is None else "--cache-dir"
            raise InputError(f"the cache cannot lie in {printable(root)}: a file is there; name a folder with {option}")
    return root


def make_root(root: Path) -> None:
    """Make the cache's folder. If it is new or empty, it is ours alone: backup programs are told to leave it out.

    OSError, or StoreError, if it cannot be made.
    """
    root.mkdir(parents=True, exist_ok=True)
    if not any(root.iterdir()):
        atomic_write(root / TAG, _TAG)
