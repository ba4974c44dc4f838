"""Jobs with several styles, over time."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from tests.pipeline.conftest import CUT, Work, contents
from vidstyle.pipeline.plan import Plan
from vidstyle.store import frame_name


def pixels(plan: Plan, frame: int) -> np.ndarray:
    first = max(first for first, _ in plan.shots if first <= frame)
    stored = plan.stages.stylize(first).load(frame_name(frame))
    assert stored is not None
    return stored.value.pixels


def test_styles_take_turns_by_the_time_of_the_movie(empty: Work, reference: Work, other_style: Path) -> None:
    timeline = reference.plan().timeline
    until, then, end = (timeline.time(frame) - timeline.time(0) for frame in (2, CUT, CUT + 1))
    styles = [{"path": str(empty.style), "at": str(until)}, {"path": str(other_style), "at": str(then)}]
    empty.paint(style=styles)
    plan, alone = empty.plan(styles=styles), reference.plan()
    assert plan.stages.stylize_key(0) != alone.stages.stylize_key(0)
    for frame in range(3):  # the first style alone, up to its time
        np.testing.assert_array_equal(pixels(plan, frame), pixels(alone, frame))
    assert (pixels(plan, 4) != pixels(alone, 4)).any()
    # From its time on the second one is alone; a shot begins there, with nothing before it.
    other = Work(empty.folder / "other", other_style)
    other.paint(start=then, end=end)
    part = other.plan(start=str(then), end=str(end))
    np.testing.assert_array_equal(pixels(plan, CUT), pixels(part, CUT))


def test_a_part_has_the_styles_of_its_time_and_goes_on_to_the_same_bytes(empty: Work, other_style: Path) -> None:
    styles = [{"path": str(empty.style), "at": 0}, {"path": str(other_style), "at": "1/2"}]
    asked = {"style": styles, "end": Fraction(1, 4)}
    empty.paint(**asked)
    whole, output = contents(empty.cache), empty.output.read_bytes()
    plan = empty.plan(styles=styles, end="1/4")
    empty.output.unlink()
    empty.stylized(3, plan).unlink()
    empty.paint(**asked)
    assert contents(empty.cache) == whole
    assert empty.output.read_bytes() == output


def test_luminance_is_painted_again_from_what_is_stored(empty: Work) -> None:
    asked = {"stylize": {"first_iterations": 2, "iterations": 2, "keep_colors": "luminance"}, "end": Fraction(1, 5)}
    empty.paint(**asked)
    whole = contents(empty.cache)
    empty.output.unlink()
    empty.stylized(2, empty.plan(**{**asked, "end": "1/5"})).unlink()
    empty.paint(**asked)
    assert contents(empty.cache) == whole
