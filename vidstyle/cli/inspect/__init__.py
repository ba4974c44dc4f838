"""``vidstyle inspect``: pictures, numbers and movies of what a job has in the cache."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from vidstyle.cli.common import PATH, cache_option, json_option, overwrite_option

Command = TypeVar("Command", bound=Callable[..., Any])

WHERE = "Folder for what is written; or a name like flow.mp4, which asks for the video  [default: .]"


def several(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Options as one decorator; --help shows the last one first."""

    def add(command: Command) -> Command:
        for option in options:
            command = option(command)
        return command

    return add


columns_option = click.option("--columns", type=click.IntRange(1, 24), help="Pictures in a row  [default: as fits]")
frame_option = click.option(
    "--frame", "frames", type=int, multiple=True, help="Only this frame, and its picture in full size; repeatable"
)

inspect_options = several(
    cache_option,
    overwrite_option,
    json_option,
    click.option("--video", is_flag=True, help="Write a video of it beside the movie; no sheets"),
    click.option("--table", is_flag=True, help="Print a line of numbers for each frame; no sheets"),
    columns_option,
    frame_option,
    click.option("-o", "--output", type=PATH, default=".", help=WHERE),
    click.argument("job", required=False),
)
"""What flow, mask, warp and frames have in common."""

plot_option = click.option("--plot", is_flag=True, help="Draw the numbers over time; no sheets")


@click.group()
def inspect() -> None:
    """Look at what a job has in the cache: sheets of pictures, one a shot, numbers, videos.

    JOB is its id (or the beginning), its movie or its output; by default the latest. Nothing is made for it:
    what is not in the cache is counted. The names of the written files go to stdout (after a table: to stderr,
    as all else).
    """


@inspect.command()
@inspect_options
@plot_option
@click.option("--forward", is_flag=True, help="Flow from each frame's predecessor to it, instead of back")
@click.option("--both", is_flag=True, help="With --export: both directions, as painting takes them")
@click.option("--export", "export_to", type=PATH, metavar="DIR", help="Write the flow itself, as --flow-from takes it")
@click.option("--format", "form", type=click.Choice(["flo", "kitti"]), help="Of --export  [default: flo]")
def flow(forward: bool, both: bool, export_to: Path | None, form: str | None, **given: Any) -> None:
    """Optical flow from each frame to the one before, as colours with one scale a shot."""
    from vidstyle.cli.inspect.export import export
    from vidstyle.cli.inspect.show import Asked, show
    from vidstyle.view.exhibits import Flow

    asked = Asked(**given)
    if export_to is not None:
        export(asked, export_to, form or "flo", (True, False) if both else (forward,))
    elif both or form:
        raise click.UsageError("--both and --format go with --export")
    else:
        show(lambda source: Flow(source, forward, asked.wants_numbers), asked)


@inspect.command()
@inspect_options
@plot_option
def mask(**given: Any) -> None:
    """Where that flow cannot be trusted (disoccluded, or at the edge of a motion), over the frame."""
    from vidstyle.cli.inspect.show import Asked, show
    from vidstyle.view.exhibits import Mask

    asked = Asked(**given)
    show(lambda source: Mask(source, asked.wants_numbers), asked)


@inspect.command()
@inspect_options
@plot_option
def warp(**given: Any) -> None:
    """Each frame's predecessor, moved as the flow says, and how far that is from the frame."""
    from vidstyle.cli.inspect.show import Asked, show
    from vidstyle.view.exhibits import Warp

    show(Warp, Asked(**given))


@inspect.command()
@inspect_options
def frames(**given: Any) -> None:
    """Frames before and after painting."""
    from vidstyle.cli.inspect.show import Asked, show
    from vidstyle.view.exhibits import Frames

    show(Frames, Asked(**given), painting=True)


@inspect.command()
@click.argument("job_or_movie", required=False)
@click.option("-o", "--output", type=PATH, default=".", help="Folder for the pictures  [default: .]")
@columns_option
@click.option("--table", is_flag=True, help="Print the table only; no pictures")
@click.option("--export", "export_to", type=PATH, metavar="FILE", help="Write the cuts, for --scenes; no pictures")
@click.option("--cut-threshold", type=float, help="Change that makes a cut, 0 to 100  [default: the job's, or 10]")
@json_option
@overwrite_option
@cache_option
def shots(**given: Any) -> None:
    """The shots of a job or a movie, why each begins, and its first and last frame.

    A movie is scanned, if it was not; the pictures come from the movie itself.
    """
    from vidstyle.cli.inspect.shot_table import show_shots

    show_shots(**given)
