"""Paintings in the colours of the frame."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor

from tests.stylize.scene import frame, paint, picture, prior, style
from tests.stylize.scene import stylizer as make
from vidstyle.stylize.colors import grey, luma, match_colors, match_luma, with_luma


def colors(picture: Tensor) -> np.ndarray:
    return picture.reshape(3, -1).double().numpy()


def test_luma_by_hand() -> None:
    red = torch.tensor([1.0, 0.0, 0.5]).view(3, 1, 1)
    assert luma(red).item() == pytest.approx(0.299 + 0.057)
    assert grey(red).flatten().tolist() == pytest.approx([0.356] * 3)


def test_another_luma_keeps_the_chroma() -> None:
    soft = 0.4 + 0.2 * picture(1)  # no colour so strong that it would not fit
    wanted = 0.4 + 0.2 * luma(picture(2))
    result = with_luma(soft, wanted)
    torch.testing.assert_close(luma(result), wanted, rtol=0, atol=1e-6)
    torch.testing.assert_close(result - luma(result), soft - luma(soft), rtol=0, atol=1e-6)


def test_a_colour_too_strong_for_its_luma_gets_paler_and_the_luma_stays() -> None:
    strong, wanted = torch.rand(3, 20, 30, generator=torch.Generator().manual_seed(0)), torch.linspace(0, 1, 30)
    result = with_luma(strong, wanted.expand(1, 20, 30))
    assert result.min() >= 0 and result.max() <= 1
    torch.testing.assert_close(luma(result), wanted.expand(1, 20, 30), rtol=0, atol=1e-5)
    before, after = strong - luma(strong), result - luma(result)
    turned = torch.linalg.cross(before, after, dim=0).abs().max()
    assert turned < 1e-5  # the same direction of colour


def test_matched_colours_have_the_mean_and_covariance_of_the_frame() -> None:
    soft_frame, soft_style = 0.45 + 0.1 * frame(), 0.45 + 0.1 * picture(3)  # nothing is clipped
    matched = match_colors(soft_style[None], soft_frame[None])[0]
    np.testing.assert_allclose(colors(matched).mean(1), colors(soft_frame).mean(1), atol=1e-5)
    np.testing.assert_allclose(np.cov(colors(matched)), np.cov(colors(soft_frame)), atol=1e-6)
    ours, theirs = np.cov(colors(soft_style)), np.cov(colors(soft_frame))
    expected = scipy.linalg.sqrtm(theirs) @ np.linalg.inv(scipy.linalg.sqrtm(ours))
    centred = colors(soft_style) - colors(soft_style).mean(1, keepdims=True)
    np.testing.assert_allclose(expected @ centred, colors(matched) - colors(matched).mean(1, keepdims=True), atol=1e-4)


def test_a_style_of_one_colour_or_two_is_no_matter() -> None:
    for odd in (torch.full((1, 3, 9, 9), 0.3), style()[None]):
        matched = match_colors(odd, frame()[None])
        assert matched.isfinite().all()
        assert matched.min() >= 0 and matched.max() <= 1
        assert match_luma(odd, frame()[None]).isfinite().all()


def test_matched_luma_is_as_light_and_as_contrasted_as_the_frame() -> None:
    soft = 0.4 + 0.2 * frame()
    matched = match_luma(picture(3)[None], soft[None])
    assert matched.mean().item() == pytest.approx(luma(soft).mean().item(), abs=0.01)
    assert matched.std().item() == pytest.approx(luma(soft).std().item(), rel=0.1)
    assert torch.equal(matched[:, 0], matched[:, 2])


def tint(picture: Tensor) -> Tensor:
    """How far a picture is from grey, by pixel."""
    return picture - luma(picture)


def test_luminance_takes_every_colour_from_the_frame() -> None:
    soft = 0.3 + 0.4 * frame()
    painted = paint(make(keep_colors="luminance", first_iterations=12), soft)
    assert (luma(painted) - luma(soft)).abs().mean() > 0.01
    inside = (painted.amin(0) > 0.01) & (painted.amax(0) < 0.99)
    assert inside.float().mean() > 0.5
    torch.testing.assert_close(tint(painted)[:, inside], tint(soft)[:, inside], rtol=0, atol=1e-5)


def test_luminance_goes_on_from_what_was_painted() -> None:
    """The frame's colours come back from the output as stored: no step towards the style's, none back."""
    stylizer = make(keep_colors="luminance", first_iterations=15, iterations=1, optimizer="adam", learning_rate=1e-7)
    first = paint(make(keep_colors="luminance", first_iterations=15), frame())
    again = paint(stylizer, frame(), prior(first, 1.0))
    torch.testing.assert_close(again, first, rtol=0, atol=1e-5)


def test_matched_styles_lead_to_the_frames_colours() -> None:
    def off(painted: Tensor) -> float:
        return float(np.abs(colors(painted).mean(1) - colors(frame()).mean(1)).max())

    plain, matched = (paint(make(keep_colors=k, first_iterations=25), frame()) for k in ("none", "match"))
    assert off(matched) < 0.5 * off(plain)
