"""What there is to see of a job, one class per kind: its numbers, its pictures and their labels.

Each takes frames one at a time from a ``Source`` and keeps none, however long the shot.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from vidstyle.view.flow_color import flow_to_color
from vidstyle.view.numbers import MOTION, PAINTING, Measure, Numbers, record
from vidstyle.view.overlay import difference, mask_overlay, tint_untrusted
from vidstyle.view.stats import flow_statistics, shared_scale, trusted_share
from vidstyle.view.text import PAPER

GREY, DARK = 128, 38
"""In place of pictures that are not there: below a mask, and beside the other one of a pair."""


class Source(Protocol):
    """Where arrays come from; None where there is none. Flow (2, H, W) in pixels, all else uint8."""

    @property
    def size(self) -> tuple[int, int]: ...
    def flow(self, source: int, target: int) -> np.ndarray | None: ...
    def consistency(self, source: int, target: int) -> np.ndarray | None: ...
    def original(self, frame: int) -> np.ndarray | None: ...
    def painted(self, frame: int) -> np.ndarray | None: ...
    def warped(self, frame: int) -> np.ndarray | None: ...
    def warping_error(self, frame: int) -> float | None: ...
    def has_original(self, frame: int) -> bool: ...
    def has_painted(self, frame: int) -> bool: ...


class Exhibit(Protocol):
    """One kind of thing to see."""

    name: str  # in file names
    things: str  # in messages: "flows"
    title: str  # on sheets
    pairs: bool  # shows a frame and the one before it: nothing for the first of a shot
    columns: tuple[str, ...]  # of ``summary``
    measures: tuple[Measure, ...]  # of each frame

    def numbers(self, frame: int) -> Numbers: ...

    def is_there(self, numbers: Numbers) -> bool:
        """Whether anything can be shown."""
        ...

    def scale(self, numbers: Iterable[Numbers]) -> float | None:
        """Of the colours of a whole shot, in pixels; None where pictures have no scale."""
        ...

    def picture(self, frame: int, scale: float | None) -> np.ndarray | None:
        """Full size, uint8 (H, W, 3), without label."""
        ...

    def beside(self, frame: int, scale: float | None) -> np.ndarray | None:
        """The same to stand beside the frame itself, of its size."""
        ...

    def label(self, frame: int, time: str, numbers: Numbers) -> str: ...

    def absent(self, numbers: Numbers) -> list[str]:
        """What of this frame is not there, as words to count."""
        ...

    def record(self, numbers: Numbers) -> dict[str, Any]:
        """For JSON."""
        ...

    def summary(self, shot: Mapping[int, Numbers]) -> tuple[str, ...]:
        """One shot in a few numbers, by ``columns``."""
        ...


class Flow:
    """Flow as colour. Backward: where each pixel of frame t was in t - 1; forward: where those of t - 1 go.

    Args:
        errors: the warping error is wanted too. It takes two decoded frames and a warp for each flow.
    """

    things = "flows"
    pairs = True
    columns: tuple[str, ...] = ("median motion", "longest", "trusted", "least trusted")
    measures: tuple[Measure, ...] = MOTION

    def __init__(self, source: Source, forward: bool = False, errors: bool = False) -> None:
        self.source, self.forward, self.errors = source, forward, errors
        self.name = "flow-forward" if forward else "flow"
        way = "Forward flow: frame t-1 to t" if forward else "Backward flow: frame t to t-1"
        self.title = f"{way}. White is at rest; darker than the wheel is beyond its scale."

    def pair(self, frame: int) -> tuple[int, int]:
        return (frame - 1, frame) if self.forward else (frame, frame - 1)

    def numbers(self, frame: int) -> Numbers:
        flow, consistency = self.source.flow(*self.pair(frame)), self.source.consistency(*self.pair(frame))
        return Numbers(
            flow=None if flow is None else flow_statistics(flow),
            trusted=None if consistency is None else trusted_share(consistency),
            error=self.source.warping_error(frame) if self.errors and not self.forward else None,
        )

    def is_there(self, numbers: Numbers) -> bool:
        return numbers.flow is not None

    def scale(self, numbers: Iterable[Numbers]) -> float | None:
        known = [n.flow for n in numbers if n.flow is not None]
        return shared_scale(known) if known else None

    def picture(self, frame: int, scale: float | None) -> np.ndarray | None:
        flow = self.source.flow(*self.pair(frame))
        return None if flow is None or scale is None else flow_to_color(flow, scale)

    def beside(self, frame: int, scale: float | None) -> np.ndarray | None:
        return self.picture(frame, scale)

    def label(self, frame: int, time: str, numbers: Numbers) -> str:
        source, target = self.pair(frame)
        return f"{source} to {target}   {time}" + (f"   median {numbers.flow.median:.1f} px" if numbers.flow else "")

    def absent(self, numbers: Numbers) -> list[str]:
        return [] if self.is_there(numbers) else [self.things]

    def record(self, numbers: Numbers) -> dict[str, Any]:
        """Magnitudes in pixels; null where the flow, the mask or a frame is not there."""
        return record(self.measures, numbers)

    def summary(self, shot: Mapping[int, Numbers]) -> tuple[str, ...]:
        flows = {frame: n.flow for frame, n in shot.items() if n.flow}
        trust = {frame: n.trusted for frame, n in shot.items() if n.trusted is not None}
        motion = ("-", "-")
        if flows:
            longest = max(flows, key=lambda frame: flows[frame].maximum)
            median = sum(flow.median for flow in flows.values()) / len(flows)
            motion = (f"{median:.2f} px", f"{flows[longest].maximum:.1f} px in {longest}")
        if not trust:
            return (*motion, "-", "-")
        worst = min(trust, key=lambda frame: trust[frame])
        mean = sum(trust.values()) / len(trust)
        return (*motion, f"{100 * mean:.1f} %", f"{100 * trust[worst]:.1f} % in {worst}")


class Mask(Flow):
    """The consistency of the backward flow, laid over the frame; over grey where the frame is gone."""

    things = "masks"

    def __init__(self, source: Source, errors: bool = False) -> None:
        super().__init__(source, errors=errors)
        self.name = "mask"
        self.title = "Pink: what the frame before cannot tell (flow from t to t-1 that cannot be trusted)."

    def numbers(self, frame: int) -> Numbers:
        return replace(super().numbers(frame), original=self.source.has_original(frame))

    def is_there(self, numbers: Numbers) -> bool:
        return numbers.trusted is not None

    def scale(self, numbers: Iterable[Numbers]) -> None:
        return None

    def picture(self, frame: int, scale: float | None) -> np.ndarray | None:
        consistency = self.source.consistency(*self.pair(frame))
        if consistency is None:
            return None
        ground = self.source.original(frame)
        if ground is None:
            ground = np.full((*consistency.shape, 3), GREY, np.uint8)
        return mask_overlay(ground, consistency)

    def label(self, frame: int, time: str, numbers: Numbers) -> str:
        share = "" if numbers.trusted is None else f"   {100 * numbers.trusted:.1f} % trusted"
        return f"{frame}   {time}{share}"

    def absent(self, numbers: Numbers) -> list[str]:
        gone = self.is_there(numbers) and not numbers.original
        return super().absent(numbers) + ["frames below a mask (grey)"] * gone


class Warp(Flow):
    """The frame before, moved to where the backward flow says it is now, and how far that is from the frame."""

    things = "warped frames"
    columns: tuple[str, ...] = ("mean error", "largest error", "trusted", "least trusted")

    def __init__(self, source: Source) -> None:
        super().__init__(source, errors=True)
        self.name = "warp"
        self.upright = source.size[1] > source.size[0]
        places = ("Left", "right") if self.upright else ("Above", "below")
        self.title = (
            f"{places[0]}: the frame before as its flow moves it; pink cannot be trusted. "
            f"{places[1].capitalize()}: how it differs from the frame, brightened."
        )

    def numbers(self, frame: int) -> Numbers:
        return replace(super().numbers(frame), original=self.source.has_original(frame - 1))

    def is_there(self, numbers: Numbers) -> bool:
        return numbers.flow is not None and numbers.original

    def scale(self, numbers: Iterable[Numbers]) -> None:
        return None

    def picture(self, frame: int, scale: float | None) -> np.ndarray | None:
        warped, original = self.source.warped(frame), self.source.original(frame)
        if warped is None:
            return None
        apart = np.full_like(warped, DARK) if original is None else difference(warped, original)
        return join([self.tinted(frame, warped), apart], 1 if self.upright else 0)

    def beside(self, frame: int, scale: float | None) -> np.ndarray | None:
        warped = self.source.warped(frame)
        return None if warped is None else self.tinted(frame, warped)

    def tinted(self, frame: int, warped: np.ndarray) -> np.ndarray:
        consistency = self.source.consistency(*self.pair(frame))
        return warped if consistency is None else tint_untrusted(warped, consistency)

    def label(self, frame: int, time: str, numbers: Numbers) -> str:
        return f"{frame}   {time}" + ("" if numbers.error is None else f"   error {numbers.error:.6f}")

    def absent(self, numbers: Numbers) -> list[str]:
        return super().absent(numbers) + ["masks"] * (self.is_there(numbers) and numbers.trusted is None)

    def summary(self, shot: Mapping[int, Numbers]) -> tuple[str, ...]:
        errors = {frame: n.error for frame, n in shot.items() if n.error is not None}
        trust = super().summary(shot)[2:]
        if not errors:
            return ("-", "-", *trust)
        worst = max(errors, key=lambda frame: errors[frame])
        return (f"{sum(errors.values()) / len(errors):.6f}", f"{errors[worst]:.6f} in {worst}", *trust)


class Frames:
    """Each frame before and after painting: above each other, or side by side where they are upright."""

    name = "frames"
    things = "frames"
    pairs = False
    columns: tuple[str, ...] = ("originals", "painted")
    measures: tuple[Measure, ...] = PAINTING

    def __init__(self, source: Source) -> None:
        self.source = source
        self.upright = source.size[1] > source.size[0]
        self.title = "Original left, painted right." if self.upright else "Original above, painted below."

    def numbers(self, frame: int) -> Numbers:
        return Numbers(original=self.source.has_original(frame), painted=self.source.has_painted(frame))

    def is_there(self, numbers: Numbers) -> bool:
        return numbers.original or numbers.painted

    def scale(self, numbers: Iterable[Numbers]) -> None:
        return None

    def picture(self, frame: int, scale: float | None) -> np.ndarray | None:
        original, painted = self.source.original(frame), self.source.painted(frame)
        if original is None and painted is None:
            return None
        dark = np.full((self.source.size[1], self.source.size[0], 3), DARK, np.uint8)
        return join([dark if p is None else p for p in (original, painted)], 1 if self.upright else 0)

    def beside(self, frame: int, scale: float | None) -> np.ndarray | None:
        return self.source.painted(frame)

    def label(self, frame: int, time: str, numbers: Numbers) -> str:
        gone = "   no original" * (not numbers.original) + "   no painting" * (not numbers.painted)
        return f"{frame}   {time}{gone}"

    def absent(self, numbers: Numbers) -> list[str]:
        return ["originals"] * (not numbers.original) + ["painted frames"] * (not numbers.painted)

    def record(self, numbers: Numbers) -> dict[str, Any]:
        return {"original": numbers.original, "painted": numbers.painted}

    def summary(self, shot: Mapping[int, Numbers]) -> tuple[str, ...]:
        originals, painted = (sum(getattr(n, name) for n in shot.values()) for name in ("original", "painted"))
        return f"{originals} of {len(shot)}", f"{painted} of {len(shot)}"


def join(pictures: Sequence[np.ndarray], axis: int) -> np.ndarray:
    """Pictures of one size below each other (axis 0) or side by side (1), a small gap between them."""
    gap_shape = list(pictures[0].shape)
    gap_shape[axis] = max(2, min(pictures[0].shape[:2]) // 60)
    gap = np.full(gap_shape, PAPER, np.uint8)
    parts = [part for picture in pictures for part in (picture, gap)][:-1]
    return np.concatenate(parts, axis)
