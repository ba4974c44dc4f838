"""The minimiser on losses whose minimum is known."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from vidstyle.stylize.minimize import minimize

OPTIMIZERS = ("lbfgs", "adam")


def target() -> Tensor:
    return torch.rand(1, 3, 5, 7, generator=torch.Generator().manual_seed(0))


def bowl(x: Tensor) -> Tensor:
    """Steeper in some channels than in others; 0 at ``target``."""
    steep = torch.tensor([1.0, 3.0, 10.0]).view(1, 3, 1, 1)
    return (steep * (x - target()).square()).mean()


class Counted:
    """A loss that counts how often it is asked for."""

    def __init__(self, loss: Callable[[Tensor], Tensor]) -> None:
        self.loss, self.count = loss, 0

    def __call__(self, x: Tensor) -> Tensor:
        self.count += 1
        return self.loss(x)


@pytest.mark.parametrize(("optimizer", "iterations"), [("lbfgs", 30), ("adam", 400)])
def test_the_minimum_of_a_bowl_is_found(optimizer: str, iterations: int) -> None:
    found = minimize(bowl, torch.full((1, 3, 5, 7), 0.5), optimizer=optimizer, iterations=iterations)
    torch.testing.assert_close(found, target(), rtol=0, atol=1e-3)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_what_is_found_has_the_shape_of_the_start_and_no_graph(optimizer: str) -> None:
    start = torch.full((1, 3, 5, 7), 0.5, requires_grad=True)
    found = minimize(bowl, start, optimizer=optimizer, iterations=2)
    assert found.shape == start.shape
    assert not found.requires_grad
    assert torch.equal(start, torch.full((1, 3, 5, 7), 0.5))  # not worked on in place
    assert not torch.equal(found, start)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_pixels_are_not_clipped(optimizer: str) -> None:
    found = minimize(lambda x: (x - 2).square().mean(), torch.zeros(1, 3, 2, 2), optimizer=optimizer, iterations=200)
    assert found.min() > 1


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_loss_is_evaluated_once_an_iteration(optimizer: str) -> None:
    loss = Counted(bowl)
    minimize(loss, torch.zeros(1, 3, 5, 7), optimizer=optimizer, iterations=7)
    assert loss.count == 7


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_it_stops_when_the_loss_has_not_changed_over_a_window(optimizer: str) -> None:
    loss = Counted(lambda x: (0 * x).sum() + 3)
    minimize(loss, torch.zeros(1, 3, 2, 2), optimizer=optimizer, iterations=100, stop_change=1e-4, stop_window=10)
    assert loss.count == 11  # the first look, and the one a window later


def test_the_change_that_stops_is_a_share_of_the_loss() -> None:
    def evaluations(stop_change: float) -> int:
        loss = Counted(lambda x: 1000 + x.mean())  # Adam takes 0.02 off at each iteration: 1e-4 in five
        minimize(loss, torch.zeros(1, 3, 2, 2), optimizer="adam", iterations=50, stop_change=stop_change, stop_window=5)
        return loss.count

    assert evaluations(1.1e-4) == 6
    assert evaluations(0.9e-4) == 50


def test_without_a_change_to_stop_at_every_iteration_runs() -> None:
    loss = Counted(lambda x: (0 * x).sum() + 3)
    minimize(loss, torch.zeros(1, 3, 2, 2), optimizer="adam", iterations=30, stop_window=5)
    assert loss.count == 30


def test_a_loss_that_still_falls_goes_on() -> None:
    loss = Counted(bowl)
    minimize(loss, torch.zeros(1, 3, 5, 7), optimizer="adam", iterations=40, stop_change=1e-4, stop_window=10)
    assert loss.count == 40


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_progress_is_told_before_every_evaluation(optimizer: str) -> None:
    shares: list[float] = []
    minimize(bowl, torch.zeros(1, 3, 5, 7), optimizer=optimizer, iterations=4, progress=shares.append)
    assert shares == [0.0, 0.25, 0.5, 0.75]


def test_progress_can_stop_the_work() -> None:
    loss = Counted(bowl)

    def stop(share: float) -> None:
        if share >= 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        minimize(loss, torch.zeros(1, 3, 5, 7), optimizer="lbfgs", iterations=10, progress=stop)
    assert loss.count == 5


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_same_start_gives_the_same_pixels_bit_for_bit(optimizer: str) -> None:
    first, second = (minimize(bowl, torch.zeros(1, 3, 5, 7), optimizer=optimizer, iterations=9) for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_start_may_lie_in_memory_as_it_likes(optimizer: str) -> None:
    start = torch.rand(1, 3, 5, 7, generator=torch.Generator().manual_seed(1))
    layouts = (
        start,
        start.contiguous(memory_format=torch.channels_last),
        start.transpose(2, 3).clone().transpose(2, 3),
    )
    results = [minimize(bowl, layout, optimizer=optimizer, iterations=6) for layout in layouts]
    assert all(torch.equal(result, results[0]) for result in results)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_learning_rate_is_used(optimizer: str) -> None:
    start = torch.zeros(1, 3, 5, 7)
    small, large = (
        (minimize(bowl, start, optimizer=optimizer, iterations=1, learning_rate=rate) - start).abs().max()
        for rate in (0.001, 0.01)
    )
    assert large / small == pytest.approx(10, rel=1e-3)


def test_lbfgs_works_on_tiny_losses() -> None:
    """Its absolute floor for curvature would make it steepest descent where a loss is a small mean."""
    target = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    steep = torch.tensor([1.0, 3.0, 10.0]).view(1, 3, 1, 1)
    found = minimize(
        lambda x: 1e-4 * (steep * (x - target).square()).mean(),
        torch.full_like(target, 0.5),
        optimizer="lbfgs",
        iterations=30,
    )
    torch.testing.assert_close(found, target, rtol=0, atol=1e-3)


def test_a_loss_that_curves_down_at_the_start_is_left_behind() -> None:
    # cos has its top near the start: the bare curvature there is negative, and the gradient almost nothing.
    start = torch.full((1, 3, 8, 8), 0.51)
    found = minimize(
        lambda x: torch.cos(6 * (x - 0.5)).sum() * 1e6, start, optimizer="lbfgs", iterations=40, history=10
    )
    torch.testing.assert_close(found, torch.full_like(found, 0.5 + torch.pi / 6), atol=1e-3, rtol=0)


@pytest.mark.parametrize("unit", [1e-8, 1.0, 1e8])
def test_lbfgs_does_not_care_for_the_unit_of_the_loss(unit: float) -> None:
    target = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(3))
    weights = torch.linspace(1, 50, 8)
    found = minimize(
        lambda x: unit * (weights * (x - target).square()).mean(),
        torch.zeros_like(target),
        optimizer="lbfgs",
        iterations=60,
    )
    torch.testing.assert_close(found, target, atol=1e-3, rtol=0)


# ---- the hint at how far each pixel goes


def test_a_hint_that_all_are_alike_changes_nothing() -> None:
    found = [
        minimize(bowl, torch.zeros(1, 3, 5, 7), optimizer="lbfgs", iterations=8, ease=ease)
        for ease in (None, torch.ones(5, 7))
    ]
    assert torch.equal(*found)


def test_a_right_hint_finds_the_minimum_sooner() -> None:
    steep = torch.logspace(0, 3, 35).view(5, 7)

    def valley(x: Tensor) -> Tensor:
        return (steep * (x - target()).square()).mean()

    def left(ease: Tensor | None) -> float:
        return valley(minimize(valley, torch.zeros(1, 3, 5, 7), optimizer="lbfgs", iterations=12, ease=ease)).item()

    assert left(1 / steep) < 0.01 * left(None)
