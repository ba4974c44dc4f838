"""Painting by statistics of features: what each frame is made from, and what keeps a clip from flickering."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.stylize.scene import HEIGHT, WIDTH, autoencoder, frame, ignore, picture, prior, style, transfer
from vidstyle.nets.autoencoder import Autoencoder
from vidstyle.stylize.base import CANVAS, Prior, State
from vidstyle.stylize.colors import luma
from vidstyle.stylize.schedule import Turn
from vidstyle.stylize.transfer import (
    PACE,
    Region,
    enlarged,
    fused,
    held_moments,
    layer_and_times,
    moments_in,
    packed,
    regions_of,
    shrunk,
)

METHODS = ("adain", "wct", "photo")


def paint(
    stylizer: object, given: Tensor, priors: Sequence[Prior] = (), state: State | None = None, number: int = 0
) -> tuple[Tensor, State | None]:
    result: tuple[Tensor, State | None] = stylizer.step(  # type: ignore[attr-defined]
        given, priors, state, turn=Turn(0, number), seed=0, progress=ignore
    )
    return result


def colour_distance(one: Tensor, other: Tensor) -> float:
    return (one.mean((1, 2)) - other.mean((1, 2))).square().sum().item()


# ---- styles


@pytest.mark.parametrize("method", METHODS)
def test_a_painting_has_more_of_the_style_than_the_frame(method: str) -> None:
    ours, _ = paint(transfer(method), frame())
    assert colour_distance(ours, style()) < 0.5 * colour_distance(frame(), style())


@pytest.mark.parametrize("method", METHODS)
def test_of_no_strength_is_what_the_decoder_makes_of_the_frame(method: str) -> None:
    smooth = F.interpolate(picture(5, 6, 9)[None], size=(HEIGHT, WIDTH), mode="bicubic")[0].clamp(0, 1)
    ours, full = (paint(transfer(method, strength=strength), smooth)[0] for strength in (0.0, 1.0))
    assert (ours - smooth).square().mean() < 0.3 * (full - smooth).square().mean()


def test_a_frame_as_its_own_style_is_reconstructed() -> None:
    """AdaIN with the content as its style is the way through encoder and decoder."""
    big = picture(4, 64, 96)
    own, _ = paint(transfer("adain", big, size=(96, 64)), big)
    plain, _ = paint(transfer("adain", big, size=(96, 64), strength=0.0), big)
    assert (own - plain).abs().max() < 0.02


def test_styles_blend_between_one_and_the_other() -> None:
    other = 1 - style()
    ends = [paint(transfer("adain", one), frame())[0] for one in (style(), other)]
    half, _ = paint(transfer("adain", style(), other, shares=lambda n: [1.0, 1.0]), frame())
    lone, _ = paint(transfer("adain", style(), other, shares=lambda n: [2.0, 0.0]), frame())
    assert torch.allclose(lone, ends[0], atol=1e-5)
    middle = (ends[0] + ends[1]) / 2
    assert (half - middle).square().mean() < 0.25 * (ends[0] - ends[1]).square().mean()


def halves() -> list[Tensor]:
    left = torch.zeros(HEIGHT, WIDTH)
    left[:, : WIDTH // 2] = 1
    return [left, 1 - left]


@pytest.mark.parametrize("method", ["adain", "wct"])
def test_each_region_has_its_style_and_its_own_statistics(method: str) -> None:
    red, blue = torch.zeros(3, 32, 32), torch.zeros(3, 32, 32)
    red[0], blue[2] = style()[0, :32, :32], style()[2, :32, :32]
    ours, state = paint(transfer(method, red, blue, shares=lambda n: halves()), frame())
    left, right = ours[:, :, : WIDTH // 2 - 8], ours[:, :, WIDTH // 2 + 8 :]
    assert left[0].mean() > 2 * left[2].mean()
    assert right[2].mean() > 2 * right[0].mean()
    assert state is not None
    assert {name.partition(" ")[2] for name in state} == {"style 0", "style 1"}


@pytest.mark.parametrize("method", METHODS)
def test_what_is_nobodys_stays_as_it_is(method: str) -> None:
    nothing = [torch.zeros(HEIGHT, WIDTH), torch.zeros(HEIGHT, WIDTH)]
    ours, _ = paint(transfer(method, style(), style(), shares=lambda n: nothing), frame())
    assert torch.equal(ours, frame())
    left = halves()[0]
    painter = transfer(method, shares=lambda n: [left])
    first, state = paint(painter, frame())
    ours, _ = paint(painter, frame(), [prior(first, 1.0)], state)
    assert torch.equal(ours[:, :, WIDTH // 2 :], frame()[:, :, WIDTH // 2 :])
    assert (ours - frame())[:, :, : WIDTH // 2].abs().mean() > 0.03


def test_regions_of_shares() -> None:
    (whole,) = regions_of([3.0, 0.0, 1.0])
    assert whole == Region("all", ((0, 0.75), (2, 0.25)))
    assert [region.name for region in regions_of([*halves(), torch.zeros(HEIGHT, WIDTH)])] == ["style 0", "style 1"]


# ---- levels


def test_a_level_that_comes_twice_has_statistics_of_its_own_each_time() -> None:
    """What a frame is painted with is held for the next one: so the same frame is painted the same."""
    painter = transfer("wct", levels=("relu2_1", "relu2_1"), fusion=0.0)
    first, state = paint(painter, frame())
    again, _ = paint(painter, frame(), [prior(first, 1.0)], state)
    assert torch.allclose(again, first, atol=1e-4)
    once, _ = paint(transfer("wct", levels=("relu2_1",), fusion=0.0), frame())
    twice, _ = paint(transfer("wct", levels=("relu2_1",), fusion=0.0), once)
    assert torch.allclose(first, twice, atol=1e-4)
    assert (first - once).abs().mean() > 1e-3


# ---- coarse levels


def test_a_coarse_level_adds_what_it_changes_and_loses_nothing() -> None:
    """Where a map changes nothing, the picture stays to the pixel, whatever the decoder makes of it."""
    settings = {"levels": ("relu2_1/2",), "fusion": 0.0}
    for height, width in ((40, 96), (37, 91)):
        given, area = picture(4, height, width), torch.zeros(height, width)
        area[:, :30] = 1
        nothing, _ = paint(transfer("wct", size=(width, height), strength=0.0, **settings), given)
        assert torch.allclose(nothing, given, atol=1e-5)
        painter = transfer("wct", size=(width, height), **settings)
        found, _ = painter.paint(given, regions_of([area]), painter.styles, {}, ignore)
        assert (found - given)[:, :, :20].abs().mean() > 0.03
        assert torch.equal(found[:, :, 70:], given[:, :, 70:])


def test_sizes_come_back_from_pictures_half_as_large() -> None:
    for height, width in ((6, 8), (5, 7), (1, 1)):
        given = torch.full((3, height, width), 0.3)
        small = shrunk(given, 2)
        assert small.shape == (3, -(-height // 2), -(-width // 2))
        assert torch.allclose(enlarged(small, 2, given), given)
    assert layer_and_times("relu4_1/2") == ("relu4_1", 2)
    assert layer_and_times("relu4_1") == ("relu4_1", 1)


# ---- tiles


@pytest.mark.parametrize("method", METHODS)
def test_a_picture_in_tiles_is_the_same_as_in_one(method: str) -> None:
    whole = autoencoder(method)
    tiled = Autoencoder(whole.encoder, whole.decoder, torch.device("cpu"), pixels=1 << 15)
    big = picture(5, 190, 501)
    area = picture(6, 190, 501)[0]
    for level in {layer_and_times(level)[0] for level in transfer(method).settings.levels}:
        views = [one.view(big, level) for one in (whole, tiled)]
        assert len(list(views[1].pieces())) > 1
        for region in (Region("all", ()), Region("part", (), area)):
            one, other = (moments_in(view, region) for view in views)
            assert one.weight == pytest.approx(other.weight, rel=1e-4)
            assert torch.allclose(one.mean, other.mean, atol=1e-4)
            assert torch.allclose(one.covariance, other.covariance, atol=1e-3)
        same = [view.changed(lambda piece: 0.9 * piece.features) for view in views]
        assert (same[0] - same[1]).abs().max() < 1e-3


@pytest.mark.parametrize("size", [(16, 16), (33, 50), (70, 41)])
@pytest.mark.parametrize("method", METHODS)
def test_frames_of_any_size(method: str, size: tuple[int, int]) -> None:
    given = picture(7, *size)
    ours, _ = paint(transfer(method, size=(size[1], size[0])), given)
    assert ours.shape == given.shape
    assert torch.isfinite(ours).all()


@pytest.mark.parametrize("odd", [torch.zeros(3, 20, 20), torch.ones(3, 1, 40) / 2, torch.rand(3, 300, 1)])
@pytest.mark.parametrize("method", METHODS)
def test_degenerate_styles(method: str, odd: Tensor) -> None:
    ours, _ = paint(transfer(method, odd), frame())
    assert torch.isfinite(ours).all()


# ---- stable over time


def test_statistics_are_held_and_move_towards_new_ones() -> None:
    view = autoencoder("adain").view(frame(), "relu4_1")
    other = autoencoder("adain").view(picture(9), "relu4_1")
    before, now = (moments_in(v, Region("all", ())) for v in (view, other))
    assert held_moments(now, None) is now
    held = held_moments(now, packed(before))
    assert torch.allclose(held.mean, torch.lerp(before.mean, now.mean, PACE), atol=1e-5)
    assert torch.allclose(held.covariance, torch.lerp(before.covariance, now.covariance, PACE), atol=1e-4)


def test_statistics_are_carried_from_frame_to_frame_and_not_over_a_cut() -> None:
    stylizer = transfer("wct")
    _, state = paint(stylizer, frame())
    carried, _ = paint(stylizer, picture(8), (), state)
    fresh, _ = paint(stylizer, picture(8))
    assert not torch.allclose(carried, fresh, atol=1e-3)


def test_another_blend_is_painted_with_statistics_of_its_own() -> None:
    """Deeper levels are painted from what the one before has painted, in colours of another style by then."""
    both, seen = (style(), 1 - style()), []
    painter = transfer("wct", *both, shares=lambda number: [1.0, 0.0] if number < 2 else [0.0, 1.0])
    state = None
    for number in range(3):
        ours, state = painter.step(frame(), (), state, turn=Turn(0, number), seed=0, progress=ignore)
        seen.append(ours)
    alone, _ = paint(transfer("wct", *both, shares=lambda number: [0.0, 1.0]), frame())
    assert torch.equal(seen[0], seen[1])
    assert torch.equal(seen[2], alone)


def test_a_frame_is_fused_with_its_prior_where_that_can_be_trusted() -> None:
    painted, before = torch.full((3, HEIGHT, WIDTH), 0.2), torch.full((3, HEIGHT, WIDTH), 0.7)
    for trust in (torch.ones(HEIGHT, WIDTH), torch.zeros(HEIGHT, WIDTH)):
        found = fused(painted, [prior(before, trust)], 0.6)
        assert torch.allclose(found, 0.2 + 0.3 * trust.expand_as(found))
    assert fused(painted, (), 0.6) is painted


def test_grain_that_averages_out_is_put_back() -> None:
    one, other = (0.5 + 0.1 * torch.randn(3, 64, 64, generator=torch.Generator().manual_seed(n)) for n in (0, 1))
    plain = torch.lerp(one, other, 0.5)
    assert plain.std() < 0.75 * one.std()
    assert fused(one, [prior(other, 1.0)], 0.5).std() > 0.95 * one.std()
    large, small = (F.interpolate(x[None], scale_factor=4, mode="bilinear")[0] for x in (one, other))
    with_strokes, without = (fused(large, [prior(small, 1.0)], 0.5, strokes).std() for strokes in (True, False))
    assert without < 0.85 * large.std()
    assert with_strokes > 1.1 * without


@pytest.mark.parametrize("method", METHODS)
def test_a_noisy_still_scene_is_calmer_than_frame_by_frame(method: str) -> None:
    still = picture(3, 96, 144)  # a picture with fewer positions than channels has no covariance to hold
    stylizer, calm, plain = transfer(method, size=(144, 96)), [], []
    state: State | None = None
    for number in range(4):
        noise = torch.randn(still.shape, generator=torch.Generator().manual_seed(number))
        given = (still + 0.03 * noise).clamp(0, 1)
        priors = [prior(calm[-1], 1.0)] if calm else []
        painted, state = paint(stylizer, given, priors, state, number)
        calm.append(painted)
        plain.append(paint(stylizer, given)[0])
    changes = [sum((b - a).square().mean() for a, b in pairwise(c[1:])) for c in (calm, plain)]
    assert changes[0] < 0.7 * changes[1]


# ---- colours


def test_luminance_keeps_the_colours_and_carries_what_was_painted() -> None:
    ours, state = paint(transfer("adain", keep_colors="luminance"), frame())
    plain, _ = paint(transfer("adain"), frame())
    assert torch.allclose(luma(ours), luma(plain), atol=0.02)
    assert state is not None
    assert (state[CANVAS].permute(2, 0, 1) / 255 - plain).abs().max() < 1 / 255


def test_matched_styles_leave_the_mean_colour_nearer_to_the_frames() -> None:
    matched, _ = paint(transfer("adain", keep_colors="match"), frame())
    plain, _ = paint(transfer("adain"), frame())
    assert colour_distance(matched, frame()) < 0.5 * colour_distance(plain, frame())
