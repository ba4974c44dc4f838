"""The command line: parses, calls one function, prints. Nothing here imports torch or OpenCV at start-up."""

from __future__ import annotations

import errno
import io
import os
import sys
from pathlib import Path
from typing import Any

import click

from vidstyle import __version__
from vidstyle.cli.cache import cache
from vidstyle.cli.common import keep_freed_memory
from vidstyle.cli.compare import compare
from vidstyle.cli.doctor import doctor
from vidstyle.cli.inspect import inspect
from vidstyle.cli.jobs import resume, status
from vidstyle.cli.styles import styles
from vidstyle.cli.stylize import stylize
from vidstyle.cli.texture import texture
from vidstyle.cli.train import train
from vidstyle.errors import VidstyleError

#: What click from 8.2 on raises for a group without a command; before, it shows the help itself.
NO_ARGUMENTS: Any = getattr(click.exceptions, "NoArgsIsHelpError", ())


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="vidstyle")
def cli() -> None:
    """Paint movies in the style of a painting, without flicker, with their sound and timing.

    \b
    vidstyle stylize movie.mp4 --style starry.jpg -o out.mp4
    vidstyle stylize movie.mp4 --style great-wave -o out.mp4
    """


for command in (stylize, resume, status, inspect, compare, styles, texture, train, cache, doctor):
    cli.add_command(command)


def prepare_streams() -> None:
    """Make the standard streams safe to use, whatever they are connected with."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed, as by 2>&-: what we open would be in its place
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115 (as long as the program)
    for stream in (sys.stdout, sys.stderr):  # a terminal that lacks a character shows a question mark
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 bad usage or input, 3 some shots failed, 130 interrupted."""
    try:
        prepare_streams()
        keep_freed_memory()
        cli.main(args=arguments, prog_name="vidstyle", standalone_mode=False)
    except VidstyleError as error:
        click.echo(f"vidstyle: {error}", err=True)
        sys.exit(error.exit_code)
    except NO_ARGUMENTS as error:  # of a group: its help, as it is
        click.echo(error.format_message(), err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        hint = f" (see `{error.ctx.command_path} --help`)" if isinstance(error, click.UsageError) and error.ctx else ""
        click.echo(f"vidstyle: {error.format_message()}{hint}", err=True)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("vidstyle: interrupted; run the same command again to go on", err=True)
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output has gone, as in `vidstyle status | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except MemoryError:
        click.echo("vidstyle: too little memory: work at a smaller size, or with fewer other programs", err=True)
        sys.exit(1)
    except PermissionError as error:  # of what was named: the work itself says what it cannot read or write
        click.echo(f"vidstyle: no permission for {error.filename}: allow it, or give another", err=True)
        sys.exit(2)
    except OSError as error:  # what no part of the program expected of the disk
        click.echo(f"vidstyle: {error}", err=True)
        sys.exit(2 if error.errno == errno.ENAMETOOLONG else 1)
    sys.exit(0)
