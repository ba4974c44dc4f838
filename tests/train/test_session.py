"""A training from folders to a file of styles, by the function and by the command."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vidstyle.cli import main
from vidstyle.cli.train import default_steps
from vidstyle.errors import InputError, Interrupted, OutputError, StoreError, WeightsError
from vidstyle.nets.style_file import read_styles
from vidstyle.pipeline.events import Event, Monitor, Note, Progress
from vidstyle.store import Lock
from vidstyle.train import recurrent, session
from vidstyle.train.recurrent import TrainSettings

SETTINGS = TrainSettings(steps=3, width=16, blocks=2, crop=64, style_size=64, precision="float32")


def draw(path: Path, seed: int, size: tuple[int, int] = (96, 72)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1] // 8, size[0] // 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize(size).save(path)
    return path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for seed in range(4):
        draw(tmp_path / "photos" / f"{seed}.png", seed)
        draw(tmp_path / "movies" / "pan" / f"{seed:04d}.png", seed)
    draw(tmp_path / "My Painting.png", 9)
    draw(tmp_path / "other.jpg", 10)
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Listener:
    """Hears everything; asks to stop after some steps."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.events: list[Event] = []
        self.stop_after = stop_after

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    def should_stop(self) -> bool:
        return self.stop_after is not None and self.steps[-1:] == [self.stop_after]

    @property
    def steps(self) -> list[int]:
        return [int(e.done) for e in self.events if isinstance(e, Progress) and e.stage == "train"]

    @property
    def notes(self) -> str:
        return "\n".join(event.text for event in self.events if isinstance(event, Note))


def train(listener: Listener, *paintings: str, settings: TrainSettings = SETTINGS, **changes: Any) -> Path:
    asked: dict[str, Any] = {"output": Path("mine.safetensors"), "photos": Path("photos"), **changes}
    chosen = [Path(name) for name in paintings or ("My Painting.png",)]
    return session.train(
        chosen, settings=settings, monitor=Monitor(listener, listener.should_stop), device="cpu", **asked
    )


def test_paintings_become_a_file_of_styles(here: Path) -> None:
    listener = Listener()
    written = train(listener, "My Painting.png", "other.jpg", videos=Path("movies"))
    found = read_styles(written)
    assert written == here / "mine.safetensors"
    assert found.names == ("My-Painting", "other")
    assert set(found.previews) == set(found.names)
    assert found.notes["step"] == 3
    assert listener.steps == [1, 2, 3]
    with Image.open(here / "mine.training" / "sheet.jpg") as sheet:
        assert sheet.width > 3 * sheet.height / 3
    assert "sheet.jpg" in listener.notes


def test_it_goes_on_where_it_was_stopped(here: Path) -> None:
    whole = train(Listener()).read_bytes()
    for file in (*Path("mine.training").iterdir(), Path("mine.safetensors")):
        file.unlink()
    with pytest.raises(Interrupted, match="step 2: run the same command again"):
        train(Listener(stop_after=2))
    assert not Path("mine.safetensors").exists()
    second = Listener()
    assert train(second).read_bytes() == whole
    assert second.steps == [3]
    assert "going on from step 2" in second.notes


def test_more_steps_go_on_from_a_finished_training(here: Path) -> None:
    written, more = train(Listener()), replace(SETTINGS, steps=5)
    with pytest.raises(OutputError, match="add -y"):
        train(Listener(), settings=more, replace_own=False)
    longer = Listener()
    train(longer, settings=more)
    assert longer.steps == [4, 5]
    with pytest.raises(InputError, match="is of step 5 already: give --steps 5"):
        train(Listener(), settings=SETTINGS)
    written.write_bytes(b"another's")
    with pytest.raises(OutputError, match="add -y"):
        train(Listener(), settings=more)


def test_fewer_steps_that_are_done_give_what_was_learned_so_far(here: Path) -> None:
    with pytest.raises(Interrupted):
        train(Listener(stop_after=2))
    listener = Listener()
    assert read_styles(train(listener, settings=replace(SETTINGS, steps=2))).notes["step"] == 2
    assert listener.steps == []


def test_a_checkpoint_of_something_else_is_not_gone_on_from(here: Path) -> None:
    with pytest.raises(Interrupted):
        train(Listener(stop_after=1))
    checkpoint = Path("mine.training/checkpoint.pt")
    kept = checkpoint.read_bytes()
    draw(here / "painting" / "My Painting.png", 11)
    for says, paintings, changes in (
        (r"--style-weight 10\.0, now 5", (), {"settings": replace(SETTINGS, style_weight=5)}),
        ("photos changed", (), {"photos": Path("movies/pan"), "settings": replace(SETTINGS, steps=9)}),
        ("videos changed", (), {"videos": Path("movies")}),
        ("painting My-Painting changed", ("painting/My Painting.png",), {}),
        (r"styles My-Painting, now My-Painting, other\)", ("My Painting.png", "other.jpg"), {}),
    ):
        draw(here / "movies" / "pan" / "4.png", 9)
        with pytest.raises(InputError, match=says) as caught:
            train(Listener(), *paintings, **changes)
        assert "--restart" in str(caught.value) and "\n" not in str(caught.value)
    assert checkpoint.read_bytes() == kept and not Path("mine.safetensors").exists()
    anew = Listener()
    train(anew, settings=replace(SETTINGS, style_weight=5, steps=1), restart=True)
    assert anew.steps == [1] and "is now" in anew.notes
    assert checkpoint.with_name("checkpoint-earlier-1.pt").read_bytes() == kept


def test_a_damaged_checkpoint_is_said_and_the_training_begins_anew(here: Path) -> None:
    Path("mine.training").mkdir()
    Path("mine.training/checkpoint.pt").touch()
    listener = Listener()
    train(listener, settings=replace(SETTINGS, steps=1))
    assert listener.steps == [1] and "set aside as checkpoint-damaged-1.pt" in listener.notes


def test_a_full_disk_is_one_line(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    monkeypatch.setattr(recurrent, "TrainSettings", lambda **given: replace(SETTINGS, steps=1))
    with pytest.raises(SystemExit) as stop:
        main(["train", "other.jpg", "-o", "mine.safetensors", "--photos", "photos", "-q", "--device", "cpu"])
    assert stop.value.code == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("vidstyle: no space left to write")


def test_the_same_training_does_not_run_twice(here: Path) -> None:
    listener = Listener()
    with (
        Lock(Path("mine.training/lock")).hold("it"),
        pytest.raises(StoreError, match=r"mine\.safetensors is being worked on by process \d+: wait"),
    ):
        train(listener)
    assert listener.steps == []
    train(listener)
    assert listener.steps == [1, 2, 3]


@pytest.mark.parametrize("in_the_way", ["file", "folder"])
def test_a_folder_that_cannot_be_used_is_said(here: Path, in_the_way: str) -> None:
    if in_the_way == "file":
        Path("mine.training").touch()
    else:
        Path("mine.training/lock").mkdir(parents=True)
    with pytest.raises(OutputError, match=r"mine\.training") as caught:
        train(Listener())
    assert "cache" not in str(caught.value)


def test_a_photo_that_cannot_be_read_is_left_out_and_said(here: Path) -> None:
    Path("photos/broken.jpg").write_bytes(b"no picture")
    listener = Listener()
    train(listener)
    assert "left out" in listener.notes and "broken.jpg" in listener.notes


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"output": Path("mine.pth")}, OutputError, "end in .safetensors"),
        ({"output": Path("nowhere/mine.safetensors")}, OutputError, "no such folder"),
        ({"output": Path("vgg.safetensors"), "encoder_weights": Path("vgg.safetensors")}, InputError, "weights itself"),
        ({"photos": Path("nowhere")}, InputError, "no folder nowhere"),
        ({"photos": Path("movies")}, InputError, "no pictures"),
        ({"videos": Path("nowhere")}, InputError, "no folder nowhere"),
        ({"encoder_weights": Path("none.pth")}, WeightsError, "no weight file"),
    ],
)
def test_bad_input_is_said_before_any_step(
    here: Path, changes: dict[str, Any], error: type[Exception], says: str
) -> None:
    listener = Listener()
    Path("vgg.safetensors").touch()
    with pytest.raises(error, match=says):
        train(listener, **changes, may_replace=lambda path: True)
    assert listener.steps == []


def test_two_paintings_of_one_name_and_a_missing_one(here: Path) -> None:
    draw(here / "photos" / "other.png", 1)
    with pytest.raises(InputError, match="both be called other"):
        train(Listener(), "other.jpg", "photos/other.png")
    with pytest.raises(InputError, match=r"nowhere\.jpg"):
        train(Listener(), "nowhere.jpg")


def test_an_existing_file_is_replaced_only_when_allowed(here: Path) -> None:
    Path("mine.safetensors").write_bytes(b"precious")
    with pytest.raises(OutputError, match="add -y"):
        train(Listener())
    assert Path("mine.safetensors").read_bytes() == b"precious"


def test_what_begins_with_nothing_takes_longer() -> None:
    assert default_steps(3, "random") == 3 * default_steps(3, "shipped") > default_steps(1, "random")


def test_the_command(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked = []
    small = {name: getattr(SETTINGS, name) for name in ("width", "blocks", "crop", "precision", "begin")}

    def settings(**given: Any) -> TrainSettings:
        asked.append(given)
        return TrainSettings(**{**given, **small, "steps": 2})

    monkeypatch.setattr(recurrent, "TrainSettings", settings)
    command = ["train", "other.jpg", "My Painting.png", "-o", "mine.safetensors", "--photos", "photos"]
    with pytest.raises(SystemExit) as stop:
        main([*command, "--strokes", "64", "--style-weight", "5", "--seed", "3", "--device", "cpu"])
    assert stop.value.code == 0
    said = capsys.readouterr()
    assert said.out == f"{here / 'mine.safetensors'}\n"
    assert "2 of 2 steps" in said.err
    assert asked == [{"steps": 1400, "seed": 3, "style_weight": 5.0, "style_size": 64, "begin": "shipped"}]
    with pytest.raises(SystemExit) as stop:
        main(["train", "other.jpg", "-o", "mine.safetensors", "--photos", "photos"])
    assert stop.value.code == 2
