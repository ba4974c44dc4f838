"""What precision a job is painted with, and that results of different ones are kept apart."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from vidstyle.config import OptimizeSettings
from vidstyle.pipeline.devices import choose_precision, one_core_left, training_precision
from vidstyle.pipeline.request import Request, Style
from vidstyle.pipeline.stages import Inputs, Stages, stylize_precision
from vidstyle.store import Store


def on_a_machine(monkeypatch: pytest.MonkeyPatch, amx: bool) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": amx}, raising=False)


@pytest.mark.parametrize(
    ("asked", "device", "amx", "chosen"),
    [
        ("auto", "cpu", True, "bfloat16"),
        ("auto", "cpu", False, "float32"),
        ("auto", "cuda", True, "float32"),
        ("float32", "cpu", True, "float32"),
        ("bfloat16", "cpu", False, "bfloat16"),
    ],
)
def test_auto_is_bfloat16_only_on_cpus_that_are_made_for_it(
    asked: str, device: str, amx: bool, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_a_machine(monkeypatch, amx)
    assert choose_precision(asked, device) == chosen


def test_a_torch_that_cannot_tell_what_the_cpu_has_paints_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert choose_precision("auto", "cpu") == "float32"


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_a_core_is_left_while_a_network_paints_and_no_longer(threads: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with pytest.raises(RuntimeError), one_core_left():
            assert torch.get_num_threads() == max(1, threads - 1)
            raise RuntimeError
        assert torch.get_num_threads() == threads
        one, other = one_core_left(), one_core_left()  # of two jobs side by side
        one.__enter__(), other.__enter__(), one.__exit__(None, None, None)
        assert torch.get_num_threads() == max(1, threads - 1)
        other.__exit__(None, None, None)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("asked", "device", "chosen"),
    [
        ("auto", "cuda", "bfloat16"),
        ("auto", "cpu", "float32"),
        ("auto", "mps", "float32"),
        ("float32", "cuda", "float32"),
        ("bfloat16", "cpu", "bfloat16"),
    ],
)
def test_training_takes_bfloat16_where_a_graphics_card_has_it(
    asked: str, device: str, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_a_machine(monkeypatch, False)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: not including_emulation)
    assert training_precision(asked, device) == chosen


def keys(tmp_path: Path, precision: str) -> tuple[str, str]:
    """The key of a painting and the one its random numbers come from."""
    settings = OptimizeSettings(precision=precision)
    request = Request("/films/a.mp4", "/films/b.mp4", (Style("/styles/a.jpg"),), settings)
    inputs = Inputs("m", ("s",), "w", "cpu", precision=stylize_precision(request, "cpu"))
    stages = Stages(request, Store(tmp_path, print), inputs, (64, 48))
    return stages.stylize_key((0, 8), 0), stages.seed_key((0, 8), 0)


def test_paintings_are_told_apart_by_what_was_chosen_not_by_what_was_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_a_machine(monkeypatch, True)
    auto, half, full = (keys(tmp_path, name) for name in ("auto", "bfloat16", "float32"))
    assert auto == half
    assert half[0] != full[0]
    assert half[1] == full[1]
    on_a_machine(monkeypatch, False)
    assert keys(tmp_path, "auto") == full
