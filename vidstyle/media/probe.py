"""What a movie file is: size, time, colour, tracks. PyAV looks, nothing is assumed silently."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
from av.sidedata.sidedata import Type

from vidstyle.errors import InputError
from vidstyle.media import colour, tonemap
from vidstyle.media.ffmpeg import DEMUXERS, PROTOCOLS, file_url


@dataclass(frozen=True)
class AudioStream:
    index: int  # stream number in the file
    codec: str  # canonical ffmpeg name, e.g. "aac"
    sample_rate: int  # Hz
    channels: int
    bit_rate: int | None  # bits per second


@dataclass(frozen=True)
class SubtitleStream:
    index: int  # stream number in the file
    codec: str  # canonical ffmpeg name, e.g. "mov_text"


@dataclass(frozen=True)
class Movie:
    """One movie file, as it is shown: rotation is already applied to sizes and aspect."""

    path: Path  # absolute
    container: str  # ffmpeg's name(s) of the format, e.g. "mov,mp4,m4a,3gp,3g2,mj2"
    video_index: int  # stream number of the video that we work on
    video_streams: int  # how many there are (cover pictures not counted)
    width: int  # pixels, as displayed
    height: int
    rotation: int  # degrees clockwise that the stored picture is turned for display
    sample_aspect_ratio: Fraction  # of one displayed pixel; 1 where the file says nothing
    time_base: Fraction  # seconds per tick of the video stream
    start_time: Fraction  # seconds; first video time, on the file's clock
    clock_start: Fraction  # seconds; first time of any stream, on the file's clock
    duration: Fraction | None  # seconds, where known
    duration_is_videos: bool  # False: it is that of the longest stream
    average_rate: Fraction | None  # frames per second; a hint, never used for times
    frame_count_hint: int | None  # what the container says or duration × rate; scan() counts
    codec: str  # canonical ffmpeg name of the video's codec, e.g. "h264"
    x264_build: int | None  # the encoder's version where the first packet says it: decoding depends on it
    pixel_format: str  # ffmpeg's name, e.g. "yuv420p10le"
    bit_depth: int  # bits per component
    is_rgb: bool  # stored as RGB, or with a palette: no matrix applies
    interlaced: bool
    has_alpha: bool
    color_matrix: str | None  # ffmpeg names; None: the file does not say
    color_range: str | None  # "tv", "pc" or None
    color_primaries: str | None
    color_transfer: str | None
    audio: tuple[AudioStream, ...]
    subtitles: tuple[SubtitleStream, ...]
    notes: tuple[str, ...]  # one-line remarks on what was assumed
    hdr_peak: float | None = None  # nits; the brightest light in it, where it is HDR and says so

    @property
    def is_hdr(self) -> bool:
        """Whether read_frames tone-maps it to SDR, BT.709."""
        return self.color_transfer in colour.HDR_TRANSFERS

    @property
    def working_depth(self) -> int:
        """Bits per component that frames need so that nothing of the movie is lost: 8 or 16."""
        return 16 if self.bit_depth > 8 or self.is_hdr else 8

    @property
    def shape(self) -> Fraction:
        """Width by height as it is shown, whatever the shape of its pixels."""
        return self.sample_aspect_ratio * self.width / self.height

    def pictures_alone(self, width: int, height: int) -> Movie:
        """What MovieWriter takes for other pictures at this movie's times: no sound, no text, square pixels.

        They keep its colours, but for those of HDR: pictures about a movie are not meant to glare.
        """
        sdr: dict[str, Any] = {"color_primaries": None, "color_transfer": None}
        return replace(
            self,
            width=width,
            height=height,
            sample_aspect_ratio=Fraction(1),
            audio=(),
            subtitles=(),
            **(sdr if self.color_transfer in colour.HDR_TRANSFERS else {}),
        )


def working_size(movie: Movie, width: int | None, height: int | None) -> tuple[int, int]:
    """``(width, height)`` to work at: as asked, the other side in proportion and even; else the movie's own."""
    if width and height:
        return width, height
    if width:
        return width, max(2, 2 * round(width * movie.height / movie.width / 2))
    if height:
        return max(2, 2 * round(height * movie.width / movie.height / 2)), height
    return movie.width, movie.height


def probe(path: Path | str) -> Movie:
    """Looks at a movie file and its first frame. Raises InputError, in one line, for what is no movie."""
    path = Path(path).absolute()
    _check_file(path)
    with _opened(path) as container:
        stream = _first_video(path, container)
        frame, x264_build = _first_frame(path, container, stream)
        return _describe(path, container, stream, frame, x264_build)


def _check_file(path: Path) -> None:
    name = _shown(path)
    if not path.exists():
        raise InputError(f"no such file: {name}")
    if path.is_dir():
        raise InputError(f"{name} is a folder; name a movie file")
    if not path.is_file():
        raise InputError(f"{name} is not a regular file; name a movie file")
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror}") from error
    if empty:
        raise InputError(f"{name} is empty (zero bytes); copy or download it again")


def _shown(path: Path) -> str:
    """The name as it goes into a message of one line."""
    text = str(path)
    return text if text.isprintable() else ascii(text)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        container = av.open(file_url(path), options={"protocol_whitelist": PROTOCOLS, "format_whitelist": DEMUXERS})
    except (av.error.FFmpegError, ValueError, OSError) as error:
        raise InputError(
            f"{_shown(path)} is not a movie that ffmpeg can read: it is damaged, cut off or of another kind"
        ) from error
    with container:
        yield container


def _first_video(path: Path, container: Any) -> Any:
    videos = _videos(container)
    if not videos:
        raise InputError(f"{_shown(path)} has no video in it; name a movie file")
    return videos[0]


def _videos(container: Any) -> list[Any]:
    return [s for s in container.streams.video if not s.disposition & s.disposition.__class__.attached_pic]


def _first_frame(path: Path, container: Any, stream: Any) -> tuple[Any, int | None]:
    """The first frame that can be decoded (not always the first of the file), and x264's build."""
    build = None
    try:
        for packet in container.demux(stream):
            if build is None and (match := re.search(rb"x264 - core (\d+)", bytes(packet)[:4096])):
                build = int(match.group(1))
            try:
                frames = packet.decode()
            except av.error.InvalidDataError:
                continue
            if frames:
                return frames[0], build
    except av.error.FFmpegError:
        pass  # nothing more can be read; the message below says it
    raise InputError(f"{_shown(path)} has a video track, but no frame of it can be decoded")


def _describe(path: Path, container: Any, stream: Any, frame: Any, x264_build: int | None) -> Movie:
    turned = -frame.rotation % 360
    sideways = turned in (90, 270)
    width, height = (frame.height, frame.width) if sideways else (frame.width, frame.height)
    aspect = Fraction(stream.sample_aspect_ratio or 1)
    context = stream.codec_context
    depth = frame.format.components[0].bits
    start = _seconds(stream.start_time, stream.time_base) or Fraction(0)
    duration, is_videos = _duration(container, stream, start)
    rate = Fraction(stream.average_rate) if stream.average_rate else None
    clock = _seconds(container.start_time, Fraction(1, 10**6))
    colours = {
        "color_matrix": colour.MATRICES.get(int(context.colorspace)),
        "color_range": colour.RANGES.get(int(context.color_range)),
        "color_primaries": colour.PRIMARIES.get(int(context.color_primaries)),
        "color_transfer": colour.TRANSFERS.get(int(context.color_trc)),
    }
    facts: dict[str, Any] = {
        "video_streams": len(_videos(container)),
        "height": height,
        "bit_depth": depth,
        "pixel_format": frame.format.name,
        "is_rgb": bool(frame.format.is_rgb or frame.format.has_palette),
        "interlaced": bool(frame.interlaced_frame),
        "has_alpha": any(c.is_alpha for c in frame.format.components),
        "hdr_peak": _peak(frame),
        **colours,
    }
    return Movie(
        path=path,
        container=container.format.name,
        video_index=stream.index,
        width=width,
        rotation=int(turned),
        codec=context.codec.canonical_name,
        x264_build=x264_build,
        sample_aspect_ratio=1 / aspect if sideways else aspect,
        time_base=Fraction(stream.time_base),
        start_time=start,
        clock_start=start if clock is None else clock,
        duration=duration,
        duration_is_videos=is_videos,
        average_rate=rate,
        frame_count_hint=stream.frames or (round(duration * rate) if duration and rate else None),
        audio=tuple(_audio(s) for s in container.streams.audio if s.codec_context is not None),
        subtitles=tuple(_subtitle(s) for s in container.streams.subtitles if s.codec_context is not None),
        notes=_notes(facts),
        **facts,
    )


def _peak(frame: Any) -> float | None:
    """The brightest light of the movie in nits: of its pictures (MaxCLL), else of the display it was made on."""
    light, mastering = (
        frame.side_data.get(kind) for kind in (Type.CONTENT_LIGHT_LEVEL, Type.MASTERING_DISPLAY_METADATA)
    )
    if light is not None and (brightest := _MAX_CLL.unpack_from(bytes(light))[0]):
        return float(brightest)
    if mastering is not None:
        nits, per, known = _MASTERING_LIGHT.unpack_from(bytes(mastering))
        if known and nits > 0 and per > 0:
            return float(nits / per)
    return None


# ffmpeg's AVContentLightMetadata, and of its AVMasteringDisplayMetadata the last fields: the most light as a
# fraction, and whether it is known.
_MAX_CLL = struct.Struct("I")
_MASTERING_LIGHT = struct.Struct("72x2i4xi")


def _duration(container: Any, stream: Any, start: Fraction) -> tuple[Fraction | None, bool]:
    """(seconds or None, whether it is surely the video's own)."""
    if stream.duration:
        return _seconds(stream.duration, stream.time_base), True
    if "matroska" in container.format.name:  # both of its durations count from zero, not from the first frame
        tag = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
        if tag:
            hours, minutes, seconds = (Fraction(part) for part in tag.groups())
            return hours * 3600 + minutes * 60 + seconds - start, True
        whole = _seconds(container.duration, Fraction(1, 10**6))
        return whole and whole - start, len(container.streams) == 1
    return _seconds(container.duration, Fraction(1, 10**6)), len(container.streams) == 1


def _seconds(ticks: int | None, time_base: Fraction) -> Fraction | None:
    return None if ticks is None else ticks * Fraction(time_base)


def _audio(stream: Any) -> AudioStream:
    context = stream.codec_context
    return AudioStream(
        stream.index,
        context.codec.canonical_name,
        int(context.sample_rate or 0),
        int(context.channels or 0),
        context.bit_rate or None,
    )


def _subtitle(stream: Any) -> SubtitleStream:
    return SubtitleStream(stream.index, stream.codec_context.codec.canonical_name)


def _notes(facts: dict[str, Any]) -> tuple[str, ...]:
    notes = []
    if facts["video_streams"] > 1:
        notes.append(f"{facts['video_streams']} video tracks: the first is used, the others are left out")
    matrix, lines, is_rgb = facts["color_matrix"], facts["height"], facts["is_rgb"]
    kind = colour.HDR_TRANSFERS.get(facts["color_transfer"])
    if not is_rgb and matrix is None and kind:
        notes.append("colour matrix not tagged: taken as BT.2020, as usual for HDR")
    elif not is_rgb and matrix is None and lines >= colour.HD_LINES:
        notes.append(f"colour matrix not tagged: taken as BT.709, as usual for {colour.HD_LINES} lines or more")
    elif not is_rgb and matrix is not None and matrix not in colour.SCALER_MATRICES:
        taken = colour.assumed_matrix(matrix, lines, facts["color_transfer"])
        notes.append(f"colour matrix {matrix} is not supported: taken as {taken}, so colours may shift")
    if kind:
        notes.append(f"HDR ({_light(kind, facts['hdr_peak'])}): tone-mapped to SDR, BT.709")
    if facts["interlaced"]:
        notes.append("interlaced: deinterlaced to one frame per picture")
    if facts["has_alpha"]:
        notes.append("transparency is left out")
    return tuple(notes)


def _light(kind: str, peak: float | None) -> str:
    """What kind of HDR it is, and how bright it is taken to be."""
    if kind == "HLG":
        return kind
    return f"{kind}, up to {peak:.0f} nits" if peak else f"{kind}, taken to reach {tonemap.USUAL_PEAK:.0f} nits"
