"""Whether a file can be written, and should be, before any work for it begins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vidstyle.errors import OutputError


def check_file(output: Path, kind: str, may_replace: Callable[[Path], bool]) -> None:
    """Raise OutputError where ``output``, a ``kind`` of file, cannot be written, or may not replace what is there."""
    if not output.parent.is_dir():
        raise OutputError(f"there is no folder {output.parent}: make it, or give another name with -o")
    if output.is_dir():
        raise OutputError(f"{output} is a folder: give the name of a {kind} with -o")
    check_existing(output, may_replace)


def check_existing(output: Path, may_replace: Callable[[Path], bool]) -> None:
    """Raise OutputError where something is there that ``may_replace`` does not grant to replace."""
    if is_there(output) and not may_replace(output):
        raise OutputError(f"{output} exists: add -y to replace it, or give another name with -o")


def is_there(output: Path) -> bool:
    """Whether an output of this name would replace anything."""
    return any(output.iterdir()) if output.is_dir() else output.exists()
