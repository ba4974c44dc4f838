"""The doctor: what is here, and one clear line for whatever is broken; it must never break itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from vidstyle.cli.doctor import doctor as doctor_command
from vidstyle.errors import VidstyleError
from vidstyle.pipeline import doctor
from vidstyle.pipeline.doctor import MISSING, NOTE, OK, Finding
from vidstyle.store import health

STUBS = {
    "cv2": "raise ImportError('libGL.so.1: cannot open shared object file: No such file or directory')",
    "torch": "import os, signal; os.kill(os.getpid(), signal.SIGILL)",
    "torchvision": "raise RuntimeError('operator torchvision::nms does not exist')",
    "av": "import sys; sys.exit(3)",
    "zstandard": "raise KeyError",
}


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "vidstyle", "doctor", *arguments],
        cwd=folder,
        env={**os.environ, "VIDSTYLE_CACHE": str(folder / "cache"), "TORCH_HOME": str(folder / "torch"), **environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def by_name(findings: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {finding["about"]: finding for finding in findings}


def test_everything_is_listed_and_nothing_changed(tmp_path: Path) -> None:
    done = run(tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    document = json.loads(done.stdout)
    findings = by_name(document["findings"])
    assert document["can_paint"] is True
    assert len(findings) == len(document["findings"])
    for name in ("Python", "packages", "ffmpeg", "H.264", "filters", "OpenCV", "torch", "compact-encoder", "cache"):
        assert findings[name]["state"] == OK, findings[name]
    assert {"H.265", "VP9", "AV1", "ProRes", "hardware", "cpu"} <= findings.keys()
    assert "libx264" in findings["H.264"]["facts"]["encoders"]
    assert findings["torch"]["facts"]["threads"] >= 1
    for name in ("vgg19", "raft-small", "raft-large"):
        assert (findings[name]["state"], findings[name]["facts"]["here"]) == (NOTE, False)
        assert str(tmp_path / "torch") in findings[name]["found"]
    assert findings["cache"]["facts"]["writable"] and findings["cache"]["facts"]["locks"]
    assert list(tmp_path.iterdir()) == []


def test_with_everything_broken_each_thing_has_its_line(tmp_path: Path) -> None:
    stubs = tmp_path / "stubs"
    stubs.mkdir()
    for name, code in STUBS.items():
        (stubs / f"{name}.py").write_text(code)
    done = run(tmp_path, PYTHONPATH=str(stubs), VIDSTYLE_FFMPEG=str(tmp_path / "none"))
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    (last,) = done.stderr.splitlines()
    for name in ("av", "zstandard", "OpenCV", "torch"):
        assert name in last
    lines = {line.split()[1]: line for line in done.stdout.splitlines() if not line.startswith(" ")}
    assert "libGL.so.1" in lines["OpenCV"]
    assert "opencv-contrib-python-headless" in done.stdout
    assert "SIGILL" in lines["torch"]
    assert "nms" in lines["torchvision"]
    assert "exit status 3" in lines["av"]
    for name, lost in {"ffmpeg": "av", "networks": "torch", "cache": "zstandard"}.items():
        assert lines[name].split()[0] == NOTE and f"{lost} does not load" in lines[name]


def test_what_is_missing_is_listed_as_json_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(doctor, "what_loads", lambda: dict.fromkeys(doctor._COMPILED))  # is tested above
    monkeypatch.setenv("VIDSTYLE_FFMPEG", str(tmp_path / "none"))
    done = CliRunner().invoke(doctor_command, ["--json", "--cache-dir", str(tmp_path / "file" / "cache")])
    assert isinstance(done.exception, VidstyleError) and done.exception.exit_code == 1
    document = json.loads(done.stdout)
    findings = by_name(document["findings"])
    assert document["can_paint"] is False
    assert [name for name, finding in findings.items() if finding["state"] == MISSING] == ["ffmpeg", "cache"]
    assert str(tmp_path / "file") in findings["cache"]["found"] and "--cache-dir" in findings["cache"]["found"]


def test_a_missing_ffmpeg_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VIDSTYLE_FFMPEG", str(tmp_path / "none"))
    (finding,) = doctor.check_ffmpeg()
    assert finding.stops_painting
    assert str(tmp_path / "none") in finding.found and "VIDSTYLE_FFMPEG" in finding.advice


@pytest.mark.parametrize("answer", ["ffmpeg version 4.4.1-ubuntu", "ffmpeg version 5.0"])
def test_an_old_ffmpeg_is_not_enough(answer: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text(f"#!/bin/sh\necho '{answer}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("VIDSTYLE_FFMPEG", str(program))
    (finding,) = doctor.check_ffmpeg()
    assert finding.stops_painting and "5.1" in finding.advice


def test_an_ffmpeg_without_anything_built_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\necho ffmpeg version N-12345-gabcdef\n")
    program.chmod(0o755)
    monkeypatch.setenv("VIDSTYLE_FFMPEG", str(program))
    findings = {finding.about: finding for finding in doctor.check_ffmpeg()}
    assert findings["ffmpeg"].state == OK
    assert findings["H.264"].state == MISSING
    assert findings["file types"].stops_painting and ".mp4" in findings["file types"].found
    assert findings["filters"].stops_painting and "zscale (for HDR movies)" in findings["filters"].found
    assert findings["hardware"].state == NOTE


def test_a_check_that_fails_is_its_last_finding() -> None:
    def fails() -> Any:
        yield Finding("thing", OK, "half of it")
        raise ZeroDivisionError

    first, last = doctor.guarded("thing", fails)
    assert (first.state, last.state) == (OK, MISSING)
    assert last.stops_painting and "ZeroDivisionError" in last.found


# ---- networks


def test_damaged_weights_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vidstyle.nets.encoder import find_weights
    from vidstyle.nets.vgg import IMAGENET

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    IMAGENET.path.parent.mkdir(parents=True)
    IMAGENET.path.write_bytes(b"half a download")
    finding = doctor.published_finding("vgg19", IMAGENET, "--encoder-weights")
    assert (finding.state, finding.essential) == (MISSING, False)
    assert "delete it" in finding.found

    whole = find_weights("compact")
    torn = tmp_path / "compact-encoder.safetensors"
    torn.write_bytes(whole.read_bytes()[:-1000])
    assert doctor.carried_finding(torn, essential=True).stops_painting
    assert doctor.carried_finding(tmp_path / "gone.safetensors", essential=True).stops_painting


# ---- the cache


def test_a_cache_that_is_not_there_yet_is_fine_and_stays_away(tmp_path: Path) -> None:
    (finding, *_) = doctor.check_cache(lambda: tmp_path / "a" / "b")
    assert finding.state == OK and "made on first use" in finding.found
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_and_a_disk_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "artifact").write_bytes(b"x" * 12_000)
    monkeypatch.setattr(health, "free_bytes", lambda folder: 1 << 20)
    monkeypatch.setattr("vidstyle.store.lock._try_lock", lambda file, report: report is None or not report("no locks"))
    found = {finding.about: finding for finding in doctor.check_cache(lambda: tmp_path)}
    assert "12 kB" in found["cache"].found
    assert found["cache's disk"].state == NOTE and "1.0 MB" in found["cache's disk"].found
    assert found["locks"].state == NOTE and found["locks"].found == "no locks"


def test_a_disk_that_takes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **more: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("vidstyle.store.health.tempfile.TemporaryDirectory", refuse)
    (finding,) = doctor.check_cache(lambda: tmp_path)
    assert finding.stops_painting
    assert "read-only disk" in finding.found and "--cache-dir" in finding.found


def test_counting_a_large_folder_ends_in_time(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "file").write_bytes(b"x" * 10)
    assert health.folder_bytes(tmp_path) == (30, True)
    counted, is_all = health.folder_bytes(tmp_path, seconds=0)
    assert counted < 30 and not is_all


@pytest.mark.parametrize("count, text", [(0, "0 bytes"), (1500, "1.5 kB"), (78_400_000_000, "78 GB"), (3e12, "3.0 TB")])
def test_sizes_for_people(count: int, text: str) -> None:
    assert doctor.size(count) == text
