"""Pictures of what a network paints while it is trained."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from vidstyle.flow.warp import backward_warp
from vidstyle.nets.transform import TransformNet
from vidstyle.train.motion import Clip, synthetic_clip

SIDE = 224


def fitted(picture: Tensor, height: int, width: int) -> Tensor:
    """The middle of a picture (3, h, w), scaled to cover ``height`` × ``width``."""
    scale = max(height / picture.shape[1], width / picture.shape[2])
    size = [max(height, round(picture.shape[1] * scale)), max(width, round(picture.shape[2] * scale))]
    scaled = F.interpolate(picture[None], size=size, mode="bilinear", antialias=True)[0]
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    return scaled[:, top : top + height, left : left + width].clamp(0, 1)


def example_clip(photo: Tensor, length: int = 8) -> Clip:
    """A short movement over a photo, always the same."""
    return synthetic_clip(photo, None, SIDE, length, np.random.default_rng(5))


@torch.no_grad()
def preview_sheet(network: TransformNet, paintings: Mapping[str, Tensor], photos: Sequence[Tensor]) -> Tensor:
    """A row for each style: the painting, the photos painted as they are, and the last of 8 moving frames painted.

    As the network is now, its norms included. (3, H, W) in [0, 1]; the first row shows the photos.
    """
    device = next(network.parameters()).device
    squares = [fitted(photo, SIDE, SIDE) for photo in photos]
    clip = example_clip(photos[0])
    rows = [torch.cat([torch.ones(3, SIDE, SIDE), *squares, clip.frames[-1]], 2)]
    was_training = network.training
    network.eval()
    for number, painting in enumerate(paintings.values()):
        share = torch.eye(network.styles, device=device)[number][None]

        def paint(*inputs: Tensor, share: Tensor = share) -> Tensor:
            return network(*(value.to(device) for value in inputs), share).cpu()

        stills = [thumbnail(paint, square, SIDE) for square in squares]
        rows.append(torch.cat([fitted(painting, SIDE, SIDE), *stills, last_painted(paint, clip)], 2))
    network.train(was_training)
    return torch.cat(rows, 1)


@torch.no_grad()
def paint_clip(
    network: Callable[[Tensor, Tensor, Tensor], Tensor], clip: Clip, recurrent: bool = True
) -> Iterator[Tensor]:
    """Paint a clip frame by frame, (3, H, W) each; ``recurrent`` False: every frame with an empty prior."""
    prior = torch.zeros_like(clip.frames[:1])
    consistency = torch.zeros_like(prior[:, :1])
    for t, frame in enumerate(clip.frames):
        if t and recurrent:
            prior = backward_warp(prior, clip.backward_flow[t - 1][None], "sharp")
            consistency = clip.consistency[t - 1][None]
        painted = network(frame[None], prior, consistency)
        yield painted[0]
        if recurrent:
            prior = painted


def last_painted(network: Callable[[Tensor, Tensor, Tensor], Tensor], clip: Clip) -> Tensor:
    """The last frame of a clip, painted after all others."""
    *_, last = paint_clip(network, clip)
    return last


@torch.no_grad()
def thumbnail(network: Callable[[Tensor, Tensor, Tensor], Tensor], photo: Tensor, side: int) -> Tensor:
    """The middle of a photo painted with an empty prior, (3, side, side)."""
    frame = fitted(photo, side, side)[None]
    return network(frame, torch.zeros_like(frame), torch.zeros_like(frame[:, :1]))[0]


def as_image(picture: Tensor) -> Image.Image:
    """A picture (3, H, W) in [0, 1] as one of Pillow's."""
    return Image.fromarray((picture.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).contiguous().numpy())


def jpeg(picture: Tensor, quality: int) -> bytes:
    """A picture (3, H, W) in [0, 1] as a JPEG file."""
    file = io.BytesIO()
    as_image(picture).save(file, "JPEG", quality=quality, optimize=True)
    return file.getvalue()
