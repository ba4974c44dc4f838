"""Options that several commands have."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from vidstyle.cli.common import overwrite_option


@pytest.mark.parametrize(("given", "wanted"), [([], "None"), (["-y"], "True"), (["-n"], "False")])
def test_without_y_and_n_it_is_left_open_whether_an_output_may_be_replaced(given: list[str], wanted: str) -> None:
    @click.command()
    @overwrite_option
    def command(overwrite: bool | None) -> None:
        click.echo(repr(overwrite))

    assert CliRunner().invoke(command, given).output.strip() == wanted
