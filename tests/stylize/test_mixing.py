"""Styles in the course of a movie."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from torch import Tensor

from vidstyle.config import StyleSettings
from vidstyle.stylize.mixing import shares_at, weights_at


def at(seconds: float | None, weight: float = 1.0) -> StyleSettings:
    return StyleSettings(weight, at=None if seconds is None else Fraction(seconds))


@pytest.mark.parametrize(
    ("now", "weights"),
    [(0, [1, 0, 0]), (1, [1, 0, 0]), (2, [0.5, 0.5, 0]), (3, [0, 1, 0]), (6, [0, 0.25, 0.75]), (99, [0, 0, 1])],
)
def test_one_style_turns_into_the_next(now: float, weights: list[float]) -> None:
    assert weights_at([at(1), at(3), at(7)], Fraction(now)) == pytest.approx(weights)


def test_styles_may_be_given_in_any_order() -> None:
    assert weights_at([at(4), at(0)], Fraction(1)) == pytest.approx([0.25, 0.75])


def test_weights_scale_what_is_there() -> None:
    assert weights_at([at(0, 2), at(4, 6)], Fraction(1)) == pytest.approx([1.5, 1.5])


def test_a_style_without_a_time_is_there_all_the_time() -> None:
    styles = [at(None, 3), at(0), at(4)]
    assert [weights_at(styles, Fraction(now)) for now in (0, 2, 9)] == [[3, 1, 0], [3, 0.5, 0.5], [3, 0, 1]]
    assert weights_at([at(None, 0.7)], Fraction(5)) == [0.7]


def test_styles_of_one_time_share_it() -> None:
    assert weights_at([at(0), at(4), at(4, 2)], Fraction(3)) == pytest.approx([0.25, 0.75, 1.5])


def test_a_single_time_changes_nothing() -> None:
    assert [weights_at([at(3)], Fraction(now)) for now in (0, 3, 5)] == [[1], [1], [1]]


def mask(*values: float) -> Tensor:
    return torch.tensor([values])


def shares(styles: list[StyleSettings], masks: list[Tensor | None], now: float = 0) -> list[list[float]]:
    return [share[0].tolist() for share in shares_at(styles, Fraction(now), masks)]


def test_a_style_without_a_mask_has_what_the_others_leave() -> None:
    found = shares([at(None), at(None)], [mask(1, 0.25, 0), None])
    assert found == [pytest.approx([1, 0.25, 0]), pytest.approx([0, 0.75, 1])]


def test_styles_without_a_mask_share_it_by_weight() -> None:
    found = shares([at(None), at(None, 3), at(None)], [mask(1, 0), None, None])
    assert found == [pytest.approx([1, 0]), pytest.approx([0, 0.75]), pytest.approx([0, 0.25])]


def test_weights_decide_where_masks_overlap_and_only_there() -> None:
    found = shares([at(None), at(None, 3)], [mask(1, 1, 0), mask(0, 1, 0.5)])
    assert found == [pytest.approx([1, 0.25, 0]), pytest.approx([0, 0.75, 0.5])]


def test_what_is_nobodys_stays_nobodys() -> None:
    assert shares([at(None, 5)], [mask(1, 0.5, 0)]) == [pytest.approx([1, 0.5, 0])]


def test_masked_styles_come_and_go_and_leave_their_area_to_the_others() -> None:
    styles = [at(0), at(4), at(None)]
    found = shares(styles, [mask(1, 0), mask(0, 0), None], now=1)
    assert found == [pytest.approx([0.75, 0]), pytest.approx([0, 0]), pytest.approx([0.25, 1])]
