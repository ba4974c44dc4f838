"""Everything that was asked for, as one value: what a job file holds and ``resume`` starts from."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from vidstyle.config import (
    METHODS,
    QUALITIES,
    RAFT_METHODS,
    ConsistencySettings,
    EncodeSettings,
    FlowSettings,
    NoneSettings,
    OptimizeSettings,
    ShotSettings,
    StyleSettings,
    one_of,
    with_quality,
)
from vidstyle.errors import InputError
from vidstyle.pipeline.scenes import read_scenes
from vidstyle.structure import convert, from_plain, to_plain


@dataclass(frozen=True)
class Style:
    """A style as the user gives it: an image and its options."""

    path: str
    weight: float = 1.0  # share among several styles
    scale: float = 1.0  # size of the strokes: 1 = the painting as large as the frame
    at: Fraction | None = None  # seconds of the movie, where it is there alone; None: all the time
    mask: str | None = None  # a picture or movie, white where it is painted; None: where no other style's mask is

    def __post_init__(self) -> None:
        if self.at is not None and self.at < 0:
            raise InputError(f"--style {self.path}: at must be 0 or more, not {self.at}")
        for name in ("weight", "scale"):
            if not 0 < getattr(self, name) < float("inf"):
                raise InputError(f"--style {self.path}: {name} must be more than 0, not {getattr(self, name)}")


@dataclass(frozen=True)
class Request:
    """One movie to paint. Paths are absolute; sizes in displayed pixels; times in seconds from the movie's start."""

    movie: str
    output: str
    styles: tuple[Style, ...] = ()
    stylize: OptimizeSettings | NoneSettings = field(default_factory=OptimizeSettings)
    shots: ShotSettings = field(default_factory=ShotSettings)
    flow: FlowSettings = field(default_factory=FlowSettings)
    consistency: ConsistencySettings = field(default_factory=ConsistencySettings)
    encode: EncodeSettings = field(default_factory=EncodeSettings)
    width: int | None = None  # None: from the height, or the movie's own
    height: int | None = None
    start: Fraction | None = None  # first frame at or after it
    end: Fraction | None = None  # frames before it
    encoder_weights: str | None = None  # a file of the user's own; None: embedded or downloaded
    flow_weights: str | None = None  # of RAFT: a file of the user's own; None: downloaded
    flow_from: str | None = None  # a folder of flow files; what it lacks is estimated
    device: str = "auto"  # auto, cpu, cuda, cuda:1, mps
    fps: Fraction | None = None  # of pictures as a movie; None: the usual. A movie file has times of its own

    def __post_init__(self) -> None:
        for name in ("width", "height"):
            value = getattr(self, name)
            if value is not None and value < 16:
                raise InputError(f"--{name} must be at least 16 pixels, not {value}")
        if self.start is not None and self.start < 0:
            raise InputError("--start must be 0 or more")
        if self.fps is not None and not Fraction(1, 100) <= self.fps <= 1000:
            raise InputError(f"--fps is at least 0.01 and at most 1000, not {float(self.fps):g}")
        if self.end is not None and self.end <= (self.start or 0):
            raise InputError("--end must be later than --start")
        if isinstance(self.stylize, OptimizeSettings) and not self.styles:
            raise InputError("no style given: add --style PAINTING.jpg")
        if self.flow_weights and self.flow.method not in RAFT_METHODS:
            raise InputError(f"--flow-weights is for --flow {' or '.join(RAFT_METHODS)}, not for {self.flow.method}")

    @property
    def is_part(self) -> bool:
        """Whether a range was asked for, not the whole movie."""
        return self.start is not None or self.end is not None

    @property
    def method(self) -> str:
        return next(name for name, kind in METHODS.items() if type(self.stylize) is kind)

    @property
    def stylize_settings(self) -> OptimizeSettings | NoneSettings:
        """The method's settings with those of the styles in them: what the content key is made from."""
        if isinstance(self.stylize, NoneSettings):
            return self.stylize
        styles = tuple(
            StyleSettings(style.weight, style.scale, style.at, style.mask is not None) for style in self.styles
        )
        return dataclasses.replace(self.stylize, styles=styles)


def request_to_plain(request: Request) -> dict[str, Any]:
    """As JSON's types; ``request_from_plain`` reads it back."""
    return {"method": request.method, **to_plain(request)}


def request_from_plain(table: Mapping[str, Any]) -> Request:
    """A Request from a job file, a settings file or the command line's options.

    The table has Request's names, ``method``, whose settings ``stylize`` holds, and may have ``quality``, a name of
    ``QUALITIES``: the request holds what that stands for. ``scenes`` names a file of cuts.

    Raises:
        InputError: something is unknown, missing or of the wrong type.
    """
    rest = dict(table)
    method = rest.pop("method", "optimize")
    if not isinstance(method, str) or method not in METHODS:
        raise InputError(f"--method is one of {', '.join(METHODS)}; not {method!r}")
    quality = rest.pop("quality", "standard")
    one_of("--quality", quality, tuple(QUALITIES))
    if METHODS[method] is OptimizeSettings:
        rest = with_quality(rest, quality)
    # Which settings a method takes only its name tells, so they are read first.
    if (scenes := rest.pop("scenes", None)) is not None:
        if not isinstance(scenes, str):
            raise InputError(f"scenes must be the name of a file, not {scenes!r}")
        # A job holds the cuts themselves: it goes on in the same way whatever becomes of the file.
        given = convert(ShotSettings, rest.get("shots", {}), "[shots]")
        rest["shots"] = dataclasses.replace(given, cuts=read_scenes(Path(absolute(scenes))))
    rest["stylize"] = from_plain(METHODS[method], rest.get("stylize", {}), "[stylize]")
    request = from_plain(Request, rest, "the settings")
    return dataclasses.replace(
        request,
        movie=absolute(request.movie),
        output=absolute_output(request.output),
        styles=tuple(
            dataclasses.replace(style, path=absolute(style.path), mask=style.mask and absolute(style.mask))
            for style in request.styles
        ),
        encoder_weights=request.encoder_weights and absolute(request.encoder_weights),
        flow_weights=request.flow_weights and absolute(request.flow_weights),
        flow_from=request.flow_from and absolute(request.flow_from),
    )


def absolute_output(name: str) -> str:
    """The same; what names a folder ends in a slash: it was written so, or has no ending and is one already."""
    path = Path(absolute(name))
    named = name.endswith(("/", os.sep)) or (not path.suffix and path.is_dir())
    return f"{path}/" if named else str(path)


def absolute(path: str) -> str:
    return str(Path(path).expanduser().absolute())
