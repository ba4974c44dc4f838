"""``vidstyle texture``: more of what a picture is made of."""

from __future__ import annotations

from pathlib import Path

import click

from vidstyle import config
from vidstyle.cli.common import PATH, may_replace, overwrite_option, quiet_option, stop_on_signals
from vidstyle.cli.display import Display
from vidstyle.cli.values import Dimensions, Levels

DEFAULTS = config.OptimizeSettings()
STEPS = 300


@click.command()
@click.argument("style", type=PATH)
@click.option("-o", "--output", type=PATH, help="The picture to write  [default: STYLE-texture.png in this folder]")
@overwrite_option
@click.option("--size", type=Dimensions(), default="256x256", show_default=True, help="Width and height in pixels")
@click.option("--scale", type=float, default=1.0, help="Dimensions of the strokes: 1 = STYLE as large as the texture")
@click.option("--iterations", type=int, default=STEPS, show_default=True, help="Steps, at most")
@click.option("--style-loss", type=click.Choice(config.STYLE_LOSSES), default=DEFAULTS.style_loss, show_default=True,
              help="How styles are compared; docs/methods.md says what each is")  # fmt: skip
@click.option("--style-layers", type=Levels(), help="Levels that are compared, and their weights: relu1_1,relu3_1=0.5")
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed gives another texture")
@click.option("--encoder", type=click.Choice(["compact", "vgg19"]), default=DEFAULTS.encoder, show_default=True,
              help="The network that sees the style")  # fmt: skip
@click.option("--encoder-weights", type=PATH, help="Weights of the encoder, .safetensors or .pth")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 … or mps")
@quiet_option
def texture(
    style: Path,
    output: Path | None,
    overwrite: bool | None,
    size: tuple[int, int],
    scale: float,
    iterations: int,
    style_loss: str,
    style_layers: list[str] | None,
    seed: int,
    encoder: str,
    encoder_weights: Path | None,
    device: str,
    quiet: bool,
) -> None:
    """Make a texture from STYLE: what it has everywhere, anew in every place."""
    from vidstyle.pipeline.events import Monitor
    from vidstyle.pipeline.texture import texture as make

    # By the names that they have here.
    config.in_bounds("--scale", scale, *config.STYLE_SCALES)
    config.in_bounds("--iterations", iterations, 1, config.MOST_STEPS)
    config.in_bounds("--seed", seed, *config.SEEDS)
    settings = config.OptimizeSettings(
        first_iterations=iterations,
        style_loss=style_loss,
        style_layers=tuple(style_layers or DEFAULTS.style_layers),
        seed=seed,
        encoder=encoder,
        styles=(config.StyleSettings(scale=scale),),
    )
    display = Display(quiet)
    with stop_on_signals(display.say) as should_stop:
        try:
            written = make(
                style,
                output or Path(f"{style.stem}-texture.png"),
                size,
                settings,
                Monitor(display, should_stop),
                may_replace=lambda path: may_replace(path, overwrite, display),
                encoder_weights=encoder_weights,
                device=device,
            )
        finally:
            display.clear()
    click.echo(written)
