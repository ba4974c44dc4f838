"""Painted frames into a movie file, with everything else of the original movie."""

from __future__ import annotations

import math
import os
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import av
import ffmpeg
import numpy as np
from numpy.typing import NDArray

from vidstyle.errors import OutputError
from vidstyle.media import colour
from vidstyle.media.containers import THREADS, choose_encoder, container_of, encoder_settings
from vidstyle.media.feed import Feed
from vidstyle.media.ffmpeg import command, file_url, find_ffmpeg, pixel_formats
from vidstyle.media.pictures import Pictures
from vidstyle.media.probe import Movie
from vidstyle.media.process import Process
from vidstyle.media.read import FLAGS
from vidstyle.media.source import ratio
from vidstyle.media.timeline import Timeline
from vidstyle.media.tracks import Tracks, trimmed_tracks, whole_tracks
from vidstyle.media.writer import Writer
from vidstyle.media.ycbcr import to_ycbcr

MAX_REORDER = 20  # frames; no encoder's order of coding strays further from the order of showing
SAME_SHAPE = 2  # pixels by which a scaled size may miss the movie's shape: rounding to whole or even pixels


class MovieWriter(Writer):
    """Encodes the frames of a movie, and muxes its sound and the rest with them.

    `trim` says that only a part of the movie was asked for: the output then begins at zero, and the sound is
    cut. Raises OutputError for an output that cannot be written, MediaError when ffmpeg fails.
    """

    def __init__(
        self,
        path: Path | str,
        movie: Movie,
        timeline: Timeline,
        first: int,
        last: int,
        size: tuple[int, int],
        codec: str = "auto",
        crf: float | None = None,
        preset: str | None = None,
        pix_fmt: str | None = None,
        trim: bool = False,
        bit_depth: int = 8,
    ) -> None:
        if not 0 <= first < last <= len(timeline):
            raise ValueError(f"frames {first} to {last} of a movie of {len(timeline)}")
        super().__init__(path, first, last, size, bit_depth)
        self.movie, self.timeline, self.trim = movie, timeline, trim
        self.container, self.program = container_of(self.path), find_ffmpeg()
        self.codec, codec_notes = choose_encoder(self.program, self.container, codec)
        self.settings = encoder_settings(self.codec)
        self.crf, self.preset = crf, preset
        self.pix_fmt = pix_fmt or self.settings.pix_fmt
        self.tags = self._colour_tags()
        self.bits = _bits(self.pix_fmt)
        self.origin = self._origin()
        tracks = self._tracks()
        self.padding = self._padding()
        self.notes = (
            *codec_notes,
            *tracks.notes,
            *self._size_notes(crf, preset),
            *self._depth_notes(),
        )
        self._arguments = command(self.program, self._output(tracks))

    # What is asked of ffmpeg

    def _origin(self) -> int:
        """Ticks on the file's clock that become zero in the output."""
        if self.trim:
            return self.timeline.ticks(self.first)
        # As players show it: the first of all streams begins at zero, the others keep their distance to it.
        start = math.floor(self.movie.clock_start / self.timeline.time_base)
        return min(max(0, start), self.timeline.ticks(self.first))

    def _tracks(self) -> Tracks:
        if isinstance(self.movie, Pictures):
            return Tracks()
        if self.trim:
            start, end = self.timeline.time(self.first), self.timeline.time(self.last)
            return trimmed_tracks(self.program, self.movie, self.container, start, end)
        origin = self.origin * self.timeline.time_base
        return whole_tracks(self.program, self.movie, self.container, origin)

    def _padding(self) -> tuple[int, int]:
        """Columns and rows that the encoder needs beyond the size."""
        if not self.settings.even or "444" in self.pix_fmt or "rgb" in self.pix_fmt or "gbr" in self.pix_fmt:
            return 0, 0
        return self.size[0] % 2, 0 if "422" in self.pix_fmt else self.size[1] % 2

    def _size_notes(self, crf: float | None, preset: str | None) -> list[str]:
        notes = []
        if self.settings.hardware:
            notes.append(f"{self.codec} is hardware: the same frames may give other bytes the next time")
        if any(self.padding):
            width, height = self.size[0] + self.padding[0], self.size[1] + self.padding[1]
            notes.append(
                f"{self.codec} needs even sizes: the last row or column is repeated once,"
                f" {width}x{height} is written (pix_fmt yuv444p keeps the size, but fewer players show it)"
            )
        for name, asked, known in (("crf", crf, self.settings.crf), ("preset", preset, self.settings.preset)):
            if asked is not None and known is None:
                notes.append(f"{self.codec} has no {name}: its own setting is used")
        return notes

    def _depth_notes(self) -> list[str]:
        if self.movie.bit_depth <= self.bits:
            return []
        deep = self.settings.deep_pix_fmt if self.bits < 10 else None
        hint = f"; --pix-fmt {deep} keeps 10" if deep else ""
        return [f"{self.movie.bit_depth}-bit source: written with {self.bits} bits{hint}"]

    def _output(self, tracks: Tracks) -> Any:
        pictures = ffmpeg.input("pipe:0", format="nut", copyts=None, analyzeduration=0)["0"]
        tags = self.tags
        same = {"in_range": tags["color_range"], "out_range": tags["color_range"]}
        # What is left to the scaler is fewer samples of chroma, and the order of the samples.
        pictures = pictures.filter("scale", flags=FLAGS, **same).filter("format", self.pix_fmt)
        aspect = scaled_aspect(self.movie, self.size)
        pictures = pictures.filter("setsar", ratio(aspect))
        pictures = pictures.filter("setparams", **_filter_names(tags))
        return ffmpeg.output(
            pictures, *tracks.streams, file_url(self.path), **self._video_options(), **tags, **tracks.options
        )

    def _colour_tags(self) -> dict[str, str]:
        """Options that say the same colour as the source, what it was taken as, or what HDR became."""
        movie = self.movie
        if movie.is_hdr:
            tags = {"colorspace": "bt709", "color_range": "tv", "color_primaries": "bt709", "color_trc": "bt709"}
        else:
            matrix = colour.assumed_matrix(movie.color_matrix, movie.height)
            full = not movie.is_rgb and colour.assumed_range(movie.color_range, movie.pixel_format) == "pc"
            tags = {
                "colorspace": "bt2020nc" if matrix == "bt2020c" else matrix,
                "color_range": "pc" if full else "tv",
            }
            if movie.color_primaries:
                tags["color_primaries"] = movie.color_primaries
            if movie.color_transfer:
                tags["color_trc"] = movie.color_transfer
        if _is_rgb(self.pix_fmt):
            del tags["colorspace"]
            tags["color_range"] = "pc"
        return tags

    def _video_options(self) -> dict[str, Any]:
        time_base = self.timeline.time_base
        options: dict[str, Any] = {
            "format": self.container.muxer,
            **_encoder_options(self.codec, self.crf, self.preset, self.pix_fmt),
            "threads:v": THREADS,
            "fps_mode:v": "passthrough",
            "enc_time_base:v": ratio(time_base),
            "fflags": "+bitexact",
            "flags:v": "+bitexact",
            "flags:a": "+bitexact",
            "bsf:v": self._last_duration_filter(),
        }
        if self.settings.rate_option is not None:
            options[self.settings.rate_option] = f"fps={ratio(self._rate())}"
        if self.settings.codec == "hevc" and self.container.is_mov:
            options["tag:v"] = "hvc1"  # the tag that Apple's players take
        if self.container.is_mov:
            options["video_track_timescale"] = time_base.denominator
            # Edit lists are in the movie's own scale: with the usual milliseconds a late start is rounded.
            options["movie_timescale"] = math.lcm(time_base.denominator, 1000 if time_base.denominator < 1000 else 1)
            options["movflags"] = "+faststart"
        return options

    def _last_duration_filter(self) -> str:
        """A bitstream filter that says how long the last frame is shown; encoders forget it.

        A packet's duration matters only at the end of the file, for the last in order of showing and for the
        last in order of coding. So each of the last packets is said to last until the movie's end.
        """
        tail = max(self.first, self.last - MAX_REORDER)
        start = (self.timeline.ticks(tail) - self.origin - Fraction(1, 2)) * self.timeline.time_base
        end = (self.timeline.ticks(self.last) - self.origin) * self.timeline.time_base
        condition = f"gte(PTS*TB\\,{float(start):.9f})"
        # setts must be told to leave the times alone.
        return f"setts=pts=PTS:dts=DTS:duration=if({condition}\\,round({float(end):.9f}/TB)-PTS\\,DURATION)"

    def _rate(self) -> Fraction:
        """Frames per second, a hint for the encoder's level; times do not come from it."""
        rate = self.movie.average_rate or Fraction(25)
        return min(max(rate, Fraction(1)), Fraction(240)).limit_denominator(1001)

    # The work

    def __enter__(self) -> Self:
        padded = self.size[0] + self.padding[0], self.size[1] + self.padding[1]
        self._feed = Feed(self._arguments, padded, self._piped_format(), self.timeline.time_base, self._rate())
        return self

    def _write(self, turn: int, number: int, image: NDArray[Any]) -> None:
        if any(self.padding):
            image = np.pad(image, ((0, self.padding[1]), (0, self.padding[0]), (0, 0)), mode="edge")
        self._feed.write(self._piped(image), self.timeline.ticks(self.first + number) - self.origin)

    def _piped_format(self) -> str:
        """ffmpeg's name of how frames go to it."""
        if _is_rgb(self.pix_fmt):
            return "rgb24" if self.kind.itemsize == 1 else "rgb48le"
        return "yuv444p" if self.bits == 8 else f"yuv444p{self.bits}le"

    def _piped(self, image: NDArray[Any]) -> NDArray[Any]:
        if _is_rgb(self.pix_fmt):
            return image
        return to_ycbcr(image, self.tags["colorspace"], self.tags["color_range"], self.bits)

    def _end(self) -> None:
        self._feed.finish("writing the movie")
        with self.path.open("rb") as file:
            os.fsync(file.fileno())

    def _close(self) -> None:
        self._feed.close()


def scaled_aspect(movie: Movie, size: tuple[int, int]) -> Fraction:
    """The shape of one output pixel: the movie's own, unless its picture was squeezed on purpose."""
    width, height = size
    if abs(width - movie.width * height / movie.height) <= SAME_SHAPE:
        return movie.sample_aspect_ratio
    squeezed = movie.sample_aspect_ratio * Fraction(movie.width, width) * Fraction(height, movie.height)
    return squeezed.limit_denominator(4095)


def _is_rgb(pix_fmt: str) -> bool:
    return pix_fmt.startswith(("rgb", "bgr", "gbr"))


def _bits(pix_fmt: str) -> int:
    """Bits per component that a pixel format takes, 8 to 16; 8 for one that PyAV does not know."""
    try:
        return min(max(int(av.VideoFormat(pix_fmt).components[0].bits), 8), 16)
    except ValueError:
        return 8


def _filter_names(tags: dict[str, str]) -> dict[str, str]:
    """The same tags under the names of the setparams filter, which differ from the encoders'."""
    names = {"color_range": "range", "gamma22": "bt470m", "gamma28": "bt470bg"}
    return {names.get(option, option): names.get(value, value) for option, value in tags.items()}


def _encoder_options(encoder: str, crf: float | None, preset: str | None, pix_fmt: str | None) -> dict[str, Any]:
    """What ffmpeg is told about an encoder; None: its usual. One that has no crf or preset is told of none."""
    usual = encoder_settings(encoder)
    options: dict[str, Any] = {"c:v": encoder, "pix_fmt": pix_fmt or usual.pix_fmt, **usual.options}
    if usual.crf is not None:
        wanted = usual.crf if crf is None else crf
        options.update(dict.fromkeys(usual.quality, f"{usual.scale(wanted):g}"))
    if usual.preset is not None:
        options["preset"] = usual.preset if preset is None else preset
    return options


def _same_samples(one: str, other: str) -> bool:
    """Whether two pixel formats hold the same samples, in whatever order: ffmpeg may well put one for the other."""

    def kind(name: str) -> tuple[object, ...]:
        known = av.VideoFormat(name)
        gray = len(known.components) < 3
        return known.is_rgb, gray, known.components[0].bits, known.chroma_width(16), known.chroma_height(16)

    try:
        return one == other or kind(one) == kind(other)
    except ValueError:  # PyAV does not know one of them
        return False


def check_encoder(
    path: Path,
    size: tuple[int, int],
    codec: str = "auto",
    crf: float | None = None,
    preset: str | None = None,
    pix_fmt: str | None = None,
) -> None:
    """Encode one grey frame to nowhere: raises OutputError, before any work, for settings that ffmpeg refuses."""
    program = find_ffmpeg()
    name, _ = choose_encoder(program, container_of(path), codec)
    known = pixel_formats(program, name)
    if pix_fmt is not None and known and not any(_same_samples(pix_fmt, other) for other in known):
        raise OutputError(f"{name} takes no --pix-fmt {pix_fmt}; it takes {', '.join(known)}")
    options = _encoder_options(name, crf, preset, pix_fmt)
    even = size[0] + size[0] % 2, size[1] + size[1] % 2
    grey = ffmpeg.input(f"color=gray:s={even[0]}x{even[1]}:d=1", f="lavfi")
    process = Process(command(program, ffmpeg.output(grey, "-", format="null", **{"frames:v": 1}, **options)))
    try:
        if process.wait() != 0:
            raise OutputError(f"ffmpeg cannot encode {size[0]}×{size[1]} with {name} as asked: {process.head()}")
    finally:
        process.kill()
