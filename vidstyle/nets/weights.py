"""Finds, checks and loads weight files: the one place of the maths that knows paths and the network."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from vidstyle.errors import WeightsError, write_error

EMBEDDED = Path(__file__).parent / "data"


@dataclass(frozen=True)
class WeightFile:
    """Weights as read: tensors by name, the file's own notes, and the sha256 that stands for them in content keys."""

    tensors: dict[str, Tensor]
    metadata: dict[str, str]
    digest: str


@dataclass(frozen=True)
class Download:
    """A published weight file: where it comes from, its sha256 prefix, and what to do without it."""

    url: str
    sha256_prefix: str
    megabytes: int
    instead: str

    @property
    def path(self) -> Path:
        """Where torch keeps downloads (``$TORCH_HOME``), so that a file fetched by torchvision is found too."""
        return Path(torch.hub.get_dir()) / "checkpoints" / self.url.rsplit("/", 1)[1]


def embedded(name: str) -> Path:
    """Path of a weight file that the package carries."""
    return EMBEDDED / name


def read_weights(path: Path) -> WeightFile:
    """Read ``.safetensors``, or ``.pth``/``.pt`` without unpickling anything but tensors.

    Raises:
        WeightsError: the file is missing, cut short, or holds something else than named tensors.
    """
    if not path.is_file():
        raise WeightsError(f"no weight file {path}")
    metadata: dict[str, str] = {}
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        else:
            tensors = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise WeightsError(f"{path} is not a readable weight file: {first_line(error)}") from error
    except Exception as error:  # torch.load raises UnpicklingError, imported from nowhere stable
        raise WeightsError(
            f"{path} holds more than tensors and is not loaded: save the network's state_dict()"
        ) from error
    if not isinstance(tensors, dict) or not all(
        isinstance(k, str) and isinstance(v, Tensor) for k, v in tensors.items()
    ):
        raise WeightsError(f"{path} is not a table of named tensors (a state_dict)")
    return WeightFile(tensors, metadata, file_sha256(path))


def read_metadata(path: Path) -> dict[str, str]:
    """What a ``.safetensors`` file says of itself, without its tensors.

    Raises:
        WeightsError: it is missing, or no such file.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is not a readable weight file: {first_line(error)}") from error


def write_weights(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write a ``.safetensors`` file whole or not at all, safe even against a power cut.

    Raises:
        OutputError: the file cannot be written; VidstyleError where the disk is full.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    content = save({name: value.detach().cpu().contiguous() for name, value in tensors.items()}, metadata)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise write_error(error, str(path)) from error


def fetch(download: Download, say: Callable[[str], None] | None = None) -> Path:
    """The file of ``download``: what is there, else fetched, checked against its sha256 and moved into place whole.

    Args:
        say: told, in one line, what is about to be fetched; None forbids to fetch.
    Raises:
        WeightsError: it is not there and cannot be fetched; the message names the file, its place and the way around.
    """
    path = download.path
    if path.is_file():
        if not file_sha256(path).startswith(download.sha256_prefix):
            raise WeightsError(f"{path} is damaged (its sha256 is not {download.sha256_prefix}…): delete it, run again")
        return path
    if say is None:
        raise WeightsError(f"{path} is not there yet: `vidstyle stylize` fetches it, or {download.instead}")
    say(f"fetching {download.url} ({download.megabytes} MB) to {path}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Writes to a temporary file beside it, compares the sha256, then renames.
        torch.hub.download_url_to_file(download.url, str(path), download.sha256_prefix, progress=False)
    except (OSError, RuntimeError, HTTPException) as error:
        raise WeightsError(
            f"cannot fetch {download.url} ({first_line(error)}): put the file at {path}, or {download.instead}"
        ) from error
    return path


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
