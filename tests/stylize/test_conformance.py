"""What every way to paint must do, whatever its method."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tests.stylize.scene import HEIGHT, SIZE, WIDTH, frame, picture, prior, stylizer
from vidstyle.config import METHODS
from vidstyle.stylize.base import Need, Prior, Stylizer
from vidstyle.stylize.none import NoneStylizer

MAKERS: dict[str, Callable[[], Stylizer]] = {
    "none": NoneStylizer,
    "optimize": lambda: stylizer(iterations=2, first_iterations=2, first_init="noise"),
}


@pytest.fixture(params=METHODS)
def method(request: pytest.FixtureRequest) -> Stylizer:
    assert request.param in MAKERS, f"say here how to make a small {request.param!r}"
    return MAKERS[request.param]()


def priors_for(needs: list[Need]) -> list[Prior]:
    return [prior(picture(10 + index), 0.5) for index in range(len(needs))]


def step(method: Stylizer, number: int, shares: list[float] | None = None) -> Tensor:
    """Paint frame ``number`` of a shot that begins at 5, in a process that has not painted the frame before."""
    needs = list(method.needs(number, 5))
    state = None
    if number > 5:
        _, state = method.step(picture(3), priors_for(list(method.needs(5, 5))), None, seed=1, progress=lambda _: None)
    progress = (lambda _: None) if shares is None else shares.append
    return method.step(frame(), priors_for(needs), state, seed=2, progress=progress)[0]


def test_the_first_frame_of_a_shot_needs_nothing_before_it(method: Stylizer) -> None:
    assert all(need.frame >= 5 for need in method.needs(5, 5))
    assert Need(0, 4) not in method.needs(5, 5)


def test_a_frame_needs_only_what_can_be_there_already(method: Stylizer) -> None:
    for number in (6, 7, 60):
        for need in method.needs(number, 5):
            assert need.frame >= 5
            assert need.pass_number >= 0
            assert need.frame < number or need.pass_number > 0
        assert list(method.needs(number, 5)) == list(method.needs(number, 5))


@pytest.mark.parametrize("number", [5, 6])
def test_what_is_painted_is_a_frame(method: Stylizer, number: int) -> None:
    stylized = step(method, number)
    assert stylized.shape == (3, HEIGHT, WIDTH)
    assert stylized.dtype == torch.float32
    assert stylized.min() >= 0
    assert stylized.max() <= 1
    assert not stylized.requires_grad


@pytest.mark.parametrize("number", [5, 6])
def test_the_same_step_gives_the_same_bits_whatever_ran_before(method: Stylizer, number: int) -> None:
    first = step(method, number)
    torch.manual_seed(99)
    torch.rand(5)
    assert torch.equal(step(method, number), first)


def test_what_comes_in_is_not_changed(method: Stylizer) -> None:
    given, priors = frame(), priors_for(list(method.needs(6, 5)))
    copies = [(p.stylized.clone(), p.warped.clone(), p.consistency.clone()) for p in priors]
    method.step(given, priors, None, seed=0, progress=lambda _: None)
    assert torch.equal(given, frame())
    for p, (stylized, warped, consistency) in zip(priors, copies, strict=True):
        assert torch.equal(p.stylized, stylized)
        assert torch.equal(p.warped, warped)
        assert torch.equal(p.consistency, consistency)


def test_progress_rises_within_0_and_1(method: Stylizer) -> None:
    shares: list[float] = []
    step(method, 5, shares)
    assert shares == sorted(shares)
    assert all(0 <= share <= 1 for share in shares)


def test_time_is_estimated(method: Stylizer) -> None:
    first, later = method.seconds_per_frame(SIZE)
    assert 0 <= later <= first < 60
