"""What all that frames are written into have in common."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from vidstyle.errors import FULL_DISK, MediaError


class Writer:
    """Takes the frames first .. last-1 of a movie in their order, `passes` times, and makes the output of them.

    A context manager; leaving it by an error, or before finish(), removes what was begun. `size` is (width, height) in
    pixels of the frames that write() takes; `bit_depth` 8 takes uint8, 16 takes uint16. `notes` says, one line each,
    what was converted or left out.
    """

    passes = 1
    notes: tuple[str, ...] = ()

    def __init__(self, path: Path | str, first: int, last: int, size: tuple[int, int], bit_depth: int) -> None:
        self.path, self.first, self.last, self.size = Path(path).absolute(), first, last, size
        self.kind = np.dtype("u1" if bit_depth == 8 else "<u2")
        self._written, self._finished = 0, False

    @property
    def count(self) -> int:
        return self.last - self.first

    def __enter__(self) -> Self:
        return self

    def write(self, image: NDArray[Any]) -> None:
        """Takes the next frame, RGB (H, W, 3) of the size and depth said at the start; after the last, the first."""
        if image.shape != (self.size[1], self.size[0], 3) or image.dtype != self.kind:
            raise ValueError(f"a frame of {image.shape} {image.dtype}, not {self.size[::-1]} + (3,) {self.kind}")
        turn, number = divmod(self._written, self.count)
        if turn >= self.passes:
            raise ValueError(f"more frames than {self.passes} times the {self.count} that were announced")
        with self._failing_in_one_line():
            self._write(turn, number, image)
        self._written += 1

    def finish(self) -> None:
        """MediaError unless all frames came and the output is whole."""
        if self._written != self.passes * self.count:
            raise MediaError(f"only {self._written} of {self.passes * self.count} frames were written")
        with self._failing_in_one_line():
            self._end()
        self._finished = True

    @contextlib.contextmanager
    def _failing_in_one_line(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            folder = self.path.parent
            if error.errno in FULL_DISK:
                raise MediaError(f"no space left in {folder}: free some, or write elsewhere, and run again") from error
            raise MediaError(f"cannot write in {folder}: {error.strerror or error}") from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()
        if not self._finished:
            self._remove()

    # What each kind does

    def _write(self, turn: int, number: int, image: NDArray[Any]) -> None:
        """Take the frame `number`, counted from the first, in the pass `turn`."""
        raise NotImplementedError

    def _end(self) -> None:
        """All frames have come."""

    def _close(self) -> None:
        """End whatever still runs."""

    def _remove(self) -> None:
        """Remove what was begun."""
        self.path.unlink(missing_ok=True)
