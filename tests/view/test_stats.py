"""Statistics against values worked by hand."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from vidstyle.view.stats import FlowStatistics, flow_statistics, shared_scale


def test_by_hand() -> None:
    flow = np.zeros((2, 1, 5), dtype=np.float32)
    flow[:, 0, 1:4] = [[3, 0, 0], [4, 2, -1]]  # lengths 0, 5, 2, 1 and one unknown
    flow[0, 0, 4] = 1.7e9
    stats = flow_statistics(flow, np.array([[1, 0.5, 0.51, 0, 1]], dtype=np.float32))
    assert (stats.mean, stats.median, stats.maximum) == pytest.approx((2, 1.5, 5))
    assert stats.percentile_95 == pytest.approx(2 + 0.85 * 3)
    assert stats.trusted == pytest.approx(3 / 5)


def test_without_a_map_and_with_an_8_bit_one() -> None:
    flow = np.ones((2, 2, 2), dtype=np.float32)
    assert flow_statistics(flow).trusted is None
    assert flow_statistics(flow, np.array([[0, 127], [128, 255]], np.uint8)).trusted == 0.5
    assert flow_statistics(np.full((2, 2, 2), np.nan, np.float32)).maximum == 0
    with pytest.raises(ValueError, match="flow is"):
        flow_statistics(flow, np.ones((3, 2)))


def test_one_scale_for_a_shot() -> None:
    def frame(high: float, longest: float) -> FlowStatistics:
        return FlowStatistics(1.0, 1.0, high, longest, None)

    assert shared_scale([]) == 0.5
    assert shared_scale([frame(2, 2.5), frame(3.5, 4)]) == 4
    assert shared_scale([frame(0.1, 10)]) == 5


def test_no_torch_is_needed() -> None:
    code = "import sys, vidstyle.view.sheet, vidstyle.view.overlay, vidstyle.view.stats, vidstyle.view.png"
    code += "; assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
