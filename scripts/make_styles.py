"""Render the two paintings that the demo and the README paint with: ``brushwork.jpg`` and ``papercut.jpg``.

    python scripts/make_styles.py            # into sample_videos/

Both are drawn by program from a fixed seed, so they are free of anybody's rights.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE = 640  # pixels, width; the height is 4/5 of it
OVERSAMPLING = 2  # drawn larger, then reduced: smooth edges
JPEG_QUALITY = 88
NIGHT = ["0b1d51", "12306e", "1f4f9e", "3a7bc8", "6fb1e0", "f4d35e", "f9e79f", "e08e2b", "1b2a41", "27496d"]
PAPER = ["e4572e", "f3a712", "a8c686", "669bbc", "29335c", "f7ebe8", "db2b39", "53a548"]

Picture = NDArray[np.uint8]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "sample_videos")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in (("brushwork", brushwork), ("papercut", papercut)):
        _, data = cv2.imencode(".jpg", draw()[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        (folder / f"{name}.jpg").write_bytes(data.tobytes())
        print(folder / f"{name}.jpg", len(data), "bytes")


def palette(colours: list[str]) -> NDArray[np.float64]:
    return np.array([[int(c[i : i + 2], 16) for i in (0, 2, 4)] for c in colours], np.float64)


def noise(rng: np.random.Generator, height: int, width: int, cell: int) -> NDArray[np.float32]:
    """Smooth noise around 0 with features of about ``cell`` pixels."""
    coarse = rng.standard_normal((height // cell + 3, width // cell + 3)).astype(np.float32)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def swirls(rng: np.random.Generator, height: int, width: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A direction field (radians) that turns around a few centres, and the light that those centres shed."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    angle = 0.6 * noise(rng, height, width, width // 4)
    light = np.zeros((height, width), np.float32)
    direction = np.stack([np.cos(angle), np.sin(angle)])
    for _ in range(9):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        reach = rng.uniform(0.06, 0.16) * width
        dx, dy = columns - x, rows - y
        near = np.exp(-(dx * dx + dy * dy) / (2 * reach * reach))
        length = np.sqrt(dx * dx + dy * dy) + 1
        direction += 3 * near * np.stack([-dy / length, dx / length])
        light += near * rng.uniform(0.5, 1)
    return np.arctan2(direction[1], direction[0]), light


def brushwork(seed: int = 4) -> Picture:
    """Short curved strokes of thick paint, blue and gold, turning around lights in a night sky."""
    rng = np.random.default_rng(seed)
    width, height = SIZE * OVERSAMPLING, SIZE * OVERSAMPLING * 4 // 5
    angle, light = swirls(rng, height, width)
    tone = noise(rng, height, width, width // 6) * 0.35 + noise(rng, height, width, width // 24) * 0.2
    colours = palette(NIGHT)
    canvas = np.empty((height, width, 3), np.uint8)
    canvas[:] = colours[0]
    for count, thick in ((5000, 16), (12000, 9), (9000, 6)):
        for _ in range(count):
            stroke(canvas, rng, angle, light, tone, colours, thick)
    return finish(canvas, rng)


def stroke(
    canvas: Picture,
    rng: np.random.Generator,
    angle: NDArray[np.float32],
    light: NDArray[np.float32],
    tone: NDArray[np.float32],
    colours: NDArray[np.float64],
    thick: int,
) -> None:
    """One stroke of a few bristles that follows the field, with ridges of paint lighter and darker."""
    height, width = angle.shape
    x, y = rng.uniform(0, width), rng.uniform(0, height)
    row, column = int(y), int(x)
    value = light[row, column] * 0.9 + tone[row, column] + rng.normal(0, 0.12)
    index = int(np.clip((value + 0.35) * 5, 0, 4)) if value < 0.55 else 5 + int(rng.integers(0, 3))
    base = colours[index] if rng.random() > 0.06 else colours[int(rng.integers(len(colours)))]
    points = [(x, y)]
    for _ in range(int(rng.integers(5, 9))):
        turn = angle[int(np.clip(y, 0, height - 1)), int(np.clip(x, 0, width - 1))]
        x, y = x + thick * 0.9 * np.cos(turn), y + thick * 0.9 * np.sin(turn)
        points.append((x, y))
    path = np.array(points)
    normal = np.array([-np.sin(angle[row, column]), np.cos(angle[row, column])])
    bristles = max(3, thick // 3)
    for bristle in range(bristles):
        offset = (bristle / (bristles - 1) - 0.5) * thick
        shade = np.clip(base * rng.uniform(0.78, 1.22) + rng.normal(0, 7, 3), 0, 255)
        curve = np.round((path + normal * offset) * 8).astype(np.int32)
        cv2.polylines(canvas, [curve], False, shade.tolist(), max(2, thick // 3), cv2.LINE_AA, 3)


def papercut(seed: int = 11) -> Picture:
    """Overlapping leaves and arcs of coloured paper with grain and small shadows."""
    rng = np.random.default_rng(seed)
    width, height = SIZE * OVERSAMPLING, SIZE * OVERSAMPLING * 4 // 5
    colours = palette(PAPER)
    canvas = np.empty((height, width, 3), np.float32)
    canvas[:] = colours[5]
    for number in range(260):
        size = width * (0.16 * (1 - number / 260) + 0.025)
        mask = leaf(rng, height, width, size)
        shadow = cv2.GaussianBlur(np.roll(mask, (7, 5), (0, 1)), (0, 0), 5)[..., None]
        canvas *= 1 - 0.45 * shadow
        grain = 1 + 0.05 * noise(rng, height, width, 3)[..., None]
        stripes = 1.0
        if rng.random() < 0.35:  # some sheets are lined
            rows, columns = np.mgrid[:height, :width]
            turn = rng.uniform(0, np.pi)
            stripes = (1 - 0.28 * ((columns * np.cos(turn) + rows * np.sin(turn)) % 22 < 8))[..., None]
        sheet = colours[int(rng.integers(len(colours)))] * grain * stripes
        canvas = canvas * (1 - mask[..., None]) + sheet.astype(np.float32) * mask[..., None]
    return finish(np.clip(canvas, 0, 255).astype(np.uint8), rng)


def leaf(rng: np.random.Generator, height: int, width: int, size: float) -> NDArray[np.float32]:
    """The mask of one sheet: a leaf, a disc or a ring, somewhere."""
    mask = np.zeros((height, width), np.uint8)
    centre = (int(rng.uniform(0, width)), int(rng.uniform(0, height)))
    axes = (int(size), int(size * rng.choice([0.35, 0.5, 1.0])))
    cv2.ellipse(mask, centre, axes, rng.uniform(0, 180), 0, 360, 255, -1, cv2.LINE_AA)
    if axes[0] == axes[1] and rng.random() < 0.5:
        cv2.circle(mask, centre, axes[0] // 2, 0, -1, cv2.LINE_AA)
    return mask.astype(np.float32) / 255


def finish(canvas: Picture, rng: np.random.Generator) -> Picture:
    """Reduced to size, with the weave of a canvas."""
    small = cv2.resize(canvas, (SIZE, SIZE * 4 // 5), interpolation=cv2.INTER_AREA).astype(np.float32)
    weave = rng.standard_normal(small.shape[:2]).astype(np.float32)[..., None]
    return np.clip(small + 4 * weave, 0, 255).astype(np.uint8)


if __name__ == "__main__":
    main()
