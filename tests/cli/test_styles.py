"""``vidstyle styles``, and trained styles on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.nets.test_fast_neural_style import random_tensors
from tests.stylize.scene import picture, small_network
from vidstyle.cli import main
from vidstyle.nets.style_file import read_styles, write_styles
from vidstyle.pipeline import styles as module
from vidstyle.store import quantize_frame

ROOT = Path(__file__).parents[2]
MOVIE = ROOT / "sample_videos" / "tiny.mp4"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder of styles, which is not there yet; and nothing that the package carries."""
    monkeypatch.setenv("VIDSTYLE_STYLES", str(tmp_path / "styles"))
    monkeypatch.setattr(module, "embedded_styles", lambda: tmp_path / "carried.safetensors")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "styles"


@pytest.fixture
def carried(tmp_path: Path) -> Path:
    """Two styles as part of the package, one with a picture."""
    jpeg = tmp_path / "preview.jpg"
    Image.new("RGB", (32, 24), "teal").save(jpeg)
    path = tmp_path / "carried.safetensors"
    write_styles(path, ["sea", "sand"], small_network(2), {"sea": jpeg.read_bytes()}, {"steps": 7})
    return path


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A checkpoint of fast_neural_style, as old versions of PyTorch stored it."""
    torch.save({**random_tensors(), "in1.running_mean": torch.zeros(32)}, tmp_path / "My candy.pth")
    return tmp_path / "My candy.pth"


class Said:
    """What a command gave: its exit code, data and messages."""

    def __init__(self, code: object, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def command(*arguments: object) -> Said:
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Said(stop.value.code, said.out, said.err)

    return command


def names(run: Any) -> list[str]:
    return [style["name"] for style in json.loads(run("styles", "list", "--json").out)]


def own_file(tmp_path: Path, *names: str) -> Path:
    write_styles(tmp_path / "mine.safetensors", names, small_network(len(names), seed=3))
    return tmp_path / "mine.safetensors"


def test_without_any_style_the_list_says_how_to_get_one(run: Any, folder: Path) -> None:
    said = run("styles", "list")
    assert (said.code, said.out) == (0, "")
    assert "vidstyle styles add" in said.err and str(folder) in said.err
    assert json.loads(run("styles", "list", "--json").out) == []


def test_the_list_has_those_of_the_package_and_ones_own(run: Any, carried: Path, tmp_path: Path, folder: Path) -> None:
    assert run("styles", "add", own_file(tmp_path, "mine")).out == "mine\n"
    lines = run("styles", "list").out.splitlines()
    assert [line.split()[0] for line in lines] == ["style", "sea", "sand", "mine"]
    assert "part of vidstyle" in lines[1] and str(folder / "mine.safetensors") in lines[3]
    listed = json.loads(run("styles", "list", "--json").out)
    assert [style["embedded"] for style in listed] == [True, True, False]
    assert listed[0]["path"] == str(carried)


def test_a_damaged_file_is_said_and_the_others_are_listed(run: Any, carried: Path, folder: Path) -> None:
    folder.mkdir()
    (folder / "torn.safetensors").write_bytes(carried.read_bytes()[:5])
    said = run("styles", "list")
    assert "sea" in said.out
    (line,) = said.err.splitlines()
    assert "torn.safetensors is left out" in line


def test_an_added_style_is_the_same_network_under_its_new_name(run: Any, tmp_path: Path, folder: Path) -> None:
    assert run("styles", "add", own_file(tmp_path, "mine"), "--name", "ours").out == "ours\n"
    assert [file.name for file in folder.iterdir()] == ["ours.safetensors"]
    added, before = read_styles(folder / "ours.safetensors"), read_styles(tmp_path / "mine.safetensors")
    assert added.names == ("ours",)
    weights, wanted = added.network.state_dict(), before.network.state_dict()
    assert all(torch.equal(weights[name], wanted[name]) for name in wanted)


def test_a_checkpoint_of_fast_neural_style_becomes_a_style(run: Any, checkpoint: Path, tmp_path: Path) -> None:
    assert run("styles", "add", checkpoint).out == "My-candy\n"
    assert names(run) == ["My-candy"]
    shown = json.loads(run("styles", "show", "My-candy", "--json").out)
    assert (shown["temporal"], shown["embedded"]) == (False, False)
    for style, output in (("My-candy", "one.mp4"), (checkpoint, "two.mp4")):
        asked = ("--end", "0.2", "-o", output, "--cache-dir", tmp_path / "cache", "--device", "cpu")
        assert run("stylize", MOVIE, "--style", style, *asked).code == 0
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "two.mp4").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("add", "nowhere.pth"), "no weight file nowhere.pth"),
        (("add", "preview.jpg"), "preview.jpg is no file of trained styles"),
        (("add", "other.pth"), "holds no trained style: neither a file of vidstyle's, nor a checkpoint of fast_neural"),
        (("add", "wide.pth"), "of another width: in1.weight is (16,), not (32,)"),
        (("add", "failed.pth"), "failed.pth holds weights that are no numbers: its training failed"),
        (("add", "mine.safetensors", "--name", "x"), "--name is for files of one style; mine.safetensors holds a, b"),
        (("add", "My candy.pth", "--name", "a b"), "'a b' is no name for a style"),
        (("add", "My candy.pth", "--name", "x.y"), "'x.y' is no name for a style"),
        (("add", "My candy.pth", "--name", "sea"), "there is a style sea already: give this one another name"),
        (("remove", "sea"), "sea is part of vidstyle and cannot be removed"),
        (("remove", "fog"), "there is no style 'fog'"),
        (("show", "fog"), "there is no style 'fog'"),
        (("show", "sea", "--on", "preview.jpg"), "--on needs -o"),
        (("show", "sea", "-o", "x.gif"), "x.gif is no name of a picture that can be written"),
        (("show", "sea", "-o", "x.png", "--on", "nowhere.jpg"), "no such picture"),
        (("show", "sea", "-o", "preview.jpg", "-n"), "exists: add -y to replace it"),
        (("show", "sea", "--on", "preview.jpg", "-o", "preview.jpg", "-y"), "replace the picture itself"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_done_is_said_in_one_line(
    run: Any, carried: Path, checkpoint: Path, tmp_path: Path, folder: Path, arguments: tuple[str, ...], says: str
) -> None:
    own_file(tmp_path, "a", "b")
    torch.save({"conv1.weight": torch.zeros(3)}, tmp_path / "other.pth")
    torch.save({**random_tensors(), "in1.weight": torch.zeros(16)}, tmp_path / "wide.pth")
    torch.save({**random_tensors(), "in1.weight": torch.full((32,), float("nan"))}, tmp_path / "failed.pth")
    said = run("styles", *arguments)
    assert (said.code, said.out) == (2, "")
    (line,) = said.err.splitlines()
    assert says in line
    assert not list(folder.glob("*"))


def test_styles_that_share_a_file_go_together(run: Any, carried: Path, tmp_path: Path, folder: Path) -> None:
    run("styles", "add", own_file(tmp_path, "a", "b"))
    assert names(run) == ["sea", "sand", "a", "b"]
    said = run("styles", "remove", "a")
    assert said.code == 2 and "holds b too" in said.err
    assert run("styles", "remove", "a", "b").out == f"{folder / 'a.safetensors'}\n"
    assert names(run) == ["sea", "sand"]


def test_the_picture_in_the_file_is_shown_else_one_is_painted(run: Any, carried: Path, tmp_path: Path) -> None:
    assert run("styles", "show", "sea", "-o", "sea.png").out == f"{tmp_path / 'sea.png'}\n"
    with Image.open("sea.png") as shown:
        assert shown.size == (32, 24)
        assert np.abs(np.asarray(shown)[0, 0].astype(int) - [0, 128, 128]).max() < 8
    run("styles", "show", "sand", "-o", "sand.png")
    with Image.open("sand.png") as shown:
        assert np.asarray(shown).std() > 1  # an untrained network paints little, but no flat colour


def test_a_picture_of_ones_own_is_painted_in_the_style(run: Any, carried: Path, tmp_path: Path) -> None:
    Image.fromarray(quantize_frame(picture(2).numpy())).save(tmp_path / "photo.png")
    for style in ("sea", "sand"):
        assert run("styles", "show", style, "--on", "photo.png", "-o", f"{style}.png").code == 0
    sea, sand = (np.asarray(Image.open(f"{name}.png")) for name in ("sea", "sand"))
    assert sea.shape == (32, 48, 3)
    with torch.no_grad():
        frame = torch.from_numpy(np.asarray(Image.open("photo.png")).transpose(2, 0, 1).copy()).float()[None] / 255
        network = read_styles(carried).network
        painted = network(frame, frame * 0, frame[:, :1] * 0, torch.tensor([[0.0, 1.0]]))[0]
    assert np.abs(sand.astype(int) - quantize_frame(painted.numpy())).max() <= 1
    assert (sea != sand).any()


def test_what_is_known_of_a_style(run: Any, carried: Path) -> None:
    shown = json.loads(run("styles", "show", "sea", "--json").out)
    assert (shown["file"], shown["embedded"], shown["beside"]) == (str(carried), True, ["sand"])
    assert (shown["has_picture"], shown["notes"]) == (True, {"steps": 7})
    assert "steps       7" in run("styles", "show", "sea").out.splitlines()


def test_a_movie_in_a_style(run: Any, carried: Path, tmp_path: Path) -> None:
    asked = ("stylize", MOVIE, "--style", "sea", "--style", "sand,weight=0.5", "--end", "0.2", "--cache-dir", "cache")
    dry = run(*asked, "--quality", "best", "--dry-run")
    assert "sea and sand are trained styles: a network paints each frame in one go" in dry.out
    assert "--quality is for --method optimize: recurrent has no use for it" in dry.err
    document = json.loads(run(*asked, "--dry-run", "--json").out)
    assert (document["method"], document["stages"][1]["to_do"]) == ("recurrent", document["stages"][0]["total"] - 1)
    assert document["seconds"] > 0
    assert run(*asked).out == f"{tmp_path / 'tiny-sea-sand.mp4'}\n"
    assert "finished" in run("status", "--cache-dir", "cache").out
    assert run("inspect", "frames", "tiny-sea-sand.mp4", "--cache-dir", "cache", "-o", "pictures").code == 0


def test_the_doctor_knows_the_styles(run: Any, carried: Path, folder: Path) -> None:
    folder.mkdir()
    (folder / "torn.safetensors").write_bytes(b"?")
    from vidstyle.pipeline.doctor import MISSING, OK, check_styles

    fine, torn = check_styles()
    assert (fine.state, torn.state) == (OK, MISSING)
    assert "sea, sand" in fine.found and "torn.safetensors" in torn.found
    assert not torn.stops_painting
