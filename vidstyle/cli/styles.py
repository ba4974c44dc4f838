"""``vidstyle styles``: the trained styles that can be asked for by name, pictures of them, and styles of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vidstyle.cli.common import PATH, json_option, may_replace, overwrite_option, print_json, print_table

if TYPE_CHECKING:
    from vidstyle.pipeline.styles import KnownStyle


@click.group()
def styles() -> None:
    """List trained styles, look at them, add and remove your own.

    A trained style is asked for by its name: vidstyle stylize movie.mp4 --style NAME
    """


@styles.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the styles that vidstyle brings along, and your own."""
    from vidstyle.pipeline.styles import broken_files, known_styles, styles_folder

    known = known_styles()
    if as_json:
        print_json([row(style) for style in known.values()])
    elif known:
        cells = [(s.name, "part of vidstyle" if s.embedded else s.path) for s in known.values()]
        print_table(("style", "where"), cells)
    else:
        click.echo(f"vidstyle: no styles yet: `vidstyle styles add FILE` puts them into {styles_folder()}", err=True)
    for path, problem in broken_files().items():
        click.echo(f"vidstyle: {path} is left out: {problem}", err=True)


def row(style: KnownStyle) -> dict[str, Any]:
    """A style for programs."""
    return {"name": style.name, "embedded": style.embedded, "path": str(style.path)}


@styles.command()
@click.argument("style", metavar="NAME")
@click.option("-o", "--output", type=PATH, help="Write a picture of it: .jpg, .png or .webp")
@click.option("--on", "picture", type=PATH, help="Paint this picture instead of the usual one")
@overwrite_option
@json_option
def show(style: str, output: Path | None, picture: Path | None, overwrite: bool | None, as_json: bool) -> None:
    """Say where the style NAME comes from; with -o, write a picture of it.

    Also of a file that is not added yet: NAME is a path then.
    """
    from vidstyle.cli.display import Display
    from vidstyle.pipeline.own_styles import examine_style, write_picture

    if picture is not None and output is None:
        raise click.UsageError("--on needs -o, the name of the picture to write")
    found = examine_style(style)
    if output is not None:
        write_picture(style, output, picture, lambda path: may_replace(path, overwrite, Display()))
    if as_json:
        print_json({**found, "picture": None if output is None else str(output.absolute())})
    elif output is not None:
        click.echo(output.absolute())
    else:
        notes = found.pop("notes")
        for name, value in {**found, **notes}.items():
            text = ", ".join(map(str, value)) if isinstance(value, list) else value
            click.echo(f"{name:<11} {text}")


@styles.command()
@click.argument("file", type=PATH)
@click.option("--name", help="What the style is called  [default: as in the file, or as the file]")
def add(file: Path, name: str | None) -> None:
    """Copy the styles of FILE to your own, so that they can be asked for by name.

    FILE is one of vidstyle's (.safetensors), or a checkpoint of PyTorch's example fast_neural_style (.pth, .model).
    """
    from vidstyle.pipeline.own_styles import add_styles

    for style in add_styles(file.expanduser(), name):
        click.echo(style.name)


@styles.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME…")
def remove(names: tuple[str, ...]) -> None:
    """Delete your style NAME; styles that share a file only together."""
    from vidstyle.pipeline.own_styles import remove_styles

    for path in remove_styles(names):
        click.echo(path)
