"""Which method paints in pictures where none is asked for."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from typing import Any

import pytest

from tests.pipeline.conftest import TINY, Work
from vidstyle.errors import InputError
from vidstyle.pipeline import choice
from vidstyle.pipeline.choice import SECONDS, with_method
from vidstyle.pipeline.request import request_from_plain, request_to_plain, why_method


@pytest.fixture(autouse=True)
def usual_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "speed", lambda method, device: 1.0)


def table(*paths: str, **more: Any) -> dict[str, Any]:
    styles = [{"path": path} for path in paths or ("a.jpg",)]
    return {"movie": str(TINY), "output": "b.mp4", "styles": styles, **more}


def seconds(method: str, width: int = 96, height: int = 54, frames: int = 16) -> float:
    return SECONDS[method] * width * height * frames / 1e6


def test_the_best_method_that_there_is_time_for() -> None:
    names = list(SECONDS)
    assert with_method(table())["method"] == names[0]
    for better, name in pairwise(names):
        assert seconds(name) < seconds(better)
        assert with_method(table(within=seconds(better) * 1.01))["method"] == better
        assert with_method(table(within=seconds(better) * 0.99))["method"] == name


def test_where_nothing_fits_it_is_the_fastest_and_that_is_said() -> None:
    chosen = with_method(table(within=1e-6))
    assert chosen["method"] == min(SECONDS, key=SECONDS.__getitem__)
    assert "the fastest method, though not done within" in chosen["why"]


def test_a_larger_movie_and_a_longer_part_take_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    found = choice.estimates(table(), ["wct"])["wct"]
    assert found == pytest.approx(seconds("wct"))
    assert choice.estimates(table(width=192, height=108), ["wct"])["wct"] == pytest.approx(4 * found)
    assert choice.estimates(table(height=28), ["wct"])["wct"] == pytest.approx(found * (50 * 28) / (96 * 54))
    assert choice.estimates(table(start="0.2", end="0.4"), ["wct"])["wct"] < 0.5 * found
    monkeypatch.setattr(choice, "speed", lambda method, device: 8.0 if device == "cuda" else 1.0)
    assert choice.estimates(table(device="cuda"), ["wct"])["wct"] == pytest.approx(found / 8)


def test_the_order_of_methods_is_the_same_on_every_machine() -> None:
    assert choice.PLAIN.keys() == SECONDS.keys()
    times = [SECONDS[name] * choice.PLAIN[name] for name in SECONDS]
    assert times == sorted(times, reverse=True)


def test_it_says_which_and_why_and_how_to_get_another() -> None:
    asked = with_method(table("dir/a.jpg", "b.png", within=seconds("optimize") / 2))
    assert asked["why"].startswith("a.jpg and b.png are pictures: wct is the best method that is done within")
    assert "optimize" in asked["why"] and "--within" in asked["why"] and "--method" in asked["why"]
    assert "\n" not in asked["why"]
    request = request_from_plain(asked)
    assert request.method == "wct"
    assert why_method(request) == asked["why"]
    assert request_from_plain(request_to_plain(request)) == request  # a job goes on as it began


@pytest.mark.parametrize(
    ("more", "method"),
    [
        ({"stylize": {"iterations": 5}}, "optimize"),
        ({"quality": "draft"}, "optimize"),
        ({"start_style": "udnie"}, "optimize"),
        ({"encoder_weights": "x.pth"}, "optimize"),
        ({"stylize": {"levels": ["relu3_1"]}}, "wct"),
        ({"stylize": {"transform": "whiten"}}, "wct"),
    ],
)
def test_options_that_only_some_methods_have_choose_among_those(more: dict[str, Any], method: str) -> None:
    asked = with_method(table(within=1e-6, **more))
    assert asked["method"] == method
    assert f"only {method} takes these options (about" in asked["why"]
    assert with_method(table(**more))["method"] == method
    if method == "wct":  # nothing else needs a file
        assert request_from_plain(asked).method == method


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"method": "wct"}, "which --method names already: leave out one of them"),
        ({"styles": [{"path": "udnie"}]}, "which udnie is not by its name: leave out --within"),
    ],
)
def test_what_leaves_no_choice_is_left_alone(more: dict[str, Any], says: str) -> None:
    asked = {**table(), **more}
    assert with_method(asked) == asked
    with pytest.raises(InputError, match=says):
        with_method({**asked, "within": "2h"})
    assert with_method({**asked, "styles": []}) == {**asked, "styles": []}


@pytest.mark.parametrize("more", [{"width": "wide"}, {"start": "soon"}, {"fps": "1/0"}, {"end": []}])
def test_what_is_no_number_is_left_to_where_a_request_is_read(more: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        request_from_plain(with_method(table(**more)))


def test_a_job_is_painted_by_the_method_that_was_chosen(empty: Work) -> None:
    empty.paint(within=1e-6, stylize={}, end="0.2")
    fastest = min(SECONDS, key=SECONDS.__getitem__)
    assert any(f"strokes.png is a picture: {fastest} is the fastest method" in note for note in empty.notes)
    empty.paint(within=1e-6, stylize={}, end="0.2")
    assert any("is finished already" in note for note in empty.notes)


def test_what_was_chosen_makes_the_job_and_not_why(empty: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    for why in ("it is Monday", "it is Tuesday"):
        monkeypatch.setattr(choice, "reason", lambda *given, why=why: why)
        empty.paint(within=1e-6, stylize={}, end="0.2")
        empty.output.unlink()
    assert len(list((empty.cache / "jobs").iterdir())) == 1


def test_choosing_does_not_load_torch() -> None:
    """How its threads wait is to be said before, and depends on the method."""
    code = f"import sys; from vidstyle.pipeline.choice import with_method; with_method({table()!r}); "
    subprocess.run([sys.executable, "-c", code + "assert 'torch' not in sys.modules"], check=True)
