"""Cuts from a file instead of detection: PySceneDetect's list of scenes, or a plain list of cuts."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import numpy as np

from vidstyle.config import Cut
from vidstyle.errors import InputError
from vidstyle.media import Timeline
from vidstyle.store import printable

T = TypeVar("T")
Value = TypeVar("Value")

HEADER = "Scene Number"  # the first column of PySceneDetect's list
TIMECODES = "Timecode List"  # what the line before it begins with, where it is there
START = "Start Frame"
LONGEST = 40  # characters of a time


def read_scenes(path: Path) -> tuple[Cut, ...]:
    """The cuts of a file.

    Either PySceneDetect's CSV, or a cut per line: a frame's number (120), seconds (12.5s) or a timecode
    (0:01:02.5); what follows # is a remark. Raises InputError, one line, which names the line that is wrong.
    """
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except FileNotFoundError:
        raise InputError(f"no such file of scenes: {printable(path)}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--scenes {printable(path)} cannot be read as text: {error}") from None
    if lines and lines[0].startswith((HEADER, TIMECODES)):
        return _from_list(path, lines)
    texts = [(number, line.partition("#")[0].strip()) for number, line in enumerate(lines, 1)]
    return tuple(_each(path, ((number, text) for number, text in texts if text), parse_cut))


def parse_cut(text: str) -> Cut:
    """A cut as people write it. ValueError for anything else."""
    if re.fullmatch(r"\d{1,9}", text):
        return Cut(frame=int(text))
    if len(text) > LONGEST:
        raise ValueError(f"a cut has at most {LONGEST} characters")
    match = re.fullmatch(r"(\d+(?:\.\d+)?)s", text) or re.fullmatch(r"(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:\.\d+)?)", text)
    if match is None:
        raise ValueError("a cut is a frame (120), seconds (12.5s) or a timecode (0:01:02.5)")
    seconds = Fraction(0)
    for part in match.groups():
        seconds = seconds * 60 + Fraction(part or 0)
    return Cut(time=seconds)


def _from_list(path: Path, lines: list[str]) -> tuple[Cut, ...]:
    skipped = 1 if lines[0].startswith(TIMECODES) else 0
    try:
        rows = list(csv.reader(lines[skipped:]))
    except csv.Error as error:
        raise InputError(f"--scenes {printable(path)} is not a list of scenes: {error}") from None
    header = [name.strip() for name in rows[0]] if rows else []
    if START not in header:
        raise InputError(f"--scenes {printable(path)}: a list of scenes needs a column {START!r}")
    column = header.index(START)

    def start(row: list[str]) -> int:
        if len(row) <= column or not re.fullmatch(r"\d{1,9}", row[column].strip()):
            raise ValueError(f"no number under {START!r}")
        return int(row[column])

    numbered = ((number, row) for number, row in enumerate(rows[1:], skipped + 2) if row)
    starts = _each(path, numbered, start)
    # Frames are counted from 1; lists of old versions counted from 0.
    base = 0 if 0 in starts else 1
    return tuple(Cut(frame=frame - base) for frame in starts if frame > base)


def _each(path: Path, numbered: Iterable[tuple[int, T]], parse: Callable[[T], Value]) -> list[Value]:
    found = []
    for number, text in numbered:
        try:
            found.append(parse(text))
        except (ValueError, InputError) as error:
            shown = repr(text)[:60]
            raise InputError(f"--scenes {printable(path)}, line {number}, {shown}: {error}") from None
    return found


def cut_frames(cuts: tuple[Cut, ...], timeline: Timeline) -> tuple[list[int], list[str]]:
    """(the frames at which shots begin, what is to be said of cuts that are ignored).

    A time means the frame that begins nearest to it: lists round times, up or down.
    """
    begins = np.array([*timeline.pts, timeline.ticks(len(timeline))]) - timeline.ticks(0)
    ticks = [None if cut.time is None else float(cut.time / timeline.time_base) for cut in cuts]
    nearest = [None if tick is None else int(np.abs(begins - tick).argmin()) for tick in ticks]
    frames = [cut.frame or frame or 0 for cut, frame in zip(cuts, nearest, strict=True)]
    inside = sorted({frame for frame in frames if 0 < frame < len(timeline)})
    notes = []
    if at_start := frames.count(0):
        notes.append(f"--scenes: {at_start} of {len(cuts)} cuts ignored: at frame 0 a shot begins anyway")
    if timeline.end is None and (beyond := sum(frame >= len(timeline) for frame in frames)):
        notes.append(f"--scenes: {beyond} of {len(cuts)} cuts ignored: the movie has {len(timeline)} frames")
    return inside, notes
