"""The drawn pictures that normalised networks are measured on."""

from __future__ import annotations

import pytest
import torch

from vidstyle.nets.calibration import dead_leaves


def test_the_same_arguments_give_the_same_pictures_whatever_was_drawn_before() -> None:
    first = dead_leaves(2, 48)
    torch.manual_seed(99)
    torch.rand(7)
    assert torch.equal(dead_leaves(2, 48), first)
    assert not torch.equal(dead_leaves(2, 48, seed=1), first)


def test_pictures_are_frames_and_differ_from_one_another() -> None:
    pictures = dead_leaves(3, 40)
    assert pictures.shape == (3, 3, 40, 40)
    assert pictures.dtype == torch.float32
    assert pictures.min() >= 0
    assert pictures.max() <= 1
    assert not torch.equal(pictures[0], pictures[1])
    assert pictures.std((2, 3)).min() > 0.02  # none is flat


def test_they_stay_what_they_were() -> None:
    """Other pictures would normalise VGG-19 otherwise, and the cache would not notice."""
    pictures = dead_leaves(2, 48).double()
    values = [pictures.mean().item(), pictures.std().item(), pictures[1, 2, 30, 40].item()]
    assert values == pytest.approx([0.50762, 0.20972, 0.10912], abs=1e-4)
