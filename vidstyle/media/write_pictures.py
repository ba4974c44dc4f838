"""Painted frames into picture files: one, or a folder of them."""

from __future__ import annotations

import io
import os
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vidstyle.media.pictures import Pictures
from vidstyle.media.probe import Movie
from vidstyle.media.stills import with_depth
from vidstyle.media.timeline import Timeline
from vidstyle.media.write import scaled_aspect
from vidstyle.media.writer import Writer

# Of formats that lose something, how Pillow is asked for good quality.
LOSSY: dict[str, tuple[str, dict[str, Any]]] = {
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", {"quality": 95, "method": 4}),
}
PICTURE_ENDINGS = (".png", *LOSSY)


class PictureWriter(Writer):
    """Writes the one frame that was asked for as a picture, in the format of the name's ending.

    The same arguments and the same behaviour as MovieWriter. PNG has 8 or 16 bits as the frames have, the others 8.
    """

    def __init__(
        self,
        path: Path | str,
        movie: Movie,
        timeline: Timeline,
        first: int,
        last: int,
        size: tuple[int, int],
        trim: bool = False,
        bit_depth: int = 8,
        **encoding: Any,
    ) -> None:
        super().__init__(path, first, last, size, bit_depth)
        self.aspect = scaled_aspect(movie, size)
        self.notes = (*left_out(movie, "pictures", encoding), *self._own_notes(movie))

    def _own_notes(self, movie: Movie) -> list[str]:
        notes = []
        if self.aspect != 1:
            notes.append(f"the movie's pixels are {self.aspect} as wide as high; viewers of pictures show them square")
        if self.kind.itemsize == 2 and self.ending != ".png":
            notes.append(f"{self.ending} holds 8 bits: the frames' 16 are rounded")
        return notes

    @property
    def ending(self) -> str:
        return self.path.suffix.lower()

    def file(self, frame: int) -> Path:
        """Where a frame goes."""
        return self.path

    def _write(self, turn: int, number: int, image: NDArray[Any]) -> None:
        with self.file(self.first + number).open("wb") as stream:
            stream.write(encode_picture(image, self.ending, self.aspect))
            os.fsync(stream.fileno())


class FolderWriter(PictureWriter):
    """Writes every frame into a folder, which it makes: PNGs with the frame's number as their name."""

    ending = ".png"

    def _own_notes(self, movie: Movie) -> list[str]:
        times = [] if isinstance(movie, Pictures) else ["pictures hold no times: their names are the frames' numbers"]
        return [*times, *super()._own_notes(movie)]

    def file(self, frame: int) -> Path:
        return self.path / f"{frame:08d}.png"

    def __enter__(self) -> Self:
        self.path.mkdir()
        return self

    def _remove(self) -> None:
        for frame in range(self.first, self.last):
            self.file(frame).unlink(missing_ok=True)
        self.path.rmdir()


def left_out(movie: Movie, what: str, encoding: dict[str, Any]) -> list[str]:
    """What is to be said where an output holds frames alone: one line each."""
    tracks = [name for name, streams in (("sound", movie.audio), ("subtitles", movie.subtitles)) if streams]
    notes = [f"{what} hold no {' and no '.join(tracks)}: left out"] if tracks else []
    usual = {"codec": "auto"}
    unused = [name for name, value in encoding.items() if value is not None and value != usual.get(name)]
    if unused:
        notes.append(f"{', '.join(unused)}: for movies, not used for {what}")
    return notes


def encode_picture(image: NDArray[Any], ending: str, aspect: Fraction = Fraction(1)) -> bytes:
    """A file's bytes. `image` is RGB (H, W, 3), uint8 or uint16; `aspect` is the shape of its pixels."""
    if ending == ".png":
        return _encode_png(image, aspect)
    name, options = LOSSY[ending]
    file = io.BytesIO()
    Image.fromarray(with_depth(image, 8)).save(file, name, **options)
    return file.getvalue()


def _encode_png(image: NDArray[Any], aspect: Fraction) -> bytes:
    deep = image.dtype.itemsize == 2
    context: Any = av.CodecContext.create("png", "w")
    context.height, context.width = image.shape[:2]
    context.pix_fmt = "rgb48be" if deep else "rgb24"
    context.time_base = Fraction(1, 25)  # asked for, and not used
    context.sample_aspect_ratio = aspect
    context.thread_count = 1
    context.options = {"pred": "mixed"}
    frame: Any = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb48le" if deep else "rgb24")
    if deep:
        frame = frame.reformat(format="rgb48be")
    return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])
