"""Finding ffmpeg, and running it."""

from __future__ import annotations

from pathlib import Path

import pytest

from vidstyle.errors import MediaError
from vidstyle.media import encoders, find_ffmpeg
from vidstyle.media.process import Process

from .conftest import BUNDLED


def test_order_of_search(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("VIDSTYLE_FFMPEG", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (find_ffmpeg().path, find_ffmpeg().origin) == (BUNDLED, "imageio-ffmpeg")
    (tmp_path / "ffmpeg").symlink_to(BUNDLED)
    other = tmp_path / "other"
    other.symlink_to(BUNDLED)
    monkeypatch.setenv("PATH", f"{tmp_path}:/nowhere")
    assert find_ffmpeg().origin == "PATH"
    monkeypatch.setenv("VIDSTYLE_FFMPEG", str(other))
    assert (find_ffmpeg().path, find_ffmpeg().origin) == (str(other), "VIDSTYLE_FFMPEG")


def test_a_wrong_program_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDSTYLE_FFMPEG", "/nowhere/ffmpeg")
    with pytest.raises(MediaError, match="VIDSTYLE_FFMPEG"):
        find_ffmpeg()


def test_version_and_encoders(any_ffmpeg: str) -> None:
    assert find_ffmpeg().version[0].isdigit()
    assert {"rawvideo", "aac"} <= encoders(find_ffmpeg())


def test_much_stderr_does_not_block_and_its_end_is_kept() -> None:
    script = "import sys\nfor i in range(20000): print('line', i, file=sys.stderr)\nsys.exit(3)"
    with Process(["python3", "-c", script]) as process, pytest.raises(MediaError, match="line 19999"):
        process.check("testing")
