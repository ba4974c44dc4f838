"""Files that trainings go on from: whole or not at all, checked when they are read, and the one before is kept."""

from __future__ import annotations

import io
import itertools
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vidstyle.errors import InputError, write_error
from vidstyle.store import discard, printable, publish, temporary_path

FIELDS = ("network", "optimizer", "step", "seconds", "averages", "names", "settings")


def write_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write ``state``, of tensors and plain values, safe even against a power cut; what had the name is kept beside it.

    Raises:
        OutputError: the file cannot be written; VidstyleError where the disk is full. What was there still is.
    """
    content = io.BytesIO()
    torch.save(dict(state), content)
    temporary = temporary_path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content.getbuffer())
        publish(temporary, path, keep=before(path))
    except OSError as error:
        raise write_error(error, printable(path)) from error
    finally:
        discard(temporary)


def read_checkpoint(path: Path, say: Callable[[str], None] = lambda text: None) -> dict[str, Any] | None:
    """The newest state that can be read, on the CPU, with all of ``FIELDS``; None where there is none.

    Args:
        say: told of a file that is damaged, or is something else: it is set aside.
    Raises:
        InputError: a file is there and may not be read.
    """
    for file in (path, before(path)):
        try:
            content = file.read_bytes()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise InputError(f"the checkpoint {printable(file)} cannot be read: {error.strerror or error}") from error
        state = parsed(content)
        if state is not None:
            return state
        aside = set_aside(file, "damaged")
        say(f"{printable(file)} is damaged, or no checkpoint: set aside as {aside.name}")
    return None


def begin_anew(path: Path) -> Path | None:
    """Put away what ``read_checkpoint`` would find; its new name. Raises OutputError where that cannot be done."""
    files = [file for file in (path, before(path)) if file.exists()]
    if not files:
        return None
    newest, *older = files
    for file in older:  # all that it has, the newest has too
        discard(file)
    return set_aside(newest, "earlier")


def before(path: Path) -> Path:
    """What the checkpoint before is called."""
    return path.with_name(f"{path.stem}-before{path.suffix}")


def set_aside(file: Path, why: str) -> Path:
    """Give a file a name that nothing has; which. Raises OutputError where that cannot be done."""
    names = (file.with_name(f"{file.stem}-{why}-{number}{file.suffix}") for number in itertools.count(1))
    aside = next(name for name in names if not name.exists())
    try:
        file.rename(aside)
    except OSError as error:
        raise write_error(error, printable(aside)) from error
    return aside


def parsed(content: bytes) -> dict[str, Any] | None:
    """A checkpoint's state; None where the bytes are damaged or something else."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            if file.testzip() is not None:  # torch does not look at checksums
                return None
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        whole = all(field in state for field in FIELDS) and all_finite(state["network"].values())
    except Exception:  # what damaged bytes make of pickle's and torch's readers has no end
        return None
    return state if whole else None


def all_finite(tensors: Iterable[Tensor]) -> bool:
    """Whether no tensor holds nan or infinity."""
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors)
