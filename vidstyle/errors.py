"""What can go wrong, by kind. Every message is one line and says what to do next."""

from __future__ import annotations

import errno

FULL_DISK = (errno.ENOSPC, errno.EDQUOT)


class VidstyleError(Exception):
    """Base of every error that vidstyle raises on purpose.

    ``exit_code`` is what the command line ends with: 1 the work failed, 2 bad usage or bad input,
    3 some shots failed, 130 interrupted and resumable.
    """

    exit_code = 1


class InputError(VidstyleError):
    """What the user named cannot be used: a missing file, not a movie, not an image, a bad option."""

    exit_code = 2


class OutputError(VidstyleError):
    """The output cannot be written: no such folder, no permission, an unknown file type."""

    exit_code = 2


class MediaError(VidstyleError):
    """ffmpeg failed in the middle of the work; the message carries the last lines that it printed."""


class PaintError(VidstyleError):
    """A frame cannot be painted: too little memory, or a loss without bound. Other shots may be fine."""


class StoreError(VidstyleError):
    """The cache cannot be used: no space, read-only, or held by another process."""


class WeightsError(VidstyleError):
    """Network weights are missing or do not fit; the message names the file and where it goes."""

    exit_code = 2


class Interrupted(VidstyleError):  # noqa: N818 (no error: the user wished it)
    """The user asked to stop. Everything finished so far is in the cache; run again to go on."""

    exit_code = 130


def write_error(error: OSError, name: str) -> VidstyleError:
    """What an error of the system means that came of writing a file called ``name``, as a message shows it."""
    if error.errno in FULL_DISK:
        return VidstyleError(f"no space left to write {name}: free some and run again; what is finished is kept")
    return OutputError(f"cannot write {name}: {error.strerror or error}")
