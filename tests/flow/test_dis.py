"""DIS: its accuracy is the bare library's, any size works, and the same frames give the same bytes."""

from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch

from tests.flow.data import data, read_flo, read_gray, read_rgb
from tests.flow.scenes import translation
from vidstyle.config import FlowSettings
from vidstyle.errors import InputError
from vidstyle.flow import DIS, flow_method
from vidstyle.flow.dis import PRESETS, to_gray
from vidstyle.metrics import end_point_error

PUBLISHED = {
    "middlebury/RubberWhale": ("frame10.png", "frame11.png", "flow10.flo", None, 0.22),
    "sintel/alley_1": ("frame_0002.png", "frame_0003.png", "frame_0002.flo", "invalid_frame_0002.png", 0.34),
    "sintel/cave_2": ("frame_0002.png", "frame_0003.png", "frame_0002.flo", "invalid_frame_0002.png", 1.65),
}


@pytest.mark.parametrize("scene", PUBLISHED)
def test_end_point_error_is_the_bare_librarys(scene: str) -> None:
    first, second, truth, invalid, expected = PUBLISHED[scene]
    a, b = (read_rgb(data(f"flow/{scene}/{name}")) for name in (first, second))
    valid = torch.from_numpy(read_gray(data(f"flow/{scene}/{invalid}")) == 0) if invalid else None
    flow = DIS("medium").between(a, b)
    assert end_point_error(flow, read_flo(data(f"flow/{scene}/{truth}")), valid) == pytest.approx(expected, abs=0.015)
    bare = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(
        cv2.cvtColor(a, cv2.COLOR_RGB2GRAY), cv2.cvtColor(b, cv2.COLOR_RGB2GRAY), None
    )
    assert np.array_equal(flow.permute(1, 2, 0).numpy(), bare)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("dx, dy", [(3, 0), (0, -2), (2.5, 1.25)])
def test_translation_sign_and_order(preset: str, dx: float, dy: float) -> None:
    previous, current, backward_flow = translation(90, 120, dx, dy)
    flow = DIS(preset)(current, previous)
    error = end_point_error(flow[:, 12:-12, 12:-12], backward_flow[:, 12:-12, 12:-12])
    assert error < 0.15
    assert flow[0].median().item() == pytest.approx(-dx, abs=0.1)
    assert flow[1].median().item() == pytest.approx(-dy, abs=0.1)


@pytest.mark.parametrize("size", [(54, 96), (16, 16)])
def test_small_frames_are_estimated_too(size: tuple[int, int]) -> None:
    previous, current, backward_flow = translation(*size, 1, 0)
    assert end_point_error(DIS()(current, previous)[:, 3:-3, 3:-3], backward_flow[:, 3:-3, 3:-3]) < 0.3


SWEEP = """
import numpy as np
from vidstyle.flow import DIS
rng = np.random.default_rng(0)
widths = (2, 5, 8, 16, 23, 25, 45, 54, 96, 200, 640)
sizes = [(h, w) for h in (2, 3, 8, 15, 16, 17, 31, 33, 46, 90) for w in widths]
for preset in ("ultrafast", "fast", "medium"):
    for size in sizes + [(w, h) for h, w in sizes if w > 90] + [(2, 3000), (3000, 2), (24, 4096), (20, 1500)]:
        method = DIS(preset)
        noise = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        flow = method.between(noise, np.roll(noise, 1, axis=1))
        assert flow.shape == (2, *size) and flow.isfinite().all(), (preset, size)
        still = np.full((*size, 3), 90, dtype=np.uint8)
        assert (method.between(still, still) == 0).all(), (preset, size)
        assert method.between(still, still + 60).isfinite().all(), (preset, size)
"""


def test_any_size_works() -> None:
    # In a process of its own: what could go wrong here is a crash inside OpenCV.
    done = subprocess.run([sys.executable, "-c", SWEEP], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-1500:]


def test_the_same_bytes_for_any_number_of_threads() -> None:
    rng = np.random.default_rng(2)
    coarse = rng.integers(0, 256, (34, 60, 3), dtype=np.uint8)
    a = cv2.resize(coarse, (480, 270), interpolation=cv2.INTER_CUBIC)
    b = np.roll(a, (3, 5), axis=(0, 1))
    before = cv2.getNumThreads()
    try:
        for preset in PRESETS:
            method, flows = DIS(preset), []
            for threads in (1, 2, 3, 7):
                cv2.setNumThreads(threads)
                flows += [method.between(a, b), method.between(a, b)]
            assert all(torch.equal(flow, flows[0]) for flow in flows)
    finally:
        cv2.setNumThreads(before)


def test_no_memory_of_earlier_frames() -> None:
    rng = np.random.default_rng(4)
    large, small = (rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in ((120, 160), (20, 30)))
    method = DIS()
    first = method.between(large, np.roll(large, 2, axis=1))
    method.between(small, small)
    assert torch.equal(method.between(large, np.roll(large, 2, axis=1)), first)


def test_both_forms_of_a_frame_are_one() -> None:
    pixels = np.random.default_rng(6).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    frame = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
    assert np.array_equal(to_gray(pixels), to_gray(frame))
    assert np.array_equal(to_gray(pixels), cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY))
    assert np.array_equal(to_gray(pixels[::-1, :, :]), to_gray(pixels)[::-1])


def test_the_table() -> None:
    method = flow_method(FlowSettings(preset="fast"))
    assert isinstance(method, DIS) and method.preset == "fast"
    with pytest.raises(InputError, match="medium"):
        DIS("slow")
