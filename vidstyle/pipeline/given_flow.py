"""Flow that the user brings along (``--flow-from``), fitted to the size that the movie is worked on at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from vidstyle.errors import InputError
from vidstyle.flow import resize_flow
from vidstyle.store import FlowFolder

if TYPE_CHECKING:
    from vidstyle.pipeline.plan import Plan

Floats = NDArray[np.float32]


class GivenFlow:
    """A user's flow by ordered pair of frames.

    Args:
        size: ``(width, height)`` of the flow that is wanted.
        say: told once, when a pair is asked for that is not there.
    """

    def __init__(self, folder: FlowFolder, size: tuple[int, int], method: str, say: Callable[[str], None]) -> None:
        self.folder, self.size, self.method, self.say = folder, size, method, say
        self.said = False

    @classmethod
    def of(cls, plan: Plan, say: Callable[[str], None]) -> GivenFlow | None:
        """What the plan's request brings along, if anything. InputError where it cannot be used."""
        request = plan.request
        if request.flow_from is None:
            return None
        return cls(FlowFolder(Path(request.flow_from)), plan.size, request.flow.method, say)

    def get(self, source: int, target: int) -> Floats | None:
        """Flow from frame ``source`` to ``target``, float32 ``(2, H, W)``; None for a pair that was not given.

        Where the file says that it does not know the flow, it leads out of the frame: that is never trusted.
        InputError for a file that is damaged or of another shape than the movie.
        """
        found = self.folder.read(source, target)
        if found is None:
            if not self.said:
                self.said = True
                self.say(
                    f"flow from frame {source} to {target} is not in {self.folder.folder}: "
                    f"what is missing there is estimated with {self.method}"
                )
            return None
        flow, valid = (torch.from_numpy(array) for array in found)
        height, width = flow.shape[1:]
        if abs(width * self.size[1] - height * self.size[0]) > width + height:  # more than a pixel off
            raise InputError(
                f"{self.folder.files[source, target]} is flow of {width}×{height}, "
                f"which does not fit frames of {self.size[0]}×{self.size[1]}"
            )
        flow[:, ~valid] = torch.nan  # so that it spreads to whatever is interpolated from it
        fitted = resize_flow(flow, self.size[1], self.size[0])
        unknown = fitted.isnan().any(dim=0)
        fitted[:, unknown] = 0.0
        fitted[0, unknown] = -float(self.size[0] + 1)
        return fitted.numpy()
