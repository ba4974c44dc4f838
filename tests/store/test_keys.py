"""Content keys are stable, tell apart what differs, and refuse what has no stable meaning."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field, make_dataclass
from enum import Enum
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vidstyle.errors import InputError
from vidstyle.store import content_key, file_digest, keys


class Kind(Enum):
    A = "a"
    B = "b"


@dataclass(frozen=True)
class Inner:
    weight: float = 1.0
    layers: tuple[str, ...] = ("relu1_1",)


@dataclass(frozen=True)
class Settings:
    size: int
    rate: Fraction = Fraction(25)
    kind: Kind = Kind.A
    inner: Inner = field(default_factory=Inner)
    limit: float | None = None
    on: bool = False


def key(settings: object = None, **other: Any) -> str:
    return content_key(**{"stage": "flow", "version": 1, "settings": settings, "inputs": ["ab"], **other})


def test_keys_are_pinned() -> None:
    assert key() == "61e1afb688362fe2afaf3f9b5d1264e3"
    assert (
        key(Settings(3, Fraction(30000, 1001), Kind.B, Inner(0.1, ("x", "y")), 1e-3, True))
        == "8af1339feed339688609de68f1f3a8a6"
    )


def test_a_new_setting_at_its_default_changes_no_key() -> None:
    old = make_dataclass("S", [("a", int), ("b", float, 2.0)], frozen=True)
    new = make_dataclass(
        "S",
        [("a", int), ("b", float, 2.0), ("c", Any, None), ("d", Inner, field(default_factory=Inner))],
        frozen=True,
    )
    assert key(old(1)) == key(new(1)) == key(old(1, 2.0))
    assert key(new(1, c=0)) != key(old(1))
    assert key(new(1, d=Inner(2.0))) != key(old(1))


def test_a_field_without_default_always_counts() -> None:
    assert key(make_dataclass("S", [("a", int)], frozen=True)(1)) != key(make_dataclass("S", [], frozen=True)())


def test_everything_that_differs_gives_another_key() -> None:
    settings = [
        None,
        Settings(1),
        Settings(2),
        Settings(1, rate=Fraction(24)),
        Settings(1, kind=Kind.B),
        Settings(1, inner=Inner(0.5)),
        Settings(1, inner=Inner(layers=())),
        Settings(1, inner=Inner(layers=("relu1_1", "relu2_1"))),
        Settings(1, inner=Inner(layers=("relu1_1relu2_1",))),
        Settings(1, limit=0.0),
        Settings(1, limit=-0.0),
        Settings(1, limit=0),
        Settings(1, limit=0.1 + 0.2),
        Settings(1, limit=0.3),
        Settings(1, limit=float("inf")),
        Settings(1, limit="inf"),  # type: ignore[arg-type]
        Settings(1, on=True),
        Settings(True),
        Settings(1.0),  # type: ignore[arg-type]
        Settings("1"),  # type: ignore[arg-type]
        Inner(),
    ]
    found = [key(each) for each in settings]
    found += [
        key(stage="mask"),
        key(version=2),
        key(inputs=[]),
        key(inputs=["ab", "cd"]),
        key(inputs=["abcd"]),
    ]
    found += [key(inputs=["cd", "ab"])]
    assert len(set(found)) == len(found)
    assert all(len(each) == 32 and int(each, 16) >= 0 for each in found)


@pytest.mark.parametrize(
    "value", [Path("a"), [1], {"a": 1}, {1}, b"a", np.float64(1), np.int64(1), np.zeros(2), object(), int]
)
def test_values_without_a_stable_meaning_are_refused(value: object) -> None:
    holder = make_dataclass("S", [("a", Any, None)], frozen=True)
    with pytest.raises(TypeError, match=r"settings\.a"):
        key(holder(value))
    with pytest.raises(TypeError):
        key(holder((1, value)))


def test_only_frozen_dataclasses_and_real_sequences() -> None:
    with pytest.raises(TypeError, match="frozen"):
        key(make_dataclass("S", [])())
    for wrong in ("text", 1, {"a": 1}, Settings):
        with pytest.raises(TypeError):
            key(wrong)
    with pytest.raises(TypeError):
        key(inputs="abcd")
    with pytest.raises(TypeError):
        key(inputs=[Path("a")])


ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    path = tmp_path / "a\nmovie.mp4"
    path.write_bytes(b"abc")
    age(path)
    return path


def age(path: Path) -> None:
    old = time.time() - 60
    os.utime(path, (old, old))


def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that are hashed from now on."""
    hashed: list[Path] = []
    original = keys._hash_file

    def hash_and_note(path: Path) -> str:
        hashed.append(path)
        return original(path)

    monkeypatch.setattr(keys, "_hash_file", hash_and_note)
    return hashed


def test_a_digest_is_remembered(movie: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = reads(monkeypatch)
    assert [file_digest(movie, tmp_path / "memo") for _ in range(3)] == [ABC] * 3
    assert len(hashed) == 1
    assert file_digest(movie) == ABC
    assert len(hashed) == 2


def test_a_changed_file_is_read_again(movie: Path, tmp_path: Path) -> None:
    file_digest(movie, tmp_path / "memo")
    movie.write_bytes(b"abd")
    assert file_digest(movie, tmp_path / "memo") != ABC
    other = tmp_path / "other"
    other.write_bytes(b"xyz")
    stat = movie.stat()
    file_digest(movie, tmp_path / "memo")
    other.replace(movie)
    os.utime(movie, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # only the inode tells
    assert file_digest(movie, tmp_path / "memo") == file_digest(movie)


def test_a_file_that_was_just_written_is_not_remembered(movie: Path, tmp_path: Path) -> None:
    movie.write_bytes(b"abc")
    assert file_digest(movie, tmp_path / "memo") == ABC
    stat = movie.stat()
    movie.write_bytes(b"abd")  # within one tick of a coarse clock
    os.utime(movie, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert file_digest(movie, tmp_path / "memo") != ABC


@pytest.mark.parametrize("damage", ["", "{", "[]", "null", '{"sha256": 1}', "flip", "[" * 100_000])
def test_a_damaged_memo_is_ignored(damage: str, movie: Path, tmp_path: Path) -> None:
    file_digest(movie, tmp_path / "memo")
    (memo,) = (tmp_path / "memo").iterdir()
    memo.write_text(damage if damage != "flip" else memo.read_text().replace(ABC, ABC.replace("a", "b")))
    assert file_digest(movie, tmp_path / "memo") == ABC


def test_a_memo_that_cannot_be_written_is_no_error(movie: Path) -> None:
    assert file_digest(movie, movie / "memo") == ABC


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        file_digest(tmp_path / "no\nsuch")
    assert "\n" not in str(caught.value)
