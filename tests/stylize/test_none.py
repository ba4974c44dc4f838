"""No painting at all."""

from __future__ import annotations

import torch

from tests.stylize.scene import frame, ignore, picture, prior
from vidstyle.config import NoneSettings
from vidstyle.stylize.none import NoneStylizer
from vidstyle.stylize.schedule import Turn, schedule_of


def test_a_frame_goes_through_untouched_and_nothing_is_carried() -> None:
    method = NoneStylizer()
    stylized, state = method.step(frame(), (), None, turn=Turn(0, 0), seed=1, progress=ignore)
    assert torch.equal(stylized, frame())
    assert state is None
    stylized, _ = method.step(frame(), (prior(picture(1), 1.0),), None, turn=Turn(0, 0), seed=2, progress=ignore)
    assert torch.equal(stylized, frame())


def test_it_needs_nothing_and_no_time() -> None:
    assert list(schedule_of(NoneSettings()).needs(Turn(0, 6), (5, 9))) == []
    assert NoneStylizer().seconds_per_frame((1920, 1080)) == (0.0, 0.0)
