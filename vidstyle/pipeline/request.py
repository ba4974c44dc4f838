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
    BY_ENCODER,
    INTERNAL,
    METHODS,
    MOST_SECONDS,
    MOST_SIDE,
    QUALITIES,
    RAFT_METHODS,
    STYLE_SCALES,
    STYLE_WEIGHTS,
    ConsistencySettings,
    EncodeSettings,
    FlowSettings,
    NoneSettings,
    OptimizeSettings,
    RecurrentSettings,
    ShotSettings,
    StyleSettings,
    StylizeSettings,
    in_bounds,
    one_of,
    with_method_defaults,
    with_quality,
)
from vidstyle.errors import InputError
from vidstyle.pipeline.scenes import read_scenes
from vidstyle.pipeline.styles import check_method, is_bare, is_known, method_for
from vidstyle.structure import convert, from_plain, to_plain

#: As a ``start_style``, which is a name or a file else: frames begin as style prediction paints them.
PREDICT = "predict"
#: What settings may be besides fields of ``Request``, which then has what they stand for.
ALSO = ("method", "within", "quality", "scenes", "cache_limit")


@dataclass(frozen=True)
class Style:
    """A style as the user gives it, and its options: an image, a file of trained styles, or the name of one."""

    path: str  # of a file; or, in a job that paints in trained styles, a name without any folder
    weight: float = 1.0  # share among several styles
    scale: float = 1.0  # size of the strokes: 1 = the painting as large as the frame
    at: Fraction | None = None  # seconds of the movie, where it is there alone; None: all the time
    mask: str | None = None  # a picture or movie, white where it is painted; None: where no other style's mask is
    name: str | None = None  # in a file of several trained styles

    def __post_init__(self) -> None:
        if self.at is not None:
            in_bounds(f"--style {self.path}: at", self.at, 0, MOST_SECONDS)
        in_bounds(f"--style {self.path}: weight", self.weight, *STYLE_WEIGHTS)
        in_bounds(f"--style {self.path}: scale", self.scale, *STYLE_SCALES)

    @property
    def trained_name(self) -> str | None:
        """Which of the styles in a file of trained ones is meant; None: a picture, or the only one."""
        return self.path if is_bare(self.path) else self.name


@dataclass(frozen=True)
class Request:
    """One movie to paint. Paths are absolute; sizes in displayed pixels; times in seconds from the movie's start."""

    movie: str
    output: str
    styles: tuple[Style, ...] = ()
    stylize: StylizeSettings = field(default_factory=OptimizeSettings)
    shots: ShotSettings = field(default_factory=ShotSettings)
    flow: FlowSettings = field(default_factory=FlowSettings)
    consistency: ConsistencySettings = field(default_factory=ConsistencySettings)
    encode: EncodeSettings = field(default_factory=EncodeSettings)
    width: int | None = None  # None: from the height, or the movie's own
    height: int | None = None
    start: Fraction | None = None  # first frame at or after it
    end: Fraction | None = None  # frames before it
    start_style: str | None = None  # a trained style, or PREDICT, that frames to be optimised begin in
    encoder_weights: str | None = None  # a file of the user's own; None: embedded or downloaded
    flow_weights: str | None = None  # of RAFT: a file of the user's own; None: downloaded
    flow_from: str | None = None  # a folder of flow files; what it lacks is estimated
    device: str = "auto"  # auto, cpu, cuda, cuda:1, mps
    fps: Fraction | None = None  # of pictures as a movie; None: the usual. A movie file has times of its own
    # In one line, why this method was chosen; None: it was asked for, or is the only one.
    why: str | None = field(default=None, metadata=INTERNAL)

    def __post_init__(self) -> None:
        for name in ("width", "height"):
            if (side := getattr(self, name)) is not None:
                in_bounds(f"--{name}", side, 16, MOST_SIDE)
        if self.fps is not None:
            in_bounds("--fps", self.fps, Fraction(1, 100), 1000)
        for name in ("start", "end"):
            if (time := getattr(self, name)) is not None:
                in_bounds(f"--{name}", time, 0, MOST_SECONDS)
        if self.end is not None and self.end <= (self.start or 0):
            raise InputError("--end must be later than --start")
        if not isinstance(self.stylize, NoneSettings) and not self.styles:
            raise InputError("no style given: add --style PAINTING.jpg, or a name that `vidstyle styles list` has")
        for style in self.styles:
            if style.mask == "":
                raise InputError(f"--style {style.path}: mask= names no file")
            is_picture = not isinstance(self.stylize, RecurrentSettings | NoneSettings)
            if style.name is not None and (is_picture or is_bare(style.path)):
                raise InputError(f"--style {style.path}: name= is for a file of several trained styles")
        if isinstance(self.stylize, RecurrentSettings):
            self.check_trained()
        if self.start_style and not isinstance(self.stylize, OptimizeSettings):
            raise InputError(f"--start-style is for --method optimize, not for {self.method}: leave it out")
        if self.encoder_weights and isinstance(self.stylize, NoneSettings):
            raise InputError("--encoder-weights is for --method optimize, not for none: leave it out")
        if self.encoder_weights and isinstance(self.stylize, BY_ENCODER):
            raise InputError(f"--encoder-weights is for --method optimize: {self.method} was trained for its own")
        if self.flow_weights and self.flow.method not in RAFT_METHODS:
            raise InputError(f"--flow-weights is for --flow {' or '.join(RAFT_METHODS)}, not for {self.flow.method}")

    def check_trained(self) -> None:
        """Raise InputError for what trained styles have no use for."""
        for style in self.styles:
            if style.scale != 1:
                raise InputError(
                    f"--style {style.path}: scale is for pictures; a trained style has the strokes it was trained with"
                )
        if self.encoder_weights:
            raise InputError("--encoder-weights is for pictures as styles: a trained style takes no encoder")

    @property
    def inputs(self) -> list[tuple[str, str | None]]:
        """What is read: what each file or folder is, and its path; None for what is not given."""
        named = [(f"style {style.path}", style.path) for style in self.styles if not is_bare(style.path)]
        masks = [(f"mask {style.mask}", style.mask) for style in self.styles]
        start = None if self.start_style is None or is_bare(self.start_style) else self.start_style
        weights = [("encoder's weights", self.encoder_weights), ("flow's weights", self.flow_weights)]
        return [("movie", self.movie), *named, *masks, ("start style", start), *weights, ("flow", self.flow_from)]

    @property
    def is_part(self) -> bool:
        """Whether a range was asked for, not the whole movie."""
        return self.start is not None or self.end is not None

    @property
    def method(self) -> str:
        return next(name for name, kind in METHODS.items() if type(self.stylize) is kind)

    @property
    def stylize_settings(self) -> StylizeSettings:
        """The method's settings with those of the styles in them: what the content key is made from."""
        if isinstance(self.stylize, NoneSettings):
            return self.stylize
        styles = tuple(
            StyleSettings(style.weight, style.scale, style.at, style.mask is not None, style.trained_name)
            for style in self.styles
        )
        return dataclasses.replace(self.stylize, styles=styles)


def why_method(request: Request) -> str | None:
    """In one line, how the request's styles are painted and why so; None where nothing is painted."""
    if isinstance(request.stylize, NoneSettings):
        return None
    if request.why is not None:
        return request.why
    names = [Path(style.path).name for style in request.styles]
    listed = " and ".join(names)
    if isinstance(request.stylize, RecurrentSettings):
        what = f"{listed} is a trained style" if len(names) == 1 else f"{listed} are trained styles"
        return f"{what}: a network paints each frame in one go"
    what = f"{listed} is a picture" if len(names) == 1 else f"{listed} are pictures"
    if isinstance(request.stylize, BY_ENCODER):
        return f"{what}: --method {request.method} paints each frame in one go"
    return f"{what}: frames are painted by optimisation (--method predict, adain and wct are far faster)"


def request_to_plain(request: Request) -> dict[str, Any]:
    """As JSON's types; ``request_from_plain`` reads it back."""
    return {"method": request.method, **to_plain(request)}


def request_from_plain(table: Mapping[str, Any]) -> Request:
    """A Request from a job file, a settings file or the command line's options.

    The table has Request's names, ``method``, whose settings ``stylize`` holds (by default what suits the styles), and
    may have ``quality``, a name of ``QUALITIES``: the request holds what that stands for. ``scenes`` names a file of
    cuts.

    Raises:
        InputError: something is unknown, missing or of the wrong type.
    """
    rest = dict(table)
    method = rest.pop("method", None)
    if method is not None and (not isinstance(method, str) or method not in METHODS):
        raise InputError(f"--method is one of {', '.join(METHODS)}; not {method!r}")
    quality = rest.pop("quality", "standard")
    one_of("--quality", quality, tuple(QUALITIES))
    styles = convert(tuple[Style, ...], rest.get("styles", ()), "the settings styles")
    paths = [style.path for style in styles]
    if method is None:
        method = method_for(paths)
    check_method(method, paths, rest.get("stylize", {}))
    if METHODS[method] is OptimizeSettings:
        rest = with_quality(rest, quality)
    rest = with_method_defaults(rest, method)
    # Which settings a method takes only its name tells, so they are read first.
    if (scenes := rest.pop("scenes", None)) is not None:
        if not isinstance(scenes, str):
            raise InputError(f"scenes must be the name of a file, not {scenes!r}")
        # A job holds the cuts themselves: it goes on in the same way whatever becomes of the file.
        given = convert(ShotSettings, rest.get("shots", {}), "[shots]")
        rest["shots"] = dataclasses.replace(given, cuts=read_scenes(Path(absolute(scenes))))
    rest["stylize"] = from_plain(METHODS[method], rest.get("stylize", {}), "[stylize]")
    request = from_plain(Request, rest, "the settings", ALSO)
    return dataclasses.replace(
        request,
        movie=absolute(request.movie),
        output=absolute_output(request.output),
        styles=tuple(
            dataclasses.replace(
                style,
                path=style.path if names_style(style.path, method) else absolute(style.path),
                mask=style.mask and absolute(style.mask),
            )
            for style in request.styles
        ),
        start_style=request.start_style
        and (request.start_style if is_bare(request.start_style) else absolute(request.start_style)),
        encoder_weights=request.encoder_weights and absolute(request.encoder_weights),
        flow_weights=request.flow_weights and absolute(request.flow_weights),
        flow_from=request.flow_from and absolute(request.flow_from),
    )


def names_style(path: str, method: str) -> bool:
    """Whether a style is given by its name, not as a file: it is, then, wherever the job goes on."""
    return is_bare(path) and (method == "recurrent" or (method == "none" and is_known(path)))


def absolute_output(name: str) -> str:
    """The same; what names a folder ends in a slash: it was written so, or has no ending and is one already."""
    path = Path(absolute(name))
    named = name.endswith(("/", os.sep)) or (not path.suffix and path.is_dir())
    return f"{path}/" if named else str(path)


def absolute(path: str) -> str:
    return str(Path(path).expanduser().absolute())
