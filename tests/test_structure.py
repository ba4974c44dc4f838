"""Frozen dataclasses from plain tables and back."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import pytest

from vidstyle.errors import InputError
from vidstyle.structure import from_plain, to_plain


@dataclass(frozen=True)
class Inner:
    name: str
    ratio: Fraction = Fraction(1, 2)


@dataclass(frozen=True)
class Outer:
    count: int
    share: float = 0.5
    on: bool = True
    text: str | None = None
    time: Fraction | None = None
    inner: Inner = field(default_factory=lambda: Inner("default"))
    maybe: Inner | None = None
    inners: tuple[Inner, ...] = ()
    numbers: tuple[float, ...] = ()


FULL = Outer(
    count=3,
    share=0.25,
    on=False,
    text="ü\n",
    time=Fraction(1001, 30000),
    inner=Inner("a", Fraction(-3)),
    maybe=Inner("b"),
    inners=(Inner("c"), Inner("d", Fraction(7, 5))),
    numbers=(1.0, 2.5),
)


@pytest.mark.parametrize("value", [FULL, Outer(0)])
def test_a_value_survives_json(value: Outer) -> None:
    plain = json.loads(json.dumps(to_plain(value)))
    assert from_plain(Outer, plain, "[outer]") == value


def test_plain_values_are_jsons() -> None:
    assert to_plain(FULL) == {
        "count": 3,
        "share": 0.25,
        "on": False,
        "text": "ü\n",
        "time": "1001/30000",
        "inner": {"name": "a", "ratio": "-3"},
        "maybe": {"name": "b", "ratio": "1/2"},
        "inners": [{"name": "c", "ratio": "1/2"}, {"name": "d", "ratio": "7/5"}],
        "numbers": [1.0, 2.5],
    }


def test_what_is_left_out_has_its_default() -> None:
    assert from_plain(Outer, {"count": 1}, "[outer]") == Outer(1)


def test_whole_numbers_are_numbers_and_become_floats() -> None:
    value = from_plain(Outer, {"count": 1, "share": 2, "numbers": [1, 2.5]}, "[outer]")
    assert type(value.share) is float
    assert [type(number) for number in value.numbers] == [float, float]


@pytest.mark.parametrize(
    ("given", "expected"),
    [(2, Fraction(2)), (0.1, Fraction(1, 10)), ("0.1", Fraction(1, 10)), ("25/2", Fraction(25, 2)), (None, None)],
)
def test_times_are_read_as_written_not_as_binary_fractions(given: Any, expected: Fraction | None) -> None:
    assert from_plain(Outer, {"count": 1, "time": given}, "[outer]").time == expected


def test_values_that_are_ready_are_taken_as_they_are() -> None:
    inner = Inner("ready", Fraction(1, 3))
    table = {"count": 1, "inner": inner, "maybe": inner, "inners": (inner,), "time": "1"}
    value = from_plain(Outer, table, "[outer]")
    assert value.inner is inner
    assert value.maybe is inner
    assert value.inners[0] is inner


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([], "[outer] must be a table, not []"),
        ({}, "[outer] needs 'count'"),
        ({"count": 1, "cuont": 2}, "[outer] has no 'cuont'; it has count, share, on, text, time, inner, maybe"),
        ({"count": 1.0}, "[outer] count must be a whole number, not 1.0"),
        ({"count": True}, "[outer] count must be a whole number, not True"),
        ({"count": "1"}, "[outer] count must be a whole number, not '1'"),
        ({"count": None}, "[outer] count must be a whole number, not None"),
        ({"count": 1, "share": "much"}, "[outer] share must be a number, not 'much'"),
        ({"count": 1, "share": True}, "[outer] share must be a number, not True"),
        ({"count": 1, "on": 1}, "[outer] on must be true or false, not 1"),
        ({"count": 1, "text": 1}, "[outer] text must be a text, not 1"),
        ({"count": 1, "time": True}, "[outer] time must be a time or ratio, not True"),
        ({"count": 1, "time": "1/0"}, "[outer] time must be a time or ratio, not '1/0'"),
        ({"count": 1, "time": float("nan")}, "[outer] time must be a time or ratio, not nan"),
        ({"count": 1, "time": [1]}, "[outer] time must be a time or ratio, not [1]"),
        ({"count": 1, "inner": {}}, "[outer] inner needs 'name'"),
        ({"count": 1, "inner": "a"}, "[outer] inner must be a table, not 'a'"),
        ({"count": 1, "inner": {"name": "a", "nmae": 1}}, "[outer] inner has no 'nmae'; it has name, ratio"),
        ({"count": 1, "maybe": 1}, "[outer] maybe must be a table, not 1"),
        ({"count": 1, "inners": {"name": "a"}}, "[outer] inners must be a list, not {'name': 'a'}"),
        ({"count": 1, "inners": [{"name": 1}]}, "[outer] inners name must be a text, not 1"),
        ({"count": 1, "inners": Inner("a")}, "[outer] inners must be a list, not Inner(name='a'"),
        ({"count": 1, "inner": FULL}, "[outer] inner must be a table, not Outer("),
        ({"count": 1, "numbers": [1, "2"]}, "[outer] numbers must be a number, not '2'"),
        ({"count": 1, "text": ["a\nb"]}, "[outer] text must be a text, not ['a\\nb']"),
        ({"count": 1, "a\nb": 1}, "[outer] has no 'a\\nb'; it has "),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_table_is_refused_in_one_line(table: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        from_plain(Outer, table, "[outer]")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
