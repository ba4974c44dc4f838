"""``vidstyle train``: styles of one's own for the fast way to paint."""

from __future__ import annotations

from pathlib import Path

import click

from vidstyle.cli.common import PATH, may_replace, overwrite_option, quiet_option, stop_on_signals
from vidstyle.cli.display import Display
from vidstyle.config import BEGINNINGS

STEPS, STEPS_EACH = 1000, 400  # for one style, and for each further one
FROM_NOTHING = 3  # times as many without the shipped styles to begin with


@click.command()
@click.argument("paintings", nargs=-1, required=True, type=PATH, metavar="PAINTING…")
@click.option("-o", "--output", required=True, type=PATH, help="The file of styles to write, NAME.safetensors")
@click.option("--photos", required=True, type=PATH, help="Folder of photos to train on, some hundred or more")
@click.option("--videos", type=PATH, help="Folder of movies, for motion as it really is  [default: photos are moved]")
@click.option(
    "--steps",
    type=int,
    help=f"How long to train  [default: {STEPS}, and {STEPS_EACH} for each further style; {FROM_NOTHING} times that "
    "with --begin random]",
)
@click.option("--style-weight", type=float, default=10.0, show_default=True, help="More paints more of the style")
@click.option("--strokes", type=int, default=384, show_default=True,
              help="Size that paintings are seen at, in pixels: more gives larger strokes")  # fmt: skip
@click.option("--begin", type=click.Choice(BEGINNINGS), default="shipped", show_default=True,
              help="With what the shipped styles have learned, or with nothing, which takes longer")  # fmt: skip
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed trains another network")
@click.option("--encoder", type=click.Choice(["compact", "vgg19"]), default="compact", show_default=True,
              help="The network that judges what is painted")  # fmt: skip
@click.option("--encoder-weights", type=PATH, help="Weights of the encoder, .safetensors or .pth")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 … or mps")
@click.option("--restart", is_flag=True, help="Begin anew; the checkpoint that is there gets another name")
@overwrite_option
@quiet_option
def train(
    paintings: tuple[Path, ...],
    output: Path,
    photos: Path,
    videos: Path | None,
    steps: int | None,
    style_weight: float,
    strokes: int,
    begin: str,
    seed: int,
    encoder: str,
    encoder_weights: Path | None,
    device: str,
    restart: bool,
    overwrite: bool | None,
    quiet: bool,
) -> None:
    """Train a network that paints in the style of PAINTING, of several together.

    A sheet of what it has learned lies in NAME.training, with a checkpoint: after Ctrl-C the same command goes on from
    there. With more --steps it goes on from a finished training, too, and replaces the file that it has written. With
    other options, paintings or photos it does neither: add --restart, or give another name with -o. `vidstyle styles
    add NAME.safetensors` makes the styles known by name.
    """
    from vidstyle.pipeline.events import Monitor
    from vidstyle.train.recurrent import TrainSettings
    from vidstyle.train.session import train as do

    settings = TrainSettings(
        steps=default_steps(len(paintings), begin) if steps is None else steps,
        seed=seed,
        style_weight=style_weight,
        style_size=strokes,
        begin=begin,
    )
    display = Display(quiet)
    with stop_on_signals(display.say, "saving what was learned") as should_stop:
        try:
            written = do(
                paintings,
                output,
                photos,
                settings,
                Monitor(display, should_stop),
                videos=videos,
                encoder=encoder,
                encoder_weights=encoder_weights,
                device=device,
                may_replace=lambda path: may_replace(path, overwrite, display),
                replace_own=overwrite is not False,
                restart=restart,
            )
        finally:
            display.clear()
    click.echo(written)


def default_steps(paintings: int, begin: str) -> int:
    """How long to train for so many paintings."""
    return (STEPS + STEPS_EACH * (paintings - 1)) * (FROM_NOTHING if begin == "random" else 1)
