"""Whether a file can be written, and should be, before any work for it begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from vidstyle.errors import InputError, OutputError
from vidstyle.media import PICTURE_ENDINGS, check_place

#: What is read, each as messages call it ("movie", "style a.jpg"), and where it is; None: there is none.
Inputs = Sequence[tuple[str, Path | str | None]]


def check_file(output: Path, kind: str, may_replace: Callable[[Path], bool], inputs: Inputs) -> None:
    """Check the name of an output, a ``kind`` of file.

    Args:
        may_replace: asked when the output exists.
        inputs: what the output is made from.
    Raises:
        OutputError: it cannot be written, or may not replace what is there.
        InputError: it would replace an input.
    """
    check_place(output)
    if output.is_dir():
        raise OutputError(f"{output} is a folder: give the name of a {kind}")
    check_apart(output, inputs)
    check_existing(output, may_replace)


def check_apart(output: Path, inputs: Inputs) -> None:
    """Raise InputError if ``output``, a file or folder, would replace an input, or be taken for a part of it."""
    for name, given in inputs:
        if given is None:
            continue
        path = Path(given)
        places = (path, *path.resolve().parents) if output.is_dir() else (path,)
        if any(is_same(output, place) for place in places):
            raise InputError(f"the output would replace the {name} itself: give another name")
        if output.suffix.lower() in PICTURE_ENDINGS and path.is_dir() and is_same(output.parent, path):
            raise InputError(f"the output would be one more picture of the {name}: give another folder")


def is_same(one: Path, other: Path) -> bool:
    """Whether two names are of one file or folder that is there."""
    try:
        return one.samefile(other)
    except OSError:
        return False


def check_existing(output: Path, may_replace: Callable[[Path], bool]) -> bool:
    """Whether an output of this name replaces anything. OutputError where ``may_replace`` does not grant that."""
    exists = any(output.iterdir()) if output.is_dir() else output.exists()
    if exists and not may_replace(output):
        raise OutputError(f"{output} exists: add -y to replace it, or give another name")
    return exists
