"""Frames of a movie as arrays, each exactly once, found by their times."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import IO, Any

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from vidstyle.errors import MediaError
from vidstyle.media import colour
from vidstyle.media.ffmpeg import command, find_ffmpeg
from vidstyle.media.probe import Movie
from vidstyle.media.process import Process
from vidstyle.media.source import decoded, ratio
from vidstyle.media.timeline import Timeline
from vidstyle.media.tonemap import tone_mapper

# Containers that have an index with exact times, and codecs that decode from any key frame to the same
# pictures; others are read from the start.
SEEKABLE_CONTAINERS = ("mov,", "matroska", "avi")
SEEKABLE_CODECS = ("h264", "hevc", "vp8", "vp9", "av1", "prores", "dnxhd", "mjpeg", "ffv1", "rawvideo")
# Seconds before the wanted frame that are seeked to, in the order they are tried; then from the start.
SEEK_BEFORE = (Fraction(1, 2), Fraction(12))
WORTH_SEEKING = Fraction(5)  # seconds between two frames from which on decoding anew beats decoding through
FLAGS = "bicubic+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact"


def read_frames(
    movie: Movie, timeline: Timeline, first: int, last: int, size: tuple[int, int], bit_depth: int = 8
) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yields (frame number, RGB array (H, W, 3)) for the frames first .. last-1, in order, each once.

    `size` is (width, height) in pixels, of the movie as displayed: rotation is applied first. Arrays are
    uint8, for `bit_depth` 16 uint16 over its full range; HDR comes tone-mapped to SDR, BT.709. The same bytes
    come whatever `first` is. Memory is fixed; closing the generator early ends ffmpeg. Raises MediaError when a
    frame does not come.
    """
    if not 0 <= first <= last <= len(timeline):
        raise ValueError(f"frames {first} to {last} of a movie of {len(timeline)}")
    done = first
    for seek in _seek_points(movie, timeline, first):
        for frame, image in _read(movie, timeline, (first, last), size, bit_depth, seek):
            yield frame, image
            done = frame + 1
        if done > first or first == last:
            return


def neighbours(movie: Movie, timeline: Timeline, frames: Sequence[int]) -> Iterator[list[int]]:
    """The frames in groups that are read in one go."""
    group: list[int] = []
    for frame in frames:
        if group and _can_seek(movie) and timeline.time(frame) - timeline.time(group[-1]) > WORTH_SEEKING:
            yield group
            group = []
        group.append(frame)
    if group:
        yield group


def _can_seek(movie: Movie) -> bool:
    return movie.container.startswith(SEEKABLE_CONTAINERS) and movie.codec in SEEKABLE_CODECS


def _seek_points(movie: Movie, timeline: Timeline, first: int) -> Iterator[Fraction | None]:
    """Where to start decoding, in seconds after the file's first time; None: at the start."""
    if _can_seek(movie):
        for before in SEEK_BEFORE:
            seek = timeline.time(min(first, len(timeline) - 1)) - movie.clock_start - before
            if seek > 0:
                yield seek
    yield None


def _read(
    movie: Movie,
    timeline: Timeline,
    frames: tuple[int, int],
    size: tuple[int, int],
    bit_depth: int,
    seek: Fraction | None,
) -> Iterator[tuple[int, NDArray[Any]]]:
    """One run of ffmpeg. Yields nothing at all when it was started too late for the first frame."""
    number, last = frames
    if number == last:
        return
    depth = 16 if movie.is_hdr else bit_depth
    output, finish = _pictures_to_pipe(movie, timeline.ticks(number), size, depth, seek), _finishing(movie, bit_depth)
    shape, kind = (size[1], size[0], 3), np.dtype("u1" if depth == 8 else "<u2")
    with Process(command(find_ffmpeg(), output), stdout=True) as process:
        for pts, data in _packets(process.stdout, movie.time_base):
            if pts != timeline.ticks(number):
                if number == frames[0] and seek is not None:
                    return
                raise MediaError(_missing(movie, timeline, number, process))
            yield number, finish(np.frombuffer(data, kind).reshape(shape))
            number += 1
            if number == last:
                return
        if seek is None or number > frames[0]:
            process.wait()
            raise MediaError(_missing(movie, timeline, number, process))


def _missing(movie: Movie, timeline: Timeline, number: int, process: Process) -> str:
    return (
        f"frame {number} of {movie.path.name} (at {float(timeline.time(number)):.3f} s) could not be read;"
        f" has the file changed? ffmpeg: {process.tail() if process.error_lines else 'no complaint'}"
    )


def _pictures_to_pipe(movie: Movie, start: int, size: tuple[int, int], bit_depth: int, seek: Fraction | None) -> Any:
    options: dict[str, Any] = {}
    if seek is not None:
        options = {"ss": f"{float(seek):.6f}", "noaccurate_seek": None}
        if movie.codec == "h264" and movie.x264_build is not None:
            # x264 says its version in the first packet only, and the decoder works around bugs of old
            # versions: without it, 4:4:4 movies from before 2017 come out as garbage.
            options["x264_build"] = movie.x264_build
    stream = decoded(movie, **options)
    if movie.interlaced:
        stream = stream.filter("bwdif", mode="send_frame", deint="interlaced")
        stream = stream.filter("settb", ratio(movie.time_base))
    # Frames before the wanted one, and frames without a time of their own (as in scan).
    stream = stream.filter("select", f"gte(pts,{start})*(isnan(prev_selected_pts)+gt(pts,prev_selected_pts))")
    pixels = "rgb24" if bit_depth == 8 else "rgb48le"
    stream = stream.filter("scale", *size, flags=FLAGS, **_source_colour(movie)).filter("format", pixels)
    return stream.output(
        "pipe:1",
        format="nut",
        vcodec="rawvideo",
        pix_fmt=pixels,
        fps_mode="passthrough",
        enc_time_base=ratio(movie.time_base),
        write_index=0,
    )


def _source_colour(movie: Movie) -> dict[str, str]:
    """How the scaler must read the movie's pixels."""
    if movie.is_rgb:
        return {}
    matrix = colour.assumed_matrix(movie.color_matrix, movie.height, movie.color_transfer)
    return {
        "in_color_matrix": colour.SCALER_MATRICES[matrix],
        "in_range": colour.assumed_range(movie.color_range, movie.pixel_format),
        "out_range": "pc",
    }


def _finishing(movie: Movie, bit_depth: int) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """What turns a picture as ffmpeg gives it into a frame."""
    if bit_depth == 8 and not movie.is_hdr:
        return lambda picture: picture
    levels = _levels_of_16_bit(movie)
    if not movie.is_hdr:
        return lambda picture: levels[picture]
    tone_map = tone_mapper(str(movie.color_transfer), movie.color_primaries, movie.hdr_peak)
    if bit_depth == 16:
        return lambda picture: tone_map(levels[picture])
    return lambda picture: ((tone_map(levels[picture]).astype(np.uint32) + 128) // 257).astype(np.uint8)


def _levels_of_16_bit(movie: Movie) -> NDArray[np.uint16]:
    """The level, 0 to 65535, of each value of ffmpeg's 16-bit RGB, whose white is less where it comes from YUV."""
    if movie.is_rgb:
        white = 65535
    elif colour.assumed_range(movie.color_range, movie.pixel_format) == "pc":
        white = (2**movie.bit_depth - 1) << (16 - movie.bit_depth)
    else:
        white = 255 << 8
    return np.minimum(np.rint(np.arange(65536) * (65535 / white)), 65535).astype(np.uint16)


def _packets(stream: IO[bytes], time_base: Fraction) -> Iterator[tuple[int, Any]]:
    """(time in ticks of `time_base`, raw picture) of each packet in a NUT stream."""
    try:
        # The header says everything; "nobuffer" must not be used: it throws the first frames away.
        container: Any = av.open(stream, format="nut", options={"analyzeduration": "0"})
    except av.error.FFmpegError:
        return  # not even a header: the caller asks ffmpeg why
    with container:
        video = container.streams.video[0]
        try:
            for packet in container.demux(video):
                if packet.pts is not None:
                    yield round(packet.pts * Fraction(packet.time_base) / time_base), packet
        except av.error.FFmpegError:
            return
