"""Speckles: where a frame is flat, always the same ones, of a known strength."""

from __future__ import annotations

import torch

from vidstyle.nets.speckle import PERIOD, STRENGTH, flatness, speckled, speckles


def test_only_flat_areas_are_speckled() -> None:
    frame = torch.full((2, 3, 64, 128), 0.4)
    frame[..., 64:] = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    added = speckled(frame) - frame
    assert (added[..., 80:] == 0).all()
    torch.testing.assert_close(
        added[0, :, :, :48], speckles(64, 128)[0, :, :, :48].expand(3, -1, -1), atol=1e-3, rtol=0
    )


def test_what_is_flat_as_a_whole_stays_so() -> None:
    black = torch.zeros(1, 3, 64, 64)
    assert torch.equal(speckled(black), black)
    faint, clear = black.clone(), black.clone()
    faint[..., 48:], clear[..., 48:] = 0.05, 0.8  # deviations of 0.02 and 0.35
    added = [(speckled(frame) - frame)[..., :24].std() for frame in (faint, clear)]
    assert abs(float(added[0] / added[1]) - 0.05 * 3**0.5 / 4 / 0.08) < 0.01


def test_texture_counts_little_by_little() -> None:
    levels = torch.tensor([0.0, 0.01, 0.03, 0.06]).view(4, 1, 1, 1)
    checked = 0.5 + levels * (torch.arange(40) % 2 * 2 - 1).view(1, 1, 1, 40)  # of these deviations
    flat = flatness(checked.expand(4, 3, 40, 40))
    assert flat.shape == (4, 1, 40, 40)
    torch.testing.assert_close(flat[:, 0, 20, 20], torch.tensor([1.0, 0.8, 0.4, 0.0]), atol=1e-3, rtol=0)


def test_speckles_are_the_same_in_any_frame_and_grey_on_the_average() -> None:
    small, large = speckles(64, 96), speckles(PERIOD + 88, 2 * PERIOD)
    assert torch.equal(small, large[..., :64, :96])
    assert torch.equal(large[..., PERIOD:, :], large[..., :88, :])
    tile = large[..., :PERIOD, :PERIOD]
    assert abs(float(tile.mean())) < 1e-6
    assert abs(float(tile.std()) - STRENGTH) < 1e-6
    seam = (large[..., PERIOD] - large[..., PERIOD - 1]).abs().mean()
    inside = (large[..., 100] - large[..., 99]).abs().mean()
    assert seam < 3 * inside  # no edge where they repeat


def test_no_speckle_is_made_for_gradients_alone() -> None:
    """What was made while painting may be used in training."""
    speckles.cache_clear()
    with torch.inference_mode():
        speckles(16, 16)
    frame = torch.rand(1, 3, 16, 16, requires_grad=True)
    speckled(frame).sum().backward()
    assert frame.grad is not None
