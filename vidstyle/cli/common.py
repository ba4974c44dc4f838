"""Options and output that several commands share."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

import click

from vidstyle.cli.values import Size

if TYPE_CHECKING:
    from vidstyle.cli.display import Display

Command = TypeVar("Command", bound=Callable[..., Any])


class FileName(click.Path):
    """A name of a file or folder. An empty one, as of a variable that is not set, would mean the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Raises click's usage error for an empty name."""
        if value == "":
            self.fail("the name is empty", param, ctx)
        return super().convert(value, param, ctx)


PATH = FileName(path_type=Path)
PATH_AS_WRITTEN = FileName()  # with the / at the end that means a folder
KEPT_AT_MOST = 32 << 20  # bytes of one allocation


def cache_option(command: Command) -> Command:
    """Adds ``--cache-dir``, passed on as ``cache_dir: Path | None``."""
    return click.option(
        "--cache-dir", type=PATH, help="Where intermediate results are kept  [default: the user's cache folder]"
    )(command)


def cache_limit_option(command: Command) -> Command:
    """Adds ``--cache-limit``, passed on as ``cache_limit: int | None``."""
    return click.option(
        "--cache-limit",
        type=Size(),
        help="Keep the whole cache under this: 500M, 20G, 1.5T  [default: no limit]",
    )(command)


def json_option(command: Command) -> Command:
    """Adds ``--json``, passed on as ``as_json: bool``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs")(command)


def overwrite_option(command: Command) -> Command:
    """Adds ``-y`` and ``-n``, passed on as ``overwrite: bool | None``; None asks where there is a terminal."""
    command = click.option(
        "-y", "overwrite", flag_value=True, type=bool, default=None, help="Replace an existing output"
    )(command)
    return click.option(
        "-n", "overwrite", flag_value=False, type=bool, default=None, help="Never replace an existing output"
    )(command)


def quiet_option(command: Command) -> Command:
    return click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors")(command)


def may_replace(path: Path, overwrite: bool | None, display: Display, others: int = 0) -> bool:
    """Whether an existing output may be replaced: as told, else as the user answers on a terminal.

    ``others``: as many others that exist go with it.
    """
    if overwrite is not None or not sys.stdin.isatty():
        return bool(overwrite)
    display.clear()
    with plain_interrupt():
        question = f"{path} and {others} more exist. Replace them?" if others else f"{path} exists. Replace it?"
        return click.confirm(question, err=True)


def cache_root(cache_dir: Path | None) -> Path:
    """The cache folder that was asked for, else the default. InputError where it cannot be one."""
    from vidstyle.store import find_root

    return find_root(cache_dir)


def print_json(document: Any) -> None:
    click.echo(json.dumps(document, indent=2))


def print_table(header: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    """Columns aligned, a line each whatever the names in them hold, for people; to stdout."""
    from vidstyle.store import printable

    cells = [header, *(tuple(printable(str(cell)) for cell in row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    for row in cells:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def keep_freed_memory() -> bool:
    """Let the process keep what it frees, where the C library is glibc; whether it is.

    Painting allocates and frees the same large tensors in every iteration. By default each goes back to the system, and
    the next one's pages are faulted in and cleared again: a tenth of the time. What is larger than ``KEPT_AT_MOST``, in
    frames of 720p and more, still goes back: kept, its gaps would make memory grow by a tenth.
    """
    m_trim_threshold, m_mmap_threshold = -1, -3  # malloc.h
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library; Windows knows no CDLL(None)
        return False
    return bool(mallopt(m_mmap_threshold, KEPT_AT_MOST) and mallopt(m_trim_threshold, (1 << 31) - 1))


def let_threads_sleep() -> None:
    """Let torch's threads sleep while they wait for each other, if torch is not loaded yet and nobody says otherwise.

    Where a network paints, they take the processor from ffmpeg and from the flow of the next frame, which run at the
    same time: in a busy loop a job takes three times as much of it. Optimisation, which is alone, takes half as long
    again with sleeping threads.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@contextmanager
def plain_interrupt() -> Iterator[None]:
    """Inside ``stop_on_signals``: Ctrl-C ends the program at once, as where it waits for an answer."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def stop_on_signals(say: Callable[[str], None], doing: str = "finishing this frame") -> Iterator[Callable[[], bool]]:
    """Ctrl-C (or SIGTERM) once asks the work to stop after what it is ``doing``; twice stops at once.

    Yields a function that says whether the user asked.
    """
    asked: list[int] = []

    def on_signal(number: int, frame: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        say(f"{doing}; press Ctrl-C again to stop at once")

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
