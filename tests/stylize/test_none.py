"""No painting at all."""

from __future__ import annotations

import torch

from tests.stylize.scene import frame, ignore, picture, prior
from vidstyle.stylize.none import NoneStylizer


def test_a_frame_goes_through_untouched_and_nothing_is_carried() -> None:
    method = NoneStylizer()
    stylized, state = method.step(frame(), (), None, seed=1, progress=ignore)
    assert torch.equal(stylized, frame())
    assert state is None
    stylized, _ = method.step(frame(), (prior(picture(1), 1.0),), None, seed=2, progress=ignore)
    assert torch.equal(stylized, frame())


def test_it_needs_nothing_and_no_time() -> None:
    assert list(NoneStylizer().needs(6, 5)) == []
    assert NoneStylizer().seconds_per_frame((1920, 1080)) == (0.0, 0.0)
