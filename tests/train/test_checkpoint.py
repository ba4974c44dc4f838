"""Checkpoints: what was saved is there again, whatever happens to the disk and the files on it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from vidstyle.errors import InputError, VidstyleError
from vidstyle.train.checkpoint import FIELDS, begin_anew, read_checkpoint, write_checkpoint


def state(step: int) -> dict[str, Any]:
    return {**dict.fromkeys(FIELDS, 0), "network": {"weight": torch.full((1000,), float(step))}, "step": step}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of a checkpoint of step 2; the one of step 1 lies beside it."""
    path = tmp_path / "mine.training" / "checkpoint.pt"
    for step in (1, 2):
        write_checkpoint(path, state(step))
    return path


def names(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.iterdir())


def test_the_newest_is_read_and_the_one_before_is_kept(path: Path) -> None:
    write_checkpoint(path, state(3))
    found = read_checkpoint(path)
    assert found is not None and found["step"] == 3 and found["network"]["weight"][0] == 3
    assert names(path) == ["checkpoint-before.pt", "checkpoint.pt"]
    path.unlink()  # as where the program was killed between two names
    found = read_checkpoint(path)
    assert found is not None and found["step"] == 2
    assert read_checkpoint(path.with_name("none.pt")) is None


def flipped(content: bytes) -> bytes:
    middle = content.index(torch.full((1000,), 2.0).numpy().tobytes()) + 2000
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def saved(value: Any) -> Callable[[bytes], bytes]:
    def make(content: bytes) -> bytes:
        torch.save(value, "other.pt")
        return Path("other.pt").read_bytes()

    return make


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "cut off": lambda content: content[: len(content) // 2],
    "a bit": flipped,
    "text": lambda content: b"hello",
    "weights of something else": saved({"conv.weight": torch.zeros(3)}),
    "a list": saved([1, 2]),
    "not finite": saved({**state(2), "network": {"weight": torch.tensor([float("nan")])}}),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_cannot_be_read_is_set_aside_and_the_one_before_taken(
    path: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent.parent)
    content = DAMAGE[damage](path.read_bytes())
    path.write_bytes(content)
    said: list[str] = []
    found = read_checkpoint(path, said.append)
    assert found is not None and found["step"] == 1
    (line,) = said
    assert "set aside as checkpoint-damaged-1.pt" in line and "\n" not in line
    assert (path.parent / "checkpoint-damaged-1.pt").read_bytes() == content
    (path.parent / "checkpoint-before.pt").write_bytes(content)
    assert read_checkpoint(path) is None
    assert names(path) == ["checkpoint-before-damaged-1.pt", "checkpoint-damaged-1.pt"]


def test_what_may_not_be_read_is_left_alone(path: Path) -> None:
    path.unlink()
    path.mkdir()
    with pytest.raises(InputError, match="cannot be read"):
        read_checkpoint(path)


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_is_one_line_and_the_checkpoint_stays(
    path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(*((os, call) if call == "fsync" else (Path, call)), full)
        with pytest.raises(VidstyleError, match="no space left to write") as caught:
            write_checkpoint(path, state(3))
    assert caught.value.exit_code == 1 and "\n" not in str(caught.value)
    found = read_checkpoint(path)
    assert found is not None and found["step"] == 2
    assert names(path) == ["checkpoint-before.pt", "checkpoint.pt"]


def test_a_disk_that_is_full_indeed(small_disk: Path) -> None:
    path = small_disk / "checkpoint.pt"
    write_checkpoint(path, state(1))
    with pytest.raises(VidstyleError, match="no space left to write"):
        write_checkpoint(path, {**state(2), "network": {"weight": torch.zeros(200_000)}})
    found = read_checkpoint(path)
    assert found is not None and found["step"] == 1
    assert names(path) == ["checkpoint.pt"]


def test_beginning_anew_loses_nothing(path: Path) -> None:
    assert begin_anew(path) == path.with_name("checkpoint-earlier-1.pt")
    assert read_checkpoint(path) is None and begin_anew(path) is None
    write_checkpoint(path, state(1))
    begin_anew(path)
    assert names(path) == ["checkpoint-earlier-1.pt", "checkpoint-earlier-2.pt"]
