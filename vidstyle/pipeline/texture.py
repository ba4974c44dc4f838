"""A texture from a picture, to a file."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image

from vidstyle.config import OptimizeSettings
from vidstyle.errors import InputError, Interrupted, PaintError
from vidstyle.nets.encoder import EncoderOptions, check_layers, find_weights, load_encoder
from vidstyle.nets.tiled import TiledEncoder
from vidstyle.pipeline.devices import choose_device, choose_precision
from vidstyle.pipeline.events import Monitor
from vidstyle.pipeline.images import check_picture, read_image, save
from vidstyle.pipeline.studio import enough_memory
from vidstyle.store import quantize_frame
from vidstyle.stylize.texture import synthesize

LEAST_SIDE, MOST_PIXELS = 16, 64_000_000


def texture(
    style: Path,
    output: Path,
    size: tuple[int, int],
    settings: OptimizeSettings,
    monitor: Monitor,
    *,
    may_replace: Callable[[Path], bool] = lambda path: False,
    encoder_weights: Path | None = None,
    device: str = "auto",
) -> Path:
    """Synthesise a texture of ``size`` (width, height) from ``style`` and write it to ``output``.

    Args:
        settings: ``first_iterations``, ``seed``, how styles are compared; the scale of its one style.
        may_replace: asked when the output exists; False raises OutputError.
    Returns:
        The absolute path of the output.
    Raises:
        InputError, OutputError, WeightsError: something that was asked for cannot be used.
        Interrupted: the monitor wished to stop; nothing is written.
    """
    output = output.expanduser().absolute()
    check_size(size)
    check_picture(output, may_replace, [("style", style), ("encoder's weights", encoder_weights)])
    picture = torch.from_numpy(read_image(style))
    where = choose_device(device)
    weights = find_weights(settings.encoder, encoder_weights, monitor.note)
    options = EncoderOptions(settings.pooling, settings.normalized)
    precision = choose_precision(settings.precision, where.type)
    encoder = TiledEncoder(load_encoder(settings.encoder, weights, where, options, precision))
    check_layers(encoder, settings.style_levels)
    started, steps = time.monotonic(), settings.first_iterations

    def watch(share: float) -> None:
        if monitor.should_stop():
            raise Interrupted("stopped: no texture is written")
        spent = time.monotonic() - started
        monitor.progress("texture", share * steps, steps, spent * (1 - share) / share if share else None)

    with enough_memory(size, "give a smaller --size, or a smaller --scale"):
        made = synthesize(settings, encoder, picture.to(where), size, watch)
    monitor.progress("texture", steps, steps, 0.0)
    if not torch.isfinite(made).all():
        raise PaintError("the loss grew without bound; try another --seed or --style-loss")
    save(Image.fromarray(quantize_frame(made.cpu().numpy())), output)
    return output


def check_size(size: tuple[int, int]) -> None:
    """Raise InputError where a texture of this size cannot be made."""
    if min(size) < LEAST_SIDE or size[0] * size[1] > MOST_PIXELS:
        raise InputError(f"--size is at least {LEAST_SIDE}×{LEAST_SIDE} and at most {MOST_PIXELS:,} pixels")
