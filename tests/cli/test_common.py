"""Options that several commands have."""

from __future__ import annotations

import os

import click
import pytest
from click.testing import CliRunner

from vidstyle.cli.common import overwrite_option, print_table


@pytest.mark.parametrize(("given", "wanted"), [([], "None"), (["-y"], "True"), (["-n"], "False")])
def test_without_y_and_n_it_is_left_open_whether_an_output_may_be_replaced(given: list[str], wanted: str) -> None:
    @click.command()
    @overwrite_option
    def command(overwrite: bool | None) -> None:
        click.echo(repr(overwrite))

    assert CliRunner().invoke(command, given).output.strip() == wanted


def test_a_row_is_one_line_whatever_its_names_hold(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("movie", "n"), [("a\nb.mp4", 1), (os.fsdecode(b"\xe9.mp4"), 2)])
    assert capsys.readouterr().out.splitlines() == ["movie       n", r"a\nb.mp4    1", r"\udce9.mp4  2"]
