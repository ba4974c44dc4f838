"""Files that are there whole or not at all: a unique temporary name in the same folder, then a rename.

A temporary name says which host and process wrote it, so that what a killed process left can be cleaned up.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import os
import platform
import re
import secrets
import sys
import time
from pathlib import Path

from vidstyle.errors import FULL_DISK, StoreError, write_error
from vidstyle.store.folders import check_replaceable, discard_folder

_TEMPORARY = re.compile(r"^\..*\.(?P<host>[0-9a-f]{8})-(?P<pid>\d+)-[0-9a-f]{8}\.tmp(\.[^.]*)?$", re.DOTALL)
_OLD_SECONDS = 3600.0


def temporary_path(final: Path, keep_suffix: bool = False) -> Path:
    """A new name beside ``final``, hidden, that no other process takes.

    ``keep_suffix`` is for programs that go by it.
    """
    # 150 bytes of the name leave room for the rest within the 255 that file systems allow.
    stem = os.fsencode(final.name)[:150].decode("utf-8", errors="ignore")
    suffix = final.suffix if keep_suffix else ""
    return final.with_name(f".{stem}.{_host()}-{os.getpid()}-{secrets.token_hex(4)}.tmp{suffix}")


def is_temporary(name: str) -> bool:
    """Whether a file name is one that ``temporary_path`` gives."""
    return _TEMPORARY.match(name) is not None


def atomic_write(path: Path, *chunks: bytes) -> None:
    """Write the chunks to ``path``, which has its old content or the whole new one at any moment.

    Without fsync: after a power cut the file may be torn, so whatever is written here must carry a checksum
    or be easy to make again. StoreError, one line, if there is no space or no permission; then nothing is
    left behind.
    """
    temporary = temporary_path(path)
    try:
        with temporary.open("xb") as file:
            file.writelines(chunks)
        temporary.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise store_error(error, path.parent) from error
        raise


def publish(temporary: Path, final: Path, keep: Path | None = None) -> None:
    """Give a finished file or folder its final name, replacing what had it, safe even against a power cut.

    Both must be in one folder (see ``temporary_path``). A folder replaces only one of numbered PNGs: killed in
    between, none may be there under the name; so it is, too, with ``keep``, a name for the file that is replaced.
    OutputError, or VidstyleError if the disk is full; the temporary file is then left alone.
    """
    try:
        _sync(temporary)
        if keep is not None and final.exists():
            final.replace(keep)
        if temporary.is_dir() and final.is_dir():
            _replace_folder(temporary, final)
        else:
            temporary.replace(final)
        # A folder cannot be synced everywhere, and the file itself is safe.
        with contextlib.suppress(OSError):
            _sync(final.parent)
    except OSError as error:
        raise write_error(error, printable(final)) from error


def _replace_folder(temporary: Path, final: Path) -> None:
    check_replaceable(final)
    aside = temporary_path(final)
    final.rename(aside)
    temporary.replace(final)
    discard_folder(aside)


def discard(temporary: Path) -> None:
    """Delete a temporary file, or a temporary folder of numbered PNGs. Never an error."""
    if temporary.is_dir():
        discard_folder(temporary)
    with contextlib.suppress(OSError):
        temporary.unlink()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def store_error(error: OSError, folder: Path) -> StoreError:
    """What an error of the system means for the cache in ``folder``, in one line that says what to do."""
    where = printable(folder)
    if error.errno in FULL_DISK:
        return StoreError(
            f"no space left for the cache in {where}: free some, or choose another folder with --cache-dir; "
            "run again to go on, what is finished is kept"
        )
    if error.errno == errno.EROFS:
        return StoreError(f"the cache in {where} is on a read-only disk: choose another folder with --cache-dir")
    if error.errno in (errno.EACCES, errno.EPERM):
        return StoreError(f"no permission for the cache in {where}: choose another folder with --cache-dir")
    reason = error.strerror or type(error).__name__
    return StoreError(f"cannot use the cache in {where} ({reason}): is the disk still there? Then run again to go on")


def sweep(folder: Path) -> int:
    """Remove temporary files and output folders that nobody will finish from ``folder``; returns how many.

    Those of a process of this host that is gone, and any more than an hour old. Never an error.
    """
    removed = 0
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if is_abandoned(entry):
                    discard(Path(entry.path))
                    removed += 1
    return removed


def is_abandoned(entry: os.DirEntry[str]) -> bool:
    """Whether a file is a temporary one that nobody will finish."""
    match = _TEMPORARY.match(entry.name)
    if match is None:
        return False
    if match["host"] == _host() and not is_alive(int(match["pid"])):
        return True
    return time.time() - entry.stat(follow_symlinks=False).st_mtime > _OLD_SECONDS


def is_alive(pid: int) -> bool:
    """Whether there is such a process on this host; True where that cannot be told."""
    if sys.platform == "win32":
        return True  # signal 0 would interrupt the process there: go by age alone
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


@functools.cache
def _host() -> str:
    """Eight hex digits for the host, and on Linux the container, within which a number means one process."""
    # Two containers of one name may share a cache.
    name = platform.node()
    with contextlib.suppress(OSError):
        name += str(Path("/proc/self/ns/pid").readlink())
    return hashlib.sha256(os.fsencode(name)).hexdigest()[:8]


def printable(path: Path | str) -> str:
    """A path for a message of one line: line breaks and what is not text are escaped."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in str(path))
