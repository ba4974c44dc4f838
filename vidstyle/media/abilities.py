"""What the ffmpeg that we use can do on this machine: codecs, filters, and hardware encoders that really open."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from vidstyle.errors import OutputError
from vidstyle.media.containers import CONTAINERS, ENCODERS, choose_encoder
from vidstyle.media.ffmpeg import Ffmpeg, _ask

#: The oldest ffmpeg whose options are those that we use.
OLDEST = (5, 1)
#: Codecs that a film-maker meets, as people write them, by ffmpeg's names.
CODECS = {"h264": "H.264", "hevc": "H.265", "vp9": "VP9", "av1": "AV1", "prores": "ProRes"}
#: Filters that every movie goes through, and what the others are for.
ALWAYS_USED = ("scale", "format", "select", "settb", "scdet", "metadata", "setsar", "setparams")
USED_FOR = {"bwdif": "interlaced movies", "zscale": "HDR movies", "tonemap": "HDR movies", "atrim": "parts of movies"}

_HARDWARE = re.compile(r"_(nvenc|cuvid|qsv|amf|vaapi|videotoolbox|v4l2m2m|omx|mf|mediacodec|vulkan|d3d12va)$")
# ffmpeg's own decoder of AV1 does nothing without a graphics card.
_NEEDS_HARDWARE = {"av1": {"av1"}}
_TRIAL_SECONDS = 20.0
_TRIALS_AT_ONCE = 4


@dataclass(frozen=True)
class Codec:
    """How one codec is written and read; hardware left out."""

    name: str  # as people write it
    encoders: tuple[str, ...]  # of ffmpeg, those that vidstyle has settings for, the preferred first
    decoders: tuple[str, ...]


@dataclass(frozen=True)
class Abilities:
    """What was built into one ffmpeg."""

    codecs: tuple[Codec, ...]
    filters: frozenset[str]
    hardware_encoders: tuple[str, ...]  # of these codecs; built in, which does not mean that they work


def is_too_old(program: Ffmpeg) -> bool:
    """Whether it is older than ``OLDEST``; builds that are named by their commit count as new."""
    match = re.match(r"(\d+)\.(\d+)", program.version)
    return match is not None and (int(match[1]), int(match[2])) < OLDEST


def abilities(program: Ffmpeg) -> Abilities:
    """Ask ffmpeg what was built into it. MediaError where it does not answer."""
    built = dict(_codec_line(line) for line in _ask(program.path, "-hide_banner", "-codecs").splitlines())
    answers = _ask(program.path, "-hide_banner", "-filters").splitlines()
    filters = frozenset(words[1] for line in answers if len(words := line.split()) > 2 and "->" in words[2])
    codecs, hardware = [], []
    for codec, people in CODECS.items():
        encoders, decoders = built.get(codec, ((), ()))
        ours = [name for name, settings in ENCODERS.items() if settings.codec == codec and name in encoders]
        hardware += [name for name in encoders if _HARDWARE.search(name)]
        idle = _NEEDS_HARDWARE.get(codec, set())
        codecs.append(
            Codec(people, tuple(ours), tuple(n for n in decoders if n not in idle and not _HARDWARE.search(n)))
        )
    return Abilities(tuple(codecs), filters, tuple(hardware))


def _codec_line(line: str) -> tuple[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """(codec, (encoders, decoders)) of one line of ``ffmpeg -codecs``."""
    words = line.split()
    if len(words) < 2 or len(words[0]) != 6:
        return "", ((), ())

    def named(kind: str, letter: str) -> tuple[str, ...]:
        listed = re.search(rf"\({kind}: ([^)]*)\)", line)
        if listed is not None:
            return tuple(listed[1].split())
        return (words[1],) if letter in words[0][:2] else ()

    return words[1], (named("encoders", "E"), named("decoders", "D"))


def unwritable(program: Ffmpeg) -> dict[str, str]:
    """File types that this ffmpeg has no encoder for, and why."""
    problems = {}
    for suffix, container in CONTAINERS.items():
        try:
            choose_encoder(program, container, "auto")
        except OutputError as error:
            problems[suffix] = str(error)
    return problems


def opens(program: Ffmpeg, encoder: str) -> bool:
    """Whether this encoder takes a frame, given as vidstyle gives them: from memory, with its usual settings."""
    frame = ["-nostdin", "-loglevel", "quiet", "-f", "lavfi", "-i", "color=gray:s=256x256:d=1", "-frames:v", "1"]
    output = ["-c:v", encoder, "-pix_fmt", "yuv420p", "-f", "null", "-"]
    try:
        done = subprocess.run(
            [program.path, *frame, *output],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TRIAL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


def that_open(program: Ffmpeg, names: Iterable[str]) -> list[str]:
    """Those of the encoders that work here, each tried on one frame, some at a time."""
    names = list(names)
    with ThreadPoolExecutor(_TRIALS_AT_ONCE) as pool:
        return [name for name, works in zip(names, pool.map(lambda n: opens(program, n), names), strict=True) if works]
