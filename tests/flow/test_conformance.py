"""Every flow method on every scene whose flow is known, and what all of them hold to."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.flow.methods import METHODS, SCENES, untrained_large
from tests.flow.scenes import translation
from vidstyle.flow import FLOW_METHODS, FlowMethod
from vidstyle.metrics import end_point_error

# End-point error in pixels as measured, in the order of METHODS. What a published scene or the next library does to the
# last digits is within a tenth; a wrong sign, scale, border or padding is not.
MEASURED = {
    "at rest": (0.0, 0.0, 0.0, 0.0, 0.064, 0.064, 0.178),
    "translation": (0.133, 0.164, 0.02, 0.168, 0.473, 0.479, 1.63),
    "small": (0.154, 0.221, 0.025, 0.214, 0.129, 0.127, 0.733),
    "zoom": (0.27, 0.171, 0.056, 0.167, 0.52, 0.519, 1.673),
    "rotation": (0.367, 0.228, 0.056, 0.21, 0.478, 0.48, 2.32),
    "moving square": (1.211, 1.062, 0.41, 0.446, 0.988, 0.994, 1.282),
    "RubberWhale": (0.537, 0.44, 0.225, 0.409, 0.318, 0.316, 0.562),
    "Grove2": (0.494, 0.399, 0.319, 0.39, 0.35, 0.351, 0.643),
    "Urban2": (1.219, 0.99, 0.645, 0.983, 0.527, 0.526, 0.995),
    "Dimetrodon": (0.361, 0.286, 0.156, 0.28, 0.247, 0.247, 0.451),
    "alley_1": (0.664, 0.539, 0.341, 0.501, 0.269, 0.269, 0.544),
    "cave_2": (2.342, 2.096, 1.639, 2.063, 1.166, 1.167, 2.148),
    "temple_3": (48.604, 50.661, 43.384, 45.06, 11.743, 11.71, 11.399),
}
# What RAFT at its default settings is held to, without any slack.
AT_MOST = {("raft-small", "RubberWhale"): 0.32, ("raft-small", "alley_1"): 0.27, ("raft-small", "cave_2"): 1.18}


# All but one take a quarter of a minute or half each where a CPU has to emulate bfloat16.
LARGE = ("Dimetrodon", "Urban2", "Grove2", "alley_1", "cave_2", "temple_3")
CASES = [
    pytest.param(name, scene, marks=[pytest.mark.slow] if "bfloat16" in name and scene in LARGE else [])
    for name in METHODS
    for scene in SCENES
]


@pytest.mark.parametrize(("name", "scene"), CASES)
def test_error_is_what_was_measured(name: str, scene: str) -> None:
    case, method = SCENES[scene](), METHODS[name]()
    flow = method.between(case.source, case.target)
    expected = dict(zip(METHODS, MEASURED[scene], strict=True))[name]
    assert end_point_error(flow, case.flow, case.counted) <= AT_MOST.get((name, scene), 1.1 * expected + 0.02)


@pytest.mark.parametrize("name", METHODS)
def test_what_every_method_holds_to(name: str) -> None:
    check_contract(METHODS[name]())


def test_raft_large_holds_to_it_too() -> None:
    check_contract(untrained_large())


def check_contract(method: FlowMethod) -> None:
    """The contract of FlowMethod; a new method is tested without a new line."""
    previous, current, _ = translation(70, 101, 2, 1)
    one, two = method.prepare(previous), method.prepare(current)
    flow = method.estimate(two, one)
    assert flow.shape == (2, 70, 101) and flow.dtype == torch.float32 and flow.device.type == "cpu"
    assert flow.isfinite().all() and flow.is_contiguous() and not flow.requires_grad
    assert torch.equal(method.between(current, previous), flow)
    assert torch.equal(method(current, previous), flow)
    method.estimate(one, two)
    assert torch.equal(method.estimate(two, one), flow), "estimate changed what prepare returned"
    with pytest.raises(ValueError, match="different sizes"):
        method.estimate(one, method.prepare(current[:, :-1]))


@pytest.mark.parametrize("name", METHODS)
def test_both_forms_of_a_frame_are_one(name: str) -> None:
    method = METHODS[name]()
    pixels = np.random.default_rng(6).integers(0, 256, (2, 40, 50, 3), dtype=np.uint8)
    tensors = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    assert torch.equal(method.between(*pixels), method.between(*tensors))


@pytest.mark.parametrize("name", METHODS)
def test_what_is_no_frame(name: str) -> None:
    method = METHODS[name]()
    for frame in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), torch.zeros(4, 4, 3)):
        with pytest.raises(ValueError, match="a frame is"):
            method.prepare(frame)


@pytest.mark.parametrize("name", [name for name in METHODS if "half" not in name])
@pytest.mark.parametrize("size", [(2, 2), (7, 9), (16, 300), (130, 17), (127, 129), (136, 128)])
def test_any_size_works(name: str, size: tuple[int, int]) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    flow = METHODS[name]().between(noise, noise[::-1].copy())
    assert flow.shape == (2, *size) and flow.isfinite().all()


def test_every_method_of_the_table_is_here() -> None:
    assert {name.split(",")[0].split(" ")[0] for name in METHODS} | {"raft-large"} == set(FLOW_METHODS)
