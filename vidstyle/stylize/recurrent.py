"""Style transfer in one pass of a trained network that is shown its previous output (Ruder, Dosovitskiy, Brox 2018)."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import torch
from torch import Tensor, nn

from vidstyle.stylize.base import CANVAS, Prior, Progress, State
from vidstyle.stylize.colors import luma, with_luma
from vidstyle.stylize.mixing import Shares
from vidstyle.stylize.schedule import Turn

#: Folded networks that are kept: each takes the memory of its weights, a few megabytes.
KEPT = 8


class StyleNetwork(Hashable, Protocol):
    """A network that has learned one or more styles (vidstyle.nets)."""

    def folded(self, shares: Tensor, /) -> nn.Module:
        """A plain network for the blend of its styles with these ``shares`` ``(S,)``, which sum to 1.

        It is called with a frame and the warped previous output, ``(N, 3, H, W)`` in [0, 1], and how far that can be
        trusted, ``(N, 1, H, W)`` in [0, 1], and gives the stylized frame, ``(N, 3, H, W)`` in [0, 1]; all in float32,
        whatever the type of its weights.
        """


@dataclass(frozen=True)
class TrainedStyle:
    """One style of a network: ``index`` among its ``count``. Styles of one network are blended within it."""

    network: StyleNetwork
    index: int = 0
    count: int = 1


@dataclass(frozen=True)
class Part:
    """What one pass of a network adds to a frame: its output times ``amount``, a number or ``(H, W)``."""

    amount: float | Tensor
    network: StyleNetwork
    shares: tuple[float, ...]


class RecurrentStylizer:
    """Paints with a network that carries on its previous output where the flow can be trusted.

    Args:
        styles: the trained styles that are blended.
        shares_at: what each has of a frame, by the frame's number.
        device: where the network runs.
        dtype: of the network's weights; float32 or bfloat16.
        keep_colors: whether what is painted is shown in the frame's own colours. The network then still takes up what
            it has painted: in other colours than its own it would not know it again.
    """

    def __init__(
        self,
        styles: Sequence[TrainedStyle],
        shares_at: Callable[[int], Shares],
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        keep_colors: bool = False,
    ) -> None:
        self.styles, self.shares_at, self.device, self.dtype = styles, shares_at, device, dtype
        self.keep_colors = keep_colors
        # Shares that stay are folded once, shares that change with every frame anew.
        self.fold = lru_cache(KEPT)(self._fold)

    def _fold(self, network: StyleNetwork, shares: tuple[float, ...]) -> nn.Module:
        folded = network.folded(torch.tensor(shares))
        # channels_last: the CPU's convolutions are several times faster in it.
        return folded.to(self.device, self.dtype).to(memory_format=torch.channels_last).eval()

    @torch.inference_mode()
    def step(
        self, frame: Tensor, priors: Sequence[Prior], state: State | None, *, turn: Turn, seed: int, progress: Progress
    ) -> tuple[Tensor, State | None]:
        progress(0.0)
        parts = list(parts_of(self.styles, self.shares_at(turn.frame)))
        painted = self.paint(frame, priors, parts)
        if not self.keep_colors:
            return painted, None
        canvas = (painted * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous()
        return with_luma(frame, luma(painted)), {CANVAS: canvas}

    @torch.inference_mode()
    def picture(self, frame: Tensor) -> Tensor:
        """A picture ``(3, H, W)`` in the first style, as a frame that begins a shot."""
        return self.paint(frame, (), list(parts_of(self.styles[:1], [1.0])))

    def paint(self, frame: Tensor, priors: Sequence[Prior], parts: Sequence[Part]) -> Tensor:
        """``frame`` ``(3, H, W)`` as the sum of its parts; where those are less than all, it stays as it is."""
        nothing = torch.zeros_like(frame), torch.zeros_like(frame[0])
        warped, trust = (priors[0].warped, priors[0].consistency) if priors else nothing
        given = (frame[None], warped[None], trust[None, None])
        if len(parts) == 1 and parts[0].amount == 1:
            return self.run(parts[0], given)
        painted = torch.zeros_like(frame)
        rest: float | Tensor = 1.0
        for part in parts:
            painted += part.amount * self.run(part, given)
            rest = rest - part.amount
        return painted + rest * frame if isinstance(rest, Tensor) else painted

    def run(self, part: Part, given: Sequence[Tensor]) -> Tensor:
        output: Tensor = self.fold(part.network, part.shares)(*given)
        return output[0].float().clamp(0, 1)

    def seconds_per_frame(self, size: tuple[int, int]) -> tuple[float, float]:
        """Timed on a grey frame, in the first style: others take as long."""
        frame = torch.full((3, size[1], size[0]), 0.5, device=self.device)
        times = []
        for _ in range(2):  # the first one warms up
            started = time.monotonic()
            _ = self.picture(frame).sum().item()  # waits for a GPU
            times.append(time.monotonic() - started)
        passes = len({id(style.network) for style in self.styles})
        return passes * times[1], passes * times[1]


def parts_of(styles: Sequence[TrainedStyle], shares: Shares) -> Iterator[Part]:
    """The passes that a frame takes: one for all styles of a network, which blends them itself.

    Where styles have areas, one for each that is anywhere in the frame.
    """
    if isinstance(shares[0], Tensor):
        for style, area in zip(styles, shares, strict=True):
            if isinstance(area, Tensor) and area.any():
                yield Part(area, style.network, alone(style))
        return
    weights = [float(share) for share in shares]
    networks = {id(style.network): style for style in styles}
    for number, first in networks.items():
        amounts = [0.0] * first.count
        for style, weight in zip(styles, weights, strict=True):
            if id(style.network) == number:
                amounts[style.index] += weight
        own = sum(amounts)
        if own > 0:
            yield Part(own / sum(weights), first.network, tuple(amount / own for amount in amounts))


def alone(style: TrainedStyle) -> tuple[float, ...]:
    return tuple(float(index == style.index) for index in range(style.count))
