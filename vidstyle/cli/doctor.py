"""``vidstyle doctor``: what is here, what is missing, and what to do about it."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path

import click

from vidstyle.cli.common import cache_option, cache_root, json_option, print_json
from vidstyle.errors import VidstyleError

ABOUT_WIDTH = 16  # columns


@click.command()
@cache_option
@json_option
def doctor(cache_dir: Path | None, as_json: bool) -> None:
    """Look at everything that painting needs here, and say what is missing. Fetches and changes nothing."""
    from vidstyle.pipeline.doctor import Finding, examine

    findings: list[Finding] = []
    for finding in examine(partial(cache_root, cache_dir), Path.cwd):
        findings.append(finding)
        if not as_json:  # one by one: some take seconds
            click.echo(f"{finding.state:<8} {finding.about:<{ABOUT_WIDTH}} {finding.found}")
            if finding.advice:
                click.echo(f"{'':<8} {'':<{ABOUT_WIDTH}} → {finding.advice}")
    stops = [finding.about for finding in findings if finding.stops_painting]
    if as_json:
        print_json({"can_paint": not stops, "findings": [asdict(finding) for finding in findings]})
    if stops:
        raise VidstyleError(f"cannot paint here for want of {', '.join(stops)}: see above")
    if not as_json:
        click.echo("vidstyle can paint here", err=True)
