"""The style term of large pictures, of which only sums over tiles are kept, is that of the picture as a whole."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vidstyle.config import OptimizeSettings, StyleSettings
from vidstyle.nets.calibration import dead_leaves
from vidstyle.nets.encoder import Encoder, find_weights, load_encoder
from vidstyle.nets.tiled import TiledEncoder
from vidstyle.stylize.optimize import OptimizeStylizer

SIZE = (100, 116)  # height, width
TILE = 64 * 64


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder("compact", find_weights("compact"), torch.device("cpu"))


def halves() -> list[Tensor]:
    """Two areas that fill the frame, with a soft border between them, not where tiles meet."""
    ramp = ((torch.arange(SIZE[1]) - 60) / 20).clamp(0, 1).expand(SIZE)
    return [ramp, 1 - ramp]


def stylizer(encoder: Encoder, areas: bool, **changes: object) -> OptimizeStylizer:
    settings = OptimizeSettings(styles=(StyleSettings(), StyleSettings()), **changes)  # type: ignore[arg-type]
    styles = [dead_leaves(1, 96, seed)[0] for seed in (1, 2)]
    shares = (lambda number: halves()) if areas else None
    return OptimizeStylizer(settings, encoder, styles, SIZE[::-1], shares)


def loss_and_gradient(painter: OptimizeStylizer, frame: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    targets = painter.targets(frame)
    x = dead_leaves(1, 144, 9)[..., : SIZE[0], : SIZE[1]].clone().requires_grad_()
    terms = painter.terms(x, targets, ())
    sum(painter.weights()[name] * term for name, term in terms.items()).backward()  # type: ignore[union-attr]
    assert x.grad is not None
    return {name: term.detach() for name, term in terms.items()}, x.grad


@pytest.mark.parametrize(
    ("areas", "changes"),
    [
        (False, {}),
        (True, {"style_layers": ("relu1_1=1", "relu3_1=0.5")}),
        (True, {"content_layers": ("relu4_1",)}),  # whole, and summed, too
        (True, {"style_loss": "multiscale-gram"}),  # not a loss of sums alone
    ],
)
def test_in_tiles_it_is_the_same(encoder: Encoder, areas: bool, changes: dict[str, object]) -> None:
    frame = dead_leaves(1, 144, 5)[..., : SIZE[0], : SIZE[1]]
    tiled = TiledEncoder(encoder, TILE)
    assert tiled.divides(frame)
    expected, ours = (loss_and_gradient(stylizer(e, areas, **changes), frame) for e in (encoder, tiled))
    for name, term in expected[0].items():
        torch.testing.assert_close(ours[0][name], term, rtol=1e-4, atol=1e-7)
    assert (ours[1] - expected[1]).norm() < 1e-4 * expected[1].norm()


def test_of_large_pictures_no_features_are_kept(encoder: Encoder) -> None:
    painter = stylizer(TiledEncoder(encoder, TILE), areas=False)
    frame = dead_leaves(1, 144, 5)[..., : SIZE[0], : SIZE[1]]
    targets = painter.targets(frame)
    view = painter.style.view(frame, ("relu4_2",), targets.style)
    assert list(view.features) == [(0, "relu4_2")]
    assert {name for _, name in view.grams} == set(painter.style.weights)
    assert all(gram.shape[0] == len(targets.style) and gram.dtype is torch.float32 for gram in view.grams.values())


def test_without_any_area_in_the_frame_there_is_no_style(encoder: Encoder) -> None:
    for one in (encoder, TiledEncoder(encoder, TILE)):
        painter = stylizer(one, areas=False)
        frame = dead_leaves(1, 144, 5)[..., : SIZE[0], : SIZE[1]]
        view = painter.style.view(frame, ("relu4_2",), [])
        assert painter.style(view, []) == 0
