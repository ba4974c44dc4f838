"""What every way to paint must do, whatever its method."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tests.stylize.scene import HEIGHT, SIZE, WIDTH, frame, picture, predicted, prior, small_network, stylizer, transfer
from vidstyle.config import METHODS
from vidstyle.stylize.base import Prior, Stylizer
from vidstyle.stylize.none import NoneStylizer
from vidstyle.stylize.recurrent import RecurrentStylizer, TrainedStyle
from vidstyle.stylize.schedule import Schedule, Turn, schedule_of

MAKERS: dict[str, Callable[[], Stylizer]] = {
    "none": NoneStylizer,
    "recurrent": lambda: RecurrentStylizer([TrainedStyle(small_network())], lambda frame: [1.0], torch.device("cpu")),
    "optimize": lambda: stylizer(iterations=2, first_iterations=2, first_init="noise"),
    "predict": predicted,
    "adain": lambda: transfer("adain"),
    "wct": lambda: transfer("wct"),
    "photo": lambda: transfer("photo"),
}


SHOT = (5, 70)


@pytest.fixture(params=METHODS)
def name(request: pytest.FixtureRequest) -> str:
    assert request.param in MAKERS, f"say here how to make a small {request.param!r}"
    return str(request.param)


@pytest.fixture
def method(name: str) -> Stylizer:
    return MAKERS[name]()


@pytest.fixture
def schedule(name: str) -> Schedule:
    return schedule_of(METHODS[name]())


def priors_for(schedule: Schedule, number: int) -> list[Prior]:
    needs = schedule.needs(Turn(0, number), SHOT)
    return [prior(picture(10 + index), 0.5) for index in range(len(needs))]


def step(method: Stylizer, schedule: Schedule, number: int, shares: list[float] | None = None) -> Tensor:
    """Paint frame ``number``, in a process that has not painted the frame before."""
    state = None
    if number > SHOT[0]:
        first = {"turn": Turn(0, SHOT[0]), "seed": 1, "progress": lambda _: None}
        _, state = method.step(picture(3), priors_for(schedule, SHOT[0]), None, **first)
    progress = (lambda _: None) if shares is None else shares.append
    priors = priors_for(schedule, number)
    return method.step(frame(), priors, state, turn=Turn(0, number), seed=2, progress=progress)[0]


@pytest.mark.parametrize("number", [5, 6])
def test_what_is_painted_is_a_frame(method: Stylizer, schedule: Schedule, number: int) -> None:
    stylized = step(method, schedule, number)
    assert stylized.shape == (3, HEIGHT, WIDTH)
    assert stylized.dtype == torch.float32
    assert stylized.min() >= 0
    assert stylized.max() <= 1
    assert not stylized.requires_grad


@pytest.mark.parametrize("number", [5, 6])
def test_the_same_step_gives_the_same_bits_whatever_ran_before(
    method: Stylizer, schedule: Schedule, number: int
) -> None:
    first = step(method, schedule, number)
    torch.manual_seed(99)
    torch.rand(5)
    assert torch.equal(step(method, schedule, number), first)


def test_what_comes_in_is_not_changed(method: Stylizer, schedule: Schedule) -> None:
    given, priors = frame(), priors_for(schedule, 6)
    copies = [(p.stylized.clone(), p.warped.clone(), p.consistency.clone()) for p in priors]
    method.step(given, priors, None, turn=Turn(0, 6), seed=0, progress=lambda _: None)
    assert torch.equal(given, frame())
    for p, (stylized, warped, consistency) in zip(priors, copies, strict=True):
        assert torch.equal(p.stylized, stylized)
        assert torch.equal(p.warped, warped)
        assert torch.equal(p.consistency, consistency)


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_flat_frames_are_painted(method: Stylizer, level: float) -> None:
    """As movies begin and end with."""
    flat, state, priors = torch.full((3, HEIGHT, WIDTH), level), None, []
    for number in range(4):
        painted, state = method.step(flat, priors, state, turn=Turn(0, number), seed=1, progress=lambda _: None)
        assert torch.isfinite(painted).all()
        assert 0 <= painted.min() <= painted.max() <= 1
        priors = [prior(painted, 1.0)]


def test_progress_rises_within_0_and_1(method: Stylizer, schedule: Schedule) -> None:
    shares: list[float] = []
    step(method, schedule, 5, shares)
    assert shares == sorted(shares)
    assert all(0 <= share <= 1 for share in shares)


def test_time_is_estimated(method: Stylizer) -> None:
    first, later = method.seconds_per_frame(SIZE)
    assert 0 <= later <= first < 60
