"""backward_warp: which way it goes, how exactly, and that its two implementations are one function."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.flow.scenes import moving_square, positions, texture, translation
from vidstyle.flow import backward_warp
from vidstyle.flow.warp import Interpolation, _warp_cv2, _warp_torch

BOTH = pytest.mark.parametrize("warp", [_warp_cv2, _warp_torch])


def exact_warp(image: Tensor, flow: Tensor) -> Tensor:
    """Bilinear sampling written out in float64, edges repeated."""
    image, flow = image.double(), flow.double()
    height, width = image.shape[-2:]
    x, y = (p.double() for p in positions(height, width))
    x, y = (x + flow[0]).clamp(0, width - 1), (y + flow[1]).clamp(0, height - 1)
    x0, y0 = x.floor().long(), y.floor().long()
    x1, y1 = (x0 + 1).clamp(max=width - 1), (y0 + 1).clamp(max=height - 1)
    a, b = x - x0, y - y0
    top = (1 - a) * image[:, y0, x0] + a * image[:, y0, x1]
    bottom = (1 - a) * image[:, y1, x0] + a * image[:, y1, x1]
    return (1 - b) * top + b * bottom


def random_case(height: int = 40, width: int = 56, channels: int = 3) -> tuple[Tensor, Tensor]:
    """An image of noise, and flow on the grid of 1/32 pixel that reaches beyond every border."""
    draw = torch.Generator().manual_seed(7)
    image = torch.rand(channels, height, width, generator=draw)
    flow = torch.randn(2, height, width, generator=draw) * 12
    return image, (flow * 32).round() / 32


@BOTH
def test_one_pixel_by_hand(warp) -> None:
    image = torch.tensor([[[[0.0, 1.0, 2.0], [10.0, 11.0, 12.0]]]])
    flow = torch.zeros(1, 2, 2, 3)
    flow[0, :, 0, 0] = torch.tensor([1.25, 0.5])  # dx, dy
    assert warp(image, flow)[0, 0, 0, 0].item() == pytest.approx(1.25 + 5, abs=1e-5)
    assert torch.allclose(warp(image, flow)[0, 0, 1], image[0, 0, 1], atol=1e-6)


@BOTH
def test_whole_pixels_are_copied_and_edges_repeated(warp) -> None:
    image, _ = random_case()
    flow = torch.zeros(1, 2, 40, 56)
    flow[:, 0], flow[:, 1] = 3, -2
    expected = image[:, (torch.arange(40) - 2).clamp(min=0)][:, :, (torch.arange(56) + 3).clamp(max=55)]
    assert torch.allclose(warp(image[None], flow)[0], expected, atol=2e-5)


@BOTH
def test_exact_on_the_grid_of_stored_flow(warp) -> None:
    image, flow = random_case()
    assert torch.allclose(warp(image[None], flow[None])[0].double(), exact_warp(image, flow), atol=3e-5)


def test_opencv_is_exact_to_rounding_on_the_grid_of_stored_flow() -> None:
    image, flow = random_case()
    assert torch.allclose(_warp_cv2(image[None], flow[None])[0].double(), exact_warp(image, flow), atol=1e-6)


def test_both_paths_agree_on_wide_frames() -> None:
    image, flow = random_case(24, 1920)
    difference = (_warp_cv2(image[None], flow[None]) - _warp_torch(image[None], flow[None])).abs().max()
    assert difference < 1e-7 * 1920


def test_both_paths_agree_in_sharp_interpolation() -> None:
    image, flow = random_case(24, 640)
    outcomes = [warp(image[None], flow[None], "sharp") for warp in (_warp_cv2, _warp_torch)]
    assert (outcomes[0] - outcomes[1]).abs().max() < 3e-7 * 640
    assert outcomes[0].max() == 1  # clamped: it goes beyond the image's values
    with_gradient = backward_warp(image.requires_grad_(), flow, "sharp").detach()
    assert (with_gradient - backward_warp(image.detach(), flow, "sharp")).abs().max() < 3e-7 * 640


@pytest.mark.parametrize("period", [5, 8, 16, 32])
def test_sharp_interpolation_keeps_strokes_that_are_warped_again_and_again(period: int) -> None:
    """Half a pixel to and fro: of waves of these lengths it takes away much less than bilinear, and adds nothing."""
    wave = (0.5 + 0.2 * torch.sin(2 * torch.pi / period * (torch.arange(96) + 0.3))).expand(1, 96, 96)
    there = torch.stack([torch.full((96, 96), 0.5), torch.zeros(96, 96)])

    def left(interpolation: Interpolation) -> float:
        warped = wave
        for _ in range(5):
            warped = backward_warp(backward_warp(warped, there, interpolation), -there, interpolation)
        inner = slice(None), slice(None), slice(16, 80)
        return float(warped[inner].std() / wave[inner].std())

    assert left("bilinear") < 1 - 10 / period**2
    assert 1 - (1 - left("bilinear")) / 2 < left("sharp") <= 1.0001


@pytest.mark.parametrize("dx, dy", [(3, -2), (2.25, 1.5), (-0.5, 4.75)])
def test_warping_the_previous_frame_gives_the_current(dx: float, dy: float) -> None:
    previous, current, backward_flow = translation(48, 64, dx, dy)
    warped = backward_warp(previous, backward_flow)
    inner = (slice(None), slice(6, -6), slice(6, -6))
    assert torch.allclose(warped[inner], current[inner], atol=0.02)  # what linear interpolation loses
    assert (backward_warp(previous, -backward_flow)[inner] - current[inner]).abs().max() > 0.1


def test_a_moving_square_is_put_where_it_went() -> None:
    previous, current, backward_flow, _, disoccluded = moving_square()
    warped = backward_warp(previous, backward_flow)
    assert torch.equal(warped[:, ~disoccluded], current[:, ~disoccluded])
    assert not torch.allclose(warped[:, disoccluded], current[:, disoccluded], atol=0.05)


def test_zoom() -> None:
    x, y = positions(48, 64)
    flow = torch.stack((0.1 * (x - 32), 0.1 * (y - 24)))
    warped = backward_warp(texture(x, y), flow)
    expected = texture(x + flow[0], y + flow[1])
    assert (warped - expected)[:, 4:-4, 4:-4].abs().max() < 0.03


def test_batches_views_and_many_channels() -> None:
    image, flow = random_case(channels=7)
    single = backward_warp(image, flow)
    assert single.shape == image.shape and single.dtype == torch.float32
    views = (
        image.permute(1, 2, 0).contiguous().permute(2, 0, 1),
        flow.permute(2, 1, 0).contiguous().permute(2, 1, 0),
    )
    assert torch.equal(backward_warp(*views), single)
    assert torch.equal(backward_warp(*views, "sharp"), backward_warp(image, flow, "sharp"))
    assert torch.equal(backward_warp(views[0][:3], flow, "sharp"), backward_warp(image[:3], flow, "sharp"))
    batch = backward_warp(torch.stack((image, 1 - image)), torch.stack((flow, flow)))
    assert torch.equal(batch[0], single) and torch.allclose(batch[1], 1 - single, atol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (5, 1), (2, 2)])
def test_tiny_images(size: tuple[int, int]) -> None:
    image = torch.rand(1, 1, *size)
    for warp in (_warp_cv2, _warp_torch):
        assert torch.allclose(warp(image, torch.zeros(1, 2, *size)), image, atol=1e-6)


def test_gradients_to_image_and_flow() -> None:
    draw = torch.Generator().manual_seed(1)
    image = torch.rand(1, 2, 5, 6, generator=draw, dtype=torch.float64, requires_grad=True)
    # Inside the frame and off the whole pixels, where bilinear sampling has no derivative.
    x, y = positions(5, 6)
    to = torch.stack((x.clamp(0, 4), y.clamp(0, 3))) + 0.2 + 0.6 * torch.rand(2, 5, 6, generator=draw)
    flow = (to - torch.stack((x, y)))[None].double().requires_grad_()
    assert torch.autograd.gradcheck(backward_warp, (image, flow))


def test_gradient_path_is_taken_only_when_asked_for() -> None:
    image, flow = random_case()
    image.requires_grad_()
    with torch.no_grad():
        assert torch.equal(backward_warp(image, flow), _warp_cv2(image[None], flow[None])[0])
    warped = backward_warp(image, flow)
    assert warped.requires_grad
    warped.sum().backward()
    assert image.grad is not None and image.grad.sum().item() == pytest.approx(image.numel(), rel=1e-4)


def test_half_precision_keeps_exact_positions() -> None:
    image = torch.rand(1, 4, 1500).half()
    flow = torch.zeros(2, 4, 1500)
    flow[0] = 1
    assert torch.allclose(backward_warp(image, flow)[:, :, :-1], image[:, :, 1:], atol=1e-3)


@pytest.mark.parametrize(
    "image, flow",
    [((3, 4, 5), (2, 4, 6)), ((3, 4, 5), (3, 4, 5)), ((2, 3, 4, 5), (2, 4, 5)), ((4, 5), (2, 4, 5))],
)
def test_shapes_that_do_not_fit(image: tuple[int, ...], flow: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        backward_warp(torch.zeros(image), torch.zeros(flow))


def test_whole_number_images_are_refused() -> None:
    with pytest.raises(ValueError, match="floating point"):
        backward_warp(torch.zeros(3, 4, 5, dtype=torch.uint8), torch.zeros(2, 4, 5))
