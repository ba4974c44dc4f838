"""Pictures as a movie: one still, a folder of them in the order of their names, or an animated WebP.

What probe, scan and read_frames are to a movie file, for files that Pillow opens. ffmpeg's own demuxer of pictures
is not used: it takes names for patterns, and opens other files.
"""

from __future__ import annotations

import bisect
import itertools
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from vidstyle.config import FPS
from vidstyle.errors import InputError, MediaError
from vidstyle.media.probe import Movie
from vidstyle.media.stills import as_seen, check_pixels, has_profile, open_picture, with_depth
from vidstyle.media.timeline import Timeline

SCORE_WIDTH = 256  # as in scan: the scores of pictures are those that a movie of them would have
FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP")  # Pillow's names; none of them opens other files or programs
ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")
UNREADABLE = (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError)
ORIENTATION = 274  # EXIF's tag
# What turns a stored picture upright, by EXIF's number.
TURNS: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.swapaxes(0, 1),
    6: lambda p: np.rot90(p, -1),
    7: lambda p: p[::-1, ::-1].swapaxes(0, 1),
    8: lambda p: np.rot90(p),
}


@dataclass(frozen=True, kw_only=True)
class Pictures(Movie):
    """A movie made of pictures."""

    files: tuple[Path, ...]  # frame n is file n; or one that holds all frames
    pts: tuple[int, ...]  # when each frame begins, in ticks, and when the last one ends


def is_still(path: Path) -> bool:
    """Whether a file is a picture (of any ending) that does not move."""
    return _format_of(path) is not None and _pages_of(path) == 1


def is_pictures(path: Path) -> bool:
    """Whether this is read here: a folder, a still, or what moves and ffmpeg's library does not know."""
    return path.is_dir() or is_still(path) or _format_of(path) == "WEBP"


def _format_of(path: Path) -> str | None:
    """Pillow's name for a picture's format; None for what is no picture."""
    if not path.is_file():
        return None
    try:
        with open_picture(path, formats=FORMATS) as image:
            return image.format
    except UNREADABLE:
        return None


def _pages_of(path: Path) -> int:
    """How many frames an animation has: 1 for what does not move."""
    with open_picture(path, formats=FORMATS) as image:
        return getattr(image, "n_frames", 1) if image.format in ("PNG", "WEBP") else 1


def picture_files(path: Path) -> tuple[tuple[Path, ...], int]:
    """(the pictures of a folder in the order of their names, how many other things lie there); of a file, itself."""
    if not path.is_dir():
        return (path,), 0
    try:
        entries = [entry for entry in path.iterdir() if not entry.name.startswith(".")]
    except OSError as error:
        raise InputError(f"the folder {shown(path)} cannot be read: {error.strerror}") from error
    files = [entry for entry in entries if entry.suffix.lower() in ENDINGS and entry.is_file()]
    if not files:
        raise InputError(f"the folder {shown(path)} holds no pictures ({', '.join(ENDINGS)}); name a movie file")
    return tuple(sorted(files, key=natural)), len(entries) - len(files)


def natural(path: Path) -> tuple[Any, ...]:
    """A key that sorts 2.png before 10.png."""
    parts = re.split(r"(\d+)", path.name.casefold())  # text, digits, text, …: each place holds one kind
    return tuple(int(part) if place % 2 else part for place, part in enumerate(parts)), path.name


def probe_pictures(path: Path | str, rate: Fraction | None = None) -> Pictures:
    """A still, a folder's pictures shown at `rate` a second (None: FPS), or an animation at its own.

    Looks at the first of them. Raises InputError, in one line, where there is none or it cannot be read.
    """
    path = Path(path).absolute()
    files, others = picture_files(path)
    pixels, facts = _decode(files[0])
    is_folder = path.is_dir()
    notes = []
    if is_folder and rate is None:
        notes.append(f"{len(files)} pictures are shown at {FPS} a second (--fps sets another rate)")
    if others:
        notes.append(f"{others} other files in {shown(path)} are ignored: they are no pictures")
    if facts.has_alpha:
        notes.append("transparency is left out")
    if facts.has_profile and pixels.dtype == np.uint16:
        notes.append("the colour profile is left out: only pictures of 8 bits are converted by theirs")
    if facts.pages > 1:
        notes.append(f"{shown(files[0])} holds {facts.pages} pictures: the first is used")
    height, width = pixels.shape[:2]
    tick, pts = 1 / (rate or FPS), tuple(range(len(files) + 1))
    if not is_folder and _pages_of(path) > 1:
        tick, pts = Fraction(1, 1000), webp_times(path)
    count = len(pts) - 1
    return Pictures(
        path=path,
        files=files,
        pts=pts,
        container="pictures" if is_folder else "picture",
        video_index=0,
        video_streams=1,
        width=width,
        height=height,
        rotation=0,
        sample_aspect_ratio=Fraction(1),
        time_base=tick,
        start_time=Fraction(0),
        clock_start=Fraction(0),
        duration=pts[-1] * tick,
        duration_is_videos=True,
        average_rate=count / (pts[-1] * tick),
        frame_count_hint=count,
        codec=facts.format.lower(),
        x264_build=None,
        pixel_format="rgb24" if pixels.dtype == np.uint8 else "rgb48le",
        bit_depth=8 * pixels.dtype.itemsize,
        is_rgb=True,
        interlaced=False,
        has_alpha=facts.has_alpha,
        color_matrix=None,
        color_range="pc",
        color_primaries=None,
        color_transfer=None,
        audio=(),
        subtitles=(),
        notes=tuple(notes),
    )


def scan_pictures(
    movie: Pictures, end: Fraction | None = None, progress: Callable[[int], None] | None = None
) -> Timeline:
    """Reads every picture before `end` once, and how much it differs from the one before.

    Raises InputError, naming it, for a picture that cannot be read or has another size than the first.
    """
    total = len(movie.pts) - 1
    count = total if end is None else bisect.bisect_left(movie.pts[:-1], end / movie.time_base)
    if count < 1:
        raise MediaError(f"no frame of {shown(movie.path)} lies before {float(end or 0):.3f} s")
    scores, transparent, before = [], 0, None
    for number, (pixels, has_alpha) in enumerate(itertools.islice(_decoded(movie, 0), count)):
        transparent += has_alpha
        grey = _small_grey(pixels)
        scores.append(0.0 if before is None else _change(before, grey))
        before = grey
        if progress is not None:
            progress(number + 1)
    hidden = transparent and not movie.has_alpha  # else probe has said it
    return Timeline(
        time_base=movie.time_base,
        pts=np.array(movie.pts[:count], np.int64),
        scores=np.array(scores, np.float32),
        end=end if count < total else None,
        last_duration=movie.pts[count] - movie.pts[count - 1],
        notes=(f"transparency of {transparent} pictures is left out",) if hidden else (),
    )


def read_pictures(
    movie: Pictures, timeline: Timeline, first: int, last: int, size: tuple[int, int], bit_depth: int = 8
) -> Iterator[tuple[int, NDArray[Any]]]:
    """What read_frames says, of pictures."""
    if not 0 <= first <= last <= len(timeline):
        raise ValueError(f"frames {first} to {last} of a movie of {len(timeline)}")
    number = first
    try:
        for number, (pixels, _) in zip(range(first, last), _decoded(movie, first), strict=False):
            yield number, _scaled(with_depth(pixels, bit_depth), size)
    except InputError as error:
        raise MediaError(f"a frame from {number} on could not be read; has the file changed? {error}") from error


def webp_times(path: Path) -> tuple[int, ...]:
    """When each frame of an animated WebP begins, and the last one ends, in milliseconds."""
    times = [0]
    with path.open("rb") as file:
        file.seek(12)  # RIFF, its size, WEBP
        while len(head := file.read(8)) == 8:
            size = int.from_bytes(head[4:], "little")
            body = file.read(16) if head[:4] == b"ANMF" else b""
            if len(body) == 16:  # a frame of no duration would be none
                times.append(times[-1] + max(1, int.from_bytes(body[12:15], "little")))
            file.seek(size - len(body) + size % 2, os.SEEK_CUR)
    return tuple(times)


# One picture


def _decoded(movie: Pictures, first: int) -> Iterator[tuple[NDArray[Any], bool]]:
    """(pixels as _decode gives them, whether they have transparency) of each frame from `first` on."""
    if len(movie.files) == len(movie.pts) - 1:
        for file in movie.files[first:]:
            pixels, facts = _decode(file)
            _check_size(movie, file, pixels)
            yield pixels, facts.has_alpha
        return
    (file,) = movie.files
    try:
        with open_picture(file, formats=FORMATS) as image:
            for number in range(first, len(movie.pts) - 1):
                image.seek(number)
                yield np.asarray(image.convert("RGB")), movie.has_alpha
    except (EOFError, *UNREADABLE) as error:
        raise InputError(f"{shown(file)} is damaged: {str(error).splitlines()[0]}") from error


@dataclass(frozen=True)
class _Facts:
    """What a file says of itself besides its pixels."""

    format: str  # Pillow's name
    has_alpha: bool
    pages: int
    has_profile: bool  # that says that its colours are not sRGB's


def _decode(path: Path) -> tuple[NDArray[Any], _Facts]:
    """A picture, upright RGB (H, W, 3), uint8 or, where the file has more than 8 bits, uint16 over its full range."""
    try:
        with open_picture(path, formats=FORMATS) as image:
            check_pixels(image, shown(path))
            if image.mode in ("I", "F") and not _is_deep(image):
                raise InputError(f"{shown(path)} has 32 bits a pixel: save it with 8 or 16")
            facts = _Facts(
                format=image.format or "",
                has_alpha=image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info,
                pages=getattr(image, "n_frames", 1) if image.format == "TIFF" else 1,
                has_profile=has_profile(image),
            )
            if _is_deep(image):
                turn = TURNS.get(image.getexif().get(ORIENTATION, 1))
                pixels = _decode_deep(path, "png" if image.format == "PNG" else "tiff")
                return (turn(pixels) if turn else pixels), facts
            return np.asarray(as_seen(image).convert("RGB")), facts
    except FileNotFoundError:
        raise InputError(f"no such file: {shown(path)}") from None
    except (*UNREADABLE, av.error.FFmpegError) as error:
        reason = "" if isinstance(error, UnidentifiedImageError) else f" ({str(error).splitlines()[0]})"
        raise InputError(f"{shown(path)} is not a picture that can be read{reason}; take it out of the way") from error


def _is_deep(image: Any) -> bool:
    """Whether the file has 16 bits a component; Pillow would give the upper 8 of most such files."""
    if image.format == "PNG":
        return bool(image.tile) and str(image.tile[0][3]).endswith("16B")
    return image.format == "TIFF" and max(image.tag_v2.get(258, (1,))) == 16


def _decode_deep(path: Path, codec: str) -> NDArray[np.uint16]:
    context: Any = av.CodecContext.create(codec, "r")
    context.thread_count = 1
    frames = [*context.decode(av.Packet(path.read_bytes())), *context.decode(None)]
    if not frames or len(frames[0].planes) != 1 or frames[0].format.components[0].bits != 16:
        raise ValueError("its kind of 16 bits is not supported")
    frame = frames[0]
    count = len(frame.format.components)
    kind = ">u2" if frame.format.name.endswith("be") else "<u2"
    plane = np.frombuffer(frame.planes[0], kind).reshape(frame.height, -1)
    pixels = plane[:, : frame.width * count].reshape(frame.height, frame.width, count).astype(np.uint16)
    return pixels[..., :3] if count >= 3 else np.repeat(pixels[..., :1], 3, axis=2)


def _check_size(movie: Pictures, file: Path, pixels: NDArray[Any]) -> None:
    height, width = pixels.shape[:2]
    if (width, height) != (movie.width, movie.height):
        raise InputError(
            f"{shown(file)} is {width}×{height}, the pictures before it are {movie.width}×{movie.height}:"
            " all must have one size"
        )


def _scaled(pixels: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """In the size (width, height), each component by itself: Pillow scales no colours of 16 bits."""
    if (pixels.shape[1], pixels.shape[0]) == size:
        return np.ascontiguousarray(pixels)
    planes = [Image.fromarray(np.ascontiguousarray(pixels[..., c], np.float32)) for c in range(3)]
    scaled = np.stack([np.asarray(plane.resize(size, Image.Resampling.BICUBIC)) for plane in planes], axis=2)
    return np.clip(np.rint(scaled), 0, np.iinfo(pixels.dtype).max).astype(pixels.dtype)


def _small_grey(pixels: NDArray[Any]) -> NDArray[np.int16]:
    """What scan compares: luma, scaled down as there."""
    height, width = pixels.shape[:2]
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(with_depth(pixels, 8)), format="rgb24")
    small = min(width, SCORE_WIDTH)
    rows = max(2, 2 * round(small * height / width / 2))
    return frame.reformat(small, rows, format="gray", interpolation="BILINEAR").to_ndarray().astype(np.int16)


def _change(before: NDArray[np.int16], now: NDArray[np.int16]) -> float:
    """ffmpeg's scdet: mean absolute difference, in percent of the range, to three digits."""
    return round(float(np.abs(now - before).mean()) * 100 / 256, 3)


def shown(path: Path) -> str:
    """A name as it goes into a message of one line."""
    text = str(path)
    return text if text.isprintable() else ascii(text)
