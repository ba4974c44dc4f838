"""Which ffmpeg program we use, what it can do, and how its arguments are put together."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ffmpeg
import imageio_ffmpeg

from vidstyle.errors import MediaError

# Only files that the user named and our own pipes: no network, no other protocol.
PROTOCOLS = "file,pipe"
# Only containers that hold their own data. Playlists and lists of files (hls, dash, concat, image2 patterns)
# are absent on purpose: they open other files.
DEMUXERS = (
    "mov,mp4,matroska,webm,avi,mpeg,mpegts,mpegvideo,flv,live_flv,ogg,asf,gif,apng,mxf,wtv,rm,nut,dv,ivf,"
    "h264,hevc,m4v,obu,nsv,amv,vob,y4m,yuv4mpegpipe,webp_anim"
)


@dataclass(frozen=True)
class Ffmpeg:
    """One ffmpeg program."""

    path: str  # how to call it
    version: str  # as it names itself, e.g. "5.1.6"
    origin: str  # "VIDSTYLE_FFMPEG", "PATH" or "imageio-ffmpeg": where we found it


def find_ffmpeg() -> Ffmpeg:
    """The ffmpeg of ``$VIDSTYLE_FFMPEG``, else the one on PATH, else the one in imageio-ffmpeg's wheel.

    Looked up once per process and setting. Raises MediaError where there is none or it does not run.
    """
    return _find(os.environ.get("VIDSTYLE_FFMPEG"), os.environ.get("PATH", ""))


@functools.lru_cache(maxsize=8)
def _find(wanted: str | None, search_path: str) -> Ffmpeg:
    if wanted:
        path = shutil.which(wanted, path=search_path)
        if path is None:
            raise MediaError(f"VIDSTYLE_FFMPEG names {wanted!r}, which is not a program that can be run")
        return Ffmpeg(path, _version(path), "VIDSTYLE_FFMPEG")
    path = shutil.which("ffmpeg", path=search_path)
    if path is not None:
        return Ffmpeg(path, _version(path), "PATH")
    try:
        path = imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError as error:
        raise MediaError(
            "no ffmpeg found: install ffmpeg, or `pip install imageio-ffmpeg`, or set VIDSTYLE_FFMPEG"
        ) from error
    return Ffmpeg(path, _version(path), "imageio-ffmpeg")


def _ask(path: str, *arguments: str) -> str:
    try:
        answer = subprocess.run(
            [path, *arguments], capture_output=True, stdin=subprocess.DEVNULL, timeout=60, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise MediaError(f"the ffmpeg at {path} does not run: {error}") from error
    return answer.stdout.decode(errors="replace")


def _version(path: str) -> str:
    first = _ask(path, "-version").partition("\n")[0]
    match = re.match(r"ffmpeg version n?(\d+(?:\.\d+)*)", first) or re.match(r"ffmpeg version (\S+)", first)
    if match is None:
        raise MediaError(f"{path} does not answer like ffmpeg: {first[:80]!r}")
    return match.group(1)


@functools.lru_cache(maxsize=8)
def encoders(program: Ffmpeg) -> frozenset[str]:
    """Names of all encoders that were built into this ffmpeg."""
    lines = _ask(program.path, "-hide_banner", "-encoders").partition("------")[2].splitlines()
    return frozenset(words[1] for line in lines if len(words := line.split()) > 1)


@functools.lru_cache(maxsize=8)
def pixel_formats(program: Ffmpeg, encoder: str) -> tuple[str, ...]:
    """Those that an encoder takes, as this ffmpeg says; ffmpeg puts another in the place of all others. None: any."""
    said = _ask(program.path, "-hide_banner", "-h", f"encoder={encoder}")
    match = re.search(r"Supported pixel formats: (.+)", said)
    return tuple(match[1].split()) if match else ()


class _Url(str):
    """ffmpeg-python tells its nodes apart by a hash of their text in UTF-8, which not every name of a file is."""

    __slots__ = ()

    def __str__(self) -> str:
        return ascii(self)


def file_url(path: Path | str) -> str:
    """A name that ffmpeg takes as this very file, whatever characters it holds."""
    return _Url(f"file:{Path(path).absolute()}")


def open_file(path: Path | str, **options: Any) -> Any:
    """ffmpeg-python's input of a file that may open nothing else."""
    return ffmpeg.input(file_url(path), protocol_whitelist=PROTOCOLS, format_whitelist=DEMUXERS, **options)


def command(program: Ffmpeg, output: Any, loglevel: str = "error") -> list[str]:
    """The argument list of one run; every run is quiet, never asks, and is reproducible."""
    return [
        program.path,
        "-nostdin",
        "-hide_banner",
        "-loglevel",
        loglevel,
        *ffmpeg.get_args(output, overwrite_output=True),
    ]
