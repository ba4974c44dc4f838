"""An artifact is there whole or not at all, and no bit of it changes without notice."""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from vidstyle import store
from vidstyle.errors import StoreError
from vidstyle.store import CorruptArtifact, read_artifact, read_meta, write_artifact

FRAME = np.random.default_rng(0).integers(0, 256, (12, 16, 3)).astype(np.uint8)
KINDS = {
    "flow": store.encode_flow(FRAME[..., :2].transpose(2, 0, 1).astype(np.float32)),
    "frame": store.encode_frame(FRAME),
    "mask": store.encode_mask(FRAME[..., 0]),
    "json": store.encode_json({"a": list(range(50))}),
    "arrays": store.encode_arrays({"frame": FRAME, "mean": np.ones(7, np.float32)}),
    "nothing": b"",
}
META = {"codec": "x", "time": Fraction(1001, 30000), "tools": {"vidstyle": "0.1.0", "opencv": "5"}, "ü": None}


@pytest.fixture(params=KINDS)
def written(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "00000042"
    write_artifact(path, KINDS[request.param], META)
    meta, payload = read_artifact(path)
    assert payload == KINDS[request.param]
    assert meta == read_meta(path) == {**META, "time": "1001/30000"}
    assert Fraction(meta["time"]) == META["time"]
    return path


def test_every_flipped_bit_is_noticed(written: Path) -> None:
    good = written.read_bytes()
    rng = random.Random(1)
    everywhere = [rng.randrange(len(good) * 8) for _ in range(200)]
    before_the_header = range(28 * 8)
    for bit in [*everywhere, *before_the_header]:
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        written.write_bytes(bad)
        with pytest.raises(CorruptArtifact):
            read_artifact(written)
    written.write_bytes(good)
    read_artifact(written)


def test_truncated_empty_and_longer_files_are_noticed(written: Path) -> None:
    good = written.read_bytes()
    for length in {0, 1, 7, 8, 11, 12, 27, 28, 29, len(good) // 2, len(good) - 1}:
        written.write_bytes(good[:length])
        with pytest.raises(CorruptArtifact):
            read_artifact(written)
    for longer in (good + b"\0", good + good, b"\0" * 4096):
        written.write_bytes(longer)
        with pytest.raises(CorruptArtifact):
            read_artifact(written)


def test_the_same_result_is_the_same_file(tmp_path: Path) -> None:
    write_artifact(tmp_path / "a", b"payload", {"b": 1, "a": 2})
    write_artifact(tmp_path / "b", b"payload", {"a": 2, "b": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_the_message_is_one_line_and_a_store_error(tmp_path: Path) -> None:
    path = tmp_path / "new\nline"
    path.write_bytes(b"")
    with pytest.raises(StoreError) as caught:
        read_artifact(path)
    assert "\n" not in str(caught.value)


def test_missing_is_not_corrupt(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_artifact(tmp_path / "none")
    with pytest.raises(FileNotFoundError):
        read_meta(tmp_path / "none")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError):
        read_artifact(tmp_path / "folder")


def test_meta_must_be_json_and_small(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        write_artifact(tmp_path / "a", b"", {"path": tmp_path})
    with pytest.raises(ValueError, match="meta"):
        write_artifact(tmp_path / "a", b"", {"x": "y" * 2_000_000})
    assert list(tmp_path.iterdir()) == []
