"""What each painting is made from, and in which order a shot is painted: known from the settings, without a network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from vidstyle.config import NoneSettings, OptimizeSettings, StylizeSettings

Shot = tuple[int, int]  # half-open range of frame numbers


class Turn(NamedTuple):
    """One painting of one frame: its turn in a pass over its shot. Passes count from 0."""

    pass_number: int
    frame: int


class Schedule(Protocol):
    """How a method goes through a shot."""

    @property
    def passes(self) -> int: ...

    def needs(self, turn: Turn, shot: Shot) -> Sequence[Turn]:
        """The earlier paintings that this one is made from, the most important first."""

    def frames(self, pass_number: int, shot: Shot) -> range:
        """The frames of ``shot`` in the order that a pass paints them."""

    def extent(self, pass_number: int, shot: Shot) -> tuple[int, ...]:
        """What a painting depends on of where its shot begins and ends: part of the content key."""

    def looks_back_to(self, turn: Turn, shot: Shot) -> int:
        """The first frame of the shot that this or any later turn still takes."""


@dataclass(frozen=True)
class Independent:
    """Every frame by itself."""

    passes: int = 1

    def needs(self, turn: Turn, shot: Shot) -> Sequence[Turn]:
        return ()

    def frames(self, pass_number: int, shot: Shot) -> range:
        return range(*shot)

    def extent(self, pass_number: int, shot: Shot) -> tuple[int, ...]:
        return ()

    def looks_back_to(self, turn: Turn, shot: Shot) -> int:
        return turn.frame


@dataclass(frozen=True)
class Forward:
    """Once through the shot; each frame from earlier ones, ``offsets`` before it, the nearest first."""

    offsets: tuple[int, ...] = (1,)
    passes: int = 1

    def needs(self, turn: Turn, shot: Shot) -> Sequence[Turn]:
        return [Turn(0, turn.frame - offset) for offset in self.offsets if turn.frame - offset >= shot[0]]

    def frames(self, pass_number: int, shot: Shot) -> range:
        return range(*shot)

    def extent(self, pass_number: int, shot: Shot) -> tuple[int, ...]:
        """Only backwards is looked: how long the shot goes on changes nothing."""
        return (shot[0],)

    def looks_back_to(self, turn: Turn, shot: Shot) -> int:
        return max(shot[0], turn.frame - self.offsets[-1])


@dataclass(frozen=True)
class Alternating:
    """Several times through the shot (Ruder 2016).

    Pass 0 paints every frame by itself; then forward and backward in turn, each frame from itself in the pass before
    and from the neighbour that is done in this one.
    """

    passes: int

    def needs(self, turn: Turn, shot: Shot) -> Sequence[Turn]:
        number, frame = turn
        if number == 0:
            return ()
        neighbour = frame - 1 if is_forward(number) else frame + 1
        itself = Turn(number - 1, frame)
        return [itself, Turn(number, neighbour)] if shot[0] <= neighbour < shot[1] else [itself]

    def frames(self, pass_number: int, shot: Shot) -> range:
        return range(*shot) if is_forward(pass_number) else range(shot[1] - 1, shot[0] - 1, -1)

    def extent(self, pass_number: int, shot: Shot) -> tuple[int, ...]:
        return shot if pass_number else ()

    def looks_back_to(self, turn: Turn, shot: Shot) -> int:
        return shot[0]


def is_forward(pass_number: int) -> bool:
    """Which way a pass goes: 1 forward, 2 backward, and so on; the order of pass 0 changes nothing."""
    return pass_number == 0 or pass_number % 2 == 1


@dataclass(frozen=True)
class PassSettings:
    """What one of several passes depends on: not on how many there will be, so that more can be added later."""

    method: OptimizeSettings  # as if for a single pass
    pass_number: int
    temporal_passes: int  # how many of the passes up to this one had a temporal loss


def pass_settings(settings: StylizeSettings, pass_number: int) -> StylizeSettings | PassSettings:
    """The settings that go into the content key of a pass."""
    if not isinstance(settings, OptimizeSettings) or settings.passes == 1:
        return settings
    temporal_passes = max(0, pass_number + 1 - first_temporal_pass(settings))
    return PassSettings(replace(settings, passes=1, temporal_pass=None), pass_number, temporal_passes)


def first_temporal_pass(settings: OptimizeSettings) -> int:
    """The first of several passes, counted from 0, with a temporal loss; the 8th of 15 as in the paper."""
    return (settings.temporal_pass or max(2, (settings.passes + 1) // 2)) - 1


def all_turns(schedule: Schedule, shot: Shot) -> Iterator[Turn]:
    """Every painting of a shot, in the order in which they are made."""
    for number in range(schedule.passes):
        for frame in schedule.frames(number, shot):
            yield Turn(number, frame)


def missing_turns(
    schedule: Schedule, shot: Shot, has: Callable[[Turn], bool], frames: Iterable[int] | None = None
) -> list[Turn]:
    """What must be painted until the last pass of ``frames`` is there, in order; nothing that nobody needs any more.

    Args:
        frames: None: all of the shot.
    """
    wanted = [Turn(schedule.passes - 1, frame) for frame in (range(*shot) if frames is None else frames)]
    found = {turn for turn in wanted if not has(turn)}
    pending = list(found)
    while pending:
        needed = schedule.needs(pending.pop(), shot)
        new = [turn for turn in needed if turn not in found and not has(turn)]
        found.update(new)
        pending += new
    return sorted(found, key=lambda turn: (turn.pass_number, schedule.frames(turn.pass_number, shot).index(turn.frame)))


def pairs_of(schedule: Schedule, shot: Shot, turns: Iterable[Turn]) -> set[tuple[int, int]]:
    """The ordered pairs of frames whose flow and consistency these paintings take."""
    needs = ((turn.frame, need.frame) for turn in turns for need in schedule.needs(turn, shot))
    return {pair for pair in needs if pair[0] != pair[1]}


def schedule_of(settings: StylizeSettings) -> Schedule:
    """How the method with these settings goes through a shot."""
    if isinstance(settings, NoneSettings):
        return Independent()
    if not isinstance(settings, OptimizeSettings):
        return Forward()
    return Alternating(settings.passes) if settings.passes > 1 else Forward(settings.offsets)
