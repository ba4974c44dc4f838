"""Importing vidstyle.flow costs nothing, and an OpenCV that cannot load is said in one line."""

from __future__ import annotations

import subprocess
import sys

import pytest

import vidstyle.flow


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_light() -> None:
    heavy = "('torch', 'cv2', 'numpy')"
    code = f"import sys, vidstyle, vidstyle.flow; print([m for m in {heavy} if m in sys.modules])"
    assert run(code) == "[]"


def test_every_name_is_there() -> None:
    assert all(getattr(vidstyle.flow, name) is not None for name in vidstyle.flow.__all__)
    assert set(vidstyle.flow.__all__) <= set(dir(vidstyle.flow))
    with pytest.raises(AttributeError, match="no attribute"):
        _ = vidstyle.flow.nothing  # type: ignore[attr-defined]


def test_missing_opencv_is_one_line() -> None:
    code = """
import sys
sys.modules["cv2"] = None
from vidstyle.errors import VidstyleError
try:
    from vidstyle.flow import backward_warp
except VidstyleError as error:
    print(error)
"""
    message = run(code)
    assert "opencv-contrib-python-headless" in message and "\n" not in message
