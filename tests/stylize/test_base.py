"""Seeds: the same forever, since a painting that is resumed must not change."""

from __future__ import annotations

import hashlib

import torch

from vidstyle.stylize.base import frame_seed


def test_a_seed_stays_what_it_was() -> None:
    assert frame_seed("0123456789abcdef", 7) == int(hashlib.sha256(b"0123456789abcdef:7").hexdigest()[:14], 16)
    assert frame_seed("0123456789abcdef", 7) == 68152697620917821


def test_every_key_and_frame_has_its_own_seed() -> None:
    seeds = {frame_seed(key, frame) for key in ("a", "b", "a:1") for frame in range(200)}
    assert len(seeds) == 600


def test_a_seed_is_one_that_torch_takes() -> None:
    for frame in range(100):
        seed = frame_seed("key", frame)
        assert 0 <= seed < 2**63
        assert torch.Generator().manual_seed(seed).initial_seed() == seed
