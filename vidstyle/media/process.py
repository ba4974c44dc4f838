"""A running ffmpeg: its pipes, its end, and what it said."""

from __future__ import annotations

import collections
import contextlib
import os
import re
import signal
import subprocess
import threading
from types import TracebackType
from typing import IO

from vidstyle.errors import FULL_DISK, MediaError

TAIL_LINES = 4  # how many of ffmpeg's last lines an error carries
GRACE_SECONDS = 5.0  # how long ffmpeg may take to end after it was asked to


class Process:
    """ffmpeg started with a plain argument list, in a session of its own.

    Ctrl-C at the terminal does not reach it: we decide when it ends. Its stderr is read by a thread, so that
    it can not block. Use it as a context manager: it is never left running.
    """

    def __init__(self, arguments: list[str], *, stdin: bool = False, stdout: bool = False) -> None:
        self.arguments = arguments
        try:
            self._process = subprocess.Popen(
                arguments,
                stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                stdout=subprocess.PIPE if stdout else subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise MediaError(f"could not start {arguments[0]}: {error}") from error
        self.error_lines = 0
        self._full: int | None = None  # the error, where ffmpeg spoke of a full disk
        self._first = ""
        self._tail: collections.deque[str] = collections.deque(maxlen=TAIL_LINES)
        self._drain = threading.Thread(target=self._read_stderr, daemon=True)
        self._drain.start()

    def _read_stderr(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            for line in stream:
                self.error_lines += 1
                text = line.decode(errors="replace").strip()
                self._first = self._first or text
                self._tail.append(text)
                self._full = next((number for number in FULL_DISK if os.strerror(number) in text), self._full)

    @property
    def stdin(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin

    @property
    def stdout(self) -> IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout

    def head(self) -> str:
        """ffmpeg's first words, which name the cause of what follows; call it after the end of the process."""
        self._drain.join(GRACE_SECONDS)
        return re.sub(r"\[(\S+) @ 0x[0-9a-f]+\]", r"\1:", self._first) or "it said nothing"

    def tail(self) -> str:
        """ffmpeg's last words, in one line; call it after the end of the process."""
        self._drain.join(GRACE_SECONDS)
        return " | ".join(line for line in self._tail if line) or "it said nothing"

    def wait(self) -> int:
        """Waits for the end; returns the exit status (negative: killed by that signal)."""
        code = self._process.wait()
        self._drain.join(GRACE_SECONDS)
        return code

    def check(self, doing: str) -> None:
        """Waits for the end; raises what ``failure`` says unless it ended well."""
        code = self.wait()
        if code != 0:
            raise self.failure(f"ffmpeg failed while {doing} (exit {code})")

    def failure(self, what: str) -> OSError | MediaError:
        """Why it ended: OSError of a full disk, else MediaError: ``what``, and ffmpeg's last lines."""
        said = self.tail()
        return MediaError(f"{what}: {said}") if self._full is None else OSError(self._full, os.strerror(self._full))

    def kill(self) -> None:
        """Ends ffmpeg now, with whatever it started (a wrapper script may be in between)."""
        if self._process.poll() is None:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except (OSError, AttributeError):  # gone meanwhile; or no process groups (Windows)
                self._process.kill()
        self._process.wait()
        self._drain.join(GRACE_SECONDS)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):  # what was still buffered has nowhere to go
                    stream.close()

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
