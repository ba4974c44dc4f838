"""Writing survives kills, full disks and forbidden folders, and says so in one line."""

from __future__ import annotations

import errno
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.store.conftest import CHECKOUT, Child
from vidstyle.errors import OutputError, StoreError, VidstyleError
from vidstyle.store import atomic, atomic_write, publish, read_artifact, sweep, temporary_path

WRITE_FOREVER = """
import sys, itertools
from pathlib import Path
from vidstyle.store import write_artifact
folder, size = Path(sys.argv[1]), int(sys.argv[2])
print("ready", flush=True)
for n in itertools.count():
    write_artifact(folder / str(n % 5), bytes([n % 256]) * size, {"n": n})
"""


def test_killed_while_writing_leaves_only_whole_artifacts(tmp_path: Path, child: Child) -> None:
    rng = random.Random(0)
    for _ in range(6):
        process = child(WRITE_FOREVER, tmp_path, 3_000_000)
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        time.sleep(0.02 + rng.random() * 0.1)
        process.kill()
        process.wait()
    artifacts = [path for path in tmp_path.iterdir() if not atomic.is_temporary(path.name)]
    assert artifacts
    for path in artifacts:
        meta, payload = read_artifact(path)
        assert payload == bytes([meta["n"] % 256]) * 3_000_000
    sweep(tmp_path)
    assert set(tmp_path.iterdir()) == set(artifacts)


def test_concurrent_writers_leave_a_whole_artifact(tmp_path: Path, child: Child) -> None:
    writers = [child(WRITE_FOREVER, tmp_path, 200_000 + n) for n in range(4)]
    for writer in writers:
        assert writer.stdout is not None and writer.stdout.readline() == "ready\n"
    deadline = time.monotonic() + 1.5
    while time.monotonic() < deadline:
        for name in "01234":
            if (tmp_path / name).exists():
                meta, payload = read_artifact(tmp_path / name)
                assert set(payload) == {meta["n"] % 256}
                assert 200_000 <= len(payload) < 200_004
    assert all(writer.poll() is None for writer in writers)


def test_sweep_removes_only_what_nobody_will_finish(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    mine = temporary_path(tmp_path / "x")
    dead = tmp_path / mine.name.replace(f"-{os.getpid()}-", f"-{gone.pid}-")
    elsewhere = tmp_path / dead.name.replace(atomic._host(), "0123abcd")
    elsewhere_old = tmp_path / elsewhere.name.replace("x", "y")
    others = [tmp_path / name for name in ("00000001", ".hidden", "a.tmp", ".x.tmp", "about.json")]
    for path in (mine, dead, elsewhere, elsewhere_old, *others):
        path.write_bytes(b"")
    os.utime(elsewhere_old, (time.time() - 4000,) * 2)
    os.utime(others[0], (0, 0))
    assert sweep(tmp_path) == 2
    assert set(tmp_path.iterdir()) == {mine, elsewhere, *others}
    assert sweep(tmp_path / "none") == 0


def test_temporary_names_are_unique_hidden_short_and_keep_a_suffix(tmp_path: Path) -> None:
    assert temporary_path(tmp_path / "a") != temporary_path(tmp_path / "a")
    for name in ("movie.mp4", "ü" * 120 + ".mp4", "x" * 251 + ".mp4", "a\nb.mp4", os.fsdecode(b"\xff.mp4")):
        path = temporary_path(tmp_path / name, keep_suffix=True)
        path.write_bytes(b"")
        assert path.name.startswith(".") and path.suffix == ".mp4" and atomic.is_temporary(path.name)
        assert path.parent == tmp_path


def one_line(error: BaseException) -> str:
    assert "\n" not in str(error)
    return str(error)


def test_a_full_disk_is_one_line_and_leaves_nothing(small_disk: Path) -> None:
    atomic_write(small_disk / "first", b"x" * 50_000)
    with pytest.raises(StoreError, match="no space left") as caught:
        atomic_write(small_disk / "second", b"x" * 500_000)
    assert "--cache-dir" in one_line(caught.value)
    with pytest.raises(StoreError, match="no space left"):
        atomic_write(small_disk / "first", b"y" * 500_000)
    assert [path.name for path in small_disk.iterdir()] == ["first"]
    assert (small_disk / "first").read_bytes() == b"x" * 50_000
    atomic_write(small_disk / "second", b"x" * 50_000)  # goes on when there is room


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (errno.ENOSPC, "no space left"),
        (errno.EDQUOT, "no space left"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "no permission"),
        (errno.EIO, "is the disk still there"),
    ],
)
def test_errors_of_the_disk_say_what_to_do(
    code: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(StoreError, match=says) as caught:
        atomic_write(tmp_path / "a", b"x")
    assert str(tmp_path) in one_line(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        atomic_write(tmp_path / "a", b"x")
    assert list(tmp_path.iterdir()) == []


AS_NOBODY = """
import os, sys
from pathlib import Path
from vidstyle.errors import StoreError
from vidstyle.store import FRAME, Store, atomic_write
import numpy
if os.getuid() == 0:
    os.setuid(65534)
try:
    Store(Path(sys.argv[1]), print).shelf("flow", "0" * 32, FRAME).save("a", numpy.zeros((1, 1, 3), "uint8"))
except StoreError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="folders have no write permission on Windows")
def test_a_folder_without_permission_is_one_line(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents):
        if not folder.stat().st_mode & 0o001 and os.getuid() == 0:
            folder.chmod(folder.stat().st_mode | 0o011)
        if folder.name.startswith("pytest-of"):
            break
    tmp_path.chmod(0o555)
    result = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, str(tmp_path)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.startswith("no permission for the cache") and result.stdout.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_publish_replaces_and_keeps_the_content(tmp_path: Path) -> None:
    final = tmp_path / "out.mp4"
    final.write_bytes(b"old")
    temporary = temporary_path(final, keep_suffix=True)
    temporary.write_bytes(b"new")
    publish(temporary, final)
    assert final.read_bytes() == b"new" and list(tmp_path.iterdir()) == [final]


def test_publish_keeps_what_it_replaces_where_that_is_asked(tmp_path: Path) -> None:
    final, kept = tmp_path / "now", tmp_path / "before"
    for content in (b"1", b"2", b"3"):
        temporary = temporary_path(final)
        temporary.write_bytes(content)
        publish(temporary, final, keep=kept)
    assert (final.read_bytes(), kept.read_bytes()) == (b"3", b"2")


def test_publish_says_in_one_line_what_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "t"
    temporary.write_bytes(b"new")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError) as caught:
        publish(temporary, tmp_path / "folder")
    one_line(caught.value)
    with pytest.raises(OutputError):
        publish(tmp_path / "none", tmp_path / "out")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(VidstyleError, match="no space left") as full_disk:
        publish(temporary, tmp_path / "out")
    assert full_disk.value.exit_code == 1
    assert temporary.exists() and not (tmp_path / "out").exists()
