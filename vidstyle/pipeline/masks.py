"""Where each style is painted: masks from pictures and from movies, by the time of the movie that is painted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from vidstyle.errors import InputError
from vidstyle.flow._cv2 import cv2
from vidstyle.media import Movie, Timeline, as_seen, check_pixels, open_picture
from vidstyle.pipeline.demand import Frames

if TYPE_CHECKING:
    from vidstyle.pipeline.plan import Plan

Floats = NDArray[np.float32]

ANIMATIONS = ("GIF", "WEBP", "PNG")  # Pillow's names of formats that may move
SOFTNESS = 0.01  # of a mask's border: deviation of a Gaussian, as a share of the frame's mean side


@dataclass(frozen=True)
class Mask:
    """A mask as the user gave it: a picture, or a movie with its frames."""

    path: Path
    digest: str
    movie: Movie | None = None
    timeline: Timeline | None = None

    def frame_at(self, time: Fraction) -> int:
        """The frame of a mask's movie that is shown ``time`` after its start; the last one is held."""
        assert self.timeline is not None
        ticks = self.timeline.ticks(0) + time / self.timeline.time_base
        found = int(np.searchsorted(self.timeline.pts, ticks.numerator // ticks.denominator, side="right")) - 1
        return min(max(found, 0), len(self.timeline) - 1)

    @property
    def length(self) -> Fraction | None:
        """Seconds; None for a picture, which lasts."""
        return None if self.timeline is None else self.timeline.time(len(self.timeline)) - self.timeline.time(0)


def is_picture(path: Path) -> bool:
    """Whether a mask is a picture that does not move. InputError where it cannot be read."""
    try:
        with open_picture(path) as image:
            return image.format not in ANIMATIONS or getattr(image, "n_frames", 1) == 1
    except FileNotFoundError:
        raise InputError(f"no such mask: {path}") from None
    except UnidentifiedImageError:
        return False
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"the mask {path} cannot be read ({error})") from None


def read_picture(path: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
    """A mask's picture at ``(width, height)``, ``(H, W)``. InputError where it is damaged."""
    try:
        with open_picture(path) as image:
            check_pixels(image, f"the mask {path}")
            return np.asarray(as_seen(image).convert("L").resize(size, Image.Resampling.BOX))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"the mask {path} cannot be read ({error})") from None


def soften(mask: NDArray[np.uint8]) -> Floats:
    """A mask in [0, 1] with soft borders, so that no seam shows: two styles meet over a few pixels."""
    height, width = mask.shape
    soft = cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), SOFTNESS * (width * height) ** 0.5)
    return np.clip(np.asarray(soft, np.float32), 0, 1)


class Masks:
    """The masks of a plan's styles at any of its frames."""

    def __init__(self, plan: Plan, tools: dict[str, str]) -> None:
        self.plan = plan
        self.frames: list[Frames] = []
        self.readers: list[Callable[[Fraction], Floats] | None] = [
            None if mask is None else self.reader(mask, tools) for mask in plan.masks
        ]

    def reader(self, mask: Mask, tools: dict[str, str]) -> Callable[[Fraction], Floats]:
        """What gives a mask at a time, in seconds from the movie's start."""
        if mask.movie is None or mask.timeline is None:
            still = soften(read_picture(mask.path, self.plan.size))
            return lambda time: still
        shelf = self.plan.stages.mask(mask.path, mask.digest)
        frames = Frames(shelf, mask.movie, mask.timeline, len(mask.timeline), self.plan.size, 8, tools)
        self.frames.append(frames)
        return lambda time: soften(np.asarray(Image.fromarray(frames.get(mask.frame_at(time))).convert("L")))

    def at(self, time: Fraction) -> Sequence[Floats | None]:
        """Of each style, ``(H, W)`` in [0, 1]; None where it has no mask."""
        return [None if read is None else read(time) for read in self.readers]

    @property
    def any(self) -> bool:
        return any(reader is not None for reader in self.readers)

    def close(self) -> None:
        """Stop the decoders."""
        for frames in self.frames:
            frames.close()
