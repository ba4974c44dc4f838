"""What can be written, by the name of the output. A new kind is one writer, and its endings in the table here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from vidstyle.errors import OutputError
from vidstyle.media.containers import CONTAINERS
from vidstyle.media.gif import GifWriter
from vidstyle.media.pictures import is_still, shown
from vidstyle.media.probe import Movie
from vidstyle.media.timeline import Timeline
from vidstyle.media.write import MovieWriter, check_encoder
from vidstyle.media.write_pictures import PICTURE_ENDINGS, FolderWriter, PictureWriter
from vidstyle.media.writer import Writer

FOLDER = "/"  # what the name of a folder ends in
WRITERS: dict[str, Any] = {
    **dict.fromkeys(CONTAINERS, MovieWriter),
    ".gif": GifWriter,
    **dict.fromkeys(PICTURE_ENDINGS, PictureWriter),
    FOLDER: FolderWriter,
}


def ending_of(name: str) -> str:
    """What tells the kind of an output: the ending of its name, in small letters, or FOLDER."""
    return FOLDER if name.endswith(("/", os.sep)) else Path(name).suffix.lower()


def is_folder(name: str) -> bool:
    return ending_of(name) == FOLDER


def open_writer(
    name: str,
    path: Path,
    movie: Movie,
    timeline: Timeline,
    frames: tuple[int, int],
    size: tuple[int, int],
    **options: Any,
) -> Writer:
    """The writer for an output called `name`, which writes to `path`. Options are those of MovieWriter."""
    writer: Writer = WRITERS[ending_of(name)](path, movie, timeline, *frames, size, **options)
    return writer


def default_ending(movie: Path) -> str:
    """What the output for this movie is called where nobody says: what it is itself, where that can be written."""
    ending = movie.suffix.lower()
    if ending in PICTURE_ENDINGS or is_still(movie):
        return ".mp4" if not is_still(movie) else ending if ending in PICTURE_ENDINGS else ".png"
    return ending if ending in WRITERS else ".mp4"


def check_output(name: str | Path) -> None:
    """Raises OutputError, before any work, if an output could not be written to this name."""
    name = str(name)
    ending = ending_of(name)
    path = Path(name).absolute()
    if ending not in WRITERS:
        kind = f"the type {ending!r}" if ending else "a name without an ending"
        known = ", ".join(known for known in WRITERS if known != FOLDER)
        raise OutputError(f"cannot write {kind}; name the output {known}, or end it in / for a folder of PNGs")
    check_place(path)
    if path.is_dir() and ending != FOLDER:
        raise OutputError(f"{shown(path)} is a folder; name a file, or end the name in / for a folder of PNGs")
    if ending == FOLDER and path.exists() and not path.is_dir():
        raise OutputError(f"{shown(path)} is a file; name a folder, or leave out the / at the end")


def check_place(path: Path) -> None:
    """Raises OutputError, before any work, if nothing could be written under this name, whatever its kind."""
    try:
        _check_place(path)
    except OSError as error:  # a folder that may not be searched, a name that is too long
        raise OutputError(f"cannot write {shown(path)}: {error.strerror}; choose another name or folder") from None


def _check_place(path: Path) -> None:
    if not path.parent.is_dir():
        raise OutputError(f"no such folder: {shown(path.parent)}; make it first")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise OutputError(f"the folder {shown(path.parent)} cannot be written to; choose another")
    if path.exists() and not os.access(path, os.W_OK):
        raise OutputError(f"{shown(path)} is there and cannot be overwritten; choose another name")


def check_settings(name: str, size: tuple[int, int], **encoding: Any) -> None:
    """Raises OutputError, before any work, for settings of the encoder (of MovieWriter) that ffmpeg refuses."""
    if WRITERS[ending_of(name)] is MovieWriter:
        check_encoder(Path(name), size, **encoding)


def check_count(name: str, frames: int) -> None:
    """Raises OutputError for more frames than such an output holds."""
    if WRITERS[ending_of(name)] is PictureWriter and frames > 1:
        raise OutputError(
            f"{Path(name).name} holds one picture, and there are {frames} frames:"
            " end the name in / for a folder of PNGs, or give --start and --end with one frame between"
        )
