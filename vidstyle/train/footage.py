"""What networks are trained on: photos, excerpts of movies, and the clips that are made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vidstyle.errors import InputError
from vidstyle.flow.consistency import consistency_map
from vidstyle.flow.dis import DIS
from vidstyle.media import PICTURE_ENDINGS, find_cuts, probe, read_frames, scan, shots
from vidstyle.pipeline.images import read_image
from vidstyle.train.motion import Clip, synthetic_clip

EXCERPT = 48
"""Frames of a shot that are kept in memory."""
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
    """A picture, scaled down to ``short_side`` where it is larger, (3, h, w) uint8. InputError where it is none."""
    picture = torch.from_numpy(read_image(path))
    if min(picture.shape[-2:]) > short_side:
        height, width = scaled(picture.shape[1], picture.shape[2], short_side)
        picture = F.interpolate(picture[None], size=(height, width), mode="bilinear", antialias=True)[0]
    return (picture * 255).round().clamp(0, 255).byte()


def scaled(height: int, width: int, short_side: int) -> tuple[int, int]:
    """The size at which the shorter side is ``short_side``."""
    factor = short_side / min(height, width)
    return round(height * factor), round(width * factor)


def read_excerpts(path: Path, short_side: int = SHORT_SIDE) -> list[list[Tensor]]:
    """The first ``EXCERPT`` frames of every shot of a movie (or folder of pictures), (3, h, w) uint8, scaled down.

    Raises InputError where it is no movie.
    """
    movie = probe(path)
    timeline = scan(movie)
    height, width = movie.height, movie.width
    if min(height, width) > short_side:
        height, width = scaled(height, width, short_side)
    excerpts = []
    for first, last in shots(find_cuts(timeline.scores), 0, len(timeline)):
        frames = read_frames(movie, timeline, first, min(last, first + EXCERPT), (width, height))
        excerpts.append([torch.from_numpy(image.copy()).permute(2, 0, 1).contiguous() for _, image in frames])
    return excerpts


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder by name. Raises InputError where there is no such folder."""
    return [path for path in listed(folder) if path.suffix.lower() in PICTURE_ENDINGS]


def listed(folder: Path) -> list[Path]:
    """What is in a folder, by name. Raises InputError where there is no such folder."""
    if not folder.is_dir():
        raise InputError(f"no folder {folder}")
    return sorted(folder.iterdir())


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
