"""``vidstyle stylize``: the options of a job, and the job."""

from __future__ import annotations

import tomllib
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vidstyle import config
from vidstyle.cli.common import (
    PATH,
    PATH_AS_WRITTEN,
    cache_limit_option,
    cache_option,
    cache_root,
    let_threads_sleep,
    may_replace,
    overwrite_option,
    print_json,
    print_table,
    quiet_option,
    stop_on_signals,
)
from vidstyle.cli.display import Display
from vidstyle.cli.values import Levels, Names, Offsets, Rate, StyleValue, Time
from vidstyle.errors import InputError

if TYPE_CHECKING:
    from vidstyle.pipeline.plan import Plan, StageStatus
    from vidstyle.pipeline.request import Request

DEFAULTS = config.OptimizeSettings()
ADAIN, WCT, PHOTO = config.AdaInSettings(), config.WctSettings(), config.PhotoSettings()
SECTIONS = ("stylize", "flow", "shots", "encode")  # tables of a settings file that options belong to


def setting(section: str, name: str, flag: str | None = None, **options: Any) -> Any:
    """An option that sets ``name`` in a section of the settings; None where it is not given."""
    return click.option(flag or f"--{name.replace('_', '-')}", f"{section}__{name}", default=None, **options)


@click.command()
@click.argument("movie", type=PATH)
@click.option(
    "--style", "styles", type=StyleValue(), multiple=True,
    help="A picture whose style is painted, or a trained style (`vidstyle styles list`): its name, or its file. "
         "More than one are blended. Options after commas: weight, scale (pictures), at=TIME, mask=FILE, "
         "name (in a file of several)",
)  # fmt: skip
@click.option("-o", "--output", type=PATH_AS_WRITTEN,
              help="The movie, picture or folder (with a /) of PNGs to write  [default: MOVIE-STYLE here]")  # fmt: skip
@overwrite_option
@click.option("--method", type=click.Choice(list(config.METHODS)), default=None,
              help="How frames are painted: docs/methods.md  "
                   "[default: in pictures the best that --within leaves time for, else recurrent]")  # fmt: skip
@click.option("--within",
              help="Pictures only: how long painting may take: 90s, 20m, 1h30m  [default: 30m]")  # fmt: skip
@click.option("--quality", type=click.Choice(list(config.QUALITIES)), default=None,
              help="Pictures only: how thoroughly; other options go before it  [default: standard]")  # fmt: skip
@click.option("--width", type=int, help="Work at this width, in pixels  [default: the movie's]")
@click.option("--height", type=int, help="Work at this height, in pixels; the other side follows")
@click.option("--fps", type=Rate(), help="Pictures as a movie: so many a second  [default: 25]")
@click.option("--start", type=Time(), help="Begin at this time of the movie: 12.5 or 1:02.5")
@click.option("--end", type=Time(), help="End before this time")
@setting("stylize", "iterations", type=int, help=f"Steps for a frame  [default: {DEFAULTS.iterations}]")
@setting("stylize", "first_iterations", type=int,
         help=f"Steps for the first frame of a shot  [default: {DEFAULTS.first_iterations}]")  # fmt: skip
@setting("stylize", "content_weight", type=float, help=f"[default: {DEFAULTS.content_weight:g}]")
@setting("stylize", "style_weight", type=float, help=f"[default: {DEFAULTS.style_weight:g}]")
@setting("stylize", "temporal_weight", type=float,
         help=f"How firmly a frame keeps to the one before  [default: {DEFAULTS.temporal_weight:g}]")  # fmt: skip
@setting("stylize", "tv_weight", type=float, help=f"Smoothness  [default: {DEFAULTS.tv_weight:g}]")
@setting("stylize", "style_loss", type=click.Choice(config.STYLE_LOSSES),
         help="How styles are compared; docs/methods.md says what each is  [default: gram]")  # fmt: skip
@setting("stylize", "style_layers", type=Levels(),
         help="Levels at which styles are compared, and their weights: relu1_1,relu3_1=0.5")  # fmt: skip
@setting("stylize", "content_layers", type=Levels(), help="Likewise for the content  [default: relu4_2]")
@setting("stylize", "laplacian_weight", type=float, help="Keep edges and details of the frame  [default: 0]")
@setting("stylize", "keep_colors", type=click.Choice(["none", "luminance", "match"]),
         help="Keep the movie's colours: paint light and dark, or in matched pictures  [default: none]")  # fmt: skip
@setting("stylize", "optimizer", type=click.Choice(["lbfgs", "adam"]), help="[default: lbfgs]")
@setting("stylize", "first_init", type=click.Choice(["content", "noise"]),
         help="What the first frame of a shot begins as  [default: content]")  # fmt: skip
@setting("stylize", "init", type=click.Choice(["warped", "previous", "content", "noise"]),
         help="What later frames begin as  [default: warped]")  # fmt: skip
@click.option("--start-style", help="Begin frames, where nothing was painted yet, in this trained style; "
                                    "predict: as --method predict paints them")  # fmt: skip
@setting("stylize", "offsets", flag="--long-term", type=Offsets(),
         help="Frames back that a frame is held to, such as 1,10,20,40  [default: 1]")  # fmt: skip
@setting("stylize", "passes", type=int,
         help="Times to go through every shot, forward and backward in turn  [default: 1]")  # fmt: skip
@setting("stylize", "strength", type=float,
         help="adain, wct, photo: of the style, 0 to 1  "
              f"[default: {ADAIN.strength:g}, {WCT.strength:g}, {PHOTO.strength:g}]")  # fmt: skip
@setting("stylize", "fusion", type=float,
         help="adain, wct, photo: share of the painting before in each frame  "
              f"[default: {ADAIN.fusion:g}, {WCT.fusion:g}, {PHOTO.fusion:g}]")  # fmt: skip
@setting("stylize", "levels", type=Names(),
         help="wct, photo: levels to change, in order; /2: in a picture half as large  "
              f"[default: {','.join(WCT.levels)}; photo: {','.join(PHOTO.levels)}]")  # fmt: skip
@setting("stylize", "transform", type=click.Choice(["transport", "wct", "adain", "whiten", "color"]),
         help="wct, photo: what becomes of a level; docs/methods.md  [default: transport]")  # fmt: skip
@setting("stylize", "smoothing", type=click.Choice(["guided", "closed-form", "none"]),
         help="photo: how edges are followed; closed-form is the paper's, and slow  [default: guided]")  # fmt: skip
@setting("stylize", "affinity", type=float, help="photo, closed-form: how firmly, below 1  [default: 0.999]")
@setting("stylize", "seed", type=int, help="Of the random numbers  [default: 0]")
@setting("stylize", "encoder", type=click.Choice(["compact", "vgg19"]),
         help="The network that sees style and content  [default: compact, which is built in]")  # fmt: skip
@setting("stylize", "precision", type=click.Choice(["auto", "float32", "bfloat16"]),
         help="Of the network's numbers; auto: bfloat16 on CPUs made for it  [default: auto]")  # fmt: skip
@click.option("--encoder-weights", type=PATH, help="Weights of the encoder, .safetensors or .pth")
@setting("stylize", "pooling", type=click.Choice(["max", "average"]), help="vgg19 only  [default: max]")
@setting("stylize", "normalized", flag="--normalized/--no-normalized",
         help="vgg19 only: every filter scaled to a mean activation of 1")  # fmt: skip
@setting("flow", "method", flag="--flow", type=click.Choice(config.FLOW_METHODS), help="Optical flow  [default: dis]")
@setting("flow", "preset", flag="--flow-preset", type=click.Choice(config.DIS_PRESETS),
         help="dis only  [default: medium for pictures, fast for trained styles]")  # fmt: skip
@setting("flow", "scale", flag="--flow-scale", type=float,
         help="Estimate flow on frames of this size, 0.05 to 1: faster, in less memory  [default: 1]")  # fmt: skip
@setting("flow", "updates", flag="--flow-updates", type=int, help="raft only: steps of refinement  [default: 16]")
@setting("flow", "precision", flag="--flow-precision", type=click.Choice(["float32", "bfloat16"]),
         help="raft only: bfloat16 is faster where the hardware knows it  [default: float32]")  # fmt: skip
@click.option("--flow-weights", type=PATH, help="raft only: weights, .safetensors or .pth  [default: downloaded]")
@click.option("--flow-from", type=PATH, help="A folder of your own flow files, .flo or KITTI PNG")
@setting("shots", "detect", flag="--cuts/--no-cuts", help="Find the cuts of the movie, or take it as one shot")
@setting("shots", "threshold", flag="--cut-threshold", type=float,
         help="Change that makes a cut, 0 to 100  [default: 10]")  # fmt: skip
@click.option("--scenes", type=PATH, help="Cuts from a file instead: PySceneDetect's list, or one a line")
@setting("encode", "codec", help="ffmpeg's name of the encoder  [default: what suits the file type]")
@setting("encode", "crf", type=int, help="Quality of the encoder, lower is better  [default: the codec's usual]")
@setting("encode", "preset", help="Speed of the encoder, as ffmpeg calls it")
@setting("encode", "pix_fmt", help="Pixel format of the output, as ffmpeg calls it")
@click.option("--device", help="auto, cpu, cuda, cuda:1 … or mps  [default: auto]")
@click.option("-c", "--config", "settings_file", type=PATH, help="A TOML file of settings; options go before it")
@cache_option
@cache_limit_option
@click.option("--no-cache", is_flag=True, help="Keep nothing on the disk: what is stopped begins anew")
@click.option("--dry-run", is_flag=True, help="Say what would be done and how long it takes; do nothing")
@click.option("--json", "as_json", is_flag=True, help="Of --dry-run: print JSON, for programs")
@quiet_option
def stylize(
    overwrite: bool | None,
    settings_file: Path | None,
    cache_dir: Path | None,
    cache_limit: int | None,
    no_cache: bool,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Paint MOVIE (a movie file, a picture or a folder of pictures) in the style of a picture, or in a trained style.

    Stopped or killed, the same command goes on where it was.
    """
    if as_json and not dry_run:
        raise click.UsageError("--json is for --dry-run; of a job that runs, `vidstyle status JOB --json` tells")
    if no_cache and (cache_dir or cache_limit):
        raise click.UsageError("--no-cache goes with neither --cache-dir nor --cache-limit")
    table = read_settings(settings_file) if settings_file else {}
    file_limit = table.pop("cache_limit", None)
    request = build_request(table, options)
    if "quality" in table and request.method != "optimize" and not quiet:
        Display().say(f"--quality is for --method optimize: {request.method} has no use for it")
    root = None if no_cache else cache_root(cache_dir)
    if dry_run:
        show_plan(request, root, as_json, quiet)
    else:
        do(request, root, overwrite, quiet, file_limit if cache_limit is None else cache_limit)


def may_be_trained(path: str) -> bool:
    """Whether a style looks like a trained one, which cannot be known for sure before torch is loaded."""
    return Path(path).suffix.lower() in ("", *config.TRAINED_ENDINGS)


def build_request(table: dict[str, Any], options: dict[str, Any]) -> Request:
    """The settings file's ``table``, then what was given on the command line, then the method that fits both."""
    from vidstyle.pipeline.choice import with_method

    given = {name: plain(value) for name, value in options.items() if value not in (None, ())}
    for name, value in given.items():
        section, _, key = name.rpartition("__")
        if section:
            table[section] = {**table.get(section, {}), key: value}
        else:
            table[key] = value
    if "output" not in table:
        table["output"] = default_output(table)
    table = with_method(table)
    if table.get("method") in config.IN_ONE_PASS or any(may_be_trained(s["path"]) for s in table.get("styles", ())):
        let_threads_sleep()
    from vidstyle.pipeline.request import request_from_plain  # here: it loads torch

    return request_from_plain(table)


def plain(value: Any) -> Any:
    """An option's value as a settings file would hold it."""
    return str(value) if isinstance(value, Path | Fraction) else value


def read_settings(path: Path) -> dict[str, Any]:
    """A settings file. Styles may be written as on the command line: ``styles = ["a.jpg,weight=0.7"]``."""
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise InputError(f"no such settings file: {path}") from None
    except (OSError, ValueError) as error:  # of TOML, of UTF-8, of a number with thousands of digits
        raise InputError(f"{path} is not a settings file in TOML: {error}") from None
    for name in SECTIONS:
        if not isinstance(table.get(name, {}), dict):
            raise InputError(f"{path}: [{name}] must be a table")
    styles = table.get("styles", [])
    if not isinstance(styles, list) or not all(
        isinstance(s, str) or (isinstance(s, dict) and isinstance(s.get("path"), str)) for s in styles
    ):
        raise InputError(f"{path}: styles must be a list of pictures, each as on the command line")
    table["styles"] = [StyleValue().convert(style, None, None) for style in styles]
    if "cache_limit" in table:
        table["cache_limit"] = read_limit(path, table["cache_limit"])
    return table


def read_limit(path: Path, value: Any) -> int:
    from vidstyle.store import parse_size

    try:
        return parse_size(str(value))
    except InputError as error:
        raise InputError(f"{path}: cache_limit: {error}") from None


def default_output(table: dict[str, Any]) -> str:
    """MOVIE-STYLE with the movie's own file type where we can write it, in the current folder."""
    from vidstyle.media import default_ending

    movie = Path(table["movie"])
    styles = [Path(style["path"]).stem for style in table.get("styles", ())]
    name = "-".join([movie.stem, *(styles or [table.get("method", "painted")])])
    return name + default_ending(movie)


def do(
    request: Request, root: Path | None, overwrite: bool | None, quiet: bool, cache_limit: int | None = None
) -> None:
    """Run a job, showing what happens; ``resume`` comes here too."""
    from vidstyle.pipeline.api import perform
    from vidstyle.pipeline.events import Monitor

    display = Display(quiet)
    with stop_on_signals(display.say) as should_stop:
        try:
            monitor = Monitor(display, should_stop)
            output = perform(request, root, monitor, lambda path: may_replace(path, overwrite, display), cache_limit)
        finally:
            display.clear()
    click.echo(output)


def show_plan(request: Request, root: Path | None, as_json: bool, quiet: bool) -> None:
    from vidstyle.pipeline.api import estimate_seconds, plan_for
    from vidstyle.pipeline.events import Monitor
    from vidstyle.pipeline.plan import stage_status

    display = Display(quiet)
    plan = plan_for(request, root, Monitor(display))
    display.clear()
    print_plan(plan, stage_status(plan), estimate_seconds(plan), as_json)


def print_plan(plan: Plan, stages: list[StageStatus], seconds: float | None, as_json: bool) -> None:
    """What there is and what will run, per stage; ``seconds`` the painting will take, where it was estimated."""
    from vidstyle.pipeline.request import why_method

    if as_json:
        print_json(
            {
                "method": plan.request.method,
                "movie": plan.request.movie,
                "output": plan.request.output,
                "size": list(plan.size),
                "frames": list(plan.frames),
                "shots": [list(shot) for shot in plan.shots],
                "stages": [vars(stage) for stage in stages],
                "seconds": seconds,
            }
        )
        return
    width, height = plan.size
    click.echo(f"{plan.request.movie} to {plan.request.output}")
    click.echo(f"{plan.frame_count} frames at {width}×{height} in {len(plan.shots)} shots")
    if (why := why_method(plan.request)) is not None:
        click.echo(why)
    rows = [(s.stage, f"{s.done} of {s.total}", s.to_do, s.why) for s in stages]
    print_table(("stage", "in the cache", "to do", "why"), rows)
    if seconds:
        from vidstyle.pipeline.lengths import length_text

        click.echo(f"painting will take about {length_text(seconds)}")
