"""``vidstyle compare``: numbers and curves of painted movies beside each other."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vidstyle import config
from vidstyle.cli.common import (
    PATH,
    cache_option,
    cache_root,
    json_option,
    may_replace,
    overwrite_option,
    print_json,
    print_table,
    quiet_option,
    stop_on_signals,
)
from vidstyle.cli.display import Display
from vidstyle.cli.values import StyleValue, Time

if TYPE_CHECKING:
    from vidstyle.pipeline.compare import Comparison, Curves, Question

TITLES = {"warping_error": "warping error", "style": "style distance", "content": "content distance"}


@click.command()
@click.argument("movie", type=PATH)
@click.argument("stylized", type=PATH, nargs=-1, required=True)
@click.option(
    "--style", type=StyleValue(("scale",)), help="The picture that was painted after: measures style and content too"
)
@click.option("--plot", type=PATH, help="Draw every frame's numbers as curves into this picture")
@overwrite_option
@click.option("--start", type=Time(), help="Begin at this time of MOVIE: 12.5 or 1:02.5")
@click.option("--end", type=Time(), help="End before this time")
@click.option("--flow", "method", type=click.Choice(config.FLOW_METHODS), default="dis",
              help="Optical flow that errors are measured along  [default: dis]")  # fmt: skip
@click.option("--flow-weights", type=PATH, help="raft only: weights, .safetensors or .pth  [default: downloaded]")
@click.option("--device", default="auto", help="auto, cpu, cuda, cuda:1 … or mps  [default: auto]")
@cache_option
@json_option
@quiet_option
def compare(
    movie: Path,
    stylized: tuple[Path, ...],
    style: dict[str, Any] | None,
    plot: Path | None,
    overwrite: bool | None,
    start: Fraction | None,
    end: Fraction | None,
    method: str,
    flow_weights: Path | None,
    device: str,
    cache_dir: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Measure how calm the STYLIZED movies are, and with --style how near to style and content.

    Flow and masks are those of MOVIE; its own error is the floor, for no flow is perfect. Smaller is better everywhere.
    Pictures in a folder are compared with the frames one by one.
    """
    from vidstyle.pipeline.compare import Question
    from vidstyle.pipeline.images import check_picture
    from vidstyle.pipeline.request import Style

    question = Question(
        movie=str(movie),
        stylized=tuple(str(path) for path in stylized),
        style=None if style is None else Style(**style),
        flow=config.FlowSettings(method),
        flow_weights=None if flow_weights is None else str(flow_weights),
        start=start,
        end=end,
        device=device,
    )
    root = cache_root(cache_dir)
    if plot is not None:
        plot = plot.expanduser().absolute()
        check_picture(plot, lambda path: may_replace(path, overwrite, Display(quiet)), question.inputs)
    comparison = measure(question, root, quiet)
    if plot is not None:
        write_plot(plot, question, comparison)
    if as_json:
        print_json(document(question, comparison))
    else:
        print_table(*table(question, comparison))


def measure(question: Question, root: Path, quiet: bool) -> Comparison:
    """Compare, showing how far it is."""
    from vidstyle.pipeline.compare import compare as run
    from vidstyle.pipeline.events import Monitor

    display = Display(quiet)
    with stop_on_signals(display.say) as should_stop:
        try:
            return run(question, root, Monitor(display, should_stop))
        finally:
            display.clear()


def rows(question: Question, comparison: Comparison) -> list[tuple[str, Curves]]:
    """All movies, the one that was painted first."""
    return [(f"{question.movie} (input)", comparison.input), *comparison.movies]


def table(question: Question, comparison: Comparison) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Header and rows, for people."""
    floor = comparison.input.means()["warping_error"]
    lines = []
    for name, curves in rows(question, comparison):
        means = curves.means()
        error = means.pop("warping_error")
        ratio = "–" if error is None or not floor else f"{error / floor:.2f}"
        shown = ("–" if value is None else f"{value:.3f}" for value in means.values())
        lines.append((name, "–" if error is None else f"{error:.6f}", ratio, *shown))
    judged = ("style", "content") if question.style else ()
    return ("movie", "warping error", "× input", *judged), lines


def document(question: Question, comparison: Comparison) -> dict[str, Any]:
    """Everything, for programs; null where there is no number."""

    def known(values: list[float]) -> list[float | None]:
        return [None if math.isnan(value) else value for value in values]

    def record(curves: Curves) -> dict[str, Any]:
        return {**curves.means(), "frames": {name: known(values) for name, values in vars(curves).items() if values}}

    return {
        "movie": {"path": question.movie, **record(comparison.input)},
        "stylized": [{"path": path, **record(curves)} for path, curves in comparison.movies],
        "style": None if question.style is None else question.style.path,
        "flow": question.flow.method,
        "width": comparison.size[0],
        "height": comparison.size[1],
        "shots": [{"first": first, "last": last - 1} for first, last in comparison.shots],
        "times": comparison.times,
    }


def write_plot(path: Path, question: Question, comparison: Comparison) -> None:
    """A panel for each thing measured, a curve for each movie."""
    from PIL import Image

    from vidstyle.pipeline.images import save
    from vidstyle.view.plot import plot_curves

    curves = {"input": comparison.input}
    for name, values in comparison.movies:
        curves[Path(name).name if Path(name).name not in curves else name] = values
    panels = [
        (title, "", {label: (comparison.times, vars(values)[name]) for label, values in curves.items()})
        for name, title in TITLES.items()
        if vars(comparison.input)[name]
    ]
    begin, _ = comparison.shots[0]
    cuts = [(comparison.times[first - begin], "cut") for first, _ in comparison.shots[1:]]
    picture = plot_curves(panels, title=f"{Path(question.movie).name}, painted", marks=cuts)
    save(Image.fromarray(picture), path)
