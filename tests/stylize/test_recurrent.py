"""Painting with a trained network that is shown its previous output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.stylize.scene import HEIGHT, WIDTH, frame, ignore, picture, prior, small_network
from vidstyle.config import RecurrentSettings
from vidstyle.stylize.base import CANVAS, Prior, State
from vidstyle.stylize.colors import luma
from vidstyle.stylize.mixing import Shares
from vidstyle.stylize.recurrent import PACE, PERIOD, RecurrentStylizer, StyleNetwork, TrainedStyle, only
from vidstyle.stylize.schedule import Forward, Turn, schedule_of

CPU = torch.device("cpu")


class Inked(nn.Module):
    """Adds the ink of its styles, by their shares, to the frame, and remembers what it was called with."""

    def __init__(self, *inks: float) -> None:
        super().__init__()
        self.inks = torch.tensor(inks)
        self.folds: list[list[float]] = []
        self.calls: list[tuple[Tensor, ...]] = []

    def statistics(self, *given: object) -> None:
        """It has no norms."""

    def folded(self, shares: Tensor, statistics: Tensor | None = None) -> nn.Module:
        assert statistics is None
        self.folds.append(shares.tolist())
        ink, calls = (shares @ self.inks).item(), self.calls

        class Folded(nn.Module):
            def forward(self, *given: Tensor) -> Tensor:
                calls.append(given)
                return given[0] + ink

        return Folded()


def painter(*styles: TrainedStyle, shares: Shares | Callable[[int], Shares] = (1.0,), **more: Any) -> RecurrentStylizer:
    at = shares if callable(shares) else lambda frame: shares
    return RecurrentStylizer(styles, at, CPU, **more)


def paint(method: RecurrentStylizer, given: Tensor, priors: Sequence[Prior] = (), number: int = 0) -> Tensor:
    stylized, _ = method.step(given, priors, None, turn=Turn(0, number), seed=1, progress=ignore)
    return stylized


def dark() -> Tensor:
    return 0.1 * frame()


def test_it_goes_once_through_a_shot_and_looks_at_the_frame_before() -> None:
    assert schedule_of(RecurrentSettings()) == Forward((1,))


def test_the_first_frame_of_a_shot_trusts_nothing() -> None:
    network = Inked(0.5)
    paint(painter(TrainedStyle(network)), frame())
    given, before, trust = network.calls[0]
    assert torch.equal(given, frame()[None])
    assert before.shape == (1, 3, HEIGHT, WIDTH)
    assert trust.shape == (1, 1, HEIGHT, WIDTH)
    assert not before.any() and not trust.any()


def test_later_frames_are_shown_the_warped_output_and_how_far_to_trust_it() -> None:
    network = Inked(0.5)
    trust = torch.rand(HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1))
    paint(painter(TrainedStyle(network)), frame(), [prior(picture(4), trust, stylized=picture(5))], number=3)
    _, before, given = network.calls[0]
    assert torch.equal(before[0], picture(4))  # not multiplied: that is the network's own affair
    assert torch.equal(given[0, 0], trust)


def test_styles_of_a_network_are_blended_within_it_by_normalised_shares() -> None:
    network = Inked(0.1, 0.3, 0.5)
    styles = [TrainedStyle(network, only(2, 3)), TrainedStyle(network, only(0, 3))]
    painted = paint(painter(*styles, shares=[3.0, 1.0]), dark())
    assert network.folds == [[0.25, 0.0, 0.75]]
    torch.testing.assert_close(painted, dark() + 0.4)


def test_styles_of_two_networks_are_blended_as_pictures() -> None:
    one, other = Inked(0.2, 0.7), Inked(0.6)
    styles = [TrainedStyle(one, only(0, 2)), TrainedStyle(other)]
    painted = paint(painter(*styles, shares=[1.0, 3.0]), dark())
    torch.testing.assert_close(painted, dark() + 0.25 * 0.2 + 0.75 * 0.6)
    assert one.folds == [[1.0, 0.0]]


def test_a_network_is_folded_once_for_shares_that_stay_and_anew_when_they_change() -> None:
    network = Inked(0.2, 0.4)
    styles = [TrainedStyle(network, only(0, 2)), TrainedStyle(network, only(1, 2))]
    method = painter(*styles, shares=lambda number: [1.0, 0.0] if number < 3 else [0.5, 0.5])
    brightness = [paint(method, dark(), number=number).mean() - dark().mean() for number in range(5)]
    assert network.folds == [[1.0, 0.0], [0.5, 0.5]]
    assert [round(float(value), 4) for value in brightness] == [0.2, 0.2, 0.2, 0.3, 0.3]


def test_where_styles_have_areas_each_paints_its_own_and_what_is_nobodys_stays() -> None:
    network = Inked(0.2, 0.4, 0.9)
    styles = [TrainedStyle(network, only(index, 3)) for index in range(3)]
    left, right = torch.zeros(2, HEIGHT, WIDTH)
    left[:, :20], right[:, 20:40] = 1, 0.5
    painted = paint(painter(*styles, shares=[left, right, torch.zeros(HEIGHT, WIDTH)]), dark())
    torch.testing.assert_close(painted[..., :20], dark()[..., :20] + 0.2)
    torch.testing.assert_close(painted[..., 20:40], dark()[..., 20:40] + 0.2)
    torch.testing.assert_close(painted[..., 40:], dark()[..., 40:])
    assert network.folds == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]  # who has no pixel does not run


def test_where_no_style_has_a_pixel_the_frame_stays() -> None:
    nowhere = torch.zeros(HEIGHT, WIDTH)
    assert torch.equal(paint(painter(TrainedStyle(Inked(0.2)), shares=[nowhere]), frame()), frame())


@pytest.mark.parametrize("ink", [5.0, -5.0])
def test_what_a_network_paints_beyond_black_and_white_is_cut_off(ink: float) -> None:
    painted = paint(painter(TrainedStyle(Inked(ink))), frame())
    assert torch.equal(painted, torch.full_like(painted, float(ink > 0)))


def test_the_real_network_paints_as_it_does_unfolded() -> None:
    network = small_network(3)
    styles = [TrainedStyle(network, only(0, 3)), TrainedStyle(network, only(2, 3))]
    before = prior(picture(4), 0.7)
    painted = paint(painter(*styles, shares=[1.0, 3.0]), frame(), [before])
    shares = torch.tensor([[0.25, 0.0, 0.75]])
    wanted = network(frame()[None], before.warped[None], before.consistency[None, None], shares)[0]
    torch.testing.assert_close(painted, wanted, atol=1e-5, rtol=0)
    assert (paint(painter(styles[0]), frame(), [before]) - painted).abs().max() > 0.01


def test_colours_of_the_frame_are_kept_and_the_network_takes_up_its_own() -> None:
    method = painter(TrainedStyle(small_network()), keep_colors=True)
    plain = paint(painter(TrainedStyle(small_network())), frame())
    shown, state = method.step(frame(), (), None, turn=Turn(0, 0), seed=1, progress=ignore)
    assert state is not None
    assert (state[CANVAS].permute(2, 0, 1) / 255 - plain).abs().max() <= 0.5 / 255 + 1e-6
    torch.testing.assert_close(luma(shown), luma(plain), atol=1e-5, rtol=0)
    kept = ((plain > 0.3) & (plain < 0.7)).all(0)  # light enough and dark enough for any colour to be kept
    hue, wanted = (shown - luma(shown))[:, kept], (frame() - luma(frame()))[:, kept]
    assert torch.nn.functional.cosine_similarity(hue, wanted, 0).mean() > 0.99


def test_bfloat16_paints_nearly_the_same() -> None:
    style, before = TrainedStyle(small_network()), [prior(picture(4), 0.7)]
    exact, reduced = (paint(painter(style, dtype=d), frame(), before) for d in (torch.float32, torch.bfloat16))
    assert reduced.dtype == torch.float32
    assert 0 < (exact - reduced).abs().mean() < 0.01


# ---- the statistics of the norms


def carried(frames: Sequence[Tensor], network: StyleNetwork, state: State | None = None, first: int = 0) -> list[State]:
    """The state after each of some frames."""
    method, states = painter(TrainedStyle(network)), []
    for number, given in enumerate(frames, first):
        _, state = method.step(given, (), state, turn=Turn(0, number), seed=1, progress=ignore)
        assert state is not None
        states.append(state)
    return states


def now(state: State) -> Tensor:
    return state["norms 0"][0]


def test_a_network_without_norms_carries_nothing_on() -> None:
    _, state = painter(TrainedStyle(Inked(0.2))).step(frame(), (), None, turn=Turn(0, 0), seed=1, progress=ignore)
    assert state is None


def test_what_is_normed_with_holds_still_and_then_follows() -> None:
    network = small_network()
    own = [now(carried([given], network)[0]) for given in (frame(), dark())]
    assert (own[0] - own[1]).abs().max() > 0.1
    lit = PERIOD + 1  # frames, and then it is dark
    states = [now(state) for state in carried([frame()] * lit + [dark()] * (4 * PERIOD), network)]
    assert all(torch.equal(state, own[0]) for state in states[: 2 * PERIOD])
    away = [(state - own[1]).norm().item() for state in states]
    assert all(later <= earlier * (1 + 1e-6) for earlier, later in pairwise(away))
    assert max(earlier - later for earlier, later in pairwise(away)) <= (PACE + 0.01) * away[0]  # in steps, not at once
    assert away[-1] < 0.05 * away[0]


def test_what_is_carried_on_is_all_that_counts_of_the_past() -> None:
    network = small_network()
    frames = [frame(), *[dark()] * (PERIOD + 6)]
    whole = carried(frames, network)
    for stop in (1, 3, PERIOD, PERIOD + 2):
        again = carried(frames[stop:], network, whole[stop - 1], first=stop)
        assert all(torch.equal(now(a), now(b)) for a, b in zip(whole[stop:], again, strict=True))


def test_what_is_normed_with_is_seen() -> None:
    network = small_network()
    held = now(carried([dark()], network)[0])
    given = (frame()[None], torch.zeros(1, 3, HEIGHT, WIDTH), torch.zeros(1, 1, HEIGHT, WIDTH))
    share = torch.ones(1)
    own = network.folded(share, network.statistics(*given, share))(*given)
    assert (network.folded(share, held)(*given) - own).abs().mean() > 0.01


def always(shares: Shares) -> Callable[[int], Shares]:
    return lambda number: shares


def blends(shares: Callable[[int], Shares], count: int, state: State | None = None, first: int = 0) -> list[State]:
    """The state after each frame of a still that is painted in two styles of a network."""
    network, states = small_network(2), []
    method = painter(*(TrainedStyle(network, only(index, 2)) for index in range(2)), shares=shares)
    for number in range(first, count):
        _, state = method.step(frame(), (), state, turn=Turn(0, number), seed=1, progress=ignore)
        assert state is not None
        states.append(state)
    return states


def test_another_blend_is_normed_with_what_it_meets_itself() -> None:
    own = [now(blends(always(alone), 1)[0]) for alone in ([1.0, 0.0], [0.0, 1.0])]
    assert (own[0] - own[1]).abs().max() > 0.1
    states = blends(lambda number: [1.0, 0.0] if number < 13 else [0.0, 1.0], 20)
    assert all(torch.equal(now(state), own[0]) for state in states[:13])
    assert all(torch.equal(now(state), own[1]) for state in states[13:])


def test_in_a_slow_change_of_blend_statistics_are_never_far_from_its_own() -> None:
    def fading(number: int) -> Shares:
        return [1 - number / 40, number / 40]

    states = blends(fading, 41)
    own = [now(blends(always(fading(number)), 1)[0]) for number in range(41)]
    off = [(now(state) - fresh).norm().item() for state, fresh in zip(states, own, strict=True)]
    assert max(off) < 0.15 * (own[0] - own[-1]).norm().item()
    again = blends(fading, 41, states[20], first=21)  # nothing else of the past counts
    assert all(torch.equal(now(a), now(b)) for a, b in zip(states[21:], again, strict=True))


def test_a_flat_frame_is_normed_as_if_it_had_some_contrast() -> None:
    network = small_network()
    flat, dim = (0.3 + contrast * (frame() - frame().mean()) for contrast in (0.0, 0.05))
    least, dim_ones, plain = (now(carried([given], network)[0])[1].min() for given in (flat, dim, frame()))
    assert least > 0.01 * plain
    assert dim_ones > 0.01 * plain


def test_a_frame_with_contrast_is_normed_with_its_own_statistics_alone() -> None:
    network = small_network()
    given = (frame()[None], torch.zeros(1, 3, HEIGHT, WIDTH), torch.zeros(1, 1, HEIGHT, WIDTH))
    torch.testing.assert_close(now(carried([frame()], network)[0]), network.statistics(*given, torch.ones(1)))


def test_time_is_that_of_one_pass_for_each_network() -> None:
    network = Inked(0.1, 0.2)
    method = painter(TrainedStyle(network, only(0, 2)), TrainedStyle(network, only(1, 2)), shares=[1.0, 1.0])
    first, later = method.seconds_per_frame((WIDTH, HEIGHT))
    assert first == later
    assert network.calls[0][0].shape == (1, 3, HEIGHT, WIDTH)
