"""The networks that taught the compact encoder, which judge what is painted."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from vidstyle.nets.encoder import Encoder, ReducedEncoder
from vidstyle.nets.teacher import TeacherEncoder


def load_teacher(weights: Path, precision: torch.dtype = torch.float32, device: str = "cpu") -> Encoder:
    """The exact VGG-19 up to relu3_1 and its compressed kin above, of a folder of weights, in this precision."""

    def load(name: str) -> dict[str, Tensor]:
        tensors = {key: value.to(precision) for key, value in load_file(weights / name, device=device).items()}
        # channels_last: the CPU's convolutions are several times faster in it.
        return {
            key: value.contiguous(memory_format=torch.channels_last) if value.dim() == 4 else value
            for key, value in tensors.items()
        }

    exact = load("vgg19_caffe_conv1_1-conv3_4.safetensors")
    both = TeacherEncoder(exact, load("vgg19_16x_encoder_relu5_1.safetensors"))
    return both if precision == torch.float32 else ReducedEncoder(both)
