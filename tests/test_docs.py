"""The documentation is held to the program: every command is there, and every example runs."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import ffmpeg
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torchvision.models.optical_flow import raft_small

from vidstyle.cli import cli
from vidstyle.media import find_ffmpeg
from vidstyle.nets.fast_neural_style import FastNeuralStyle

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
SECONDS = 0.13  # of the movie that the examples paint: the examples are many, and the suite is short


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands() -> list[list[str]]:
    """Every ``vidstyle …`` line of the README, in order."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [shlex.split(line, comments=True) for line in lines if line.startswith("vidstyle ")]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the examples name."""
    folder = tmp_path_factory.mktemp("readme")
    tiny = ffmpeg.input(str(ROOT / "sample_videos" / "tiny.mp4"))
    output = ffmpeg.output(tiny, str(folder / "movie.mp4"), t=SECONDS)
    subprocess.run(ffmpeg.compile(output, cmd=find_ffmpeg().path), check=True, capture_output=True)
    shutil.copy(ROOT / "sample_videos" / "brushwork.jpg", folder / "starry.jpg")
    shutil.copy(ROOT / "sample_videos" / "papercut.jpg", folder / "waves.jpg")
    (folder / "frames").mkdir()
    with Image.open(folder / "starry.jpg") as picture:
        for name in ("photo.jpg", "frames/1.png", "frames/2.png"):
            picture.resize((64, 48)).save(folder / name)
    (folder / "cuts.txt").write_text("0.1s  # the ship\n")
    Image.linear_gradient("L").save(folder / "mask.png")
    torch.save(raft_small(weights=None).state_dict(), folder / "raft-small.pth")
    torch.save(FastNeuralStyle().state_dict(), folder / "candy.pth")
    (toml,) = blocks("toml")
    # The example's height suits a real movie; this one is 54 pixels high.
    (folder / "settings.toml").write_text(toml.replace("height = 240", "height = 48"))
    return folder


def test_every_example_of_the_readme_runs(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workplace)
    monkeypatch.setenv("VIDSTYLE_CACHE", str(workplace / "cache"))
    monkeypatch.setenv("VIDSTYLE_STYLES", str(workplace / "styles"))
    assert len(commands()) >= 12
    for _, *arguments in commands():
        # In this process: each of its own would take seconds to begin.
        done = CliRunner().invoke(cli, small(arguments))
        assert done.exit_code == 0, f"vidstyle {' '.join(arguments)}\n{done.output}\n{done.exception}"
    assert (workplace / "both.mp4").exists()
    assert list((workplace / "pictures").glob("*.png"))
    assert [file.name for file in sorted((workplace / "painted").iterdir())] == ["00000000.png", "00000001.png"]


def small(arguments: list[str]) -> list[str]:
    """An example made to fit the movie here, and the time."""
    less = {"--height": "54", "--iterations": "8"}
    fitted = [less.get(before, argument) for before, argument in zip(["", *arguments], arguments, strict=False)]
    if arguments[0] == "train":
        return [*fitted, "--steps", "1"]
    optimizes = arguments[0] == "stylize" and any(
        name in " ".join(arguments) for name in ("starry.jpg", "settings.toml")
    )
    if optimizes and not {"--method", "--within", "--quality", "preview.mp4"} & set(arguments):
        return [*fitted, "--first-iterations", "8", "--iterations", "4"]
    return fitted


def test_the_python_example_runs(workplace: Path) -> None:
    (code,) = blocks("python")
    arguments = [sys.executable, "-c", code.replace("height=180", "height=54")]
    environment = {**os.environ, "VIDSTYLE_CACHE": str(workplace / "cache")}
    done = subprocess.run(arguments, cwd=workplace, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "Progress(stage='paint'" in done.stdout


def test_every_command_is_in_the_readme() -> None:
    named = {words[1] for words in commands()} | {" ".join(words[1:3]) for words in commands()}
    for name, command in cli.commands.items():
        assert name in named
        for sub in getattr(command, "commands", {}):
            assert f"{name} {sub}" in named


def test_every_option_has_help() -> None:
    def walk(command: click.Command) -> None:
        for parameter in command.params:
            assert not isinstance(parameter, click.Option) or parameter.help, f"{command.name} {parameter.opts}"
        for sub in getattr(command, "commands", {}).values():
            assert sub.help
            walk(sub)

    walk(cli)


def test_the_set_up_commands_come_first() -> None:
    assert blocks("sh")[0].split()[0] == "scripts/demo"
    assert "scripts/test" in blocks("sh")[0]


def test_links_and_pictures_exist() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
