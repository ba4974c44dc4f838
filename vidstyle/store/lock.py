"""Locks on files: they end with the process that holds them, however that ends."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from vidstyle.errors import StoreError, VidstyleError
from vidstyle.store.atomic import is_alive, printable, store_error
from vidstyle.store.codecs import decode_json, encode_json

_POLL_SECONDS = 0.1
# Whoever looks whether something is being worked on holds its lock for a moment.
_LOOK_SECONDS = 0.3


@dataclass(frozen=True)
class Lock:
    """The right to work on something alone. The file ``path`` says who has it; it stays when nobody does.

    ``problem`` makes the error for a folder in which no file can be opened: by default that of the cache.
    """

    path: Path
    problem: Callable[[OSError, Path], VidstyleError] = store_error

    @property
    def is_held(self) -> bool:
        """Whether a process holds it. Where the disk knows no locks: whether one that took it may still live."""
        try:
            with self.path.open("rb") as file:
                unknown: list[str] = []
                if not _try_lock(file, unknown.append):
                    return True
                _unlock(file)
                return bool(unknown) and _holder_may_live(file)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise self.problem(error, self.path.parent) from error

    @contextlib.contextmanager
    def hold(self, what: str, wait: float = 0.0, report: Callable[[str], None] | None = None) -> Iterator[None]:
        """Hold it until the block ends, or the process.

        ``what``: the name of what is worked on, for messages.
        ``wait``: how many seconds to wait for another process (math.inf: as long as it takes). StoreError,
        naming the process that holds it, if it is not free by then. Where the disk knows no locks (some
        network disks), that is reported and the work goes on.
        """
        with self._open() as file:
            deadline = time.monotonic() + max(wait, _LOOK_SECONDS)
            while not _try_lock(file, report):
                if time.monotonic() >= deadline:
                    raise StoreError(_who_holds(file, what))
                time.sleep(_POLL_SECONDS)
            with contextlib.suppress(OSError):  # a full disk: it is for messages
                file.seek(0)
                file.truncate()
                file.write(encode_json({"pid": os.getpid(), "host": platform.node()}))
            try:
                yield
            finally:
                with contextlib.suppress(OSError):
                    file.truncate(0)
                _unlock(file)

    def _open(self) -> IO[bytes]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return self.path.open("a+b", buffering=0)
        except OSError as error:
            raise self.problem(error, self.path.parent) from error


def _who_holds(file: IO[bytes], what: str) -> str:
    pid, host = _holder(file)
    holder = "another process" if pid is None else f"process {pid}"
    if host not in (None, platform.node()):
        holder += f" on {printable(str(host))}"
    return f"{what} is being worked on by {holder}: wait until it ends, or stop it, and run again"


def _holder_may_live(file: IO[bytes]) -> bool:
    pid, host = _holder(file)
    return pid is not None and (host != platform.node() or is_alive(pid))


def _holder(file: IO[bytes]) -> tuple[int | None, str | None]:
    """Number and host of the process that wrote itself into a lock file, if that can be read."""
    with contextlib.suppress(OSError, ValueError):
        file.seek(0)
        match decode_json(file.read(4096)):
            case {"pid": int(pid), "host": str(host)}:
                return pid, host
    return None, None


if sys.platform == "win32":
    import msvcrt

    # Windows locks bytes, and nobody else can read those: take one far behind the text.
    _LOCKED_BYTE = 1 << 20

    def _try_lock(file: IO[bytes], report: Callable[[str], None] | None) -> bool:
        try:
            file.seek(_LOCKED_BYTE)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(file: IO[bytes]) -> None:
        with contextlib.suppress(OSError):
            file.seek(_LOCKED_BYTE)
            msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(file: IO[bytes], report: Callable[[str], None] | None) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            if report is not None:
                folder = printable(Path(str(file.name)).parent)
                report(
                    f"{folder} is on a disk that knows no locks ({error.strerror}): do not run the same twice at once"
                )
        return True

    def _unlock(file: IO[bytes]) -> None:
        # Said explicitly: a child that was forked meanwhile would keep a merely closed lock.
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_UN)
