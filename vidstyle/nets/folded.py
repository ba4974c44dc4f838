"""A painting network with its norms folded into plain convolutions, laid out for speed.

In so small a network most of the time goes to what lies between the convolutions, which waits for memory. So pictures
are taken apart and put together in strips that stay in a core's cache, each layer leaves its values where the next one
wants them, and on a CPU rectifying and adding are done by the convolution as it writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidstyle.nets.compact import with_border
from vidstyle.nets.rectify import rectified
from vidstyle.nets.shuffle import shuffle_into, unshuffle_into
from vidstyle.nets.speckle import speckling
from vidstyle.nets.strokes import padded, strokes_of

STRIP = 2**15  # pixels of a picture that are worked on at once


class FoldedLayer(nn.Module):
    """A plain convolution of what has a border already."""

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride
        self.register_buffer("weight", weight.detach().clone())
        self.register_buffer("bias", bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, self.bias, self.stride)

    def rectified(self, x: Tensor) -> Tensor:
        """The same, and of that what is above 0."""
        if not fuses(x):
            return rectified(self(x))
        fused: Tensor = torch.ops.mkldnn._convolution_pointwise(x, *self._plain, "relu", [], "")
        return fused

    def added(self, x: Tensor, to: Tensor) -> Tensor:
        """The same, added ``to`` something."""
        if not fuses(x):
            return to + self(x)
        add = torch.ops.mkldnn._convolution_pointwise.binary
        fused: Tensor = add(x, to, *self._plain, "add", 1.0, None, [], None)
        return fused

    @property
    def _plain(self) -> tuple[Tensor, Tensor, list[int], list[int], list[int], int]:
        """Weights, padding, stride, dilation and groups, as oneDNN's operations take them."""
        return self.weight, self.bias, [0, 0], [self.stride] * 2, [1, 1], 1

    def by_phase(self) -> FoldedLayer:
        """A layer that enlarges with its channels in another order: all of one phase side by side, phase by phase."""

        def apart(value: Tensor) -> Tensor:
            return value.unflatten(0, (-1, 4)).transpose(0, 1).flatten(0, 1)

        return FoldedLayer(apart(self.weight), apart(self.bias), self.stride)


def fuses(x: Tensor) -> bool:
    """Whether a convolution of ``x`` may rectify and add as it writes: by oneDNN, as torch.compile has it."""
    if x.device.type != "cpu" or not hasattr(torch.ops.mkldnn, "_convolution_pointwise"):
        return False
    return x.dtype == torch.float32 or (x.dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported())


class FoldedNet(nn.Module):
    """``TransformNet`` in one blend of styles: ``(frame, prior, consistency)`` as there → painted frame, float32.

    ``.bfloat16()`` halves the time on CPUs that know it; frames stay float32. For inference: no gradient passes.
    """

    def __init__(self, layers: Sequence[FoldedLayer]) -> None:
        super().__init__()
        *most, up, last = layers
        self.layers = nn.ModuleList([*most, up.by_phase(), last]).to(memory_format=torch.channels_last)

    @torch.no_grad()
    def forward(self, frame: Tensor, prior: Tensor, consistency: Tensor) -> Tensor:
        stem, down, *body, up, last = (layer for layer in self.layers if isinstance(layer, FoldedLayer))
        x = stem.rectified(taken_in(frame, prior, consistency, stem.weight.dtype))
        x = down.rectified(with_border(x))
        for first, second in zip(body[::2], body[1::2], strict=True):
            x = second.added(with_border(first.rectified(with_border(x))), to=x)
        x = last(enlarged(up.rectified(with_border(x))))
        return put_out(x, prior, consistency)


def taken_in(frame: Tensor, prior: Tensor, consistency: Tensor, dtype: torch.dtype) -> Tensor:
    """What the first layer convolves: 28 channels at half the size, (N, 28, h + 2, w + 2), in channels_last.

    The frame with speckles, the prior as far as it can be trusted, and that itself, seven planes in all, unshuffled ×2,
    with a border. ``frame`` and the others as in ``TransformNet``, float32.
    """
    frame, prior, consistency = (padded(value) for value in (frame, prior, consistency))
    count, _, height, width = frame.shape
    added = speckling(frame).sub_(0.5)
    taken = torch.empty(count, height // 2 + 2, width // 2 + 2, 28, dtype=dtype, device=frame.device)
    for rows in strips(height, width, frame.device):
        trusted = torch.sub(prior[:, :, rows], 0.5).mul_(consistency[:, :, rows])
        planes = [frame[:, :, rows] + added[:, :, rows], trusted, consistency[:, :, rows]]
        unshuffle_into(taken[:, rows.start // 2 + 1 : rows.stop // 2 + 1, 1:-1], planes)
    return border_filled(taken, 1)


def put_out(x: Tensor, prior: Tensor, consistency: Tensor) -> Tensor:
    """The painted frame that the last layer's ``x`` (N, 16, h + 1, w + 1) says, over the prior that is kept."""
    x = x.contiguous(memory_format=torch.channels_last)
    height, width = prior.shape[-2:]
    painted = torch.empty_like(prior)
    for rows in strips(height, width, x.device):
        # Windows of the convolution and fine pixels lie apart by one pixel: see ``phase_matrix``.
        first, last = rows.start // 2, min(x.shape[2], rows.stop // 2 + 1)
        said = torch.empty(len(x), 4, 2 * (last - first), 2 * x.shape[3], dtype=x.dtype, device=x.device)
        shuffle_into(said, x[:, :, first:last])
        colors, gate = strokes_of(said[:, :, 1 : 1 + rows.stop - rows.start, 1 : 1 + width])
        kept = gate.mul_(consistency[:, :, rows])
        torch.lerp(colors, prior[:, :, rows], kept, out=painted[:, :, rows]).clamp_(0, 1)
    return painted


def enlarged(x: Tensor) -> Tensor:
    """What a layer in the order of ``by_phase`` gave, put together, with a border of 2: (N, C, h + 4, w + 4).

    ``x``: (N, 4·C, h / 2 + 1, w / 2 + 1), in channels_last.
    """
    count, channels, height, width = x.shape
    large = torch.empty(count, 2 * height + 2, 2 * width + 2, channels // 4, dtype=x.dtype, device=x.device)
    inside = large[:, 1:-1, 1:-1].view(count, height, 2, width, channels // 2)
    inside.copy_(x.permute(0, 2, 3, 1).unflatten(3, (2, -1)).transpose(2, 3))
    return border_filled(large, 2)


def border_filled(x: Tensor, width: int) -> Tensor:
    """``x`` (N, H, W, C) with its outermost ``width`` pixels overwritten by the ones inside them: (N, C, H, W)."""
    inner = slice(width, -width)
    x[:, inner, :width], x[:, inner, -width:] = x[:, inner, width : width + 1], x[:, inner, -width - 1 : -width]
    x[:, :width], x[:, -width:] = x[:, width : width + 1], x[:, -width - 1 : -width]
    return x.permute(0, 3, 1, 2)


def strips(height: int, width: int, device: torch.device) -> Iterator[slice]:
    """The rows of a picture, an even number at a time; all at once where several threads share the work, or a GPU."""
    alone = device.type == "cpu" and torch.get_num_threads() == 1
    rows = max(2, STRIP // width // 2 * 2) if alone else height
    for first in range(0, height, rows):
        yield slice(first, min(first + rows, height))
