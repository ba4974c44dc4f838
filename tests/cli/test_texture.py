"""Textures, from the command to the file."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.stylize.scene import encoder, style
from vidstyle.cli import main
from vidstyle.config import OptimizeSettings
from vidstyle.errors import InputError, Interrupted, OutputError, PaintError
from vidstyle.pipeline.events import Monitor, Progress
from vidstyle.pipeline.texture import texture
from vidstyle.stylize.style import StyleTerm
from vidstyle.stylize.texture import synthesize

STYLE = Path(__file__).parents[2] / "sample_videos" / "brushwork.jpg"
SIZE = (48, 32)


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main(["texture", *map(str, arguments)])
    code = stop.value.code
    assert isinstance(code, int)
    return code


def test_a_texture_has_the_style_from_any_noise() -> None:
    def term(picture: torch.Tensor) -> float:
        compare = StyleTerm(OptimizeSettings(), encoder(), [style()], SIZE)
        goals = compare.goals([1.0])
        return compare(compare.view(picture[None], (), goals), goals).item()

    one, other = (
        synthesize(OptimizeSettings(first_iterations=15, seed=seed), encoder(), style(), SIZE, lambda share: None)
        for seed in (1, 2)
    )
    assert one.shape == (3, 32, 48)
    assert one.min() >= 0 and one.max() <= 1
    assert max(term(one), term(other)) < 0.2 * term(torch.full((3, 32, 48), 0.5))
    assert (one - other).abs().mean() > 0.02


def test_the_command_writes_a_picture_and_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(STYLE, "--size", "40x24", "--iterations", 3, "--style-loss", "mean-std", "--scale", 2) == 0
    said = capsys.readouterr()
    assert said.out == f"{tmp_path / 'brushwork-texture.png'}\n"
    assert "3 of 3 steps" in said.err
    with Image.open(tmp_path / "brushwork-texture.png") as picture:
        assert picture.size == (40, 24)
        first = np.asarray(picture)
    assert run(STYLE, "--size", "40x24", "--iterations", 3) == 2
    assert "-y" in capsys.readouterr().err
    assert run(STYLE, "--size", "40x24", "--iterations", 3, "--style-loss", "mean-std", "--scale", 2, "-y") == 0
    assert np.array_equal(np.asarray(Image.open(tmp_path / "brushwork-texture.png")), first)
    assert [path.name for path in tmp_path.iterdir()] == ["brushwork-texture.png"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("none.jpg",), "none.jpg"),
        ((STYLE, "--size", "big"), "not a size"),
        ((STYLE, "--size", "8x80"), "--size is at least 16"),
        ((STYLE, "--size", "99999x99999"), "at most 64,000,000 pixels"),
        ((STYLE, "-o", "out.mp4"), "out.mp4"),
        ((STYLE, "-o", "nowhere/out.png"), "nowhere"),
        ((STYLE, "--scale", "0"), "scale"),
        ((STYLE, "--iterations", "0"), "iterations"),
        ((STYLE, "--style-layers", "relu9_1"), "relu9_1"),
        ((STYLE, "--device", "gpu"), "--device"),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_2(
    arguments: tuple[object, ...],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 2
    said = capsys.readouterr()
    assert says in said.err
    assert len(said.err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_the_output_is_checked_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    style = tmp_path / "style.jpg"
    style.write_bytes(STYLE.read_bytes())
    (tmp_path / "link.jpg").symlink_to(style)

    def make(output: Path) -> None:
        texture(style, output, SIZE, OptimizeSettings(), Monitor(), may_replace=lambda path: True, device="cpu")

    for name in ("style.jpg", "link.jpg"):
        with pytest.raises(InputError, match="replace the style itself"):
            make(tmp_path / name)
    # Also for root, who may write everywhere.
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
    with pytest.raises(OutputError, match="cannot be written to"):
        make(tmp_path / "out.png")
    assert style.read_bytes() == STYLE.read_bytes()


@pytest.mark.parametrize(
    ("made", "advice"), [(MemoryError(), "a smaller --size"), (torch.full((3, 32, 48), torch.nan), "another --seed")]
)
def test_what_fails_names_options_that_there_are(
    made: torch.Tensor | MemoryError, advice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*arguments: object) -> torch.Tensor:
        if isinstance(made, MemoryError):
            raise made
        return made

    monkeypatch.setattr("vidstyle.pipeline.texture.synthesize", failing)
    with pytest.raises(PaintError, match=advice):
        texture(STYLE, tmp_path / "out.png", SIZE, OptimizeSettings(), Monitor(), device="cpu")


def test_it_can_be_stopped_and_leaves_nothing(tmp_path: Path) -> None:
    events: list[object] = []
    monitor = Monitor(events.append, lambda: len(events) >= 2)
    with pytest.raises(Interrupted, match="no texture"):
        texture(STYLE, tmp_path / "out.png", SIZE, OptimizeSettings(first_iterations=50), monitor, device="cpu")
    assert list(tmp_path.iterdir()) == []
    assert all(isinstance(event, Progress) and event.total == 50 for event in events)
