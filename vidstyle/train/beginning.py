"""What the networks of trained styles share, and what each style has of its own: where a training begins."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from vidstyle.nets.style_file import StyleFile
from vidstyle.nets.transform import TransformNet


def own_parameters(network: TransformNet) -> set[str]:
    """The names of the parameters that styles have of their own: (S, …), a row each. All others are shared."""
    return {name for name, _ in network.named_parameters() if name.rpartition(".")[2] != "weight"}


def begin_with(network: TransformNet, names: Sequence[str], known: StyleFile) -> None:
    """Give a network for the styles ``names`` the weights of a file's, which is of the same width and blocks.

    What is shared is taken as it is. A style that the file has begins as it is there, others as the mean of all there.
    """
    rows = [known.names.index(name) if name in known.names else None for name in names]
    state = known.network.state_dict()
    for name in own_parameters(network):
        values = state[name]
        state[name] = torch.stack([values.mean(0) if row is None else values[row] for row in rows])
    network.load_state_dict(state)
