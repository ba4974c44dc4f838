"""Feed-forward networks that paint a frame in one pass, given the painted frame before it.

``TransformNet`` is what vidstyle trains and ships: one network for several styles, built for speed on a CPU.
``ReferenceNet`` is the architecture of Johnson et al. (2016) with the inputs of Ruder et al. (2018), to compare with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidstyle.nets.folded import FoldedLayer, FoldedNet
from vidstyle.nets.palette import color_moments, packed_colors, recoloring, unpacked_colors
from vidstyle.nets.rectify import rectified
from vidstyle.nets.shuffle import shuffle, unshuffle
from vidstyle.nets.speckle import speckled
from vidstyle.nets.strokes import OUTPUT_SCALE, padded, strokes_of

WIDTH, BLOCKS = 64, 5
EPSILON = 1e-4
"""Added to variances: activations are about 1 in size."""


# ---- one layer, for several styles


def phase_matrix(kernel: int, mode: str) -> Tensor:
    """What a 1-D ``kernel`` on a picture enlarged ×2 is on the picture itself: (2 phases, n low taps, kernel taps).

    Enlarging and convolving are both linear, so that each of the two output phases is a small convolution of the
    picture as it was. Fine pixels 2i − 1 and 2i see the same n low ones, from i − n/2 to i + n/2 − 1: they are the two
    phases of window i. ``mode``: "nearest" (kernel 3: n = 2) or "bilinear" (kernel 5: n = 4).
    """
    reach = kernel // 2
    half = reach // 2 + 1 + (1 if mode == "bilinear" and reach % 2 else 0)
    matrix = torch.zeros(2, 2 * half, kernel)
    for phase in range(2):
        for tap in range(kernel):
            fine = phase - 1 + tap - reach  # where the tap lies, in fine pixels from the fine pixel 2i
            base, odd = fine // 2, fine % 2
            near, share = (base, 1.0) if mode == "nearest" else (base, 0.75)
            matrix[phase, near + half, tap] += share
            if share < 1:  # align_corners=False: a quarter comes from the neighbour on the fine pixel's side
                matrix[phase, near + (1 if odd else -1) + half, tap] += 1 - share
    return matrix


def phase_kernel(kernel: Tensor, phases: Tensor) -> Tensor:
    """A kernel (o, i, k, k) on the enlarged picture → one on the picture itself, (4·o, i, n, n), for pixel shuffle.

    ``phases``: the ``phase_matrix`` of k.
    """
    # In two products: taps across, then taps down.
    across = torch.einsum("bnu,oitu->obitn", phases, kernel)
    return torch.einsum("amt,obitn->oabimn", phases, across).flatten(0, 2)


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, enlarge: bool) -> Tensor:
    """A convolution with replicated borders (zeros would be painted as a frame).

    ``enlarge``: of a ``phase_kernel``, whose windows at either end each have one pixel beyond the picture.
    """
    border = weight.shape[-1] // 2
    weight, bias = weight.to(x.dtype), None if bias is None else bias.to(x.dtype)
    y = F.conv2d(F.pad(x, (border,) * 4, mode="replicate"), weight, bias, stride)
    return shuffle(y)[..., 1:-1, 1:-1] if enlarge else y


class StyleNorm(nn.Module):
    """Conditional instance norm (Dumoulin et al. 2017): each style has a gain and a shift per channel.

    The statistics of a picture jump from frame to frame, which is seen as flicker. So a movie is normed with statistics
    that are held: the norm is a fixed scale and shift then, and folds into the convolution.
    """

    def __init__(self, styles: int, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(styles, channels))
        self.shift = nn.Parameter(torch.zeros(styles, channels))

    def affine(self, share: Tensor, statistics: Tensor) -> tuple[Tensor, Tensor]:
        """Scale and shift of a blend of styles ``share`` (S,), which they are linear in.

        ``statistics``: mean and variance, (2, …, C); scale and shift are (…, C).
        """
        mean, variance = statistics
        scale = (share @ self.gain) * (variance + EPSILON).rsqrt()
        return scale, share @ self.shift - mean * scale

    def forward(self, x: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """``x`` (N, C, h, w), all painted in the blend ``share`` (S,), normed by its own statistics; and these.

        Statistics are mean and variance of each channel of each picture: (2, N, C), float32.
        """
        if len(x) == 1 and not torch.is_grad_enabled():  # a batch norm, in a third of the time
            gain, shift = share @ self.gain, share @ self.shift
            x = x.contiguous(memory_format=torch.channels_last)
            normed, mean, inverse = torch.native_batch_norm(x, gain, shift, None, None, True, 0.0, EPSILON)
            return normed, torch.stack([mean, (inverse.pow(-2) - EPSILON).clamp_min(0)])[:, None]
        statistics = statistics_of(x)
        scale, shift = (value[..., None, None].to(x.dtype) for value in self.affine(share, statistics))
        return torch.addcmul(shift, x, scale), statistics


def statistics_of(x: Tensor) -> Tensor:
    """Mean and variance of each channel of each picture of ``x`` (N, C, h, w): (2, N, C), float32."""
    flat = x.permute(0, 2, 3, 1).flatten(1, 2).float()  # sums of rows are fast where channels lie last
    mean = flat.mean(1)
    return torch.stack([mean, (flat.square().mean(1) - mean.square()).clamp_min(0)])


class Layer(nn.Module):
    """A convolution and its norm.

    ``enlarge``: "nearest" or "bilinear" enlarges ×2 before the convolution, computed as one convolution at the small
    size with four times the channels: the same function at a fraction of the time, and no grid. ``own``: each style
    adds weights of its own to the shared ones. ``norm`` False: a bias instead, one per style.
    """

    def __init__(
        self,
        styles: int,
        inputs: int,
        outputs: int,
        kernel: int = 3,
        *,
        stride: int = 1,
        enlarge: str | None = None,
        own: bool = False,
        norm: bool = True,
    ) -> None:
        super().__init__()
        self.stride = stride
        self.weight = nn.Parameter(torch.empty(outputs, inputs, kernel, kernel))
        nn.init.kaiming_normal_(self.weight)
        self.own = nn.Parameter(torch.zeros(styles, *self.weight.shape)) if own else None
        self.norm = StyleNorm(styles, outputs) if norm else None
        self.bias = None if norm else nn.Parameter(torch.zeros(styles, outputs))
        self.register_buffer("phases", phase_matrix(kernel, enlarge) if enlarge else None, persistent=False)

    def kernel(self, share: Tensor) -> Tensor:
        """The weights of a blend of styles, on the enlarged picture where there is one."""
        return self.weight if self.own is None else self.weight + torch.tensordot(share, self.own, 1)

    def by_phase(self, kernel: Tensor) -> Tensor:
        """A kernel on the enlarged picture → one on the picture itself, in the order of pixel shuffle."""
        return phase_kernel(kernel, self.phases) if isinstance(self.phases, Tensor) else kernel

    def forward(self, x: Tensor, share: Tensor, met: list[Tensor] | None = None) -> Tensor:
        """``x`` (N, C, h, w) in one blend, each picture normed by its own statistics, which are added to ``met``."""
        bias = None if self.bias is None else self._repeat(share @ self.bias)
        y: Tensor = convolve(x, self.by_phase(self.kernel(share)), bias, self.stride, self.phases is not None)
        if self.norm is None:
            return y
        normed, statistics = self.norm(y, share)
        if met is not None:
            met.append(statistics)
        return normed

    def folded(self, share: Tensor, statistics: Tensor, after: tuple[Tensor, Tensor] | None = None) -> FoldedLayer:
        """The layer of one blend with its norm, by ``statistics`` (2, C), inside the convolution.

        ``after``: what its channels go through then, a matrix (C, C) and an offset (C,).
        """
        kernel = self.kernel(share)
        if self.norm is None:
            assert self.bias is not None
            bias = share @ self.bias
        else:
            scale, bias = self.norm.affine(share, statistics)
            kernel = kernel * scale[:, None, None, None]
        if after is not None:
            matrix, offset = after
            kernel, bias = torch.tensordot(matrix, kernel, 1), matrix @ bias + offset
        return FoldedLayer(self.by_phase(kernel), self._repeat(bias), self.stride)

    def _repeat(self, bias: Tensor) -> Tensor:
        return bias if self.phases is None else bias.repeat_interleave(4)


# ---- the network


def strokes(
    layers: Sequence[Callable[[Tensor], Tensor]],
    frame: Tensor,
    prior: Tensor,
    consistency: Tensor,
    precision: torch.dtype,
    recolor: Callable[[Tensor], Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """The network, of layers with or without folded norms, computed in ``precision``: colours (N, 3, H, W), not clamped
    to [0, 1], and how much of the prior is kept in their place (N, 1, H, W), both float32.

    ``recolor``: what becomes of the colours that it paints.
    """
    stem, down, *body, up, last = layers
    height, width = frame.shape[-2:]
    frame, prior, consistency = speckled(padded(frame)), padded(prior), padded(consistency)
    trusted = (prior - 0.5) * consistency
    x = unshuffle(torch.cat([(frame - 0.5).to(precision), trusted.to(precision), consistency.to(precision)], 1))
    x = rectified(stem(x))
    x = rectified(down(x))
    for first, second in zip(body[::2], body[1::2], strict=True):
        x = x + second(rectified(first(x)))
    colors, gate = strokes_of(last(rectified(up(x))))
    if recolor is not None:
        colors = recolor(colors)
    return colors[..., :height, :width], (gate * consistency)[..., :height, :width]


class TransformNet(nn.Module):
    """Paints frames in a blend of ``styles`` styles; a half-resolution stem and a quarter-resolution body.

    Every layer has norms per style, and those from the last block on weights per style too (``own_body`` False: from
    the body's end on); all of them blend linearly. As a module it norms each picture by its own statistics; ``folded``
    holds them still, for movies.

    ``colored``: what it paints is given the colours of a palette, which follows the shares of the styles: S is 9 more
    then (``palette_of``). So colours need not be learned, and are right in whatever style.

    ``hidden``: channels between the two convolutions of a block; None: half as many as elsewhere. With all of them
    (``width``) a frame takes half as long again, and looks the same.
    """

    def __init__(
        self,
        styles: int,
        width: int = WIDTH,
        blocks: int = BLOCKS,
        own_body: bool = True,
        colored: bool = False,
        hidden: int | None = None,
    ) -> None:
        super().__init__()
        self.styles, self.width, self.blocks, self.colored = styles, width, blocks, colored
        self.hidden = hidden or width // 2
        first_own = 2 * (blocks - own_body)
        self.precision = torch.float32  # of activations; training may choose bfloat16
        half, sides = width // 2, ((width, self.hidden), (self.hidden, width))
        self.layers = nn.ModuleList(
            [
                Layer(styles, 28, half),
                Layer(styles, half, width, stride=2),
                *(Layer(styles, *sides[number % 2], own=number >= first_own) for number in range(2 * blocks)),
                Layer(styles, width, half, enlarge="nearest", own=True),
                Layer(styles, half, 4, 5, enlarge="bilinear", own=True, norm=False),
            ]
        )
        with torch.no_grad():
            last = self.parts[-1]
            assert last.bias is not None
            last.bias[:, 3] = -5.0  # the gate begins nearly shut

    @staticmethod
    def hidden_in(state: Mapping[str, Tensor]) -> int:
        """``hidden`` of the network that this state is of. KeyError where it is of none."""
        return len(state["layers.2.weight"])

    @property
    def parts(self) -> list[Layer]:
        return [layer for layer in self.layers if isinstance(layer, Layer)]

    def forward(self, frame: Tensor, prior: Tensor, consistency: Tensor, shares: Tensor) -> Tensor:
        """Painted frames (N, 3, H, W) in [0, 1]; in training mode also beyond, for losses to pull them back.

        Args:
            frame: (N, 3, H, W) in [0, 1], any size.
            prior: the painted frame before, warped to now; same shape, in [0, 1]. Anything where c is 0.
            consistency: c in [0, 1], (N, 1, H, W); 0 everywhere for a first frame.
            shares: how much of each style, (N, S); rows sum to 1.
        """
        if len(shares) > 1 and not torch.equal(shares, shares[:1].expand_as(shares)):
            rows = zip(frame, prior, consistency, shares, strict=True)
            return torch.cat([self(f[None], p[None], c[None], s[None]) for f, p, c, s in rows])
        colors, kept = self.strokes(frame, prior, consistency, shares[0])
        painted = torch.lerp(colors, prior, kept)
        return painted if self.training else painted.clamp(0, 1)

    def strokes(self, frame: Tensor, prior: Tensor, consistency: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """Colours, and how much of the prior is kept, in one blend ``share`` (S,); the others as in ``forward``."""
        layers = [partial(layer, share=share[: self.styles]) for layer in self.layers]
        return strokes(layers, frame, prior, consistency, self.precision, self._recolor(share))

    @torch.no_grad()
    def statistics(
        self, frame: Tensor, prior: Tensor, consistency: Tensor, share: Tensor, precision: torch.dtype = torch.float32
    ) -> Tensor:
        """What the norms meet in one frame, painted in the blend ``share`` (S,): mean and variance of all channels.

        The others as in ``forward``, N = 1. (2, K).
        """
        met: list[Tensor] = []
        layers = [partial(layer, share=share[: self.styles], met=met) for layer in self.layers]
        strokes(layers, frame, prior, consistency, precision, self._recolor(share, met))
        return torch.cat(met, 2)[:, 0]

    def _recolor(self, share: Tensor, met: list[Tensor] | None = None) -> Callable[[Tensor], Tensor] | None:
        """What gives pictures the palette of a blend, each by its own colours, which are added to ``met``."""
        if not self.colored:
            return None

        def recolor(colors: Tensor) -> Tensor:
            mean, covariance = color_moments(colors)
            if met is not None:
                met.append(packed_colors(mean, covariance))
            matrix, offset = recoloring(share[self.styles :], mean, covariance)
            return torch.einsum("npc,nchw->nphw", matrix, colors) + offset[..., None, None]

        return recolor

    @torch.no_grad()
    def folded(self, share: Tensor, statistics: Tensor | None) -> FoldedNet:
        """The network of one blend ``share`` (S,), normed with ``statistics`` (2, K): plain convolutions."""
        assert statistics is not None, "a network with norms needs their statistics"
        channels = [0 if layer.norm is None else layer.norm.gain.shape[1] for layer in self.parts]
        *own, colors = statistics.split([*channels, 6 * self.colored], 1)
        after: list[tuple[Tensor, Tensor] | None] = [None] * len(own)
        if self.colored:
            after[-1] = self._recoloring(share, colors)
        share = share[: self.styles]
        layers = zip(self.parts, own, after, strict=True)
        return FoldedNet([layer.folded(share, norms, then) for layer, norms, then in layers])

    def _recoloring(self, share: Tensor, colors: Tensor) -> tuple[Tensor, Tensor]:
        """What the last layer's channels go through: ``recoloring`` of what ``paint`` makes of them, and the gate."""
        mean, covariance = unpacked_colors(colors)
        matrix, offset = (value[0] for value in recoloring(share[self.styles :], mean[None], covariance[None]))
        middle = torch.full((3,), 0.5, device=share.device)
        whole = torch.eye(4, device=share.device)
        whole[:3, :3] = matrix
        return whole, F.pad((matrix @ middle + offset - middle) / OUTPUT_SCALE, (0, 1))


# ---- to compare with


class ReferenceNet(nn.Module):
    """The transform net of Johnson et al. (2016), one style, with the inputs of Ruder et al. (2018).

    c9s1-32, d64, d128, five residual blocks of 128, nearest ×2, c3s1-64, nearest ×2, c9s1-3; instance norms. 1.68 M
    parameters, 154 kMAC a pixel. ``(frame, prior, consistency)`` as in ``FoldedNet``; sides are multiples of 4.
    """

    def __init__(self) -> None:
        super().__init__()

        def conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
            convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, padding_mode="reflect")
            return nn.Sequential(convolution, nn.InstanceNorm2d(outputs, affine=True))

        self.down = nn.Sequential(
            *(conv(7, 32, 9), nn.ReLU(), conv(32, 64, 3, 2), nn.ReLU(), conv(64, 128, 3, 2), nn.ReLU())
        )
        self.body = nn.ModuleList(nn.Sequential(conv(128, 128, 3), nn.ReLU(), conv(128, 128, 3)) for _ in range(5))
        self.up = nn.Sequential(
            *(nn.Upsample(scale_factor=2), conv(128, 64, 3), nn.ReLU(), nn.Upsample(scale_factor=2)),
            nn.Conv2d(64, 3, 9, padding=4, padding_mode="reflect"),
        )

    def forward(self, frame: Tensor, prior: Tensor, consistency: Tensor) -> Tensor:
        x = self.down(torch.cat([frame - 0.5, (prior - 0.5) * consistency, consistency], 1))
        for block in self.body:
            x = x + block(x)
        return (0.5 + 150 / 255 * torch.tanh(self.up(x))).clamp(0, 1)
