"""Photorealistic smoothing: edges of the frame stay, paint that does not follow them goes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.stylize.scene import picture
from vidstyle.config import PhotoSettings, WctSettings
from vidstyle.stylize import smoothing
from vidstyle.stylize.smoothing import (
    MATTING_EPSILON,
    NEIGHBOURS,
    affinities,
    closed_form,
    finish_of,
    guided,
    solved,
    system,
)


def step_edge() -> Tensor:
    """A frame of two flat halves with a little noise."""
    frame = torch.full((3, 40, 60), 0.2)
    frame[:, :, 30:] = 0.8
    return frame + 0.01 * torch.rand(frame.shape, generator=torch.Generator().manual_seed(0))


def by_hand(frame: np.ndarray) -> np.ndarray:
    """W, dense, as the paper writes it."""
    height, width = frame.shape[1:]
    found = np.zeros((height * width, height * width))
    for y, x in itertools.product(range(height - 2), range(width - 2)):
        inside = [(y + v) * width + x + u for v in range(3) for u in range(3)]
        colours = frame.reshape(3, -1)[:, inside]
        apart = colours - colours.mean(1, keepdims=True)
        inverse = np.linalg.inv(apart @ apart.T / 9 + MATTING_EPSILON / 9 * np.eye(3))
        found[np.ix_(inside, inside)] += (1 + apart.T @ inverse @ apart) / 9
    return found


def test_the_system_is_the_papers() -> None:
    frame = np.random.default_rng(0).random((3, 6, 7))
    dense = by_hand(frame)
    matrix, degree = system(frame, 0.9)
    assert np.allclose(degree.ravel(), dense.sum(1))
    norm = np.diag(dense.sum(1) ** -0.5)
    assert np.allclose(matrix.toarray(), np.eye(42) - 0.9 * norm @ dense @ norm, atol=1e-5)
    assert np.allclose(affinities(frame)[NEIGHBOURS.index((0, 0))].ravel(), np.diag(dense))


def test_the_system_of_a_frame_in_bands_is_that_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = np.random.default_rng(0).random((3, 19, 7))
    whole, degree = system(frame, 0.9)
    for band in (1, 4, 17):
        monkeypatch.setattr(smoothing, "BAND", band)
        parts, other = system(frame, 0.9)
        np.testing.assert_allclose(parts.toarray(), whole.toarray(), atol=1e-6)
        np.testing.assert_allclose(other, degree, rtol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (2, 30), (30, 4), (3, 5)])
def test_frames_too_narrow_for_windows_are_smoothed_too(size: tuple[int, int]) -> None:
    frame, painted = torch.rand(3, *size), torch.full((3, *size), 0.3)
    assert (closed_form(frame, painted, 0.999) - painted).abs().max() < 5e-3


def test_a_solve_that_does_not_settle_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    frame, painted, said = step_edge(), picture(1, 40, 60), list[str]()
    finish = finish_of(PhotoSettings(smoothing="closed-form"), said.append)
    assert finish is not None
    finish(frame, painted)
    assert said == []
    monkeypatch.setattr(smoothing, "MOST_ITERATIONS", 1)
    assert torch.isfinite(finish(frame, painted)).all()
    assert said == [smoothing.UNSETTLED]


def test_the_closed_form_solves_it() -> None:
    frame, painted = picture(1, 20, 24), picture(2, 20, 24)
    found = closed_form(frame, painted, 0.9)
    dense = by_hand(frame.double().numpy())
    walk = dense / dense.sum(1, keepdims=True)
    exact = np.linalg.solve(np.eye(480) - 0.9 * walk, 0.1 * painted.numpy().reshape(3, -1).T)
    assert np.abs(found.numpy().reshape(3, -1).T - exact).max() < 0.01


@pytest.mark.parametrize("smooth", [guided, lambda frame, painted: closed_form(frame, painted, 0.999)])
def test_paint_that_follows_no_edge_goes_and_the_edges_of_the_frame_stay(smooth) -> None:  # type: ignore[no-untyped-def]
    frame = step_edge()
    clean = torch.where(frame[:1] > 0.5, 0.3, 0.9).expand(3, -1, -1)
    noise = 0.2 * torch.randn(frame.shape, generator=torch.Generator().manual_seed(1))
    found = smooth(frame, clean + noise)
    assert (found - clean).square().mean() < 0.1 * noise.square().mean()
    assert (found[:, :, 29] - found[:, :, 30]).mean() > 0.5


@pytest.mark.parametrize("smooth", [guided, lambda frame, painted: closed_form(frame, painted, 0.99)])
def test_a_flat_painting_stays_flat_to_the_border(smooth) -> None:  # type: ignore[no-untyped-def]
    painted = torch.full((3, 32, 48), 0.7)
    assert (smooth(picture(0), painted) - 0.7).abs().max() < 5e-3


def test_small_systems_are_solved_at_every_pixel() -> None:
    root = torch.randn(3, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    full = torch.einsum("ikhw,jkhw->ijhw", root, root)
    rows, columns = torch.triu_indices(3, 3)
    right = torch.randn(2, 3, 2, 2, generator=torch.Generator().manual_seed(1))
    found = solved(full[rows, columns], 0.1, right)
    inverse = torch.linalg.inv(full.permute(2, 3, 0, 1) + 0.1 * torch.eye(3))
    assert torch.allclose(found, torch.einsum("hwij,cjhw->cihw", inverse, right), atol=1e-3, rtol=1e-3)


def test_what_comes_last() -> None:
    assert finish_of(PhotoSettings()) is guided
    assert finish_of(PhotoSettings(smoothing="none")) is None
    assert finish_of(WctSettings()) is None
