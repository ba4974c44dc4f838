"""A small scene to paint, and what paints it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import torch
from torch import Tensor

from vidstyle.config import METHODS, OptimizeSettings, PredictSettings, StyleSettings, TransferSettings
from vidstyle.nets.autoencoder import DECODERS_FILE, Autoencoder, build_decoder
from vidstyle.nets.calibration import dead_leaves
from vidstyle.nets.encoder import Encoder, find_weights, load_compact, load_encoder
from vidstyle.nets.predictor import load_predicted
from vidstyle.nets.transform import TransformNet
from vidstyle.nets.weights import embedded, read_weights
from vidstyle.stylize.base import Prior, Progress, State
from vidstyle.stylize.optimize import OptimizeStylizer
from vidstyle.stylize.predict import PredictStylizer
from vidstyle.stylize.schedule import Turn
from vidstyle.stylize.smoothing import finish_of
from vidstyle.stylize.transfer import TransferStylizer

WIDTH, HEIGHT = SIZE = (48, 32)
#: Few iterations, and weights that stay what they are here when the defaults are tuned.
FAST = OptimizeSettings(
    first_iterations=6,
    iterations=6,
    content_weight=5.0,
    style_weight=100.0,
    temporal_weight=200.0,
    tv_weight=1e-3,
)
#: One step too small to be seen: what comes out is what the optimisation begins with.
START_ONLY = OptimizeSettings(first_iterations=1, iterations=1, optimizer="adam", learning_rate=1e-7)


@cache
def encoder() -> Encoder:
    return load_encoder("compact", find_weights("compact"), torch.device("cpu"))


def picture(seed: int, height: int = HEIGHT, width: int = WIDTH) -> Tensor:
    """``(3, H, W)`` in [0, 1]."""
    return dead_leaves(1, max(height, width), seed)[0, :, :height, :width].contiguous()


def frame() -> Tensor:
    return picture(0)


def style() -> Tensor:
    """Diagonal stripes in two colours: a style that is far from the frame."""
    rows, columns = torch.meshgrid(torch.arange(40), torch.arange(40), indexing="ij")
    stripes = ((rows + columns) // 4 % 2).float()
    colours = torch.tensor([[0.9, 0.2], [0.3, 0.1], [0.1, 0.8]])
    return colours[:, :1, None] * stripes + colours[:, 1:, None] * (1 - stripes)


def stylizer(settings: OptimizeSettings = FAST, *styles: Tensor, **changes: Any) -> OptimizeStylizer:
    return OptimizeStylizer(replace(settings, **changes), encoder(), styles or (style(),), SIZE)


def small_network(styles: int = 1, seed: int = 7) -> TransformNet:
    """An untrained network that paints every style otherwise."""
    torch.manual_seed(seed)
    network = TransformNet(styles, width=8, blocks=1)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return network.eval().requires_grad_(False)


def prior(warped: Tensor, consistency: float | Tensor, stylized: Tensor | None = None) -> Prior:
    trust = consistency if isinstance(consistency, Tensor) else torch.full(warped.shape[1:], consistency)
    return Prior(stylized=warped if stylized is None else stylized, warped=warped, consistency=trust)


def ignore(share: float) -> None:
    """Progress that nobody looks at."""


def paint(
    stylizer: OptimizeStylizer,
    frame: Tensor,
    *priors: Prior,
    seed: int = 1,
    progress: Progress = ignore,
    state: State | None = None,
    turn: Turn = Turn(0, 0),  # noqa: B008 (a tuple)
) -> Tensor:
    return stylizer.step(frame, priors, state, turn=turn, seed=seed, progress=progress)[0]


@cache
def autoencoder(method: str) -> Autoencoder:
    """The encoder and the decoder that a method paints with, as shipped."""
    compact = load_compact()
    decoder = build_decoder(method, read_weights(embedded(DECODERS_FILE)))
    return Autoencoder(compact, decoder, torch.device("cpu"))


def predicted(*styles: Tensor, shares: Any = None, settings: Mapping[str, Any] = {}) -> Any:
    """A ``PredictStylizer`` with the networks as shipped."""
    many = tuple(StyleSettings() for _ in styles or (0,))
    asked = PredictSettings(**{"styles": many, **settings})
    compact = load_compact()
    both = load_predicted()
    at = shares or (lambda number: [1.0] * len(many))
    return PredictStylizer(asked, both, compact, styles or (style(),), at, torch.device("cpu"))


def transfer(method: str, *styles: Tensor, size: tuple[int, int] = SIZE, shares: Any = None, **changes: Any) -> Any:
    """A ``TransferStylizer`` of a method: adain, wct or photo."""
    many = tuple(StyleSettings() for _ in styles or (0,))
    settings = METHODS[method](styles=many, **changes)  # type: ignore[call-arg]
    assert isinstance(settings, TransferSettings)
    at = shares or (lambda number: [1.0] * len(many))
    return TransferStylizer(settings, autoencoder(method), styles or (style(),), size, at, finish_of(settings))
