"""In which order a shot is painted, and from what."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vidstyle.config import OptimizeSettings
from vidstyle.errors import InputError
from vidstyle.stylize.schedule import (
    Alternating,
    Forward,
    Independent,
    Schedule,
    Turn,
    all_turns,
    missing_turns,
    pairs_of,
    pass_settings,
    schedule_of,
)

SHOT = (5, 30)
SCHEDULES = [Independent(), Forward(), Forward((1, 4, 10)), Alternating(2), Alternating(5)]


@pytest.fixture(params=SCHEDULES, ids=repr)
def schedule(request: pytest.FixtureRequest) -> Schedule:
    return request.param  # type: ignore[no-any-return]


def test_every_turn_comes_once_and_after_all_that_it_needs(schedule: Schedule) -> None:
    done: set[Turn] = set()
    for turn in all_turns(schedule, SHOT):
        assert turn not in done
        assert SHOT[0] <= turn.frame < SHOT[1]
        assert set(schedule.needs(turn, SHOT)) <= done
        done.add(turn)
    assert len(done) == schedule.passes * (SHOT[1] - SHOT[0])


def test_what_a_turn_needs_follows_from_its_extent_of_the_shot(schedule: Schedule) -> None:
    """Two shots that share what is in the content key are painted alike, so they may share what is stored."""
    for other in ((5, 40), (7, 30), (5, 30)):
        for turn in all_turns(schedule, SHOT):
            if schedule.extent(turn.pass_number, SHOT) == schedule.extent(turn.pass_number, other):
                assert schedule.needs(turn, SHOT) == schedule.needs(turn, other)


def test_one_pass_looks_back_nearest_first_within_the_shot() -> None:
    schedule = Forward((1, 4, 10))
    assert schedule.needs(Turn(0, 5), SHOT) == []
    assert schedule.needs(Turn(0, 8), SHOT) == [Turn(0, 7)]
    assert schedule.needs(Turn(0, 20), SHOT) == [Turn(0, 19), Turn(0, 16), Turn(0, 10)]


def test_several_passes_go_to_and_fro() -> None:
    schedule = Alternating(3)
    assert schedule.needs(Turn(0, 9), SHOT) == ()
    assert schedule.needs(Turn(1, 9), SHOT) == [Turn(0, 9), Turn(1, 8)]
    assert schedule.needs(Turn(2, 9), SHOT) == [Turn(1, 9), Turn(2, 10)]
    assert schedule.needs(Turn(1, 5), SHOT) == [Turn(0, 5)]
    assert schedule.needs(Turn(2, 29), SHOT) == [Turn(1, 29)]


def test_nothing_is_missing_that_nobody_needs(schedule: Schedule) -> None:
    last = schedule.passes - 1
    assert missing_turns(schedule, SHOT, lambda turn: turn.pass_number == last) == []
    assert missing_turns(schedule, SHOT, lambda turn: False) == list(all_turns(schedule, SHOT))


def test_one_missing_frame_takes_only_what_it_needs() -> None:
    gone = {Turn(2, 9), Turn(1, 9), Turn(0, 9), Turn(0, 20)}
    assert missing_turns(Alternating(3), SHOT, lambda turn: turn not in gone) == [Turn(0, 9), Turn(1, 9), Turn(2, 9)]


def test_pairs_are_those_whose_flow_is_taken() -> None:
    def pairs(schedule: Schedule) -> set[tuple[int, int]]:
        return pairs_of(schedule, (0, 3), all_turns(schedule, (0, 3)))

    assert pairs(Independent()) == set()
    assert pairs(Forward()) == {(1, 0), (2, 1)}
    assert pairs(Forward((1, 2))) == {(1, 0), (2, 1), (2, 0)}
    assert pairs(Alternating(3)) == {(1, 0), (2, 1), (0, 1), (1, 2)}


def test_the_settings_of_one_pass_are_those_given() -> None:
    settings = OptimizeSettings(style_weight=7)
    assert pass_settings(settings, 0) is settings
    assert schedule_of(settings) == Forward()
    assert schedule_of(replace(settings, passes=4)) == Alternating(4)


def test_more_passes_share_those_that_come_out_alike() -> None:
    few, more = (OptimizeSettings(passes=n, temporal_pass=3) for n in (4, 9))
    assert [pass_settings(few, n) for n in range(4)] == [pass_settings(more, n) for n in range(4)]
    half = OptimizeSettings(passes=9)  # its temporal loss begins with the fifth
    assert [pass_settings(half, n) == pass_settings(more, n) for n in range(9)] == [True] * 2 + [False] * 7
    assert len({pass_settings(more, n) for n in range(9)}) == 9


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"offsets": ()}, "rising list"),
        ({"offsets": (0, 1)}, "rising list"),
        ({"offsets": (10, 1)}, "rising list"),
        ({"passes": 0}, "at least 1"),
        ({"passes": 2, "offsets": (1, 10)}, "leave out"),
        ({"passes": 3, "temporal_pass": 4}, "between 2 and passes"),
        ({"temporal_pass": 1}, "between 2 and passes"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        OptimizeSettings(**settings)  # type: ignore[arg-type]
