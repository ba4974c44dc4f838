"""Painting by optimisation, on frames small enough to be quick."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.stylize.scene import FAST, HEIGHT, SIZE, START_ONLY, WIDTH, encoder, frame, paint, picture, prior, style
from tests.stylize.scene import stylizer as make
from vidstyle import losses
from vidstyle.config import STYLE_LOSSES, OptimizeSettings, StyleSettings
from vidstyle.stylize.base import Prior
from vidstyle.stylize.minimize import affordable_history
from vidstyle.stylize.optimize import OptimizeStylizer
from vidstyle.stylize.schedule import Turn
from vidstyle.stylize.style import resize_style


def total_loss(stylizer: OptimizeStylizer, x: Tensor, *priors: Prior) -> float:
    """The loss of ``x`` as a painting of the frame."""
    targets = stylizer.targets(frame()[None])
    return losses.weighted_sum(stylizer.terms(x[None], targets, priors), stylizer.weights()).item()


def grams(stylizer: OptimizeStylizer) -> dict[str, Tensor]:
    """The Gram matrices that a frame is pulled towards, by level."""
    (goal,) = stylizer.targets(frame()[None]).style
    return {layer: gram for (_, layer), (gram,) in goal.statistics.items()}


def change(first: Tensor, second: Tensor) -> float:
    return (first - second).abs().mean().item()


# ---- the loss


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_painting_lowers_the_loss_and_more_iterations_lower_it_more(optimizer: str) -> None:
    few, many = (make(optimizer=optimizer, first_iterations=n) for n in (5, 20))
    values = [total_loss(few, frame()), total_loss(few, paint(few, frame())), total_loss(few, paint(many, frame()))]
    assert values[0] > 1.05 * values[1] > 1.1 * values[2]


def test_at_the_content_itself_only_style_and_smoothness_are_left() -> None:
    stylizer = make()
    targets = stylizer.targets(frame()[None])
    terms = stylizer.terms(frame()[None], targets, (prior(frame(), 1.0),))
    assert terms["content"].item() == pytest.approx(0, abs=1e-9)
    assert terms["temporal"].item() == 0
    assert terms["style"].item() > 0.1
    assert terms["tv"].item() == pytest.approx(losses.total_variation(frame()[None]).item())


def test_the_style_has_no_style_loss() -> None:
    stylizer = make(FAST, picture(7))  # as large as the frame, so that it can also be the painting
    targets = stylizer.targets(frame()[None])
    terms = stylizer.terms(picture(7)[None], targets, ())
    assert terms["style"].item() == pytest.approx(0, abs=1e-6)
    assert terms["content"].item() > 0.1
    assert "temporal" not in terms


def test_every_level_counts_by_its_share_of_the_targets_energy() -> None:
    stylizer = make(content_layers=("relu2_1", "relu4_2"), style_layers=("relu1_1", "relu3_1"))
    layers = ("relu1_1", "relu2_1", "relu3_1", "relu4_2")
    features, other = encoder()(frame()[None], layers), encoder()(picture(5)[None], layers)
    style_features = encoder()(resize_style(style(), SIZE, 1.0), layers)
    content = sum(
        ((other[layer] - features[layer]) ** 2).mean() / (features[layer] ** 2).mean()
        for layer in ("relu2_1", "relu4_2")
    )
    grams = [(losses.gram_matrix(other[n]), losses.gram_matrix(style_features[n])) for n in ("relu1_1", "relu3_1")]
    styled = sum(((ours - theirs) ** 2).mean() / (theirs**2).mean() for ours, theirs in grams)
    targets = stylizer.targets(frame()[None])
    terms = stylizer.terms(picture(5)[None], targets, ())
    assert terms["content"].item() == pytest.approx(float(content), rel=1e-4)
    assert terms["style"].item() == pytest.approx(float(styled), rel=1e-4)


def test_levels_count_by_their_weights() -> None:
    def terms(**settings: tuple[str, ...]) -> tuple[float, float]:
        stylizer = make(**settings)
        found = stylizer.terms(picture(5)[None], stylizer.targets(frame()[None]), ())
        return found["content"].item(), found["style"].item()

    fine = terms(content_layers=("relu2_1",), style_layers=("relu1_1",))
    coarse = terms(content_layers=("relu4_2",), style_layers=("relu3_1",))
    both = terms(content_layers=("relu2_1=2", "relu4_2"), style_layers=("relu1_1", "relu3_1=0.5"))
    assert both[0] == pytest.approx(2 * fine[0] + coarse[0], rel=1e-4)
    assert both[1] == pytest.approx(fine[1] + 0.5 * coarse[1], rel=1e-4)


@pytest.mark.parametrize("name", [name for name in STYLE_LOSSES if name != "gram"])
def test_every_style_loss_paints(name: str) -> None:
    stylizer = make(style_loss=name, first_iterations=8, style_layers=("relu1_1", "relu3_1"))
    painted = paint(stylizer, frame())
    targets = stylizer.targets(frame()[None])
    before, after = (stylizer.terms(x[None], targets, ())["style"].item() for x in (frame(), painted))
    assert after < 0.9 * before
    assert torch.equal(paint(stylizer, frame()), painted)


@pytest.mark.parametrize("name", ["gram", "mrf"])
def test_several_styles_blend_whatever_the_loss(name: str) -> None:
    def style_term(*styles: Tensor, **settings: object) -> float:
        stylizer = make(FAST, *styles, style_loss=name, style_layers=("relu3_1",), **settings)
        return stylizer.terms(picture(5)[None], stylizer.targets(frame()[None]), ())["style"].item()

    one, other = style_term(style()), style_term(picture(7))
    both = style_term(style(), picture(7), styles=(StyleSettings(weight=3.0), StyleSettings(weight=1.0)))
    if name == "mrf":  # patches have no mean: the distances are blended
        assert both == pytest.approx(0.75 * one + 0.25 * other, rel=1e-4)
    assert min(one, other) * 0.5 < both < max(one, other)


def test_a_pyramid_looks_at_the_picture_in_several_sizes() -> None:
    levels = make(style_loss="multiscale-gram", style_layers=("relu1_1",)).targets(frame()[None]).style[0].statistics
    assert list(levels) == [(0, "relu1_1"), (1, "relu1_1")]  # 32 rows, 16; 8 are too few for the encoder


def test_lapstyle_keeps_edges() -> None:
    def edges(weight: float) -> float:
        painted = paint(make(laplacian_weight=weight, first_iterations=20), frame())
        apart = losses.laplacian(painted[None]) - losses.laplacian(frame()[None])
        return apart.square().mean().item()

    assert edges(100.0) < 0.5 * edges(0.0)


@pytest.mark.parametrize("name", ["content_weight", "style_weight", "temporal_weight", "tv_weight"])
def test_each_weight_pulls_towards_its_own_term(name: str) -> None:
    def term(weight: float) -> float:
        settings = {
            "content_weight": 1.0,
            "style_weight": 1.0,
            "temporal_weight": 1e-3,
            "tv_weight": 1e-4,
            name: weight,
        }
        stylizer, before = make(init="content", iterations=12, **settings), prior(picture(4), 1.0)
        painted = paint(stylizer, frame(), before)
        targets = stylizer.targets(frame()[None])
        return stylizer.terms(painted[None], targets, (before,))[name.removesuffix("_weight")].item()

    assert term(1e3) < 0.9 * term(0.0)


def test_several_priors_add_one_temporal_term_each() -> None:
    stylizer = make()
    targets = stylizer.targets(frame()[None])
    near, far = prior(picture(4), 0.7), prior(picture(5), 0.2)
    each = [stylizer.terms(frame()[None], targets, (p,))["temporal"].item() for p in (near, far)]
    both = stylizer.terms(frame()[None], targets, (near, far))["temporal"].item()
    assert both == pytest.approx(sum(each), rel=1e-5)


def test_time_is_measured_against_the_warped_prior_where_it_is_trusted() -> None:
    stylizer = make()
    targets = stylizer.targets(frame()[None])
    trust = torch.rand(HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0))
    before = prior(picture(4), trust, stylized=picture(5))  # picture(5) lies elsewhere: it has moved since
    expected = (trust * (255 * (frame() - picture(4))).square()).mean().item()
    assert stylizer.terms(frame()[None], targets, (before,))["temporal"].item() == pytest.approx(expected, rel=1e-4)


def test_far_priors_hold_only_what_near_ones_leave() -> None:
    near, far = replace(prior(picture(4), 0.7), offset=1), replace(prior(picture(5), 0.9), offset=10)
    held = make(offsets=(1, 10)).temporal_priors([near, far], Turn(0, 12))
    assert [p.warped is q.warped for p, q in zip(held, (near, far), strict=True)] == [True, True]
    assert held[0].consistency.mean().item() == pytest.approx(0.7)
    assert held[1].consistency.mean().item() == pytest.approx(0.2)


def test_the_temporal_loss_begins_with_half_of_the_passes() -> None:
    itself, neighbour = replace(prior(picture(4), 1.0), offset=0), replace(prior(picture(5), 0.5), offset=-1)
    stylizer = make(passes=15)
    held = [len(stylizer.temporal_priors([itself, neighbour], Turn(number, 3))) for number in range(15)]
    assert held == [0] * 7 + [1] * 8  # from the 8th on, and never to itself
    assert stylizer.weights()["temporal"] == FAST.temporal_weight / 2


def test_a_later_pass_begins_with_itself_and_its_neighbour_where_that_is_trusted() -> None:
    trust = torch.zeros(HEIGHT, WIDTH)
    trust[:, 10:] = 1.0
    itself, neighbour = replace(prior(picture(4), 1.0), offset=0), replace(prior(picture(5), trust), offset=1)
    painted = paint(make(START_ONLY, passes=3), frame(), itself, neighbour, turn=Turn(1, 3))
    torch.testing.assert_close(painted[:, :, :10], picture(4)[:, :, :10], atol=1e-5, rtol=0)
    torch.testing.assert_close(painted[:, :, 10:], (picture(4) + picture(5))[:, :, 10:] / 2, atol=1e-5, rtol=0)
    alone = paint(make(START_ONLY, passes=3), frame(), itself, turn=Turn(2, 3))
    torch.testing.assert_close(alone, picture(4), atol=1e-5, rtol=0)


# ---- seeds and starts


def test_the_same_seed_gives_the_same_painting_bit_for_bit() -> None:
    assert torch.equal(
        paint(make(first_init="noise"), frame(), seed=3),
        paint(make(first_init="noise"), frame(), seed=3),
    )


def test_another_seed_gives_another_painting_from_noise_only() -> None:
    noise, content = make(first_init="noise"), make(first_init="content")
    assert change(paint(noise, frame(), seed=3), paint(noise, frame(), seed=4)) > 0.01
    assert torch.equal(paint(content, frame(), seed=3), paint(content, frame(), seed=4))


def test_noise_is_grey_on_average_and_has_a_spread() -> None:
    start = paint(make(START_ONLY, first_init="noise"), frame())
    assert start.mean().item() == pytest.approx(0.5, abs=0.02)
    assert start.std().item() == pytest.approx(0.15, abs=0.02)


def test_the_first_frame_starts_from_the_content() -> None:
    torch.testing.assert_close(paint(make(START_ONLY), frame()), frame(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("init", ["warped", "previous", "content", "noise"])
def test_later_frames_start_as_asked(init: str) -> None:
    warped, previous = picture(4), picture(5)
    start = paint(make(START_ONLY, init=init), frame(), prior(warped, 1.0, stylized=previous), seed=3)
    noise = paint(make(START_ONLY, first_init="noise"), frame(), seed=3)
    expected = {"warped": warped, "previous": previous, "content": frame(), "noise": noise}
    torch.testing.assert_close(start, expected[init], rtol=0, atol=1e-5)
    assert all(change(start, other) > 0.05 for name, other in expected.items() if name != init)


def test_where_the_flow_cannot_be_trusted_a_frame_starts_from_its_content() -> None:
    trust = torch.ones(HEIGHT, WIDTH)
    trust[:, 20:30], trust[:, 30:40] = 0, 0.25
    start = paint(make(START_ONLY), frame(), prior(picture(4), trust))
    expected = picture(4).clone()
    expected[:, :, 20:30] = frame()[:, :, 20:30]
    expected[:, :, 30:40] = 0.75 * frame()[:, :, 30:40] + 0.25 * picture(4)[:, :, 30:40]
    torch.testing.assert_close(start, expected, rtol=0, atol=1e-5)


# ---- time


def test_what_is_painted_for_the_first_time_begins_as_it_is_told_to() -> None:
    given = frame()
    begun = OptimizeStylizer(OptimizeSettings(), encoder(), [style()], SIZE, begin=lambda picture, number: 1 - picture)
    assert torch.equal(begun.start(given[None], (), 0, 0)[0], 1 - given)
    held = prior(given, consistency=torch.eye(HEIGHT, WIDTH))
    expected = torch.where(held.consistency == 1, held.warped, 1 - given)
    assert torch.allclose(begun.start(given[None], [held], 1, 0)[0], expected)


def test_a_still_scene_stays_still() -> None:
    stylizer = make(first_iterations=15, iterations=15, init="content")
    first = paint(stylizer, frame())
    held, free = (paint(stylizer, frame(), prior(first, trust)) for trust in (1.0, 0.0))
    noisy = (frame() + 0.02 * torch.randn(frame().shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    held_noisy, free_noisy = (paint(stylizer, noisy, prior(first, trust)) for trust in (1.0, 0.0))
    assert change(free, first) < 1e-6  # the same frame, start and loss
    assert change(held_noisy, first) < 0.5 * change(free_noisy, first)
    assert change(held, first) < 0.05


def test_a_still_scene_is_calmer_with_the_default_temporal_weight_than_with_none() -> None:
    settings = OptimizeSettings(first_iterations=25, iterations=25)
    first = paint(make(settings), frame())
    noisy = (frame() + 0.02 * torch.randn(frame().shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    held = paint(make(settings), noisy, prior(first, 1.0))
    free = paint(make(settings, temporal_weight=0.0), noisy, prior(first, 1.0))
    assert change(held, first) < 0.7 * change(free, first)


def test_a_still_scene_is_held_only_where_the_prior_is_trusted() -> None:
    """Another prior than the frame would give: trusted, it stays; not trusted, it is painted over."""
    stylizer = make(iterations=15)
    before = paint(make(first_iterations=15), picture(4))
    held = paint(stylizer, frame(), prior(before, 1.0))
    free = paint(stylizer, frame(), prior(before, 0.0))
    assert change(held, before) < 0.2 * change(free, before)
    half = torch.ones(HEIGHT, WIDTH)
    half[:, WIDTH // 2 :] = 0
    mixed = paint(stylizer, frame(), prior(before, half))
    left, right = ((mixed - before).abs()[:, :, part].mean() for part in (slice(0, 16), slice(32, None)))
    assert left < 0.3 * right


def test_the_first_frame_has_its_own_number_of_iterations() -> None:
    stylizer = make(first_iterations=4, iterations=2)
    shares: list[float] = []
    paint(stylizer, frame(), progress=shares.append)
    assert shares == [0, 0.25, 0.5, 0.75]
    shares.clear()
    paint(stylizer, frame(), prior(frame(), 1.0), progress=shares.append)
    assert shares == [0, 0.5]


def test_it_stops_early_when_nothing_changes_any_more() -> None:
    shares: list[float] = []
    stylizer = make(first_iterations=50, stop_change=0.9, stop_window=3)  # the loss falls by less than 90 %
    paint(stylizer, frame(), progress=shares.append)
    assert len(shares) == 4


def test_progress_can_stop_a_frame() -> None:
    def stop(share: float) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        paint(make(), frame(), progress=stop)


def test_nothing_is_carried_besides_the_painting() -> None:
    assert make().step(frame(), (), None, turn=Turn(0, 0), seed=1, progress=lambda _: None)[1] is None


@pytest.mark.parametrize("learning_rate", [0.02, 3.0])
def test_a_painting_is_a_frame_even_where_the_pixels_run_away(learning_rate: float) -> None:
    painted = paint(make(optimizer="adam", learning_rate=learning_rate, first_iterations=3), frame())
    assert painted.shape == (3, HEIGHT, WIDTH)
    assert painted.dtype == torch.float32
    assert painted.min() >= 0
    assert painted.max() <= 1


def test_frames_of_odd_size_are_painted() -> None:
    odd = picture(0, 17, 23)
    stylizer = OptimizeStylizer(FAST, encoder(), (style(),), (23, 17))
    assert paint(stylizer, odd).shape == (3, 17, 23)


def test_the_time_follows_the_number_of_iterations() -> None:
    first, later = make(first_iterations=30, iterations=10).seconds_per_frame(SIZE)
    assert 0 < later < 10
    assert first == pytest.approx(3 * later)


# ---- styles


def test_several_styles_blend_their_gram_matrices_by_normalised_weight() -> None:
    other = picture(7)
    alone = [grams(make(FAST, image)) for image in (style(), other)]
    both = (StyleSettings(weight=3.0), StyleSettings(weight=1.0))
    blended = grams(make(FAST, style(), other, styles=both))
    assert blended.keys() == set(FAST.style_layers)
    for layer, gram in blended.items():
        expected = 0.75 * alone[0][layer] + 0.25 * alone[1][layer]
        torch.testing.assert_close(gram, expected, rtol=1e-4, atol=1e-5 * expected.max().item())


def test_one_style_alone_is_the_same_at_any_weight() -> None:
    light, heavy = (grams(make(styles=(StyleSettings(weight=weight),))) for weight in (0.1, 40.0))
    for layer, gram in light.items():
        torch.testing.assert_close(gram, heavy[layer])


def test_a_style_without_settings_of_its_own_is_not_overlooked() -> None:
    with pytest.raises(ValueError, match="zip"):
        make(FAST, style(), picture(7))


def test_strokes_follow_the_scale_of_each_style() -> None:
    fine, coarse = (grams(make(styles=(StyleSettings(scale=scale),))) for scale in (0.5, 2.0))
    assert not torch.allclose(fine["relu1_1"], coarse["relu1_1"], rtol=0.05)


@pytest.mark.parametrize("shape", [(300, 200), (60, 500), (120, 160)])
@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_a_style_is_resized_to_the_area_of_the_frame_in_its_own_proportions(
    shape: tuple[int, int], scale: float
) -> None:
    height, width = shape
    resized = resize_style(torch.rand(3, height, width), (320, 180), scale)
    assert resized.shape[:2] == (1, 3)
    assert resized.shape[2] * resized.shape[3] == pytest.approx(scale**2 * 320 * 180, rel=0.03)
    assert resized.shape[3] / resized.shape[2] == pytest.approx(width / height, rel=0.03)


def test_a_resized_style_keeps_its_colours_and_its_range() -> None:
    resized = resize_style(style(), (64, 64), 2.0)
    assert resized.min() >= 0  # bicubic overshoots at edges
    assert resized.max() <= 1
    torch.testing.assert_close(resized.mean((0, 2, 3)), style().mean((1, 2)), rtol=0.02, atol=0.01)


def test_a_style_never_becomes_too_small_for_the_encoder() -> None:
    assert resize_style(torch.rand(3, 20, 4000), (16, 16), 0.1).shape[2:] >= (16, 16)
    assert resize_style(torch.rand(3, 4000, 20), (16, 16), 0.1).shape[3] >= 16


def test_styles_change_with_the_number_of_the_frame() -> None:
    settings = replace(FAST, styles=(StyleSettings(), StyleSettings()))
    turning = OptimizeStylizer(
        settings, encoder(), (style(), picture(7)), SIZE, lambda number: [1 - number / 10, number / 10]
    )

    def step(number: int) -> Tensor:
        return paint(turning, frame(), turn=Turn(0, number))

    assert torch.equal(step(0), paint(make(FAST, style()), frame()))
    assert torch.equal(step(10), paint(make(FAST, picture(7)), frame()))
    assert change(step(5), step(0)) > 0.001


# ---- areas


def halves() -> tuple[Tensor, Tensor]:
    left = torch.zeros(HEIGHT, WIDTH)
    left[:, : WIDTH // 2] = 1
    return left, 1 - left


def shared(*shares: Tensor, **settings: Any) -> OptimizeStylizer:
    both = replace(FAST, styles=(StyleSettings(masked=True), StyleSettings()), **settings)
    return OptimizeStylizer(both, encoder(), (style(), picture(7)), SIZE, lambda number: shares)


def test_each_area_is_painted_in_its_own_style() -> None:
    left, right = halves()
    painted = paint(shared(left, right, first_iterations=20), frame())
    alone = [paint(make(FAST, image, first_iterations=20), frame()) for image in (style(), picture(7))]
    for part, own, other in ((slice(0, 18), *alone), (slice(WIDTH - 18, WIDTH), *alone[::-1])):
        near, far = ((painted - each)[:, :, part].mean((1, 2)).abs().sum() for each in (own, other))
        assert near < 0.6 * far  # by colour: strokes may fall elsewhere


def test_an_area_pulls_its_pixels_as_firmly_as_a_whole_frame() -> None:
    left, right = halves()
    terms = []
    for stylizer in (shared(left, right), shared(torch.ones_like(left), torch.zeros_like(left)), make()):
        targets = stylizer.targets(frame()[None])
        terms.append(stylizer.terms(frame()[None], targets, ())["style"].item())
    assert terms[1] == pytest.approx(terms[2], rel=1e-4)  # one area is the whole frame, the other nothing
    assert [goal.share for goal in shared(left, right).targets(frame()[None]).style] == [0.5, 0.5]


@pytest.mark.parametrize("name", STYLE_LOSSES)
def test_every_style_loss_knows_areas(name: str) -> None:
    left, right = halves()
    stylizer = shared(0.7 * left, right, style_loss=name, style_layers=("relu1_1", "relu4_1"), first_iterations=3)
    painted = paint(stylizer, frame())
    assert painted.isfinite().all()
    assert change(painted, frame()) > 0.001


def test_where_no_style_is_the_frame_stays_as_it_is() -> None:
    nothing = torch.zeros(HEIGHT, WIDTH)
    painted = paint(shared(nothing, nothing, tv_weight=0.0), frame())
    torch.testing.assert_close(painted, frame(), rtol=0, atol=1e-4)


def test_large_frames_leave_less_to_remember() -> None:
    def history(asked: int, width: int, height: int) -> int:
        return affordable_history(asked, torch.empty(1, 3, height, width, device="meta"))

    assert history(100, 320, 180) == 100
    assert history(20, 1280, 720) == 20
    assert history(20, 1920, 1080) == 16
    assert history(20, 3840, 2160) == 8
    assert history(20, 7680, 4320) == 4
    assert history(3, 3840, 2160) == 3
