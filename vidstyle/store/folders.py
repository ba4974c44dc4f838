"""Output folders of numbered PNGs: replaced as a whole, and nothing in them deleted that is anything else."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

from vidstyle.errors import OutputError

_NUMBERED = re.compile(r"\d{8,}\.png")


def numbered_files(folder: Path) -> list[os.DirEntry[str]]:
    """The numbered PNGs of a folder."""
    with os.scandir(folder) as entries:
        return [entry for entry in entries if _is_numbered(entry)]


def check_replaceable(folder: Path) -> None:
    """Raises OutputError if a folder holds anything that we would not have written."""
    with os.scandir(folder) as entries:
        foreign = sorted(entry.name for entry in entries if not _is_numbered(entry))
    if foreign:
        name = str(folder) if str(folder).isprintable() else ascii(str(folder))
        raise OutputError(
            f"{name} holds other files than numbered PNGs ({foreign[0]!a}): it is not replaced; name another folder"
        )


def discard_folder(folder: Path) -> None:
    """Deletes a folder's numbered PNGs, and the folder if that was all; of a link, the link. Never an error."""
    with contextlib.suppress(OSError):
        if folder.is_symlink():
            folder.unlink()
            return
        for entry in numbered_files(folder):
            Path(entry.path).unlink()
        folder.rmdir()


def _is_numbered(entry: os.DirEntry[str]) -> bool:
    return bool(_NUMBERED.fullmatch(entry.name)) and entry.is_file(follow_symlinks=False)
