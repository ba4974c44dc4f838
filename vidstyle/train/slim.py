"""A trained network with fewer channels inside its blocks, which paints nearly the same in less time."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from vidstyle.nets.transform import Layer, TransformNet

TAPS = 9  # of a 3×3 convolution
DAMPING = 1e-4  # of the mean of its diagonal, added to the diagonal of what least squares divide by

#: Of one picture: the share (S,) that it was painted in, and what ``patch_grams`` found.
Seen = tuple[Tensor, Sequence[Tensor]]


def second_layers(network: TransformNet) -> list[Layer]:
    """The second convolution of each block."""
    return network.parts[3:-2:2]


def patches(x: Tensor) -> Tensor:
    """What a 3×3 convolution sees of ``x`` (N, C, h, w) at each pixel: (pixels, C·9)."""
    return F.unfold(F.pad(x, (1,) * 4, mode="replicate"), 3).permute(0, 2, 1).flatten(0, 1)


@torch.no_grad()
def patch_grams(network: TransformNet, inputs: tuple[Tensor, Tensor, Tensor], share: Tensor) -> list[Tensor]:
    """Of what each block's second convolution sees of a picture: means of products of pairs, (C·9, C·9) each.

    ``inputs``: frame, prior and consistency as ``TransformNet.strokes`` takes them.
    """
    grams: list[Tensor] = []

    def remember(layer: Layer, given: tuple[Tensor, ...]) -> None:
        seen = patches(given[0])
        grams.append(seen.T @ seen / len(seen))

    hooks = [layer.register_forward_pre_hook(remember) for layer in second_layers(network)]
    try:
        network.strokes(*inputs, share)
    finally:
        for hook in hooks:
            hook.remove()
    return grams


def least_missed(grams: Tensor, weights: Tensor, keep: int) -> tuple[list[int], Tensor]:
    """The ``keep`` input channels of a 3×3 convolution without whose others it gives nearly the same.

    One channel after another is left out: the one without which least squares, over the weights of all that are left,
    come nearest to the outputs (optimal brain surgeon, Hassibi and Stork 1993, by channels).

    Args:
        grams: of its patches, in each of S styles, (S, C·9, C·9).
        weights: (S, O, C·9).
    Returns:
        The channels in order, and the weights for them, (S, O, keep·9), float32.
    """
    channels = list(range(grams.shape[1] // TAPS))
    grams, weights = grams.double(), weights.double()
    damping = DAMPING * grams.diagonal(dim1=1, dim2=2).mean(1).clamp_min(1e-12)
    damped = grams + damping[:, None, None] * torch.eye(grams.shape[1], dtype=torch.float64)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(damped))
    while len(channels) > keep:
        shape = len(inverse), len(channels), TAPS, len(channels), TAPS
        blocks = inverse.view(shape).diagonal(dim1=1, dim2=3).permute(0, 3, 1, 2)  # (S, C, 9, 9)
        of_each = weights.unflatten(2, (len(channels), TAPS)).transpose(1, 2)  # (S, C, O, 9)
        missed = (of_each @ torch.linalg.inv(blocks) * of_each).sum((0, 2, 3))
        out = int(missed.argmin())
        gone = torch.arange(TAPS) + TAPS * out
        left = torch.cat([torch.arange(TAPS * out), torch.arange(TAPS * (out + 1), inverse.shape[1])])
        shift = torch.linalg.inv(blocks[:, out]) @ inverse[:, gone][..., left]  # (S, 9, left)
        weights = weights[..., left] - weights[..., gone] @ shift
        inverse = inverse[:, left][..., left] - inverse[:, left][..., gone] @ shift
        del channels[out]
    return channels, weights.float()


def untrained(network: TransformNet, hidden: int) -> TransformNet:
    """A network like another, with ``hidden`` channels inside its blocks, and random weights."""
    own_body = second_layers(network)[-1].own is not None
    return TransformNet(network.styles, network.width, network.blocks, own_body, network.colored, hidden)


@torch.no_grad()
def slimmed(network: TransformNet, hidden: int, pictures: Sequence[Seen]) -> TransformNet:
    """A network with ``hidden`` channels inside its blocks, as near to a trained one as the choice of them brings it.

    ``pictures``: what it met; where styles have weights of their own in a block, some of each style.
    """
    slim = untrained(network, hidden)
    state = network.state_dict()
    for block, layer in enumerate(second_layers(network)):
        first, second = f"layers.{2 * block + 2}", f"layers.{2 * block + 3}"
        grams = torch.stack([met[block] for _, met in pictures])
        weights = layer.weight[None]
        if layer.own is None:
            grams = grams.mean(0, keepdim=True)
        else:
            weights = weights + layer.own
            shares = torch.stack([share for share, _ in pictures])
            grams = torch.tensordot(shares.T / shares.sum(0)[:, None], grams, 1)
        kept, fitted = least_missed(grams, weights.flatten(2), hidden)
        fitted = fitted.view(*weights.shape[:2], hidden, 3, 3)
        state[f"{second}.weight"] = fitted.mean(0)
        state[f"{first}.weight"] = state[f"{first}.weight"][kept]
        if layer.own is not None:
            state[f"{second}.own"] = fitted - fitted.mean(0)
            state[f"{first}.own"] = state[f"{first}.own"][:, kept]
        for name in ("gain", "shift"):
            state[f"{first}.norm.{name}"] = state[f"{first}.norm.{name}"][:, kept]
    slim.load_state_dict(state)
    return slim


@torch.no_grad()
def amplify(network: TransformNet, factors: Tensor) -> None:
    """Let each style's colours depart from grey ``factors`` (S,) times as far, before the prior is mixed in."""
    last = network.parts[-1]
    assert last.own is not None and last.bias is not None
    colors = slice(0, 3)  # the fourth is the gate
    own = last.own[:, colors] + last.weight[colors]
    last.own[:, colors] = factors.view(-1, 1, 1, 1, 1) * own - last.weight[colors]
    last.bias[:, colors] *= factors[:, None]
