"""Shelves keep artifacts by name; what is damaged is said, set aside and can be made again."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vidstyle.errors import InputError, StoreError
from vidstyle.store import (
    FRAME,
    JSON,
    MASK,
    Job,
    Shelf,
    Store,
    file_digest,
    find_root,
    frame_name,
    pair_name,
    parse_frame_name,
    parse_pair_name,
    temporary_path,
    write_artifact,
)

KEY = "0123456789abcdef" * 2
PICTURE = np.arange(4 * 5 * 3).astype(np.uint8).reshape(4, 5, 3)


class Reports(list[str]):
    def __call__(self, line: str) -> None:
        assert "\n" not in line
        self.append(line)


@pytest.fixture
def reports() -> Reports:
    return Reports()


@pytest.fixture
def shelf(tmp_path: Path, reports: Reports) -> Shelf[FRAME]:  # type: ignore[valid-type]
    return Store(tmp_path / "cache", reports).shelf("stylize", KEY, FRAME, {"stage": "stylize", "inputs": ["a"]})


def test_what_was_saved_is_loaded(shelf: Shelf, reports: Reports) -> None:
    assert not shelf.has("00000042") and shelf.load("00000042") is None and shelf.meta("00000042") is None
    assert list(shelf.names()) == [] and shelf.size() == 0
    shelf.save("00000042", PICTURE, {"time": "1/25"})
    found = shelf.load("00000042")
    assert shelf.has("00000042") and found is not None
    assert (found.value == PICTURE).all() and found.meta == {"time": "1/25", "codec": "frame"}
    assert shelf.meta("00000042") == found.meta
    shelf.save("00000042", PICTURE + 1)
    found = shelf.load("00000042")
    assert found is not None and (found.value == PICTURE + 1).all()
    assert reports == []


def test_the_layout_on_disk(shelf: Shelf, tmp_path: Path) -> None:
    for name in ("00000042", "00000042-00000041", "00123456-00000001", "shots"):
        shelf.save(name, PICTURE)
    root = tmp_path / "cache"
    base = f"v2/stylize/01/{KEY}"
    files = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
    assert files == [
        "CACHEDIR.TAG",
        f"{base}/00000/00000042",
        f"{base}/00000/00000042-00000041",
        f"{base}/00123/00123456-00000001",
        f"{base}/about.json",
        f"{base}/shots",
    ]
    assert (root / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55\n")
    assert json.loads((root / base / "about.json").read_text()) == {"stage": "stylize", "inputs": ["a"]}
    assert list(shelf.names()) == ["00000042", "00000042-00000041", "00123456-00000001", "shots"]
    assert shelf.size() == sum((root / file).stat().st_size for file in files[1:])


def test_nothing_is_written_before_the_first_save(shelf: Shelf, tmp_path: Path) -> None:
    shelf.has("a")
    shelf.load("a")
    list(shelf.names())
    assert list(tmp_path.iterdir()) == []


def test_what_is_damaged_is_said_once_set_aside_and_made_again(shelf: Shelf, reports: Reports) -> None:
    rng = random.Random(0)
    shelf.save("00000007", PICTURE)
    path = shelf.path("00000007")
    good = path.read_bytes()
    for number in range(1, 21):
        bad = bytearray(good)
        bad[rng.randrange(len(bad))] ^= 1 << rng.randrange(8)
        path.write_bytes(bad)
        assert shelf.load("00000007") is None
        assert shelf.load("00000007") is None and not shelf.has("00000007")
        assert len(reports) == number
        assert path.with_name(f"00000007.corrupt-{number}").read_bytes() == bad
        assert list(shelf.names()) == []
        shelf.save("00000007", PICTURE)
        assert path.read_bytes() == good
    assert "stylize 00000007" in reports[0] and "made again" in reports[0]


@pytest.mark.parametrize("content", [b"", b"x", b"\0" * 10_000])
def test_empty_and_foreign_files_are_damaged(shelf: Shelf, reports: Reports, content: bytes) -> None:
    shelf.save("a", PICTURE)
    shelf.path("a").write_bytes(content)
    assert shelf.meta("a") is None and shelf.load("a") is None and len(reports) == 1


def test_a_whole_artifact_that_does_not_decode_is_damaged(shelf: Shelf, reports: Reports) -> None:
    shelf.save("a", PICTURE)
    write_artifact(shelf.path("a"), b"no picture", {"codec": "frame"})
    assert shelf.load("a") is None
    write_artifact(shelf.path("a"), MASK.encode(PICTURE[..., 0]), {"codec": "mask"})
    assert shelf.load("a") is None
    assert len(reports) == 2 and "holds mask instead of frame" in reports[1]


def test_what_killed_processes_left_is_cleaned_up(shelf: Shelf) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    shelf.save("00000001", PICTURE)
    folder = shelf.path("00000001").parent
    mine = temporary_path(folder / "00000002")
    dead = folder / mine.name.replace(f"-{os.getpid()}-", f"-{gone.pid}-")
    for path in (mine, dead):
        path.write_bytes(b"half")
    assert list(shelf.names()) == ["00000001"]
    again = Store(shelf.folder.parents[3], print).shelf("stylize", KEY, FRAME)
    again.save("00000003", PICTURE)
    assert mine.exists() and not dead.exists()


def test_stages_keys_and_names_stay_inside_the_cache(tmp_path: Path, shelf: Shelf) -> None:
    store = Store(tmp_path, print)
    for stage, key in (
        ("..", KEY),
        ("a/b", KEY),
        ("", KEY),
        ("flow", "../x"),
        ("flow", KEY.upper()),
        ("flow", ""),
    ):
        with pytest.raises(ValueError, match="not a stage and a content key"):
            store.shelf(stage, key, JSON)
    for name in ("", "..", "a/b", ".hidden", "about.json", "a.corrupt-1", "a\n", "x" * 200):
        with pytest.raises(ValueError, match="not a name"):
            shelf.path(name)


def test_frame_and_pair_names() -> None:
    assert frame_name(42) == "00000042" and parse_frame_name("00000042") == 42
    assert pair_name(42, 41) == "00000042-00000041" and parse_pair_name("00000042-00000041") == (42, 41)
    for wrong in (-1, 10**8):
        with pytest.raises(ValueError, match="frame numbers"):
            frame_name(wrong)
    for text in ("42", "00000042 ", "00000042\n", "0000004x", "00000042-00000041", "٠٠٠٠٠٠٤٢"):
        with pytest.raises(ValueError, match="not the name of a frame"):
            parse_frame_name(text)
    for text in ("00000042", "00000042-41", "00000042-00000041-00000040"):
        with pytest.raises(ValueError, match="not the name of a pair"):
            parse_pair_name(text)


def test_a_full_disk_and_then_room(small_disk: Path) -> None:
    shelf = Store(small_disk / "cache", print).shelf("decode", KEY, FRAME)
    noise = np.random.default_rng(0).integers(0, 256, (150, 150, 3)).astype(np.uint8)
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 150_000)
    with pytest.raises(StoreError, match="no space left"):
        for n in range(9):
            shelf.save(frame_name(n), noise)
    for name in shelf.names():
        assert shelf.load(name) is not None
    ballast.unlink()
    shelf.save(frame_name(9), noise)
    assert shelf.load(frame_name(9)) is not None


def test_a_read_only_cache_can_be_read(small_disk: Path, reports: Reports) -> None:
    shelf = Store(small_disk, reports).shelf("decode", KEY, FRAME)
    shelf.save("00000001", PICTURE)
    shelf.save("00000002", PICTURE)
    shelf.path("00000002").write_bytes(b"damaged")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    again = Store(small_disk, reports).shelf("decode", KEY, FRAME, {"about": "it"})
    assert again.load("00000001") is not None
    with pytest.raises(StoreError, match=r"damaged.*read-only"):
        again.load("00000002")
    with pytest.raises(StoreError, match="read-only disk") as caught:
        again.save("00000003", PICTURE)
    assert "\n" not in str(caught.value)


def test_a_vanished_cache_is_said_and_not_made_elsewhere(shelf: Shelf, tmp_path: Path) -> None:
    shelf.save("a", PICTURE)
    shutil.rmtree(tmp_path / "cache")
    assert shelf.load("a") is None
    with pytest.raises(StoreError, match="has vanished"):
        shelf.save("a", PICTURE)
    assert not (tmp_path / "cache").exists()


def test_a_cache_inside_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError) as caught:
        Store(tmp_path / "file" / "cache", print).shelf("decode", KEY, FRAME).save("a", PICTURE)
    assert "\n" not in str(caught.value)


def test_a_shelf_that_was_pruned_meanwhile_goes_on(shelf: Shelf) -> None:
    shelf.save("00000001", PICTURE)
    shutil.rmtree(shelf.folder)
    shelf.save("00000002", PICTURE)
    assert list(shelf.names()) == ["00000002"]


def test_many_frames_stay_fast(tmp_path: Path) -> None:
    shelf = Store(tmp_path, print).shelf("shots", KEY, JSON)
    shelf.save("00000000", 0)
    content = shelf.path("00000000").read_bytes()
    for n in range(1, 20_000):
        path = shelf.path(frame_name(n))
        if n % 1000 == 0:
            path.parent.mkdir()
        path.write_bytes(content)
    start = time.perf_counter()
    assert list(shelf.names()) == [frame_name(n) for n in range(20_000)]
    assert all(shelf.has(frame_name(n)) for n in range(0, 20_000, 20))
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize("first", ["shelf", "job", "digest"])
@pytest.mark.parametrize("before", ["nothing", "an empty folder", "a folder with something in it"])
def test_backup_programs_leave_out_only_a_folder_that_is_a_cache_alone(tmp_path: Path, first: str, before: str) -> None:
    root, movie = tmp_path / "project", tmp_path / "movie"
    movie.write_bytes(b"a movie")
    os.utime(movie, (1, 1))
    if before != "nothing":
        root.mkdir()
    if "something" in before:
        (root / "letter.txt").touch()

    make: dict[str, Callable[[], object]] = {
        "shelf": lambda: Store(root, print).shelf("decode", KEY, JSON).save("a", 0),
        "job": lambda: Job.create(root, "a", {}),
        "digest": lambda: file_digest(movie, root / "digests"),
    }
    make[first]()
    for other in make.values():
        other()
    assert sorted(path.name for path in root.iterdir() if path.is_dir()) == ["digests", "jobs", "v2"]
    assert (root / "CACHEDIR.TAG").exists() == ("something" not in before)


def test_the_cache_folder_is_what_was_asked_for_or_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VIDSTYLE_CACHE", "/some/where")
    assert find_root() == Path("/some/where")
    assert find_root("cache") == tmp_path / "cache"
    assert find_root("~/cache") == Path.home() / "cache"
    monkeypatch.setenv("VIDSTYLE_CACHE", "")
    assert find_root().name in ("vidstyle", "Cache")


@pytest.mark.parametrize("name", ["", "file", "file/cache"])
def test_what_cannot_be_the_cache_folder_is_one_line(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    with pytest.raises(InputError, match="name a folder") as caught:
        find_root(name)
    assert "\n" not in str(caught.value)
    if name:
        monkeypatch.setenv("VIDSTYLE_CACHE", name)
        with pytest.raises(InputError, match="VIDSTYLE_CACHE"):
            find_root()
