"""Contact sheets, text and PNG."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from vidstyle.view.flow_color import legend
from vidstyle.view.png import encode_png
from vidstyle.view.sheet import contact_sheet
from vidstyle.view.text import fit_text, text_width


def tile(color: tuple[int, int, int], height: int = 54, width: int = 96) -> np.ndarray:
    return np.full((height, width, 3), color, dtype=np.uint8)


def area(sheet: np.ndarray, color: tuple[int, int, int]) -> int:
    return int((sheet == np.array(color)).all(axis=2).sum())


def test_every_picture_is_there_once_and_as_large() -> None:
    colors = [(250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 0), (0, 250, 250)]
    sheet = contact_sheet([tile(c) for c in colors], [f"frame {i}" for i in range(5)], columns=3, width=640)
    assert sheet.shape[1] == 640 and sheet.dtype == np.uint8
    areas = {area(sheet, c) for c in colors}
    assert len(areas) == 1 and areas.pop() > 180 * 100


def test_columns_are_chosen() -> None:
    for count in (1, 2, 7, 40):
        sheet = contact_sheet([tile((9, 99, 9))] * count, ["x"] * count, width=1600)
        assert sheet.shape[1] == 1600 and sheet.shape[0] < 2400 and area(sheet, (9, 99, 9)) > 100_000


def test_other_shapes_are_fitted_inside() -> None:
    sheet = contact_sheet([tile((250, 0, 0)), tile((0, 250, 0), 96, 54)], ["wide", "tall"], columns=2, width=640)
    assert 0 < area(sheet, (0, 250, 0)) < 0.4 * area(sheet, (250, 0, 0))


def test_title_and_legend_take_their_room() -> None:
    plain = contact_sheet([tile((0, 0, 0))], ["a"], width=400)
    titled = contact_sheet([tile((0, 0, 0))], ["a"], width=400, title="a title " * 40)
    both = contact_sheet([tile((0, 0, 0))], ["a"], width=400, title="title", legend=legend(5, 100))
    assert plain.shape[0] < titled.shape[0] < both.shape[0]
    assert np.array_equal(both[16:116, -116:-16], legend(5, 100))


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="0 pictures"):
        contact_sheet([], [])
    with pytest.raises(ValueError, match="2 labels"):
        contact_sheet([tile((0, 0, 0))], ["a", "b"])


def test_text_is_cut_to_fit() -> None:
    assert fit_text("short", 10, 500) == "short"
    cut = fit_text("a very long label indeed", 10, 80)
    assert cut.endswith("...") and text_width(cut, 10) <= 80
    assert text_width("naïve × 3", 10) > 0


def test_png() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (7, 9, 3), np.uint8)
    back = cv2.imdecode(np.frombuffer(encode_png(picture), np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(back[..., ::-1], picture)
    gray = cv2.imdecode(np.frombuffer(encode_png(picture[..., 0]), np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(gray, picture[..., 0])
    with pytest.raises(ValueError, match="a picture is"):
        encode_png(picture.astype(np.float32))
