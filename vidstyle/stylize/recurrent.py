"""Style transfer in one pass of a trained network that is shown its previous output (Ruder, Dosovitskiy, Brox 2018)."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidstyle.flow.warp import Interpolation
from vidstyle.nets.speckle import LEAST_CONTRAST, contrast
from vidstyle.stylize.base import Prior, Progress, State, seconds_when_warm
from vidstyle.stylize.colors import in_colors_of
from vidstyle.stylize.mixing import Shares, has_moved
from vidstyle.stylize.schedule import Turn

#: The statistics of the norms are measured every so many frames, and approached so far every so many others. Instances'
#: own jump from frame to frame, which is seen as flicker; these follow a change of light within a second.
PERIOD, STEP, PACE = 16, 4, 0.4
#: And more often where a shot begins, counted from its first frame: that is painted from nothing, and what the norms
#: meet in the next ones, which are shown their prior, is something else.
EARLY = (1, 2, 4, 8)
SETTLED = 2  # until then statistics are taken as measured
AGE = "age"  # of the shot, or since its blend moved, in frames: what it goes by in the state that is carried on
FLAT = 0.03
"""Below this deviation a frame is trusted less and less to be painted as the one before."""
CLOUDS = 6  # octaves


class StyleNetwork(Hashable, Protocol):
    """A network that has learned one or more styles (vidstyle.nets)."""

    def statistics(
        self, frame: Tensor, prior: Tensor, consistency: Tensor, shares: Tensor, precision: torch.dtype, /
    ) -> Tensor | None:
        """What its norms meet in a frame, float32; None where they cannot be held still. N = 1, else as below."""

    def folded(self, shares: Tensor, statistics: Tensor | None, /) -> nn.Module:
        """A plain network for the blend of its styles with these ``shares`` ``(S,)``, that norms with these
        ``statistics``.

        It is called with a frame and the warped previous output, ``(N, 3, H, W)`` in [0, 1], and how far that can be
        trusted, ``(N, 1, H, W)`` in [0, 1], and gives the stylized frame, ``(N, 3, H, W)`` in [0, 1]; all in float32,
        whatever the type of its weights.
        """


#: A frame and its warped previous output, ``(1, 3, H, W)``, and how far that can be trusted, ``(1, 1, H, W)``.
Inputs = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class TrainedStyle:
    """What a network paints with these ``shares`` of its styles. Those of one network are blended within it.

    The shares of trained styles sum to 1; those that are predicted are a code and a palette (vidstyle.nets.predictor).
    """

    network: StyleNetwork
    shares: tuple[float, ...] = (1.0,)


def only(index: int, count: int) -> tuple[float, ...]:
    """The shares of one of a network's ``count`` styles alone."""
    return tuple(float(number == index) for number in range(count))


@dataclass(frozen=True)
class Part:
    """What one pass of a network adds to a frame: its output times ``amount``, a number or ``(H, W)``.

    ``name`` is what its statistics go by in the state that is carried on.
    """

    name: str
    amount: float | Tensor
    network: StyleNetwork
    shares: tuple[float, ...]

    @property
    def blend(self) -> str:
        """What the shares that its statistics are of go by there."""
        return f"{self.name}: shares"


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

    interpolation: Interpolation = "sharp"  # a chain of bilinear ones takes the strokes away

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
        for style in styles:
            if isinstance(style.network, nn.Module):
                style.network.to(device)
        self.folded: dict[str, tuple[tuple[float, ...], Tensor | None, nn.Module]] = {}  # the last of each part

    def parts(self, frame: int) -> list[Part]:
        """The passes that a frame takes, by its number."""
        return list(parts_of(self.styles, self.shares_at(frame)))

    def network(self, part: Part, statistics: Tensor | None) -> nn.Module:
        """The plain network of a part: folded anew where its shares or statistics have changed."""
        shares, held, folded = self.folded.get(part.name, ((), None, None))
        same = held is statistics or (held is not None and statistics is not None and torch.equal(held, statistics))
        if folded is None or shares != part.shares or not same:
            folded = part.network.folded(torch.tensor(part.shares, device=self.device), statistics)
            # channels_last: the CPU's convolutions are several times faster in it.
            folded = folded.to(self.device, self.dtype).to(memory_format=torch.channels_last).eval()
            self.folded[part.name] = part.shares, statistics, folded
        return folded

    @torch.inference_mode()
    def step(
        self, frame: Tensor, priors: Sequence[Prior], state: State | None, *, turn: Turn, seed: int, progress: Progress
    ) -> tuple[Tensor, State | None]:
        progress(0.0)
        parts = self.parts(turn.frame)
        given = inputs(frame, priors)
        norms = self.norms(parts, given, state or {})
        painted = self.paint(given, parts, norms)
        if not self.keep_colors:
            return painted, norms or None
        shown, carried = in_colors_of(frame, painted)
        return shown, {**norms, **carried}

    def norms(self, parts: Sequence[Part], given: Inputs, state: State) -> State:
        """The statistics that each part norms with, and those that they approach: (2, 2, K) by the part's name.

        With them the shares that they are of, (S,). Empty where no network has any.
        """
        begins = AGE not in state or any(has_moved(part.shares, state.get(part.blend)) for part in parts)
        age = 0 if begins else int(state[AGE]) + 1
        found: State = {}
        for part in parts:
            before = state.get(part.name)
            shares = state.get(part.blend, torch.empty(0))
            if before is not None and age % PERIOD and age not in EARLY:
                now, aim = before.to(self.device)
            else:
                shares = torch.tensor(part.shares)
                measured = part.network.statistics(*with_contrast(given), shares.to(self.device), self.dtype)
                if measured is None:
                    continue
                now, aim = measured if before is None else before[0].to(self.device), measured
            pace = 1.0 if age <= SETTLED else PACE if age % STEP == 0 else 0.0
            found |= {part.name: torch.stack([torch.lerp(now, aim, pace), aim]), part.blend: shares}
        return {**found, AGE: torch.tensor(age)} if found else {}

    @torch.inference_mode()
    def picture(self, frame: Tensor, number: int | None = None) -> Tensor:
        """A picture ``(3, H, W)`` as a frame that begins a shot: as frame ``number``, by default in the first style."""
        parts = list(parts_of(self.styles[:1], [1.0])) if number is None else self.parts(number)
        given = inputs(frame, ())
        return self.paint(given, parts, self.norms(parts, given, {}))

    def paint(self, given: Inputs, parts: Sequence[Part], norms: State) -> Tensor:
        """A frame ``(3, H, W)`` as the sum of its parts; where those are less than all, it stays as it is."""
        if not parts:
            return given[0][0]
        if len(parts) == 1 and parts[0].amount == 1:
            return self.run(parts[0], given, norms)
        frame = given[0][0]
        painted = torch.zeros_like(frame)
        rest: float | Tensor = 1.0
        for part in parts:
            painted += part.amount * self.run(part, given, norms)
            rest = rest - part.amount
        return painted + rest * frame if isinstance(rest, Tensor) else painted

    def run(self, part: Part, given: Inputs, norms: State) -> Tensor:
        output: Tensor = self.network(part, norms[part.name][0] if part.name in norms else None)(*given)
        return output[0].float().clamp(0, 1)

    @torch.inference_mode()
    def seconds_per_frame(self, size: tuple[int, int]) -> tuple[float, float]:
        """Timed on a grey frame, in the first style: others take as long. What statistics take hardly counts."""
        frame = torch.full((3, size[1], size[0]), 0.5, device=self.device)
        parts, given = list(parts_of(self.styles[:1], [1.0])), inputs(frame, ())
        norms = self.norms(parts, given, {})
        seconds = seconds_when_warm(lambda: self.paint(given, parts, norms))
        passes = len({id(style.network) for style in self.styles})
        return passes * seconds, passes * seconds


def inputs(frame: Tensor, priors: Sequence[Prior]) -> Inputs:
    """Frame, warped previous output and consistency as networks take them, of a frame ``(3, H, W)``.

    A flat frame is painted from nothing, always the same: with nothing in it to hold on to, what a network makes of
    its own output drifts away, to colours beyond all others.
    """
    if not priors:
        return frame[None], torch.zeros_like(frame)[None], torch.zeros_like(frame[:1])[None]
    trust = (contrast(frame[None, :, ::4, ::4]) / FLAT).clamp(max=1)
    return frame[None], priors[0].warped[None], trust * priors[0].consistency[None, None]


def with_contrast(given: Inputs) -> Inputs:
    """The same with clouds in the frame where it has hardly any contrast.

    What is as good as flat, such as black, has no variance to norm with: whatever rounding leaves in the network would
    be blown up from layer to layer, and what fades in from black would be, before the next statistics are taken.
    """
    frame, warped, consistency = given
    missing = LEAST_CONTRAST**2 - float(contrast(frame)) ** 2
    if missing <= 0:
        return given
    return frame + math.sqrt(missing) * clouds(frame.shape[2:]).to(frame), warped, consistency


def clouds(size: Sequence[int]) -> Tensor:
    """A grey picture (1, 1, H, W) of mean 0 and variance 1, in which, as in photos, all sizes vary alike."""
    generator, total = torch.Generator().manual_seed(0), torch.zeros(1, 1, *size)
    for octave in range(CLOUDS):
        coarse = torch.randn(1, 1, *(side // 2**octave + 1 for side in size), generator=generator)
        total += F.interpolate(coarse, size=tuple(size), mode="bilinear")
    total = total - total.mean()
    return total / total.square().mean().sqrt().clamp_min(1e-3)


def parts_of(styles: Sequence[TrainedStyle], shares: Shares) -> Iterator[Part]:
    """The passes that a frame takes: one for all styles of a network, which blends them itself.

    Where styles have areas, one for each that is anywhere in the frame.
    """
    if isinstance(shares[0], Tensor):
        for number, (style, area) in enumerate(zip(styles, shares, strict=True)):
            if isinstance(area, Tensor) and area.any():
                yield Part(f"norms {number}", area, style.network, style.shares)
        return
    weights = [float(share) for share in shares]
    for position, network in enumerate({id(style.network): style.network for style in styles}.values()):
        own = [(style, w) for style, w in zip(styles, weights, strict=True) if style.network is network]
        total = sum(weight for _, weight in own)
        if total > 0:
            entries = zip(*(style.shares for style, _ in own), strict=True)
            blend = tuple(sum(e * w for e, (_, w) in zip(entry, own, strict=True)) / total for entry in entries)
            yield Part(f"norms {position}", total / sum(weights), network, blend)
