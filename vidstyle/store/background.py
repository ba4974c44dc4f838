"""Saving beside the work: what is saved is packed and written by one thread, in the order in which it came.

So whatever is on the disk after a kill, everything that was saved before it is there too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

# Values that wait are held in memory: two frames with all that belongs to them.
MOST_WAITING = 10


class Background:
    """Tasks that write one file each, done one after the other in a thread. For several threads."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._slots = threading.BoundedSemaphore(MOST_WAITING)
        self._waiting: dict[Path, Future[None]] = {}
        self._failure: BaseException | None = None

    def submit(self, path: Path, task: Callable[[], None]) -> None:
        """Do ``task``, which writes ``path``, later; waits while too many are waiting. Raises as ``settle``."""
        self._raise()
        self._slots.acquire()
        future: Future[None] = Future()
        self._waiting[path] = future
        self._pool.submit(self._do, path, task, future)

    def _do(self, path: Path, task: Callable[[], None], future: Future[None]) -> None:
        try:
            if self._failure is None:
                task()
        except BaseException as error:
            self._failure = error
        finally:
            if self._waiting.get(path) is future:
                del self._waiting[path]
            self._slots.release()
            future.set_result(None)

    def wait_for(self, path: Path) -> None:
        """Wait until ``path`` is written, if it is to be."""
        future = self._waiting.get(path)
        if future is not None:
            future.result()

    def settle(self) -> None:
        """Wait until everything is written. Raises what the first task that failed has raised; none after it ran."""
        for future in list(self._waiting.values()):
            future.result()
        self._raise()

    def close(self) -> None:
        """Write everything that waits, and end. Never an error: see ``settle``."""
        self._pool.shutdown()

    def _raise(self) -> None:
        if self._failure is not None:
            raise self._failure
