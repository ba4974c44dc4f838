"""Every way to compare styles against another way to work it out, and numerical gradients."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor

from vidstyle import config
from vidstyle.losses import STYLE_LOSSES, Statistics
from vidstyle.losses import style as module


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


#: Features of a painting and of a style: channels of different size, correlated.
FEATURES = random(1, 4, 5, 6) * torch.tensor([1.0, 2.0, 3.0, 0.5]).view(1, 4, 1, 1)
STYLE = (random(1, 4, 7, 6, seed=1) + random(1, 1, 7, 6, seed=2)) * torch.tensor([2.0, 1.0, 1.0, 1.0]).view(1, 4, 1, 1)
MASK = random(5, 6, seed=3)


def distance(name: str, features: Tensor = FEATURES, mask: Tensor | None = None) -> float:
    loss = STYLE_LOSSES[name]
    return loss.distance(features, loss.target(STYLE), mask).item()


def flat(features: Tensor) -> np.ndarray:
    """``(M, C)``, a row for each position."""
    return features[0].flatten(1).T.numpy()


def weights(features: Tensor, mask: Tensor | None) -> np.ndarray:
    share = np.ones(features.shape[2] * features.shape[3]) if mask is None else mask.flatten().numpy()
    return share / share.sum()


def moment(features: Tensor, mask: Tensor | None = None) -> np.ndarray:
    """Σ share · x xᵀ, not divided by the number of channels."""
    return np.einsum("m,mi,mj->ij", weights(features, mask), flat(features), flat(features))


def relative(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(((ours - theirs) ** 2).sum() / (theirs**2).sum())


# ---- what holds for all


def test_the_names_of_the_settings_are_those_that_there_are() -> None:
    assert tuple(STYLE_LOSSES) == config.STYLE_LOSSES


@pytest.mark.parametrize("name", STYLE_LOSSES)
def test_a_style_is_at_no_distance_from_itself_and_nothing_at_one(name: str) -> None:
    assert distance(name, STYLE) == pytest.approx(0, abs=1e-6)
    # Standard deviations and quantiles are rounded a little; of patches, one and not their mean is compared with.
    assert distance(name, torch.zeros_like(STYLE)) == pytest.approx(1, rel=0.5 if name == "mrf" else 0.02)
    assert 0.001 < distance(name) < 2


@pytest.mark.parametrize("name", STYLE_LOSSES)
@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "masked"])
def test_gradients_are_those_of_the_values(name: str, mask: Tensor | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAVES", 16)  # fewer are quicker
    loss = STYLE_LOSSES[name]
    target = loss.target(STYLE)
    assert torch.autograd.gradcheck(lambda x: loss(x, target, mask), (FEATURES.clone().requires_grad_(),))


@pytest.mark.parametrize("name", STYLE_LOSSES)
def test_a_mask_of_ones_is_no_mask(name: str) -> None:
    assert distance(name, mask=torch.ones(5, 6)) == pytest.approx(distance(name), rel=1e-5)
    assert distance(name, mask=MASK) != pytest.approx(distance(name), rel=1e-4)


@pytest.mark.parametrize("name", STYLE_LOSSES)
def test_what_a_mask_leaves_out_is_not_pulled_anywhere(name: str) -> None:
    mask = torch.ones(12, 12)
    mask[:, 6:] = 0
    x = random(1, 4, 12, 12, seed=4).requires_grad_()
    loss = STYLE_LOSSES[name]
    loss(x, loss.target(STYLE), mask).backward()
    assert x.grad is not None
    pull = x.grad.abs().sum((0, 1, 2))
    assert pull[:5].min() > 0
    assert pull[8:].max() < 1e-3 * pull[:5].min()  # a patch reaches one position, and divides by a hair


@pytest.mark.parametrize("name", STYLE_LOSSES)
def test_any_scale_of_the_encoder_gives_the_same(name: str) -> None:
    loss = STYLE_LOSSES[name]
    scaled = loss(100 * FEATURES, loss.target(100 * STYLE)).item()
    assert scaled == pytest.approx(loss(FEATURES, loss.target(STYLE)).item(), rel=1e-4)


@pytest.mark.parametrize("name", STYLE_LOSSES)
@pytest.mark.parametrize("shape", [(1, 8, 1, 1), (1, 8, 2, 3), (1, 8, 1, 9)])
def test_levels_may_be_tiny_and_channels_silent(name: str, shape: tuple[int, ...]) -> None:
    x, style = random(*shape).float(), random(1, 8, 3, 2, seed=1).float()
    x[:, :3], style[:, 2:4] = 0, 0
    loss = STYLE_LOSSES[name]
    x.requires_grad_()
    value = loss(x, loss.target(style))
    value.backward()
    assert value.isfinite() and x.grad is not None and x.grad.isfinite().all()


@pytest.mark.parametrize("name", [name for name, loss in STYLE_LOSSES.items() if loss.linear])
def test_statistics_that_blend_are_tensors_of_one_shape_for_every_size_of_style(name: str) -> None:
    small, large = STYLE_LOSSES[name].target(STYLE), STYLE_LOSSES[name].target(random(1, 4, 20, 3))
    assert [part.shape for part in small] == [part.shape for part in large]


# ---- each by another formula


@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "masked"])
def test_gram_and_the_mean_subtracted_one(mask: Tensor | None) -> None:
    assert distance("gram", mask=mask) == pytest.approx(relative(moment(FEATURES, mask), moment(STYLE)))
    ours = np.cov(flat(FEATURES), rowvar=False, aweights=weights(FEATURES, mask), ddof=0)
    theirs = np.cov(flat(STYLE), rowvar=False, ddof=0)
    assert distance("centered-gram", mask=mask) == pytest.approx(relative(ours, theirs))


def test_mean_and_standard_deviation() -> None:
    ours, theirs = flat(FEATURES), flat(STYLE)
    means, stds = relative(ours.mean(0), theirs.mean(0)), relative(ours.std(0), theirs.std(0))
    assert distance("mean-std") == pytest.approx((means + stds) / 2, rel=1e-4)
    assert distance("mmd-linear") == pytest.approx(means)


def kernel_discrepancy(ours: np.ndarray, theirs: np.ndarray, kernel: object) -> float:
    """Mean of k(x, x') + k(y, y') − 2 k(x, y) over all pairs: what the discrepancy is by its definition."""
    pairs = ((ours, ours, 1), (theirs, theirs, 1), (ours, theirs, -2))
    return sum(sign * np.mean([[kernel(x, y) for y in b] for x in a]) for a, b, sign in pairs)  # type: ignore[operator]


def test_the_polynomial_discrepancy_is_that_of_its_kernel() -> None:
    ours, theirs = flat(FEATURES), flat(STYLE)
    unit = (theirs**2).sum(1).mean()

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / unit + 1) ** 2)

    expected = kernel_discrepancy(ours, theirs, kernel) / kernel_discrepancy(np.zeros((1, 4)), theirs, kernel)
    assert distance("mmd-polynomial") == pytest.approx(expected)


def test_the_gaussian_discrepancy_is_nearly_that_of_its_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAVES", 100_000)
    ours, theirs = flat(FEATURES), flat(STYLE)
    doubled = np.mean([((x - y) ** 2).sum() for x in theirs for y in theirs])  # 2σ²

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return float(np.exp(-((x - y) ** 2).sum() / doubled))

    expected = kernel_discrepancy(ours, theirs, kernel) / kernel_discrepancy(np.zeros((1, 4)), theirs, kernel)
    assert distance("mmd-gaussian") == pytest.approx(expected, rel=0.02)


def test_waves_are_the_same_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    x = FEATURES.clone().requires_grad_()
    loss = STYLE_LOSSES["mmd-gaussian"]
    whole, whole_pull = loss(x, loss.target(STYLE)), None
    (whole_pull,) = torch.autograd.grad(whole, x)
    monkeypatch.setattr(module, "CHUNK", 7)
    chunked = loss(x, loss.target(STYLE))
    torch.testing.assert_close(chunked, whole)
    torch.testing.assert_close(torch.autograd.grad(chunked, x)[0], whole_pull)


@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "masked"])
def test_shifted_gram_agrees_with_loops(mask: Tensor | None) -> None:
    def products(features: Tensor, mask: Tensor | None, dy: int, dx: int) -> np.ndarray:
        x = features[0].numpy()
        height, width = x.shape[1:]
        found, mass = np.zeros((4, 4)), 0.0
        for row, column in itertools.product(range(height - dy), range(width - dx)):
            share = 1.0 if mask is None else (mask[row, column] * mask[row + dy, column + dx]).item()
            found += share * np.outer(x[:, row, column], x[:, row + dy, column + dx])
            mass += share
        return found / mass

    parts = [relative(moment(FEATURES, mask), moment(STYLE))]
    for _ in module.SHIFTS:  # both are longer than half a side: of 5×6 and of 7×6 positions
        parts.append(relative(products(FEATURES, mask, 0, 3), products(STYLE, None, 0, 3)))
        parts.append(relative(products(FEATURES, mask, 2, 0), products(STYLE, None, 3, 0)))
    assert distance("shifted-gram", mask=mask) == pytest.approx(np.mean(parts))


def test_shifts_are_positions_where_there_is_room() -> None:
    stripes = torch.zeros(1, 1, 40, 40, dtype=torch.float64)
    stripes[..., ::8] = 1  # four to the right of a stripe is none, sixteen to the right is another
    gram, right4, below4, right16, below16 = (part.item() for part in module.shifted_gram(stripes, None))
    assert (right4, below4) == (0, pytest.approx(gram))
    assert right16 == pytest.approx(3 / 24)
    assert below16 == pytest.approx(gram)


def test_histograms_are_compared_rank_by_rank() -> None:
    style = random(1, 4, 6, 5, seed=5)  # as many positions as the painting
    ours, theirs = np.sort(flat(FEATURES), 0), np.sort(flat(style), 0)
    loss = STYLE_LOSSES["histogram"]
    histograms = ((ours - theirs) ** 2).sum() / (theirs**2).sum()
    expected = (histograms + relative(moment(FEATURES), moment(style))) / 2
    assert loss.distance(FEATURES, loss.target(style), None).item() == pytest.approx(expected, rel=0.01)


def test_a_histogram_counts_positions_by_their_mask() -> None:
    """A mask of whole numbers is the same as repeating positions."""
    mask = torch.tensor([[1.0, 2.0, 0.0, 3.0]])
    x = random(1, 4, 1, 4)
    repeated = x[..., [0, 1, 1, 3, 3, 3]]
    loss = STYLE_LOSSES["histogram"]
    target = loss.target(STYLE)
    # Equal values share one rank, the mean of those they would have: nearly the same.
    assert loss.distance(x, target, mask).item() == pytest.approx(loss.distance(repeated, target, None).item(), rel=0.1)


def patches_by_loops(features: Tensor) -> np.ndarray:
    x = features[0].numpy()
    height, width = x.shape[1:]
    rows, columns = range(height - 2), range(width - 2)
    return np.array([x[:, r : r + 3, c : c + 3].ravel() for r in rows for c in columns])


def test_patches_are_compared_with_the_most_similar_ones() -> None:
    ours, theirs = patches_by_loops(FEATURES), patches_by_loops(STYLE)
    similar = (ours @ theirs.T) / np.linalg.norm(theirs, axis=1) / np.linalg.norm(ours, axis=1)[:, None]
    expected = ((ours - theirs[similar.argmax(1)]) ** 2).mean() / (theirs**2).mean()
    assert distance("mrf") == pytest.approx(expected)


def test_the_most_similar_patch_is_found_among_many_and_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = distance("mrf")
    monkeypatch.setattr(module, "AT_ONCE", 3)
    assert distance("mrf") == pytest.approx(whole)
    monkeypatch.setattr(module, "STYLE_PATCHES", 6)
    (patches,) = STYLE_LOSSES["mrf"].target(STYLE)
    assert len(patches) <= 6
    monkeypatch.setattr(module, "PATCHES", 4)
    assert 0 < distance("mrf") < 1


def test_every_position_is_in_some_patch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATCHES", 1)
    x = random(1, 4, 12, 12).requires_grad_()
    loss = STYLE_LOSSES["mrf"]
    loss(x, loss.target(STYLE)).backward()
    assert x.grad is not None and (x.grad.abs().sum(1) > 0).all()


@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "masked"])
def test_wasserstein_agrees_with_matrix_square_roots(mask: Tensor | None) -> None:
    share = weights(FEATURES, mask)
    mean, other_mean = share @ flat(FEATURES), flat(STYLE).mean(0)
    covariance = np.cov(flat(FEATURES), rowvar=False, aweights=share, ddof=0)
    other = np.cov(flat(STYLE), rowvar=False, ddof=0)
    root = scipy.linalg.sqrtm(other)
    between = scipy.linalg.sqrtm(root @ covariance @ root)
    squared = ((mean - other_mean) ** 2).sum() + np.trace(covariance + other - 2 * between)
    expected = squared / ((other_mean**2).sum() + np.trace(other))
    assert distance("wasserstein", mask=mask) == pytest.approx(float(np.real(expected)))


@pytest.mark.parametrize("shape", [(7, 4), (4, 7)])
def test_the_nuclear_norm_is_the_sum_of_singular_values(shape: tuple[int, int]) -> None:
    matrix = random(*shape).requires_grad_()
    value = module._NuclearNorm.apply(matrix)
    assert value.item() == pytest.approx(np.linalg.svd(matrix.detach().numpy(), compute_uv=False).sum())
    assert torch.autograd.gradcheck(module._NuclearNorm.apply, (matrix,))


def test_the_gradient_of_wasserstein_is_bounded_where_features_have_no_spread() -> None:
    x = torch.ones(1, 4, 5, 6, dtype=torch.float64)
    x[:, 2:] = random(1, 2, 5, 6)
    x.requires_grad_()
    loss = STYLE_LOSSES["wasserstein"]
    loss(x, loss.target(STYLE)).backward()
    assert x.grad is not None and x.grad.abs().max() < 10


def test_blended_statistics_are_those_of_what_is_between() -> None:
    def halfway(one: Statistics, other: Statistics) -> Statistics:
        return tuple((a + b) / 2 for a, b in zip(one, other, strict=True))

    loss = STYLE_LOSSES["mean-std"]
    flat_style, other = torch.full_like(STYLE, 2.0), torch.full_like(STYLE, 4.0)
    target = halfway(loss.target(flat_style), loss.target(other))
    assert loss.distance(torch.full_like(STYLE, 3.0), target, None).item() == pytest.approx(0, abs=1e-9)
