"""When every frame of a movie is shown."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Timeline:
    """The frames of a movie, numbered from its first, each with its own time on the file's clock."""

    time_base: Fraction  # seconds per tick
    pts: NDArray[np.int64]  # (N,) ticks, strictly increasing
    scores: NDArray[np.float32]  # (N,) mean absolute luma change to the frame before, 0..100; see find_cuts
    end: Fraction | None  # seconds, where the scan was asked to stop; None: scanned to the end of the file
    last_duration: int  # ticks that the last frame is shown
    notes: tuple[str, ...] = ()  # one-line remarks: broken off, damaged, frames without a time of their own

    def __len__(self) -> int:
        return len(self.pts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Timeline) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash((self.time_base, self.pts.tobytes(), self.last_duration))

    def ticks(self, frame: int) -> int:
        """When `frame` begins, in ticks; for frame N (one past the last): when the last one ends."""
        if frame == len(self):
            return int(self.pts[-1]) + self.last_duration
        return int(self.pts[frame])

    def time(self, frame: int) -> Fraction:
        """When `frame` begins, in seconds on the file's clock; frame N: when the last one ends."""
        return self.ticks(frame) * self.time_base

    def duration(self, frame: int) -> Fraction:
        """How long `frame` is shown, in seconds."""
        return (self.ticks(frame + 1) - self.ticks(frame)) * self.time_base

    def to_json(self) -> str:
        """Exact: from_json() gives an equal timeline."""
        return json.dumps(
            {
                "time_base": str(self.time_base),
                "end": None if self.end is None else str(self.end),
                "last_duration": self.last_duration,
                "notes": list(self.notes),
                "pts": self.pts.tolist(),
                # float32's shortest text; read as a double and rounded to float32 it is the same again
                "scores": [float(str(score)) for score in self.scores],
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Timeline:
        """Raises ValueError, KeyError or TypeError for what to_json() did not write."""
        data: dict[str, Any] = json.loads(text)
        return cls(
            time_base=Fraction(data["time_base"]),
            pts=np.asarray(data["pts"], np.int64),
            scores=np.asarray(data["scores"], np.float32),
            end=None if data["end"] is None else Fraction(data["end"]),
            last_duration=int(data["last_duration"]),
            notes=tuple(data["notes"]),
        )
