"""Freed memory is kept: pages are faulted in once, not in every iteration."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from vidstyle.cli.common import keep_freed_memory

COUNT = """
import resource, sys
import numpy as np
from vidstyle.cli.common import keep_freed_memory
if sys.argv[1] == "kept" and not keep_freed_memory():
    raise SystemExit("not glibc")
np.ones(24 << 20, np.uint8)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    np.ones(24 << 20, np.uint8)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(how: str) -> int:
    run = subprocess.run([sys.executable, "-c", COUNT, how], capture_output=True, text=True, check=False)
    if "not glibc" in run.stderr:
        pytest.skip("the C library is not glibc")
    return int(run.stdout)


def test_pages_are_faulted_in_once() -> None:
    assert page_faults("kept") < 0.1 * page_faults("as usual")


def test_other_c_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert not keep_freed_memory()
