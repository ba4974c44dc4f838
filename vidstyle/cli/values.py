"""Values of options that have a form of their own: times, sizes, styles and levels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import click

from vidstyle.errors import InputError
from vidstyle.structure import read_ratio

LONGEST_TIME = 40  # characters
#: The options of a style, and what each is: a number, a time or a text.
STYLE_OPTIONS = {"weight": "number", "scale": "number", "at": "time", "mask": "text", "name": "text"}


def shortened(value: object) -> str:
    """What was given, as it goes into a message."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:50]}…{text[-5:]}"


def is_there(path: str) -> bool:
    """Whether there is a file of this name; none has one that is too long."""
    try:
        return Path(path).exists()
    except OSError:
        return False


class Time(click.ParamType):
    """Seconds, "12.5", "12.5s", "1:02.5" or "1:02:03"; a Fraction, so that no rounding picks another frame."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Fraction:
        """Raises click's usage error for anything else."""
        if isinstance(value, Fraction):
            return value
        match = re.fullmatch(r"(?:(?:(\d+):)?(\d{1,2}):)?(\d+(?:\.\d+)?)s?", value.strip())
        if match is None or len(value) > LONGEST_TIME:
            self.fail(f"{shortened(value)} is not a time: write seconds as 12.5, or 1:02.5", param, ctx)
        hours, minutes, seconds = (Fraction(part or 0) for part in match.groups())
        return hours * 3600 + minutes * 60 + seconds


class Offsets(click.ParamType):
    """Numbers of frames, "1,10,20,40", as a list."""

    name = "frames"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[int]:
        """Raises click's usage error for anything else."""
        if isinstance(value, list):
            return value
        if not re.fullmatch(r"\d{1,9}(,\d{1,9})*", value):
            self.fail(f"{shortened(value)} is not a list of frames: write 1,10,20,40", param, ctx)
        return [int(number) for number in value.split(",")]


class Names(click.ParamType):
    """Names with commas between them, as a list."""

    name = "names"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[str]:
        return value if isinstance(value, list) else [name.strip() for name in value.split(",")]


class Rate(click.ParamType):
    """Frames per second: "25", "23.976" or "30000/1001"; a Fraction."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Fraction:
        """Raises click's usage error for anything else."""
        try:
            return read_ratio(str(value))
        except (ValueError, ZeroDivisionError):
            self.fail(f"{shortened(value)} is not a rate: write frames per second as 25 or 30000/1001", param, ctx)


class Size(click.ParamType):
    """Bytes, "500M", "20G" or "1.5T"."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Raises click's usage error for anything else."""
        from vidstyle.store import parse_size

        try:
            return value if isinstance(value, int) else parse_size(value)
        except InputError as error:
            self.fail(str(error), param, ctx)


class Age(click.ParamType):
    """How long ago, in seconds: "90m", "12h", "30d" or "8w"."""

    name = "age"
    units: ClassVar = {"m": 60, "h": 3600, "d": 86400, "w": 604800}

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Raises click's usage error for anything else."""
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?)([mhdw])", value.strip().lower())
        if match is None:
            self.fail(f"{shortened(value)} is not an age: write it as 12h, 30d or 8w", param, ctx)
        return float(match[1]) * self.units[match[2]]


class Dimensions(click.ParamType):
    """Width and height in pixels: ``640x360``. Gives both as numbers."""

    name = "WxH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"(\d{1,6})[x×](\d{1,6})", value.strip())
        if match is None:
            self.fail(f"{value!r} is not a size: write width and height as 640x360", param, ctx)
        return int(match[1]), int(match[2])


class StyleValue(click.ParamType):
    """A picture or the name of a style, options after commas: ``a.jpg,weight=0.7,at=4s``. Gives Style's fields.

    ``takes``: the options that mean something to the command.
    """

    name = "image|name[,option=value]"

    def __init__(self, takes: Sequence[str] = tuple(STYLE_OPTIONS)) -> None:
        self.takes = takes

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        """Raises click's usage error for an unknown option or a value that is no number."""
        if isinstance(value, dict):
            return value
        path = value
        options: dict[str, Any] = {}
        # Commas are allowed in file names: only what looks like an option at the end is one.
        while (match := re.fullmatch(r"(.+),(\w+)=([^,]*)", path)) and not is_there(path):
            path, name, text = match.groups()
            if name not in self.takes:
                self.fail(f"a style has no option {name!r} here; it has {', '.join(self.takes)}", param, ctx)
            options[name] = self.option(name, text, param, ctx)
        return {"path": path, **options}

    def option(self, name: str, text: str, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The value of one option."""
        if STYLE_OPTIONS[name] == "text":
            return text
        if STYLE_OPTIONS[name] == "time":
            return Time().convert(text, param, ctx)
        try:
            return float(text)
        except ValueError:
            self.fail(f"{name} of a style must be a number, not {text!r}", param, ctx)


class Levels(click.ParamType):
    """Levels of the encoder with their weights: ``relu1_1,relu3_1=0.5``. Gives a list, as a settings file has it."""

    name = "level[=weight],…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[str]:
        return value if isinstance(value, list) else [part.strip() for part in value.split(",") if part.strip()]
