"""Lengths of time as they are read and said."""

from __future__ import annotations

from typing import Any

import pytest

from vidstyle.errors import InputError
from vidstyle.pipeline.lengths import length_text, parse_length


@pytest.mark.parametrize(
    ("text", "wanted"), [("90s", 90), ("30m", 1800), ("2h", 7200), ("1h30m", 5400), (12.5, 12.5), (" 5M ", 300)]
)
def test_lengths_of_time(text: str | float, wanted: float) -> None:
    assert parse_length(text, "--within") == wanted


@pytest.mark.parametrize("text", ["", "0s", "-5m", "5", "x", -1, True, float("inf")])
def test_what_is_no_length_of_time_is_refused(text: Any) -> None:
    with pytest.raises(InputError, match="--within is a time such as"):
        parse_length(text, "--within")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        *((0.1, "1 s"), (40, "40 s"), (89, "89 s"), (91, "2 min"), (5000, "83 min")),
        *((5500, "1 h 32 min"), (11100, "3 h 05 min"), (200_000, "2 days")),
    ],
)
def test_times_as_people_say_them(seconds: float, said: str) -> None:
    assert length_text(seconds) == said
