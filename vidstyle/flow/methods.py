"""The table of flow methods. A new one is one file beside this one and one line here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vidstyle.errors import InputError
from vidstyle.flow.base import FlowMethod
from vidstyle.flow.dis import DIS

FLOW_METHODS: dict[str, Callable[..., FlowMethod[Any]]] = {
    DIS.name: DIS,
}


def flow_method(name: str, **settings: Any) -> FlowMethod[Any]:
    """Make the method called ``name`` with its own settings (``flow_method("dis", preset="fast")``).

    Raises InputError for a name that is not in ``FLOW_METHODS``.
    """
    if name not in FLOW_METHODS:
        raise InputError(f"no flow method is called {name!r}: choose one of {', '.join(FLOW_METHODS)}")
    return FLOW_METHODS[name](**settings)
