"""The contact sheet of a shot: a few of its pictures, evenly spread."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from vidstyle.flow._cv2 import cv2
from vidstyle.view.exhibits import Exhibit
from vidstyle.view.flow_color import legend
from vidstyle.view.numbers import Numbers
from vidstyle.view.sheet import contact_sheet, tiling

T = TypeVar("T")

MAX_TILES = 24
LEGEND_SIZE = 128


def shot_sheet(
    exhibit: Exhibit,
    numbers: Mapping[int, Numbers],
    heading: str,
    clock: Callable[[int], str],
    columns: int | None = None,
) -> tuple[np.ndarray | None, list[int]]:
    """The contact sheet of one shot, and which frames are on it: at most MAX_TILES, evenly spread.

    Args:
        numbers: of all frames of the shot, by frame.
        heading: one line above the exhibit's own title.
        clock: a frame's time as text.
    Returns:
        None and [] where there is nothing to show.
    """
    scale = exhibit.scale(numbers.values())
    chosen = spread([frame for frame in numbers if exhibit.is_there(numbers[frame])], MAX_TILES)
    tiles, labels, shown = [], [], []
    for frame in chosen:
        picture = exhibit.picture(frame, scale)
        if picture is None:
            continue  # taken away or found damaged since it was measured
        tiles.append(shrink(picture, len(chosen), columns))
        labels.append(exhibit.label(frame, clock(frame), numbers[frame]))
        shown.append(frame)
    if not tiles:
        return None, []
    title = f"{heading}\n{exhibit.title}"
    wheel = legend(scale, LEGEND_SIZE) if scale is not None else None
    return contact_sheet(tiles, labels, columns, title=title, legend=wheel), shown


def shrink(picture: np.ndarray, count: int, columns: int | None) -> np.ndarray:
    """To the size that it will have among ``count`` on a sheet, if that is smaller."""
    height, width = picture.shape[:2]
    _, tile_width, tile_height = tiling(count, width / height, columns)
    if tile_width >= width:
        return picture
    return cv2.resize(picture, (tile_width, tile_height), interpolation=cv2.INTER_AREA)


def spread(items: Sequence[T], count: int) -> list[T]:
    """At most ``count`` of the items, evenly spread, the first and the last among them."""
    if len(items) <= count:
        return list(items)
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]
