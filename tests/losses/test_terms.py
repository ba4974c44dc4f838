"""Every term of the loss against values worked by hand, plain loops in float64, and numerical gradients."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage
import torch
from torch import Tensor

from vidstyle import losses


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gram_by_loops(features: np.ndarray) -> np.ndarray:
    batch, channels, height, width = features.shape
    gram = np.zeros((batch, channels, channels))
    for n, i, j in np.ndindex(batch, channels, channels):
        for y, x in np.ndindex(height, width):
            gram[n, i, j] += features[n, i, y, x] * features[n, j, y, x]
    return gram / (channels * height * width)


def test_gram_matrix_by_hand() -> None:
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])  # two channels of 1×2 pixels
    expected = torch.tensor([[[5.0, 11.0], [11.0, 25.0]]]) / 4  # over C·H·W
    torch.testing.assert_close(losses.gram_matrix(features), expected)


def test_gram_matrix_agrees_with_loops_for_every_picture_of_a_batch() -> None:
    features = random(2, 3, 4, 5) - 0.5
    gram = losses.gram_matrix(features)
    assert gram.shape == (2, 3, 3)
    np.testing.assert_allclose(gram.numpy(), gram_by_loops(features.numpy()), rtol=1e-12)


def test_gram_matrix_does_not_care_where_things_are_or_how_they_lie_in_memory() -> None:
    features = random(1, 4, 6, 7)
    shuffled = features.flatten(2)[:, :, torch.randperm(42, generator=torch.Generator().manual_seed(1))]
    torch.testing.assert_close(losses.gram_matrix(shuffled.view(1, 4, 7, 6)), losses.gram_matrix(features))
    channels_last = features.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(losses.gram_matrix(channels_last), losses.gram_matrix(features))


def test_content_loss_by_hand() -> None:
    features = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    target = torch.tensor([[[[1.0, 0.0], [0.0, 4.0]]]])
    assert losses.content_loss(features, target).item() == pytest.approx((4 + 9) / 4)
    assert losses.content_loss(target, target).item() == 0


def test_style_loss_by_hand() -> None:
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])
    target = torch.tensor([[[1.25, 2.75], [2.75, 0.25]]])  # the Gram matrix itself but for one entry: 6.25
    assert losses.style_loss(features, target).item() == pytest.approx(36 / 4)
    assert losses.style_loss(features, losses.gram_matrix(features)).item() == 0


def test_style_loss_agrees_with_loops() -> None:
    features, other = random(1, 3, 4, 5), random(1, 3, 6, 2, seed=1)  # the style may have another size
    expected = ((gram_by_loops(features.numpy()) - gram_by_loops(other.numpy())) ** 2).mean()
    assert losses.style_loss(features, losses.gram_matrix(other)).item() == pytest.approx(expected, rel=1e-12)


def test_energy_makes_a_loss_of_nothing_at_all_one() -> None:
    target = random(1, 3, 4, 5)
    assert losses.energy(target).item() == pytest.approx((target.numpy() ** 2).mean(), rel=1e-12)
    nothing = torch.zeros_like(target)
    assert (losses.content_loss(nothing, target) / losses.energy(target)).item() == pytest.approx(1)


def test_energy_of_an_empty_target_can_be_divided_by() -> None:
    black = torch.zeros(1, 3, 2, 2)
    assert losses.energy(black).item() > 0
    assert (losses.content_loss(black, black) / losses.energy(black)).item() == 0


def test_temporal_loss_by_hand_in_units_of_0_to_255() -> None:
    stylized, prior = torch.zeros(1, 3, 1, 2), torch.zeros(1, 3, 1, 2)
    stylized[0, 0, 0, 0] = 10 / 255  # ten levels off, trusted by half
    stylized[0, 1, 0, 1] = 20 / 255  # twenty levels off, not trusted
    consistency = torch.tensor([[0.5, 0.0]])
    assert losses.temporal_loss(stylized, prior, consistency).item() == pytest.approx(0.5 * 100 / 6)
    assert losses.temporal_loss(stylized, prior, torch.ones(1, 2)).item() == pytest.approx(500 / 6)


def test_temporal_loss_is_a_mean_over_all_pixels_not_only_the_trusted() -> None:
    stylized, prior = random(1, 3, 4, 4), random(1, 3, 4, 4, seed=1)
    half = torch.zeros(4, 4, dtype=torch.float64)
    half[:2] = 1
    expected = 255**2 * ((stylized - prior).numpy()[:, :, :2] ** 2).sum() / (3 * 4 * 4)
    assert losses.temporal_loss(stylized, prior, half).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("frames", [1, 2])
def test_temporal_loss_takes_a_consistency_for_each_frame_or_one_for_all(frames: int) -> None:
    stylized, prior = random(frames, 3, 4, 5), random(frames, 3, 4, 5, seed=1)
    consistency = random(4, 5, seed=2)
    expected = 0.0
    for n, channel, y, x in np.ndindex(frames, 3, 4, 5):
        difference = 255 * (stylized[n, channel, y, x] - prior[n, channel, y, x]).item()
        expected += consistency[y, x].item() * difference**2
    expected /= frames * 3 * 4 * 5
    assert losses.temporal_loss(stylized, prior, consistency).item() == pytest.approx(expected, rel=1e-12)
    each = consistency.expand(frames, 1, 4, 5)
    assert losses.temporal_loss(stylized, prior, each).item() == pytest.approx(expected, rel=1e-12)


def test_temporal_loss_gives_each_frame_its_own_consistency() -> None:
    stylized, prior = torch.ones(2, 3, 2, 2), torch.zeros(2, 3, 2, 2)
    consistency = torch.stack([torch.ones(1, 2, 2), torch.zeros(1, 2, 2)])
    assert losses.temporal_loss(stylized, prior, consistency).item() == pytest.approx(255**2 / 2)


def test_pixels_that_cannot_be_trusted_get_no_gradient() -> None:
    stylized = random(1, 3, 4, 5).requires_grad_()
    consistency = torch.ones(4, 5, dtype=torch.float64)
    consistency[1:3, 2] = 0
    losses.temporal_loss(stylized, random(1, 3, 4, 5, seed=1), consistency).backward()
    assert stylized.grad is not None
    trusted = consistency.bool().expand(1, 3, 4, 5)
    assert (stylized.grad[~trusted] == 0).all()
    assert (stylized.grad[trusted] != 0).all()


def test_total_variation_by_hand_in_units_of_0_to_255() -> None:
    frame = torch.zeros(1, 1, 2, 3)
    frame[0, 0, 0, 1] = 2 / 255  # neighbours left, right and below, none above
    assert losses.total_variation(frame).item() == pytest.approx(0.5 * 3 * 4 / 6)


def test_total_variation_agrees_with_loops() -> None:
    frame = random(2, 3, 4, 5)
    pixels, total = 255 * frame.numpy(), 0.0
    for n, channel, y, x in np.ndindex(2, 3, 4, 5):
        if x + 1 < 5:
            total += 0.5 * (pixels[n, channel, y, x + 1] - pixels[n, channel, y, x]) ** 2
        if y + 1 < 4:
            total += 0.5 * (pixels[n, channel, y + 1, x] - pixels[n, channel, y, x]) ** 2
    assert losses.total_variation(frame).item() == pytest.approx(total / (4 * 5), rel=1e-12)


def test_total_variation_of_a_flat_frame_is_zero_and_of_a_repeated_one_the_same_per_pixel() -> None:
    assert losses.total_variation(torch.full((1, 3, 8, 8), 0.3)).item() == 0
    columns = torch.arange(64) % 2
    small, large = columns[:32].expand(1, 3, 32, 32).float(), columns.expand(1, 3, 64, 64).float()
    ratio = losses.total_variation(large).item() / losses.total_variation(small).item()
    assert ratio == pytest.approx((63 / 64) / (31 / 32))


def test_gram_matrix_counts_positions_by_a_mask() -> None:
    features, mask = random(1, 3, 4, 5), random(4, 5, seed=2)
    x, share = features[0].flatten(1).numpy(), mask.flatten().numpy()
    expected = (x * share) @ x.T / (3 * share.sum())
    np.testing.assert_allclose(losses.gram_matrix(features, mask)[0].numpy(), expected, rtol=1e-12)
    torch.testing.assert_close(losses.gram_matrix(features, torch.ones(4, 5)), losses.gram_matrix(features))


def test_laplacian_by_hand() -> None:
    frames = torch.zeros(1, 1, 3, 4)
    frames[0, 0, 1, 1] = 1  # too small to be pooled: a pixel, and its neighbour to the right
    torch.testing.assert_close(losses.laplacian(frames)[0, 0], torch.tensor([[-4.0, 1.0]]))


def test_laplacian_is_of_means_of_4_by_4_pixels() -> None:
    frame = random(1, 3, 16, 20)
    blocks = frame.numpy().reshape(1, 3, 4, 4, 5, 4).mean((3, 5))
    expected = scipy.ndimage.laplace(blocks, axes=(2, 3))[..., 1:-1, 1:-1]
    np.testing.assert_allclose(losses.laplacian(frame).numpy(), expected, rtol=1e-9, atol=1e-12)


def test_weighted_sum_by_hand() -> None:
    terms = {"a": torch.tensor(2.0), "b": torch.tensor(3.0)}
    assert losses.weighted_sum(terms, {"a": 10.0, "b": 0.5, "of nothing here": 7.0}).item() == pytest.approx(21.5)


def test_weighted_sum_misses_a_weight_loudly() -> None:
    with pytest.raises(KeyError, match="b"):
        losses.weighted_sum({"a": torch.tensor(2.0), "b": torch.tensor(3.0)}, {"a": 1.0})


def test_gradients_are_those_of_the_values() -> None:
    x, target = random(1, 3, 4, 5).requires_grad_(), random(1, 3, 4, 5, seed=1)
    gram, consistency = losses.gram_matrix(target), random(4, 5, seed=2)

    def total(x: Tensor) -> Tensor:
        terms = {
            "content": losses.content_loss(x, target) / losses.energy(target),
            "style": losses.style_loss(x, gram) / losses.energy(gram),
            "temporal": losses.temporal_loss(x, target, consistency),
            "tv": losses.total_variation(x),
        }
        return losses.weighted_sum(terms, {"content": 5.0, "style": 100.0, "temporal": 1e-3, "tv": 1e-3})

    for function in (
        losses.gram_matrix,
        lambda x: losses.content_loss(x, target),
        lambda x: losses.style_loss(x, gram),
        losses.energy,
        lambda x: losses.temporal_loss(x, target, consistency),
        losses.total_variation,
        losses.laplacian,
        total,
    ):
        assert torch.autograd.gradcheck(function, (x,))


def test_a_far_prior_counts_only_where_nearer_ones_do_not() -> None:
    near = torch.tensor([[1.0, 0.0, 0.3]])
    middle = torch.tensor([[1.0, 0.6, 0.9]])
    far = torch.tensor([[1.0, 0.9, 1.0]])
    left = losses.long_term_consistency([near, middle, far])
    expected = [[[1.0, 0.0, 0.3]], [[0.0, 0.6, 0.6]], [[0.0, 0.3, 0.0]]]
    for ours, wanted in zip(left, expected, strict=True):
        torch.testing.assert_close(ours, torch.tensor(wanted))
    assert losses.long_term_consistency([]) == []
