"""scripts/train_encoder.py: its schedule, however short."""

from __future__ import annotations

import importlib.util
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "train_encoder.py"


def test_the_learning_rate_falls_in_trainings_of_any_length() -> None:
    spec = importlib.util.spec_from_file_location("train_encoder", SCRIPT)
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    for steps in (1, 4, 5, 1000):
        assert script.learning_rate(steps - 1, steps) > script.learning_rate(steps, steps) == 0
