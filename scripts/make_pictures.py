"""Make the pictures of the README from a sample movie: input, flow, mask, two styles and an animation.

python scripts/make_pictures.py          # into docs/images/; about ten minutes on two cores
"""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vidstyle.flow import DIS, consistency_map
from vidstyle.media import probe, read_frames, scan
from vidstyle.pipeline import api
from vidstyle.pipeline.events import Event, Note
from vidstyle.view.flow_color import flow_to_color, round_scale
from vidstyle.view.overlay import mask_overlay

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
MOVIE = ROOT / "sample_videos" / "harbor.mp4"
STYLES = ("brushwork", "papercut")
SIZE = (480, 270)
FRAMES = (24, 44)  # those painted and animated: a boat passes in front of the quay
RATE = 25  # frames per second of the movie
FRAME = 36  # shown as a still
STEP = 2  # the flow is drawn between this frame and the one so many before: larger, and easier to see
JPEG_QUALITY = 88

Picture = NDArray[np.uint8]


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    painted = {style: paint(style) for style in STYLES}
    first = frames(MOVIE, FRAME - STEP, FRAME + 1)
    now, before = first[-1], first[0]
    save("input", now)
    method = DIS()
    flow, opposite = method.between(now, before), method.between(before, now)
    scale = round_scale(float(np.percentile(np.hypot(*flow.numpy()), 99)))
    save("flow", flow_to_color(flow.numpy(), scale))
    save("mask", mask_overlay(now, consistency_map(flow, opposite).numpy()))
    for style, movie in painted.items():
        save(style, frames(movie, FRAME - FRAMES[0], FRAME - FRAMES[0] + 1)[0])
    animate(painted)


def paint(style: str) -> Path:
    """A part of the sample movie in a style, at the default settings."""
    output = ROOT / "out" / f"harbor-{style}.mp4"
    output.parent.mkdir(exist_ok=True)
    start, end = (Fraction(frame, RATE) for frame in FRAMES)
    picture = MOVIE.parent / f"{style}.jpg"
    api.stylize(MOVIE, output, picture, height=SIZE[1], start=start, end=end, overwrite=True, progress=show)
    return output


def show(event: Event) -> None:
    if isinstance(event, Note):
        print(event.text, file=sys.stderr)


def frames(movie: Path, first: int, last: int) -> list[Picture]:
    info = probe(movie)
    return [pixels for _, pixels in read_frames(info, scan(info), first, last, SIZE)]


def save(name: str, picture: Picture) -> None:
    Image.fromarray(picture).save(IMAGES / f"{name}.jpg", quality=JPEG_QUALITY)


def animate(painted: dict[str, Path]) -> None:
    """Input and both styles side by side, as an animated WebP that a README shows."""
    count = FRAMES[1] - FRAMES[0]
    columns = [frames(MOVIE, *FRAMES), *(frames(movie, 0, count) for movie in painted.values())]
    pictures = [
        Image.fromarray(np.concatenate(row, axis=1)).resize((960, 180), Image.Resampling.LANCZOS)
        for row in zip(*columns, strict=True)
    ]
    pictures[0].save(
        IMAGES / "animation.webp", save_all=True, append_images=pictures[1:], duration=1000 // RATE, loop=0, quality=70
    )


if __name__ == "__main__":
    main()
