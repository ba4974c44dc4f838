"""Values of options that have a form of their own: times, sizes, styles and levels."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import click

#: The options of a style, and what each is: a number, a time or a file.
STYLE_OPTIONS = {"weight": "number", "scale": "number", "at": "time", "mask": "file"}


class Time(click.ParamType):
    """Seconds, "12.5", "12.5s", "1:02.5" or "1:02:03"; a Fraction, so that no rounding picks another frame."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Fraction:
        """Raises click's usage error for anything else."""
        if isinstance(value, Fraction):
            return value
        match = re.fullmatch(r"(?:(?:(\d+):)?(\d{1,2}):)?(\d+(?:\.\d+)?)s?", value.strip())
        if match is None:
            self.fail(f"{value!r} is not a time: write seconds as 12.5, or 1:02.5", param, ctx)
        hours, minutes, seconds = (Fraction(part or 0) for part in match.groups())
        return hours * 3600 + minutes * 60 + seconds


class Size(click.ParamType):
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
    """A picture with options after commas: ``a.jpg,weight=0.7,at=4s``. Gives a table of Style's fields."""

    name = "image[,option=value]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        """Raises click's usage error for an unknown option or a value that is no number."""
        if isinstance(value, dict):
            return value
        path = value
        options: dict[str, Any] = {}
        # Commas are allowed in file names: only what looks like an option at the end is one.
        while (match := re.fullmatch(r"(.+),(\w+)=([^,]*)", path)) and not Path(path).exists():
            path, name, text = match.groups()
            if name not in STYLE_OPTIONS:
                self.fail(f"a style has no option {name!r}; it has {', '.join(STYLE_OPTIONS)}", param, ctx)
            options[name] = self.option(name, text, param, ctx)
        return {"path": path, **options}

    def option(self, name: str, text: str, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The value of one option."""
        if STYLE_OPTIONS[name] == "file":
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
