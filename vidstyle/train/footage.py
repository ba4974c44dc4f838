"""What networks are trained on: photos, excerpts of movies, and the clips that are made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.io import ImageReadMode, decode_image

from vidstyle.errors import InputError
from vidstyle.flow.consistency import consistency_map
from vidstyle.flow.dis import DIS
from vidstyle.train.motion import Clip, synthetic_clip

PICTURES = (".jpg", ".jpeg", ".png", ".webp")
SHORT_SIDE = 288
"""Photos and movies are scaled to it when they are read: a training crop then shows much of a scene."""


@dataclass(frozen=True)
class Footage:
    """Photos and, if there are any, excerpts of movies, held in memory as 8 bit."""

    photos: Sequence[Tensor]  # (3, h, w) uint8 each
    excerpts: Sequence[Sequence[Tensor]] = ()  # consecutive frames of one size

    def __post_init__(self) -> None:
        if not self.photos:
            raise InputError("training needs photos: at least one, better a thousand")


def read_photo(path: Path, short_side: int = SHORT_SIDE) -> Tensor:
    """A picture scaled down to ``short_side``, (3, h, w) uint8. Raises InputError where it is none."""
    try:
        picture = decode_image(str(path), mode=ImageReadMode.RGB)
    except RuntimeError as error:
        raise InputError(f"{path} is not a picture that can be read") from error
    if min(picture.shape[-2:]) <= short_side:
        return picture
    scale = short_side / min(picture.shape[-2:])
    size = [round(side * scale) for side in picture.shape[-2:]]
    scaled = F.interpolate(picture[None].float(), size=size, mode="bilinear", antialias=True)[0]
    return scaled.round().clamp(0, 255).byte()


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder by name. Raises InputError where there is no such folder."""
    if not folder.is_dir():
        raise InputError(f"no folder {folder}")
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)


def real_clip(excerpt: Sequence[Tensor], size: int, length: int, rng: np.random.Generator, minimum: int) -> Clip:
    """``length`` consecutive frames of an excerpt, cropped at random, with flow as DIS estimates it."""
    first = int(rng.integers(len(excerpt) - length + 1))
    chosen = excerpt[first : first + length]
    if rng.random() < 0.5:
        chosen = chosen[::-1]
    height, width = chosen[0].shape[-2:]
    top, left = rng.integers(height - size + 1), rng.integers(width - size + 1)
    frames = torch.stack(list(chosen))[:, :, top : top + size, left : left + size].float() / 255
    if rng.random() < 0.5:
        frames = frames.flip(3)
    method = DIS()
    prepared = [method.prepare(frame) for frame in frames]
    flows, trusted = [], []
    for now, before in zip(prepared[1:], prepared[:-1], strict=True):
        backward, forward = method.estimate(now, before), method.estimate(before, now)
        flows.append(backward)
        plain = minimum > 1  # both kinds of masks that a network may be given later
        trusted.append(
            consistency_map(
                backward, forward, motion_boundaries=not plain, smooth=not plain, minimum_filter=minimum if plain else 0
            )
        )
    return Clip(frames, torch.stack(flows), torch.stack(trusted)[:, None])


def make_clip(footage: Footage, size: int, length: int, real_share: float, rng: np.random.Generator) -> Clip:
    """A clip for training, of a movie with probability ``real_share``, else made from photos; at times noisy or dim."""
    minimum = int(rng.choice([1, 3, 7]))
    fitting = [e for e in footage.excerpts if len(e) >= length and min(e[0].shape[-2:]) >= size] if length > 1 else []
    if fitting and rng.random() < real_share:
        clip = real_clip(fitting[int(rng.integers(len(fitting)))], size, length, rng, minimum)
    else:
        picture, other = (footage.photos[int(rng.integers(len(footage.photos)))].float() / 255 for _ in range(2))
        clip = synthetic_clip(picture, other if rng.random() < 0.6 else None, size, length, rng, minimum)
    frames = clip.frames
    if rng.random() < 0.25:  # night, fog, glare
        gain, lift = rng.uniform(0.35, 1.2), rng.uniform(-0.05, 0.25)
        frames = frames * gain + lift * (1 - gain if gain < 1 else 1)
    if rng.random() < 0.5:
        noise = rng.standard_normal(tuple(frames.shape), dtype=np.float32)
        frames = frames + rng.uniform(0, 0.03) * torch.from_numpy(noise)
    return Clip(frames.clamp(0, 1), clip.backward_flow, clip.consistency)
